//! Cron expressions for campaigns that begin again and again, by a local clock.
//!
//! croner searches; this room reads the five fields strictly, says what is wrong
//! in words, and gives croner jiff's time zones. At a change of the clock a
//! listed time comes once: the skipped 02:30 right after the gap, the repeated
//! one at its first occurrence. `*` and steps go on through both.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{CivilDate, CivilDateTime, Cron, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

/// More listed times a day than this are searched as one pattern.
const MOST_LISTED_TIMES: usize = 64;

/// The fields in order: name and what may stand there.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "minutes run from 0 to 59"),
    ("hour", "hours run from 0 to 23"),
    ("day of the month", "days run from 1 to 31, `L` is the last"),
    ("month", "months run from 1 to 12 or JAN to DEC"),
    ("weekday", "weekdays run from 0 (Sunday) to 6 or SUN to SAT; `1#2` is the second Monday"),
];

/// Why an expression is none that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {hint}")]
pub struct CronMistake {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl CronMistake {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// A cron expression that comes at least once.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// One pattern a listed time of day, because croner takes only a single
    /// hour and minute for a fixed time: `30 2,14 * * *` as one pattern would
    /// lose 02:30 in a gap and come twice in an overlap.
    patterns: Vec<Cron>,
}

impl Schedule {
    /// Parses five fields, minute hour day month weekday, or `@daily` and the like.
    ///
    /// # Errors
    /// Names the field that is wrong; also refuses what never comes (30 February).
    pub fn parse(expr: &str) -> Result<Self, CronMistake> {
        let whole = parse_pattern(expr).map_err(|_| explain(expr))?;
        // From here to croner's last year is more than one round of the calendar.
        let start = Local(ZonedDateTime::new(Timestamp::UNIX_EPOCH, TimeZone::UTC));
        if whole.find_next_occurrence(&start, true).is_err() {
            return Err(CronMistake::new(
                format!("`{expr}` never comes"),
                "no such day is in any of its months; `L` is the last day of a month",
            ));
        }
        let listed = list_times(expr).and_then(|exprs| exprs.iter().map(|expr| parse_pattern(expr).ok()).collect());
        Ok(Self { patterns: listed.unwrap_or_else(|| vec![whole]) })
    }

    /// The first instant strictly after `after` at which it comes in this zone.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let after = Local(ZonedDateTime::new(after, zone.clone()));
        let next = |pattern: &Cron| pattern.find_next_occurrence(&after, false).ok();
        self.patterns.iter().filter_map(next).map(|found| found.0.timestamp()).min()
    }
}

fn parse_pattern(expr: &str) -> Result<Cron, CronError> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(expr)
}

/// Finds the field that is wrong by trying each alone.
fn explain(expr: &str) -> CronMistake {
    let fields: Vec<_> = expr.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return CronMistake::new(
            format!("`{expr}` has {} of a cron expression's five fields", fields.len()),
            "write minute hour day month weekday, as in `0 9 * * 1`, Mondays at 09:00",
        );
    }
    for (at, (name, hint)) in FIELDS.iter().enumerate() {
        let mut alone = ["*"; FIELDS.len()];
        alone[at] = fields[at];
        if parse_pattern(&alone.join(" ")).is_err() {
            return CronMistake::new(format!("`{}` is no {name} of a cron expression", fields[at]), *hint);
        }
    }
    CronMistake::new(format!("`{expr}` is no cron expression"), "as in `0 9 * * 1`, Mondays at 09:00")
}

/// One expression a listed time of day, if minutes and hours are numbers, ranges
/// and lists of them, and not too many.
fn list_times(expr: &str) -> Option<Vec<String>> {
    let mut fields = expr.split_whitespace();
    let (minutes, hours) = (list_numbers(fields.next()?)?, list_numbers(fields.next()?)?);
    if minutes.len() * hours.len() > MOST_LISTED_TIMES {
        return None;
    }
    let days = fields.collect::<Vec<_>>().join(" ");
    let times = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| (minute, hour)));
    Some(times.map(|(minute, hour)| format!("{minute} {hour} {days}")).collect())
}

