//! From a local date and time to an instant, with one answer for the hours that
//! a change of the clock skips or repeats.
//!
//! Every rule that speaks in local time goes through here, so that a window, a
//! wait and a digest agree about the last Sundays of March and October.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// The instant of a local date and time.
///
/// In a gap it is the first instant after the gap (02:30 becomes 03:00, not
/// 03:30); in an overlap the earlier of the two. None beyond the years jiff knows.
pub fn instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let AmbiguousOffset::Gap { after, .. } = ambiguous.offset() else {
        return ambiguous.earlier().ok();
    };
    // Read with the later offset, a time in the gap lies before the change.
    let before_change = after.to_timestamp(local).ok()?;
    zone.following(before_change).next().map(|change| change.timestamp())
}

/// The first instant of a local day; not midnight where the clock skips midnight.
pub fn start_of_day(zone: &TimeZone, date: Date) -> Option<Timestamp> {
    instant(zone, date.to_datetime(Time::midnight()))
}

/// The local date of an instant.
pub fn date(zone: &TimeZone, at: Timestamp) -> Date {
    zone.to_datetime(at).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn time_in_the_gap_is_the_first_instant_after_it() {
        let stockholm = zone("Europe/Stockholm");
        for minute in [0, 30, 59] {
            let local = jiff::civil::date(2027, 3, 28).at(2, minute, 0, 0);
            assert_eq!(instant(&stockholm, local), Some("2027-03-28T01:00:00Z".parse().unwrap()));
        }
    }

    #[test]
    fn time_in_the_overlap_is_its_earlier_occurrence() {
        let local = jiff::civil::date(2027, 10, 31).at(2, 30, 0, 0);
        assert_eq!(instant(&zone("Europe/Stockholm"), local), Some("2027-10-31T00:30:00Z".parse().unwrap()));
    }

    #[test]
    fn day_without_midnight_starts_where_the_clock_lands() {
        // Beirut puts its clock forward at midnight.
        let start = start_of_day(&zone("Asia/Beirut"), jiff::civil::date(2026, 3, 29)).unwrap();
        assert_eq!(zone("Asia/Beirut").to_datetime(start).to_string(), "2026-03-29T01:00:00");
    }
}
