//! When a letter may go: the hours a campaign names, by the client's clock, on
//! days that are no public holiday.
//!
//! `schedule` asks for the next opening and a place in it and writes both on the
//! row; `deliver` asks again at the claim. A window that ends at or before its
//! start runs into the next day (22:00-06:00; 00:00-00:00 is the whole day).

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::calendar::Calendar;
use super::local;
use crate::model::campaign::{Day, Window};

/// How far ahead an opening is sought, in days.
const HORIZON_DAYS: i64 = 400;

/// One opening of a window, half open: `opens` is inside, `closes` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The beginning of the window on its day; before `opens` where only a rest is left.
    pub begins: Timestamp,
    /// The first instant inside that was not before the asked one.
    pub opens: Timestamp,
    /// The first instant outside.
    pub closes: Timestamp,
}

/// The earliest instant at or after `not_before` inside the window, and when that window ends.
///
/// `zone` is the client's (or the window's own; the caller decides). None if it
/// does not open within 400 days, for instance without any weekday.
pub fn next_open(window: &Window, zone: &TimeZone, calendar: &Calendar, not_before: Timestamp) -> Option<Opening> {
    // Yesterday's window may still be open, if it runs over midnight.
    let today = local::date(zone, not_before);
    let first = today.yesterday().unwrap_or(today);
    let days = first.series(jiff::Span::new().days(1)).take(HORIZON_DAYS as usize + 2);
    days.filter(|date| is_sending_day(window, calendar, *date)).find_map(|date| {
        let (begins, closes) = bounds(window, zone, date)?;
        let opens = begins.max(not_before);
        (opens < closes).then_some(Opening { begins, opens, closes })
    })
}

/// Whether letters may go at `at`.
pub fn is_open(window: &Window, zone: &TimeZone, calendar: &Calendar, at: Timestamp) -> bool {
    next_open(window, zone, calendar, at).is_some_and(|opening| opening.opens == at)
}

/// A stable, spread instant inside an opening for a letter with this `salt` (its plan's id).
///
/// Letters are spread evenly, to the second, over the first sixth of the window,
/// but at most an hour, so that 48 of them do not leave at once. As long as its
/// instant lies ahead, a salt gets the same one however often it is asked; where
/// only a rest of the window is left and the instant has passed, it is spread
/// over the first sixth of that rest. Never before `now`; a window that `now`
/// has passed is for `late` to judge, and `now` comes back.
pub fn place(opening: &Opening, salt: u64, now: Timestamp) -> Timestamp {
    let whole = spread(opening.begins, opening.closes, salt);
    let placed = if whole >= opening.opens { whole } else { spread(opening.opens, opening.closes, salt) };
    placed.max(now)
}

fn spread(from: Timestamp, until: Timestamp, salt: u64) -> Timestamp {
    let seconds = (until.duration_since(from).as_secs() / 6).clamp(0, 3600);
    // The high half of a product maps a hash onto a range without the bias of `%`.
    let offset = (u128::from(mix(salt)) * seconds.unsigned_abs() as u128) >> 64;
    from.checked_add(SignedDuration::from_secs(offset as i64)).unwrap_or(Timestamp::MAX)
}

