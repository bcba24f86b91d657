//! From plan rows to delivery rows: what is due, when, and what comes after it.
//!
//! Reads plans and their deliveries, writes deliveries and the next step; sends
//! nothing. `deliver` takes it from there. Five small passes make a turn, each of
//! which may be cut off anywhere and run again:
//!
//! 1. [`runs`]: a cron campaign whose time has come draws its plans;
//! 2. [`follow`]: a plan whose step has ended goes to its next step, or ends;
//! 3. [`fallback`]: a letter that bounced goes again by the step's other channel;
//! 4. [`spawn`]: a step that is due within two days becomes a delivery;
//! 5. [`gaps`]: what waits for a client who wants letters less often gets a later date.

mod fallback;
mod follow;
mod gaps;
mod route;
mod runs;
mod spawn;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::config::Config;
use crate::model::act::Act;
use crate::model::id::RevisionId;
use crate::model::turn::{Turn, earliest};
use crate::store::{AppliedRevision, Store, StoreError};

/// How far ahead of its time a step becomes a delivery.
const AHEAD_HOURS: i64 = 48;

/// How many rows one pass takes at a time.
const BATCH: i64 = 500;

/// Why a turn of the schedule failed.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The store could not do it.
    #[error("cannot schedule: {0}")]
    Store(#[from] StoreError),
    /// The configuration has no sender or relay that the campaign names.
    #[error("cannot schedule campaign `{campaign}`: {reason}")]
    Route {
        /// The campaign.
        campaign: String,
        /// What is missing.
        reason: String,
    },
}

/// One turn: everything that can be scheduled at `now`.
///
/// # Errors
/// The store does not answer; what was scheduled so far stays.
pub async fn turn(store: &Store, config: &Config, now: Timestamp) -> Result<Turn, ScheduleError> {
    let mut stage = Stage { store, config, now, act: Act::stage("schedule", now), revisions: BTreeMap::new() };
    let mut done = runs::pass(&mut stage).await?;
    done += follow::pass(&mut stage).await?;
    done += fallback::pass(&mut stage).await?;
    done += spawn::pass(&mut stage).await?;
    done += gaps::pass(&mut stage).await?;
    let ahead = ahead(now);
    let beyond = store.next_plan_at(now, ahead).await?;
    // A plan is looked at two days before it is due; a pause's end or a run, when it comes.
    let next_at = beyond.map(|at| if at > ahead { at.checked_sub(AHEAD_HOURS.hours()).unwrap_or(at) } else { at });
    Ok(Turn { done, next_at: earliest(next_at, spawn::next_call_at(&stage).await?) })
}

/// Until when a step becomes a delivery: two days on, to the end of that hour, so that the
/// plans of an hour, of which there may be a million, are looked at once and not each second.
fn ahead(now: Timestamp) -> Timestamp {
    let hour = SignedDuration::from_hours(1);
    let whole = now.checked_add(AHEAD_HOURS.hours()).and_then(|at| {
        let begun = at.checked_sub(SignedDuration::from_micros(at.as_microsecond().rem_euclid(3_600_000_000)))?;
        begun.checked_add(hour)?.checked_sub(SignedDuration::from_micros(1))
    });
    whole.unwrap_or(now)
}

/// What every pass has at hand.
struct Stage<'a> {
    store: &'a Store,
    config: &'a Config,
    now: Timestamp,
    act: Act,
    revisions: BTreeMap<RevisionId, Arc<AppliedRevision>>,
}

impl Stage<'_> {
    /// A revision, read once a turn.
    async fn revision(&mut self, id: RevisionId) -> Result<Arc<AppliedRevision>, StoreError> {
        if let Some(revision) = self.revisions.get(&id) {
            return Ok(Arc::clone(revision));
        }
        let revision = Arc::new(self.store.get_revision(id).await?);
        self.revisions.insert(id, Arc::clone(&revision));
        Ok(revision)
    }
}
