//! Whether the stages live: when each last turned, and whether that went well.
//!
//! Pure data behind a lock. The loops of `app` write it, `/readyz` and `/metrics` read it.
//! Only what the daemon itself must do makes it unready: to start it anew mends no mailbox
//! and no relay. Those are seen in the metrics, and silence the heartbeat.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::model::text::tame;

/// How long a stage may go without a good turn, unless it said otherwise.
const LIMIT: SignedDuration = SignedDuration::from_mins(10);

/// What is known of the stages.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<String, Stage>>);

#[derive(Clone, Debug)]
struct Stage {
    essential: bool,
    limit: SignedDuration,
    expected_at: Timestamp,
    turned_at: Option<Timestamp>,
    good_at: Option<Timestamp>,
    error: Option<String>,
}

/// One stage as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTurn {
    /// The stage.
    pub stage: String,
    /// When it last turned, if it has.
    pub turned_at: Option<Timestamp>,
    /// That turn ended in an error.
    pub failing: bool,
}

impl Health {
    /// Says from `now` on that a stage must have a good turn at least once in `limit`.
    pub fn expect(&self, stage: &str, limit: SignedDuration, now: Timestamp) {
        self.lock().entry(stage.to_owned()).or_insert_with(|| Stage::new(now)).limit = limit;
    }

    /// The same for what lies outside the program: without it, it is ready, but all is not well.
    pub fn watch(&self, stage: &str, limit: SignedDuration, now: Timestamp) {
        let mut stages = self.lock();
        let stage = stages.entry(stage.to_owned()).or_insert_with(|| Stage::new(now));
        (stage.essential, stage.limit) = (false, limit);
    }

    /// Notes that a stage has turned, and what went wrong if something did. The error is
    /// shown on `/readyz`: it must name no address and no secret.
    pub fn turned(&self, stage: &str, at: Timestamp, error: Option<String>) {
        let mut stages = self.lock();
        let stage = stages.entry(stage.to_owned()).or_insert_with(|| Stage::new(at));
        stage.turned_at = Some(at);
        if error.is_none() {
            stage.good_at = Some(at);
        }
        stage.error = error;
    }

    /// Why the program is not ready at `now`, in one line a stage; nothing if it is.
    pub fn complaints(&self, now: Timestamp) -> Vec<String> {
        self.complaints_of(now, |stage| stage.essential)
    }

    /// Why not all is well at `now`, with what lies outside the program.
    pub fn all_complaints(&self, now: Timestamp) -> Vec<String> {
        self.complaints_of(now, |_| true)
    }

    fn complaints_of(&self, now: Timestamp, matters: impl Fn(&Stage) -> bool) -> Vec<String> {
        let stages = self.lock();
        let stages = stages.iter().filter(|(_, stage)| matters(stage));
        stages.filter_map(|(name, stage)| Some(format!("stage {name} {}", stage.complaint(now)?))).collect()
    }

    /// Each stage's last turn, by name.
    pub fn turns(&self) -> Vec<StageTurn> {
        let turn = |(name, stage): (&String, &Stage)| StageTurn {
            stage: name.clone(),
            turned_at: stage.turned_at,
            failing: stage.error.is_some(),
        };
        self.lock().iter().map(turn).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Stage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    fn new(now: Timestamp) -> Self {
        Self { essential: true, limit: LIMIT, expected_at: now, turned_at: None, good_at: None, error: None }
    }

    fn complaint(&self, now: Timestamp) -> Option<String> {
        let since = self.good_at.unwrap_or(self.expected_at);
        if now.duration_since(since) <= self.limit {
            return None;
        }
        let since = since.round(jiff::Unit::Second).unwrap_or(since);
        Some(match &self.error {
            Some(error) => format!("has failed since {since}: {}", tame(error)),
            None => format!("has not turned since {since}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;

    fn start() -> Timestamp {
        "2027-03-01T08:00:00Z".parse().unwrap()
    }

    #[test]
    fn complains_about_a_stage_that_never_turned_or_has_stopped() {
        let health = Health::default();
        health.expect("deliver", SignedDuration::from_mins(1), start());
        assert!(health.complaints(start() + 60.seconds()).is_empty());
        assert_eq!(
            health.complaints(start() + 61.seconds()),
            ["stage deliver has not turned since 2027-03-01T08:00:00Z"]
        );
        health.turned("deliver", start() + 61.seconds(), None);
        assert!(health.complaints(start() + 61.seconds()).is_empty());
        assert_eq!(health.complaints(start() + 5.minutes()).len(), 1);
    }

    #[test]
    fn is_ready_without_a_mailbox_but_not_well() {
        let health = Health::default();
        health.watch("respond/ut", SignedDuration::from_mins(1), start());
        health.turned("respond/ut", start() + 2.minutes(), Some("no answer".into()));
        assert!(health.complaints(start() + 2.minutes()).is_empty());
        let all = health.all_complaints(start() + 2.minutes());
        assert_eq!(all, ["stage respond/ut has failed since 2027-03-01T08:00:00Z: no answer"]);
    }

    #[test]
    fn bears_with_an_error_for_a_while_and_then_says_it_in_one_line() {
        let health = Health::default();
        health.turned("inbox", start(), None);
        health.turned("inbox", start() + 9.minutes(), Some("no answer\nfrom the mailbox".into()));
        assert!(health.complaints(start() + 9.minutes()).is_empty());
        health.turned("inbox", start() + 11.minutes(), Some("no answer\nfrom the mailbox".into()));
        assert_eq!(
            health.complaints(start() + 11.minutes()),
            ["stage inbox has failed since 2027-03-01T08:00:00Z: no answer from the mailbox"]
        );
        assert!(health.turns()[0].failing);
    }
}
