//! Which lanes run: each that has something due, a way that works, and a budget.
//!
//! They run side by side, so that one that waits (for a slow relay, a limit, a pause) holds
//! up no other. A lane whose time comes while others still work is run again in the same
//! turn; what it may take is asked in one place, [`Deliver::budgets`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};

use super::budget::Budget;
use super::{COOL_DOWN, Deliver, DeliverError, after};
use crate::clock::Clock;
use crate::model::lane::Lane;
use crate::model::turn::Turn;

/// Letters that are leased for one run of a lane at most: what a killed daemon has spent.
const MOST: u32 = 400;

/// The shortest pause before a lane without a budget is looked at again.
const SOON: SignedDuration = SignedDuration::from_millis(100);

/// How often new lanes are looked for while others run.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Lanes that do not run, and when to look at each again.
type Waiting = BTreeMap<String, Timestamp>;

/// A paused campaign, or all of them, and until when.
type Paused = (Option<String>, Option<Timestamp>);

/// A lane that has a budget.
struct Run {
    text: String,
    lane: Lane,
    budget: Arc<Budget>,
    /// It began with the turn.
    is_first: bool,
}

impl Deliver {
    /// Runs every lane that can, until none of those that began with the turn runs any more.
    pub(super) async fn run_lanes(self: &Arc<Self>, now: Timestamp) -> Result<Turn, DeliverError> {
        let mut waiting: Waiting = self.store.waiting_lanes().await?.into_iter().collect();
        let mut started = self.start(&mut waiting, now, true).await?;
        let (mut done, mut firsts, mut failure) = (0, started.len(), None);
        let (mut running, mut busy) = (FuturesUnordered::new(), BTreeSet::new());
        loop {
            let at = self.clock.now().max(now);
            busy.extend(started.iter().map(|run| run.text.clone()));
            running.extend(started.drain(..).map(|run| self.run_lane(run, at)));
            let is_late = tokio::select! {
                ended = running.next() => {
                    let Some((run, turn)) = ended else { break };
                    firsts -= usize::from(run.is_first);
                    busy.remove(&run.text);
                    match turn {
                        Ok(turn) => {
                            done += turn.done;
                            waiting.extend(turn.next_at.map(|next_at| (run.text, next_at)));
                        }
                        // What runs is waited for: a session that is dropped leaves its letter uncertain.
                        Err(error) => failure = failure.or(Some(error)),
                    }
                    false
                }
                () = self.reach(waiting.values().min().copied()), if firsts > 0 => true,
            };
            if firsts > 0 && failure.is_none() {
                let again = self.start_again(&mut waiting, &busy, is_late).await;
                started = again.unwrap_or_else(|error| {
                    failure = Some(error);
                    Vec::new()
                });
            }
        }
        self.mail.close_parked().await;
        failure.map_or(Ok(Turn { done, next_at: waiting.into_values().min() }), Err)
    }

    /// Lanes whose time has come while others still run, with those that are new among them.
    async fn start_again(
        &self,
        waiting: &mut Waiting,
        busy: &BTreeSet<String>,
        is_late: bool,
    ) -> Result<Vec<Run>, DeliverError> {
        if is_late {
            for (lane, due_at) in self.store.waiting_lanes().await? {
                if !busy.contains(&lane) {
                    waiting.entry(lane).or_insert(due_at);
                }
            }
        }
        self.start(waiting, self.clock.now(), false).await
    }

    /// Takes the lanes that can run at `now` out of `waiting`; the others get the time at
    /// which to look at them again.
    async fn start(&self, waiting: &mut Waiting, now: Timestamp, is_first: bool) -> Result<Vec<Run>, DeliverError> {
        let due: Vec<_> = waiting.iter().filter(|(_, at)| **at <= now).map(|(text, _)| text.clone()).collect();
        if due.is_empty() || self.stop.is_cancelled() {
            return Ok(Vec::new());
        }
        let pauses = self.store.paused_campaigns(now).await?;
        let (mut texts, mut lanes) = (Vec::new(), Vec::new());
        for text in due {
            let lane: Lane = text.parse().unwrap_or_else(|never| match never {});
            waiting.remove(&text);
            match self.not_before(&lane, &pauses, now) {
                Free::Now => {
                    texts.push(text);
                    lanes.push(lane);
                }
                Free::At(at) => drop(waiting.insert(text, at)),
                // Whoever ends the pause makes the next turn find it.
                Free::WhenResumed => {}
            }
        }
        let budgets = self.budgets(&lanes, MOST, now).await?;
        let mut runs = Vec::new();
        for ((text, lane), budget) in texts.into_iter().zip(lanes).zip(budgets) {
            if budget.tokens == Some(0) {
                // Never at once: the database's clock may be a little behind ours.
                let next_at = budget.next_at.unwrap_or_else(|| after(now, COOL_DOWN));
                waiting.insert(text, next_at.max(after(now, SOON)));
            } else {
                runs.push(Run { text, lane, budget: Arc::new(budget), is_first });
            }
        }
        Ok(runs)
    }

    async fn run_lane(self: &Arc<Self>, run: Run, now: Timestamp) -> (Run, Result<Turn, DeliverError>) {
        let turn = self.lane(&run, now).await;
        (run, turn)
    }

    async fn lane(self: &Arc<Self>, run: &Run, now: Timestamp) -> Result<Turn, DeliverError> {
        let (done, is_dry) = match &run.lane {
            Lane::Email { relay, .. } => self.mail_lane(&run.text, &run.lane, relay, &run.budget, now).await?,
            Lane::Fax { .. } => self.fax_lane(&run.text, &run.budget, now).await?,
        };
        let next_at = match self.rests_until(&run.lane, self.clock.now()) {
            Some(until) => Some(until),
            None if is_dry => Some(run.budget.next_at.unwrap_or(now)),
            None => self.store.next_due_at(&run.text, now).await?,
        };
        Ok(Turn { done, next_at })
    }

    /// When a lane can run: its way must not rest, and its campaign not be paused.
    fn not_before(&self, lane: &Lane, paused: &[Paused], now: Timestamp) -> Free {
        let covers = |paused: &&Paused| lane.campaign().is_some_and(|id| paused.0.as_deref().is_none_or(|of| of == id));
        let paused: Vec<_> = paused.iter().filter(covers).map(|(_, until)| *until).collect();
        if paused.contains(&None) {
            return Free::WhenResumed;
        }
        paused.into_iter().flatten().chain(self.rests_until(lane, now)).max().map_or(Free::Now, Free::At)
    }

    /// Until when a lane's way rests; a relay whose backup works does not.
    fn rests_until(&self, lane: &Lane, now: Timestamp) -> Option<Timestamp> {
        let until = self.rests.until(&lane.way(), now)?;
        let relay = self.config.relays.iter().find(|relay| format!("email/{}", relay.id) == lane.way());
        let backup = relay.and_then(|relay| relay.backup.as_ref());
        match backup {
            Some(backup) => self.rests.until(&format!("email/{backup}"), now).map(|other| other.min(until)),
            None => Some(until),
        }
    }

    /// Returns at `instant`, or when it is time to look for new lanes; on a clock that is set by
    /// hand, never.
    async fn reach(&self, instant: Option<Timestamp>) {
        let Clock::System = &self.clock else { return std::future::pending().await };
        let left = instant.map(|instant| instant.duration_since(self.clock.now()));
        let left = left.and_then(|left| Duration::try_from(left.max(SignedDuration::ZERO)).ok());
        tokio::time::sleep(left.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)).await;
    }
}

/// When a lane can run.
enum Free {
    Now,
    At(Timestamp),
    WhenResumed,
}