fn list_numbers(field: &str) -> Option<Vec<u8>> {
    let mut numbers = Vec::new();
    for part in field.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        numbers.extend(first.parse::<u8>().ok()?..=last.parse().ok()?);
    }
    Some(numbers)
}

/// jiff's zoned time as croner sees it; croner's own implementation is for an older jiff.
#[derive(Clone, Debug)]
struct Local(ZonedDateTime);

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let (date, time) = (self.0.date(), self.0.time());
        let date = CivilDate::from_parts_unchecked(
            i32::from(date.year()),
            date.month().unsigned_abs().into(),
            date.day().unsigned_abs().into(),
        );
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        let time = croner::CivilTime::from_parts_unchecked(
            hour.unsigned_abs().into(),
            minute.unsigned_abs().into(),
            second.unsigned_abs().into(),
        );
        CivilDateTime::new(date, time)
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(self.0.weekday().to_sunday_zero_offset().unsigned_abs().into())
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let narrow = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidTime);
        let local = DateTime::new(
            i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?,
            narrow(civil.month())?,
            narrow(civil.day())?,
            narrow(civil.hour())?,
            narrow(civil.minute())?,
            narrow(civil.second())?,
            0,
        )
        .map_err(|_| CronError::InvalidDate)?;
        let ambiguous = self.0.time_zone().to_ambiguous_zoned_datetime(local);
        let earlier = ambiguous.clone().earlier().map(Self).map_err(|_| CronError::InvalidTime);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => Ok(Resolution::Single(earlier?)),
            AmbiguousOffset::Fold { .. } => {
                let later = ambiguous.later().map(Self).map_err(|_| CronError::InvalidTime)?;
                Ok(Resolution::Ambiguous(earlier?, later))
            }
            AmbiguousOffset::Gap { .. } => Ok(Resolution::Gap),
        }
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stockholm() -> TimeZone {
        TimeZone::get("Europe/Stockholm").unwrap()
    }

    /// The next times in Stockholm with their offset.
    fn next(expr: &str, after: &str, n: usize) -> Vec<String> {
        let schedule = Schedule::parse(expr).unwrap();
        let zone = stockholm();
        let first = after.parse().unwrap();
        let times = std::iter::successors(schedule.next_after(first, &zone), |at| schedule.next_after(*at, &zone));
        times.take(n).map(|at| ZonedDateTime::new(at, zone.clone()).strftime("%a %F %R %:z").to_string()).collect()
    }

    #[test]
    fn one_is_monday() {
        assert_eq!(
            next("0 9 * * 1", "2027-03-02T00:00:00Z", 2),
            ["Mon 2027-03-08 09:00 +01:00", "Mon 2027-03-15 09:00 +01:00"]
        );
    }

    #[test]
    fn next_is_strictly_after_even_within_the_second() {
        assert_eq!(next("0 9 * * *", "2027-03-02T08:00:00Z", 1), ["Wed 2027-03-03 09:00 +01:00"]);
        assert_eq!(next("0 9 * * *", "2027-03-02T08:00:00.5Z", 1), ["Wed 2027-03-03 09:00 +01:00"]);
        assert_eq!(next("0 9 * * *", "2027-03-02T07:59:59.5Z", 1), ["Tue 2027-03-02 09:00 +01:00"]);
    }

    #[test]
    fn skipped_time_comes_right_after_the_gap() {
        assert_eq!(
            next("30 2 * * *", "2027-03-27T00:00:00Z", 3),
            ["Sat 2027-03-27 02:30 +01:00", "Sun 2027-03-28 03:00 +02:00", "Mon 2027-03-29 02:30 +02:00"]
        );
    }

    #[test]
    fn repeated_time_comes_once_also_in_a_list() {
        assert_eq!(
            next("30 2 * * *", "2027-10-30T12:00:00Z", 2),
            ["Sun 2027-10-31 02:30 +02:00", "Mon 2027-11-01 02:30 +01:00"]
        );
        assert_eq!(
            next("30 2,14 * * *", "2027-10-30T22:00:00Z", 3),
            ["Sun 2027-10-31 02:30 +02:00", "Sun 2027-10-31 14:30 +01:00", "Mon 2027-11-01 02:30 +01:00"]
        );
        assert_eq!(
            next("30 1-3 * * *", "2027-03-28T00:00:00Z", 3),
            ["Sun 2027-03-28 01:30 +01:00", "Sun 2027-03-28 03:00 +02:00", "Sun 2027-03-28 03:30 +02:00"]
        );
    }

    #[test]
    fn every_half_hour_goes_on_in_order_through_both_changes() {
        assert_eq!(
            next("*/30 * * * *", "2027-03-28T00:00:00Z", 3),
            ["Sun 2027-03-28 01:30 +01:00", "Sun 2027-03-28 03:00 +02:00", "Sun 2027-03-28 03:30 +02:00"]
        );
        assert_eq!(
            next("*/30 * * * *", "2027-10-31T00:00:00Z", 4),
            [
                "Sun 2027-10-31 02:30 +02:00",
                "Sun 2027-10-31 02:00 +01:00",
                "Sun 2027-10-31 02:30 +01:00",
                "Sun 2027-10-31 03:00 +01:00"
            ]
        );
    }

    #[test]
    fn reads_names_last_day_and_nicknames() {
        assert_eq!(next("0 9 * * MON-FRI", "2027-03-05T12:00:00Z", 1), ["Mon 2027-03-08 09:00 +01:00"]);
        assert_eq!(next("0 9 L * *", "2027-02-10T00:00:00Z", 1), ["Sun 2027-02-28 09:00 +01:00"]);
        assert_eq!(next("@daily", "2027-02-10T00:00:00Z", 1), ["Thu 2027-02-11 00:00 +01:00"]);
        assert_eq!(next("0 9 29 2 *", "2027-02-10T00:00:00Z", 1), ["Tue 2028-02-29 09:00 +01:00"]);
    }

    #[test]
    fn refuses_what_never_comes() {
        for expr in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            let mistake = Schedule::parse(expr).unwrap_err();
            assert_eq!(mistake.message, format!("`{expr}` never comes"));
        }
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        let message = |expr| Schedule::parse(expr).unwrap_err().to_string();
        assert_eq!(message("61 9 * * 1"), "`61` is no minute of a cron expression; minutes run from 0 to 59");
        assert_eq!(message("0 25 * * 1"), "`25` is no hour of a cron expression; hours run from 0 to 23");
        assert_eq!(
            message("0 9 * FOO 1"),
            "`FOO` is no month of a cron expression; months run from 1 to 12 or JAN to DEC"
        );
        assert_eq!(
            message("0 0 9 * * 1"),
            "`0 0 9 * * 1` has 6 of a cron expression's five fields; \
             write minute hour day month weekday, as in `0 9 * * 1`, Mondays at 09:00"
        );
        assert!(message("").contains("has 0 of"));
        assert!(message("@reboot").contains("has 1 of"));
    }

    proptest! {
        #[test]
        fn times_go_forward_and_match_their_fields(
            second in 1_767_225_600i64..1_956_528_000, minute in 0i8..60, hour in 4i8..24, weekday in 0i8..7,
        ) {
            let schedule = Schedule::parse(&format!("{minute} {hour} * * {weekday}")).unwrap();
            let after = Timestamp::from_second(second).unwrap();
            let found = schedule.next_after(after, &stockholm()).unwrap();
            let local = stockholm().to_datetime(found);
            prop_assert!(found > after && found.duration_since(after) <= SignedDuration::from_hours(7 * 24 + 1));
            prop_assert_eq!((local.minute(), local.hour()), (minute, hour));
            prop_assert_eq!(local.weekday().to_sunday_zero_offset(), weekday);
        }

        #[test]
        fn no_text_panics(expr in "[-0-9*,/#LW@a-z? åäö]{0,24}") {
            if let Err(mistake) = Schedule::parse(&expr) {
                prop_assert!(!mistake.hint.is_empty());
            }
        }
    }
}
