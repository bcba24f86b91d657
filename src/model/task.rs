//! Tasks: what a person has to do about a client.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Why a task was made; the digest puts it under a heading by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Answer a reply.
    Answer,
    /// Call, because a step says so.
    Call,
    /// Mend an address or a record.
    Fix,
    /// Come back at a date that the client named.
    Remind,
    /// The operator's: relay, gateway, policy refusals.
    Operate,
}

/// When a task is due.
pub type DueOn = Date;
