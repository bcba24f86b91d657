//! How many wrong tokens are answered at a time: a bucket for all visitors together.
//!
//! It never stands in the way of a genuine token. 128 bits cannot be guessed; what
//! it bounds is the noise of those who try.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

const BURST: f64 = 60.0;
const PER_SECOND: f64 = 1.0;

/// The bucket.
#[derive(Debug)]
pub(super) struct Guesses(Mutex<(f64, Timestamp)>);

impl Guesses {
    /// A full bucket.
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Mutex::new((BURST, now)))
    }

    /// Takes one guess; false if there is none left at `now`.
    pub(super) fn take(&self, now: Timestamp) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *bucket;
        let passed = now.duration_since(since).as_secs_f64().max(0.0);
        let left = (left + passed * PER_SECOND).min(BURST);
        let allowed = left >= 1.0;
        *bucket = (if allowed { left - 1.0 } else { left }, now);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;

    #[test]
    fn runs_dry_and_fills_again_with_time() {
        let start: Timestamp = "2027-03-01T08:00:00Z".parse().unwrap();
        let guesses = Guesses::new(start);
        assert_eq!((0..100).filter(|_| guesses.take(start)).count(), 60);
        assert_eq!((0..100).filter(|_| guesses.take(start + 5.seconds())).count(), 5);
        assert!(!guesses.take(start), "a clock that goes back fills nothing");
        assert_eq!((0..100).filter(|_| guesses.take(start + 1.hour())).count(), 60);
    }
}
