//! What is known elsewhere about letters whose answer was lost: from doubt to accepted, or
//! to what the company decided beforehand.
//!
//! In this order: the log of a relay's Postfix on this machine, the folder of sent mail, and
//! (in `respond`) a bounce or an answer; then `uncertain` in `[limits]`. A person may settle
//! each with `deliveries resolve` at any time. A sign that a mail was taken is noted while
//! the mail is under way, for it is mostly there before the doubt. That there is no sign
//! proves nothing.
//!
//! It sends nothing: what is to go again is a delivery row for `deliver`.

mod relay_log;
mod sent;

use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::config::Config;
use crate::inbox::{InboxError, LogError};
use crate::model::act::Act;
use crate::model::id::DeliveryId;
use crate::model::token::{TokenKeys, TokenPurpose};
use crate::model::turn::Turn;
use crate::policy::resolve::by_policy;
use crate::store::{Doubt, Store, StoreError};

use relay_log::LogReader;
use sent::SentFolder;

/// Seconds between two looks.
const EVERY_S: i64 = 30;
/// Uncertain mails that one turn looks after.
const MOST: i64 = 1_000;

/// Why a turn failed.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The database does not answer.
    #[error("cannot settle uncertain letters: {0}")]
    Store(#[from] StoreError),
}

/// Why a source of evidence says nothing.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Inbox(#[from] InboxError),
}

/// What a source needs beside itself.
struct Bench<'a> {
    store: &'a Store,
    keys: &'a TokenKeys,
    now: Timestamp,
}

impl Bench<'_> {
    fn act(&self) -> Act {
        Act::stage("evidence", self.now)
    }

    /// The delivery that a genuine token in `text` names.
    fn named(&self, text: &str) -> Option<DeliveryId> {
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        words.find_map(|word| self.keys.verify(TokenPurpose::Delivery, word)).map(DeliveryId)
    }
}

/// The stage: its sources, and what it keeps between turns.
pub struct Evidence {
    logs: Vec<LogReader>,
    sent: Vec<SentFolder>,
    next_at: Option<Timestamp>,
}

impl Evidence {
    /// A reader of every log and folder that the configuration names.
    pub fn new(config: &Config) -> Self {
        Self {
            logs: config.relays.iter().filter_map(LogReader::of).collect(),
            sent: config.mailboxes.iter().filter_map(SentFolder::of).collect(),
            next_at: None,
        }
    }

    /// Looks once, at most every half minute; says how many letters were settled. A source
    /// that cannot be read keeps nothing else from being done: [`Evidence::ways`] names it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn turn(
        &mut self,
        store: &Store,
        config: &Config,
        keys: &TokenKeys,
        now: Timestamp,
    ) -> Result<Turn, EvidenceError> {
        if let Some(at) = self.next_at.filter(|at| now < *at) {
            return Ok(Turn { done: 0, next_at: Some(at) });
        }
        let bench = Bench { store, keys, now };
        let mut done = 0;
        for log in &mut self.logs {
            done += log.read(&bench).await?;
        }
        // What was seen before it was uncertain.
        done += tell(store.witness(&bench.act(), None, &[]).await?);
        let doubts = store.doubts(MOST).await?;
        for folder in &mut self.sent {
            done += folder.search(&bench, &doubts).await?;
        }
        done += decide(store, config, &doubts, now).await?;
        self.next_at = now.checked_add(EVERY_S.seconds()).ok();
        Ok(Turn { done, next_at: self.next_at })
    }

    /// Each source by name, and why it cannot be read, if so.
    pub fn ways(&self) -> Vec<(String, Option<String>)> {
        let logs = self.logs.iter().map(LogReader::way);
        logs.chain(self.sent.iter().map(SentFolder::way)).collect()
    }
}

/// Does what the company decided about letters that nothing settled in time.
async fn decide(store: &Store, config: &Config, doubts: &[Doubt], now: Timestamp) -> Result<usize, EvidenceError> {
    let limits = &config.limits;
    let patience = SignedDuration::from_hours(i64::from(limits.uncertain_after_h));
    let decide = |doubt: &Doubt| {
        let word = by_policy(limits.uncertain, patience, doubt.since, doubt.tries_unanswered, now);
        word.map(|(to, reason)| (doubt.delivery, to, reason))
    };
    let moves: Vec<_> = doubts.iter().filter_map(decide).collect();
    if moves.is_empty() {
        return Ok(0);
    }
    let moved = store.settle_by_policy(&Act::stage("policy", now), &moves).await?;
    for (id, to, reason) in moves.iter().filter(|(id, ..)| moved.contains(id)) {
        tracing::warn!(delivery.id = id.0, "delivery {id}: uncertain -> {to:?}, by {reason} in [limits]");
    }
    Ok(moved.len())
}

/// Tells of what was settled; says how many.
fn tell(settled: Vec<DeliveryId>) -> usize {
    for id in &settled {
        tracing::info!(delivery.id = id.0, "delivery {id}: uncertain -> accepted, by evidence");
    }
    settled.len()
}

/// Keeps why a source cannot be read, and tells it where that is news. Only the database's
/// trouble is the stage's own.
fn note<T: Default>(
    name: &str,
    trouble: &mut Option<String>,
    read: Result<T, SourceError>,
) -> Result<T, EvidenceError> {
    let error = match read {
        Ok(value) => {
            *trouble = None;
            return Ok(value);
        }
        Err(SourceError::Store(error)) => return Err(error.into()),
        Err(error) => error.to_string(),
    };
    if trouble.as_ref() != Some(&error) {
        tracing::error!("{name} tells nothing of uncertain letters: {error}");
        *trouble = Some(error);
    }
    Ok(T::default())
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Evidence({} logs, {} folders)", self.logs.len(), self.sent.len())
    }
}