/// The finaliser of splitmix64: neighbouring ids land far apart.
fn mix(salt: u64) -> u64 {
    let mut z = salt.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn is_sending_day(window: &Window, calendar: &Calendar, date: Date) -> bool {
    window.days.contains(&Day::from(date.weekday())) && calendar.find_holiday(date).is_none()
}

fn bounds(window: &Window, zone: &TimeZone, date: Date) -> Option<(Timestamp, Timestamp)> {
    let last = if window.until > window.from { date } else { date.tomorrow().ok()? };
    let begins = local::instant(zone, date.to_datetime(window.from))?;
    let closes = local::instant(zone, last.to_datetime(window.until))?;
    Some((begins, closes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::{Time, Weekday, time};
    use proptest::prelude::*;

    use super::*;
    use crate::model::campaign::Late;

    fn window(days: &[Weekday], from: Time, until: Time) -> Window {
        Window { days: days.iter().copied().map(Day::from).collect(), from, until, zone: None, late: Late::Send }
    }

    fn mon_thu() -> Window {
        use Weekday::*;
        window(&[Monday, Tuesday, Wednesday, Thursday], time(8, 30, 0, 0), time(11, 30, 0, 0))
    }

    fn all_days(from: Time, until: Time) -> Window {
        use Weekday::*;
        window(&[Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday], from, until)
    }

    fn stockholm() -> TimeZone {
        TimeZone::get("Europe/Stockholm").unwrap()
    }

    fn opening(window: &Window, not_before: &str) -> Option<(String, String)> {
        let zone = stockholm();
        let opening = next_open(window, &zone, &Calendar::of(Some("SE")), not_before.parse().unwrap())?;
        let local = |at| zone.to_datetime(at).to_string();
        Some((local(opening.opens), local(opening.closes)))
    }

    fn pair(opens: &str, closes: &str) -> Option<(String, String)> {
        Some((opens.to_owned(), closes.to_owned()))
    }

    #[test]
    fn opens_at_the_first_minute_of_the_first_sending_day() {
        assert_eq!(opening(&mon_thu(), "2027-02-26T09:00:00Z"), pair("2027-03-01T08:30:00", "2027-03-01T11:30:00"));
    }

    #[test]
    fn inside_the_window_it_is_open_at_once_and_the_last_instant_is_outside() {
        assert_eq!(opening(&mon_thu(), "2027-03-01T09:00:00Z"), pair("2027-03-01T10:00:00", "2027-03-01T11:30:00"));
        assert_eq!(opening(&mon_thu(), "2027-03-01T10:30:00Z"), pair("2027-03-02T08:30:00", "2027-03-02T11:30:00"));
    }

    #[test]
    fn skips_easter_monday_into_summer_time() {
        assert_eq!(opening(&mon_thu(), "2027-03-25T12:00:00Z"), pair("2027-03-30T08:30:00", "2027-03-30T11:30:00"));
    }

    #[test]
    fn never_opens_without_a_weekday() {
        let mut never = mon_thu();
        never.days = BTreeSet::new();
        assert_eq!(opening(&never, "2027-03-01T00:00:00Z"), None);
    }

    #[test]
    fn window_from_the_skipped_hour_opens_right_after_it() {
        let window = all_days(time(2, 30, 0, 0), time(4, 0, 0, 0));
        let zone = stockholm();
        let calendar = Calendar::of(None);
        let opening = next_open(&window, &zone, &calendar, "2027-03-28T00:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(opening.opens, "2027-03-28T01:00:00Z".parse().unwrap());
        assert_eq!(opening.closes, "2027-03-28T02:00:00Z".parse().unwrap());
    }

    #[test]
    fn window_inside_the_skipped_hour_opens_the_day_after() {
        let window = all_days(time(2, 10, 0, 0), time(2, 50, 0, 0));
        let opening =
            next_open(&window, &stockholm(), &Calendar::of(None), "2027-03-28T00:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(opening.opens, "2027-03-29T00:10:00Z".parse().unwrap());
    }

    #[test]
    fn window_in_the_repeated_hour_opens_the_first_time() {
        let window = all_days(time(2, 30, 0, 0), time(3, 30, 0, 0));
        let opening =
            next_open(&window, &stockholm(), &Calendar::of(None), "2027-10-30T22:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(opening.opens, "2027-10-31T00:30:00Z".parse().unwrap());
        assert_eq!(opening.closes, "2027-10-31T02:30:00Z".parse().unwrap());
    }

    #[test]
    fn window_over_midnight_is_still_open_after_it() {
        let mut night = mon_thu();
        (night.from, night.until) = (time(22, 0, 0, 0), time(6, 0, 0, 0));
        // Friday 03:00 belongs to Thursday's night.
        assert_eq!(opening(&night, "2027-03-05T02:00:00Z"), pair("2027-03-05T03:00:00", "2027-03-05T06:00:00"));
    }

    #[test]
    fn forty_eight_letters_do_not_leave_together() {
        let at = "2027-03-01T07:30:00Z".parse().unwrap();
        let opening = next_open(&mon_thu(), &stockholm(), &Calendar::of(Some("SE")), at).unwrap();
        let seconds: BTreeSet<_> = (0..48).map(|plan| place(&opening, plan, at)).collect();
        assert!(seconds.len() >= 46, "{} distinct seconds", seconds.len());
        let last = "2027-03-01T08:00:00Z".parse().unwrap();
        assert!(seconds.iter().all(|second| *second >= at && *second < last));
        let early = seconds.iter().filter(|second| second.duration_since(at) < SignedDuration::from_mins(15)).count();
        assert!((14..=34).contains(&early), "{early} of 48 in the first half");
    }

    fn windows() -> impl Strategy<Value = Window> {
        let times = (0i8..24, 0i8..60).prop_map(|(hour, minute)| time(hour, minute, 0, 0));
        (prop::collection::btree_set(1i8..=7, 1..=7), times.clone(), times).prop_map(|(days, from, until)| Window {
            days: days.into_iter().map(|day| Day::try_from(day).unwrap()).collect(),
            from,
            until,
            zone: None,
            late: Late::Send,
        })
    }

    /// The local clock alone says whether a window is open; this asks it, and knows of no instant.
    fn shows_open(window: &Window, zone: &TimeZone, calendar: &Calendar, at: Timestamp) -> bool {
        let local = zone.to_datetime(at);
        let (date, time) = (local.date(), local.time());
        if window.until > window.from {
            return is_sending_day(window, calendar, date) && window.from <= time && time < window.until;
        }
        is_sending_day(window, calendar, date) && time >= window.from
            || is_sending_day(window, calendar, date.yesterday().unwrap()) && time < window.until
    }

    proptest! {
        #[test]
        fn opening_is_inside_the_window_not_early_and_stands_when_asked_again(
            window in windows(),
            // Every second from 2026 to 2032.
            second in 1_767_225_600i64..1_956_528_000,
            zone in prop::sample::select(vec!["Europe/Stockholm", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "UTC"]),
            country in prop::sample::select(vec!["SE", "DE", "GB", "XX"]),
        ) {
            let zone = TimeZone::get(zone).unwrap();
            let calendar = Calendar::of(Some(country));
            let not_before = Timestamp::from_second(second).unwrap();
            let opening = next_open(&window, &zone, &calendar, not_before).unwrap();
            prop_assert!(opening.opens >= not_before);
            prop_assert!(opening.opens < opening.closes);
            // An hour that is repeated cannot be judged by the clock's face the second time.
            if local::instant(&zone, zone.to_datetime(opening.opens)) == Some(opening.opens) {
                prop_assert!(shows_open(&window, &zone, &calendar, opening.opens));
            }
            prop_assert_eq!(next_open(&window, &zone, &calendar, opening.opens), Some(opening));
            prop_assert_eq!(opening.opens == not_before, is_open(&window, &zone, &calendar, not_before));
        }

        #[test]
        fn place_is_inside_the_opening_and_the_same_until_it_comes(
            window in windows(),
            second in 1_767_225_600i64..1_956_528_000,
            salt: u64,
        ) {
            let (zone, calendar) = (stockholm(), Calendar::of(Some("SE")));
            let not_before = Timestamp::from_second(second).unwrap();
            let opening = next_open(&window, &zone, &calendar, not_before).unwrap();
            let placed = place(&opening, salt, not_before);
            prop_assert!(opening.opens <= placed && placed < opening.closes);
            prop_assert_eq!(place(&opening, salt, placed), placed);
            // Asked again while it still lies ahead, with the then present instant.
            if opening.begins == opening.opens {
                let again = next_open(&window, &zone, &calendar, placed).unwrap();
                prop_assert_eq!(place(&again, salt, placed), placed);
            }
        }
    }
}
