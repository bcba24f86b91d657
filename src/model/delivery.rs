//! A delivery: anything we send, from the moment it is due to its result.

use serde::{Deserialize, Serialize};

/// What a delivery is for; policy depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A campaign's letter: marketing suppression and law apply.
    Campaign,
    /// A manager's digest: only an invalid address stops it.
    Digest,
    /// A notice to an operator or a manager.
    Notice,
    /// A test message that a person asked for.
    Test,
}

/// Where a delivery stands.
///
/// ```text
/// scheduled -> claimed -> handoff -> [submitted] -> accepted | retry | rejected | uncertain
/// scheduled | claimed | retry -> held | skipped | cancelled
/// retry -> claimed
/// uncertain -> accepted | rejected | retry   (by evidence or by a person, never by itself)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// `schedule` (or `digest`) created it; it waits for `due_at`.
    Scheduled,
    /// `deliver` took it for a session; no byte of it has left. A restart moves it back.
    Claimed,
    /// `deliver` committed that its body is about to leave. A restart makes it uncertain.
    Handoff,
    /// Fax only: the gateway has it and has not said how it ended.
    Submitted,
    /// The relay said 250, or the gateway delivered the pages. Final.
    Accepted,
    /// It failed for now and is due again at `due_at`.
    Retry,
    /// The relay or gateway refused it for good, or its tries ran out. Final.
    Rejected,
    /// It may have left and nobody knows; only evidence or a person moves it.
    Uncertain,
    /// It waits for a person; `reason` says for what (late, render error).
    Held,
    /// It was due and was not sent, by a rule that `reason` names. Final.
    Skipped,
    /// Its plan ended before it left. Final.
    Cancelled,
}

impl DeliveryState {
    /// Nothing will move it any more by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Accepted | Self::Rejected | Self::Skipped | Self::Cancelled)
    }
}

/// What became known after it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A fax whose pages arrived, or a mail whose receipt came.
    Delivered,
    /// A bounce came back.
    Bounced,
    /// The recipient reported it.
    Complained,
    /// The recipient answered.
    Replied,
}
