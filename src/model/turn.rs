//! The answer of a stage to one turn.

use jiff::Timestamp;

/// What a stage did in a turn, and when it wants the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// How many rows it moved; more than zero means "ask again at once".
    pub done: usize,
    /// When it next has something to do, if it knows; `None` waits for a signal.
    pub next_at: Option<Timestamp>,
}

impl Turn {
    /// The turn of two stages taken together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { done: self.done + other.done, next_at: earliest(self.next_at, other.next_at) }
    }
}

/// The earlier of two instants, where there are two.
pub fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
