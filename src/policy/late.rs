//! What to do with a letter whose time passed while the daemon stood still.
//!
//! Asked by `deliver` at the claim; `schedule` moves what comes back as
//! `SendNextWindow`.

use jiff::Timestamp;

use crate::model::campaign::Late;

/// What happens to a delivery now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateDecision {
    /// Its time has not passed.
    OnTime,
    /// Its time passed; it goes in the next window.
    SendNextWindow,
    /// Its time passed; it is left out and the plan goes on.
    Skip,
    /// Its time passed; it is held until a person says.
    Ask,
}

/// Judges a delivery due at `due_at` that must begin before `not_after`.
///
/// `not_after` is the first instant at which it is too late (its window's end);
/// without one nothing is ever late, and neither is what is not yet due.
pub fn decide(late: Late, due_at: Timestamp, not_after: Option<Timestamp>, now: Timestamp) -> LateDecision {
    let Some(not_after) = not_after else { return LateDecision::OnTime };
    if now < due_at || now < not_after {
        return LateDecision::OnTime;
    }
    match late {
        Late::Send => LateDecision::SendNextWindow,
        Late::Skip => LateDecision::Skip,
        Late::Ask => LateDecision::Ask,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn at_half_past_eight(late: Late, now: &str) -> LateDecision {
        decide(late, at("2027-03-01T07:30:00Z"), Some(at("2027-03-01T10:30:00Z")), at(now))
    }

    #[test]
    fn open_window_is_on_time_however_long_the_daemon_slept() {
        assert_eq!(at_half_past_eight(Late::Skip, "2027-03-01T10:29:59Z"), LateDecision::OnTime);
        assert_eq!(at_half_past_eight(Late::Skip, "2027-02-01T00:00:00Z"), LateDecision::OnTime);
    }

    #[test]
    fn closed_window_is_for_the_campaign_to_say() {
        let now = "2027-03-01T10:30:00Z";
        assert_eq!(at_half_past_eight(Late::Send, now), LateDecision::SendNextWindow);
        assert_eq!(at_half_past_eight(Late::Skip, now), LateDecision::Skip);
        assert_eq!(at_half_past_eight(Late::Ask, now), LateDecision::Ask);
    }

    #[test]
    fn what_has_no_end_is_never_late() {
        let now = at("2030-01-01T00:00:00Z");
        assert_eq!(decide(Late::Skip, at("2027-03-01T07:30:00Z"), None, now), LateDecision::OnTime);
    }
}
