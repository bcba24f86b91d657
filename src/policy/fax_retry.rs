//! When a fax that ended badly is tried again.
//!
//! Pure: the result, the count of tries and `now` in, an instant out. The claim
//! still looks at the window, the holidays and the limits when that instant comes.

use jiff::{SignedDuration, Timestamp};

use crate::model::response::FaxResult;

/// What follows a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaxNext {
    /// Try again, not before this instant.
    Again(Timestamp),
    /// Do not try again by itself.
    GiveUp,
}

/// Tries at a number that rings and is not answered, over three days.
const NO_ANSWER_TRIES: u32 = 6;

/// Whether the result is the channel's trouble: nothing more goes out until a
/// person has looked at the account.
pub fn pauses_channel(result: FaxResult) -> bool {
    result == FaxResult::Account
}

/// When to try again after `result`, the `tries_so_far`th try (1 is the first).
///
/// Automatic tries follow 47 CFR 68.318(b): after two in a row that were not
/// answered or not understood, an hour's pause at least; busy may be tried more often.
pub fn next_try(result: FaxResult, tries_so_far: u32, now: Timestamp, not_after: Option<Timestamp>) -> FaxNext {
    let Some(wait_min) = wait_min(result, tries_so_far) else { return FaxNext::GiveUp };
    let Ok(at) = now.checked_add(SignedDuration::from_mins(wait_min)) else { return FaxNext::GiveUp };
    if not_after.is_some_and(|last| at > last) {
        return FaxNext::GiveUp;
    }
    FaxNext::Again(at)
}

/// Minutes to wait, if it is to be tried again at all.
fn wait_min(result: FaxResult, tries: u32) -> Option<i64> {
    match (result, tries) {
        (FaxResult::Busy, 0 | 1) => Some(5),
        (FaxResult::Busy, 2) => Some(15),
        (FaxResult::Busy, 3) => Some(30),
        (FaxResult::Busy, 4) => Some(60),
        // Two a day: four hours between them, then the same hour of the next day.
        (FaxResult::NoAnswer, tries) if tries < NO_ANSWER_TRIES => Some(if tries % 2 == 0 { 20 * 60 } else { 4 * 60 }),
        // A person may have picked up: leave them in peace for a while, once.
        (FaxResult::NotAFax, 0 | 1) => Some(2 * 60),
        (FaxResult::Line, 0 | 1) => Some(10),
        (FaxResult::Line, 2) => Some(60),
        // Not the recipient's fault, so it is no try of theirs; the channel pauses meanwhile.
        (FaxResult::Account, _) => Some(60),
        // The same inputs render the same page, so the same machine refuses it again.
        (FaxResult::Incompatible | FaxResult::Document, _) => None,
        (FaxResult::Delivered | FaxResult::BadNumber | FaxResult::Blocked, _) => None,
        (FaxResult::Busy | FaxResult::NoAnswer | FaxResult::NotAFax | FaxResult::Line, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(result: FaxResult) -> Vec<i64> {
        let now: Timestamp = "2027-03-02T08:00:00Z".parse().unwrap();
        let next = |tries| match next_try(result, tries, now, None) {
            FaxNext::Again(at) => Some(at.duration_since(now).as_mins()),
            FaxNext::GiveUp => None,
        };
        (1..20).map_while(next).collect()
    }

    #[test]
    fn tries_busy_five_times_with_growing_pauses() {
        assert_eq!(waits(FaxResult::Busy), [5, 15, 30, 60]);
    }

    #[test]
    fn rings_an_unanswered_number_at_most_twice_a_day() {
        let waits = waits(FaxResult::NoAnswer);
        assert_eq!(waits.len(), 5);
        assert!(waits.windows(2).all(|two| two.iter().sum::<i64>() >= 24 * 60), "{waits:?}");
    }

    #[test]
    fn tries_a_voice_once_more_and_a_bad_line_twice() {
        assert_eq!(waits(FaxResult::NotAFax), [120]);
        assert_eq!(waits(FaxResult::Line), [10, 60]);
    }

    #[test]
    fn never_tries_again_what_cannot_change() {
        for result in [
            FaxResult::Delivered,
            FaxResult::BadNumber,
            FaxResult::Blocked,
            FaxResult::Document,
            FaxResult::Incompatible,
        ] {
            assert!(waits(result).is_empty(), "{result:?}");
        }
    }

    #[test]
    fn pauses_the_channel_for_the_account_alone() {
        assert!(pauses_channel(FaxResult::Account) && !pauses_channel(FaxResult::Blocked));
        assert_eq!(waits(FaxResult::Account).len(), 19);
    }

    #[test]
    fn gives_up_where_the_next_try_would_be_too_late() {
        let now: Timestamp = "2027-03-02T08:00:00Z".parse().unwrap();
        let at = now + SignedDuration::from_mins(5);
        assert_eq!(next_try(FaxResult::Busy, 1, now, Some(at)), FaxNext::Again(at));
        assert_eq!(next_try(FaxResult::Busy, 1, now, Some(at - SignedDuration::from_secs(1))), FaxNext::GiveUp);
        assert_eq!(next_try(FaxResult::Busy, 1, Timestamp::MAX, None), FaxNext::GiveUp);
    }
}
