//! When the next step may come: hours by the clock, days and business days by
//! the client's calendar.
//!
//! A day begins at its local start, so that the window decides the hour and a
//! letter at 11:29 does not push the next one past the window.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use super::calendar::Calendar;
use super::local;
use crate::model::campaign::Wait;

/// The earliest instant of what comes `wait` after `from`; never before `from`.
///
/// Days move the local date and give the start of that day; a wait of no days is
/// `from` itself, or for business days the start of the next one where `from` is free.
pub fn after(wait: Wait, from: Timestamp, zone: &TimeZone, calendar: &Calendar) -> Timestamp {
    let today = local::date(zone, from);
    let date = match wait {
        Wait::Hours(hours) => {
            return from.checked_add(SignedDuration::from_hours(hours.into())).unwrap_or(Timestamp::MAX);
        }
        // A span holds fewer days than a u32, yet more than there are until the year 9999.
        Wait::Days(days) => today.saturating_add(Span::new().days(days.min(4_000_000))),
        Wait::BusinessDays(days) => calendar.add_business_days(today, days),
    };
    local::start_of_day(zone, date).unwrap_or(Timestamp::MAX).max(from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stockholm() -> TimeZone {
        TimeZone::get("Europe/Stockholm").unwrap()
    }

    fn local_after(wait: Wait, from: &str) -> String {
        let at = after(wait, from.parse().unwrap(), &stockholm(), &Calendar::of(Some("SE")));
        stockholm().to_datetime(at).to_string()
    }

    #[test]
    fn steps_of_the_campaign_come_on_its_days() {
        use Wait::BusinessDays;
        assert_eq!(local_after(BusinessDays(3), "2027-03-01T07:34:10Z"), "2027-03-04T00:00:00");
        assert_eq!(local_after(BusinessDays(4), "2027-03-04T07:41:00Z"), "2027-03-10T00:00:00");
        assert_eq!(local_after(BusinessDays(4), "2027-03-10T07:41:00Z"), "2027-03-16T00:00:00");
        // Good Friday and Easter Monday lie between, and the change to summer time.
        assert_eq!(local_after(BusinessDays(8), "2027-03-16T07:41:00Z"), "2027-03-30T00:00:00");
    }

    #[test]
    fn later_edit_moves_the_third_step_by_a_day() {
        assert_eq!(local_after(Wait::BusinessDays(5), "2027-03-04T07:41:00Z"), "2027-03-11T00:00:00");
    }

    #[test]
    fn no_wait_is_now_even_late_in_the_day() {
        assert_eq!(local_after(Wait::Days(0), "2027-03-01T20:00:00Z"), "2027-03-01T21:00:00");
        assert_eq!(local_after(Wait::BusinessDays(0), "2027-03-01T20:00:00Z"), "2027-03-01T21:00:00");
        assert_eq!(local_after(Wait::BusinessDays(0), "2027-03-06T20:00:00Z"), "2027-03-08T00:00:00");
    }

    #[test]
    fn hours_pass_by_the_clock_over_a_change_of_time() {
        assert_eq!(local_after(Wait::Hours(24), "2027-03-27T11:00:00Z"), "2027-03-28T13:00:00");
        assert_eq!(local_after(Wait::Days(1), "2027-03-27T11:00:00Z"), "2027-03-28T00:00:00");
    }

    #[test]
    fn date_is_the_clients_and_not_that_of_greenwich() {
        // 23:30 UTC on Monday is Tuesday in Stockholm.
        assert_eq!(local_after(Wait::BusinessDays(1), "2027-03-01T23:30:00Z"), "2027-03-03T00:00:00");
    }

    proptest! {
        #[test]
        fn wait_never_goes_back_and_a_longer_one_never_ends_sooner(
            second in 1_767_225_600i64..1_956_528_000, days in 0u32..100,
        ) {
            let (zone, calendar) = (stockholm(), Calendar::of(Some("SE")));
            let from = Timestamp::from_second(second).unwrap();
            for kind in [Wait::Hours, Wait::Days, Wait::BusinessDays] {
                let at = after(kind(days), from, &zone, &calendar);
                prop_assert!(at >= from);
                prop_assert!(after(kind(days + 1), from, &zone, &calendar) >= at);
                // From a free day, none and one business day are the same day.
                prop_assert!(after(kind(days + 2), from, &zone, &calendar) > at);
            }
        }

        #[test]
        fn even_the_longest_wait_has_an_end(days in 3_000_000u32..) {
            let from = Timestamp::UNIX_EPOCH;
            let calendar = Calendar::of(None);
            prop_assert!(after(Wait::Days(days), from, &stockholm(), &calendar) > from);
            prop_assert!(after(Wait::Hours(days), from, &stockholm(), &calendar) > from);
        }
    }
}
