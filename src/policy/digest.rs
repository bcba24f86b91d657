//! When a manager's digest comes: on business days at their hour, by their clock.
//!
//! Each covers what happened since the one before, so Monday's has the weekend
//! and the day after Easter has Easter. `digest` collects over the span and keys
//! the delivery by the local date, which makes asking twice harmless.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::calendar::Calendar;
use super::local;

/// The digest that is due today: its local date, and the span it covers (half open).
///
/// None before its hour and on days that are free; a later `now` on the same day
/// gives the same answer. After an outage over a whole business day the caller
/// should begin the span where the last digest ended, if that is earlier.
pub fn due(at: Time, zone: &TimeZone, calendar: &Calendar, now: Timestamp) -> Option<(Date, Timestamp, Timestamp)> {
    let today = local::date(zone, now);
    if !calendar.is_business_day(today) {
        return None;
    }
    let until = local::instant(zone, today.to_datetime(at))?;
    if now < until {
        return None;
    }
    let last = calendar.sub_business_days(today, 1);
    let from = local::instant(zone, last.to_datetime(at))?;
    Some((today, from, until))
}

/// The instant of the first digest after `after`; None beyond the years jiff knows.
pub fn next_after(at: Time, zone: &TimeZone, calendar: &Calendar, after: Timestamp) -> Option<Timestamp> {
    let first = calendar.add_business_days(local::date(zone, after), 0);
    let instant = local::instant(zone, first.to_datetime(at))?;
    if instant > after {
        return Some(instant);
    }
    let second = calendar.add_business_days(first, 1);
    local::instant(zone, second.to_datetime(at)).filter(|instant| *instant > after)
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};
    use proptest::prelude::*;

    use super::*;

    const AT: Time = Time::constant(7, 30, 0, 0);

    fn stockholm() -> TimeZone {
        TimeZone::get("Europe/Stockholm").unwrap()
    }

    fn due_at(now: &str) -> Option<(Date, String, String)> {
        let (date, from, until) = due(AT, &stockholm(), &Calendar::of(Some("SE")), now.parse().unwrap())?;
        let local = |at| stockholm().to_datetime(at).to_string();
        Some((date, local(from), local(until)))
    }

    fn covers(date: Date, from: &str, until: &str) -> Option<(Date, String, String)> {
        Some((date, from.to_owned(), until.to_owned()))
    }

    #[test]
    fn tuesdays_covers_monday_and_does_not_come_early() {
        assert_eq!(due_at("2027-03-02T06:29:59Z"), None);
        let tuesday = covers(date(2027, 3, 2), "2027-03-01T07:30:00", "2027-03-02T07:30:00");
        assert_eq!(due_at("2027-03-02T06:30:00Z"), tuesday);
        assert_eq!(due_at("2027-03-02T20:00:00Z"), tuesday);
    }

    #[test]
    fn mondays_covers_the_weekend_and_none_comes_on_it() {
        assert_eq!(due_at("2027-03-06T09:00:00Z"), None);
        assert_eq!(
            due_at("2027-03-08T07:00:00Z"),
            covers(date(2027, 3, 8), "2027-03-05T07:30:00", "2027-03-08T07:30:00")
        );
    }

    #[test]
    fn day_after_easter_covers_easter() {
        assert_eq!(due_at("2027-03-29T09:00:00Z"), None);
        assert_eq!(
            due_at("2027-03-30T05:30:00Z"),
            covers(date(2027, 3, 30), "2027-03-25T07:30:00", "2027-03-30T07:30:00")
        );
    }

    #[test]
    fn next_one_is_strictly_later() {
        let next = |after: &str| {
            let at = next_after(AT, &stockholm(), &Calendar::of(Some("SE")), after.parse().unwrap()).unwrap();
            stockholm().to_datetime(at).to_string()
        };
        assert_eq!(next("2027-03-02T06:29:59Z"), "2027-03-02T07:30:00");
        assert_eq!(next("2027-03-02T06:30:00Z"), "2027-03-03T07:30:00");
        assert_eq!(next("2027-03-25T07:00:00Z"), "2027-03-30T07:30:00");
    }

    proptest! {
        #[test]
        fn spans_follow_each_other_without_a_hole(second in 1_767_225_600i64..1_956_528_000, hour in 0i8..24, minute in 0i8..60) {
            let (zone, calendar) = (stockholm(), Calendar::of(Some("SE")));
            let at = time(hour, minute, 0, 0);
            let first = next_after(at, &zone, &calendar, Timestamp::from_second(second).unwrap()).unwrap();
            let second = next_after(at, &zone, &calendar, first).unwrap();
            let (_, from, until) = due(at, &zone, &calendar, second).unwrap();
            prop_assert_eq!((from, until), (first, second));
        }
    }
}
