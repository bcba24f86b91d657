//! Touchpoints: what happened between us and a contact, in order: the timeline.

use serde::{Deserialize, Serialize};

/// Which way a touch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From us to them.
    Out,
    /// From them to us.
    In,
    /// Known from elsewhere (an import, a note).
    Note,
}
