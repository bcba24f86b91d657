//! Weekdays and hours in the words of a campaign file: "Mon-Thu", "08:30-11:30".
//!
//! When a window is open for a client, the policy knows.

use std::collections::BTreeSet;

use jiff::civil::{Time, Weekday};

use crate::config::value::parse_time;
use crate::model::campaign::Day;

/// Why a text names no days or hours; it completes the sentence "`days` ...".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Not a weekday.
    #[error("has `{0}`, which is no weekday; write them as \"Mon-Thu\" or \"Mon, Wed\"")]
    NotADay(String),
    /// Not two times.
    #[error("are no hours; write them as \"08:30-11:30\"")]
    NotHours,
    /// One of the two is no time of day.
    #[error("has `{0}`, which is no time from 00:00 to 23:59")]
    NotATime(String),
    /// The end is not after the beginning.
    #[error("must end after they begin, on the same day")]
    Backwards,
}

const DAYS: [(Weekday, &str, &str); 7] = [
    (Weekday::Monday, "mon", "monday"),
    (Weekday::Tuesday, "tue", "tuesday"),
    (Weekday::Wednesday, "wed", "wednesday"),
    (Weekday::Thursday, "thu", "thursday"),
    (Weekday::Friday, "fri", "friday"),
    (Weekday::Saturday, "sat", "saturday"),
    (Weekday::Sunday, "sun", "sunday"),
];

/// Reads "Mon-Thu", "Mon, Wed" or both mixed; a range may run over the week's end.
///
/// # Errors
/// A word is no weekday.
pub fn parse_weekdays(text: &str) -> Result<BTreeSet<Day>, WindowError> {
    let mut days = BTreeSet::new();
    for part in text.replace('–', "-").split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (parse_day(first)?, parse_day(last)?);
        days.insert(day.into());
        while day != last {
            day = day.next();
            days.insert(day.into());
        }
    }
    Ok(days)
}

fn parse_day(text: &str) -> Result<Weekday, WindowError> {
    let word = text.trim().to_lowercase();
    let known = DAYS.iter().find(|(_, short, long)| word == *short || word == *long);
    known.map(|(day, ..)| *day).ok_or_else(|| WindowError::NotADay(text.trim().to_owned()))
}

/// Reads "08:30-11:30" as the first minute and the first minute after.
///
/// # Errors
/// The text is not two times of one day in their order.
pub fn parse_hours(text: &str) -> Result<(Time, Time), WindowError> {
    let text = text.replace('–', "-");
    let (from, until) = text.split_once('-').ok_or(WindowError::NotHours)?;
    let time = |text: &str| parse_time(text).ok_or_else(|| WindowError::NotATime(text.trim().to_owned()));
    let (from, until) = (time(from)?, time(until)?);
    if from < until { Ok((from, until)) } else { Err(WindowError::Backwards) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::campaign::{hours_in_words, weekdays_in_words};

    #[test]
    fn reads_days_and_writes_them_back() {
        for (text, phrase) in [
            ("Mon-Thu", "Mon-Thu"),
            ("wed, Monday", "Mon, Wed"),
            ("Mon–Tue, Fri", "Mon, Tue, Fri"),
            ("Sat-Mon", "Mon, Sat, Sun"),
            ("Sun", "Sun"),
        ] {
            assert_eq!(parse_weekdays(text).map(|days| weekdays_in_words(&days)).as_deref(), Ok(phrase));
        }
        assert_eq!(parse_weekdays("Mån-Tor"), Err(WindowError::NotADay("Mån".into())));
        assert_eq!(parse_weekdays("Mon,"), Err(WindowError::NotADay(String::new())));
    }

    #[test]
    fn reads_hours_of_one_day() {
        let (from, until) = parse_hours("8:30 - 11:30").unwrap();
        assert_eq!(hours_in_words(from, until), "08:30-11:30");
        assert_eq!(parse_hours("11:30-08:30"), Err(WindowError::Backwards));
        assert_eq!(parse_hours("08:30-08:30"), Err(WindowError::Backwards));
        assert_eq!(parse_hours("08:30-24:00"), Err(WindowError::NotATime("24:00".into())));
        assert_eq!(parse_hours("08:30"), Err(WindowError::NotHours));
    }
}
