//! Pauses and shares in the words of a campaign file: "3 business days", "4 %".
//!
//! [`phrase`] writes what [`parse_wait`] reads, for the diff. What a business day
//! is, the policy knows.

use crate::model::campaign::Wait;

/// Why a text is no pause or share; it completes the sentence "`wait` ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a number and a unit.
    #[error("is no pause; write it as \"4 hours\", \"2 days\" or \"3 business days\"")]
    NotAPause,
    /// Zero, or more than a few years.
    #[error("must be at least 1 and at most {LONGEST}")]
    Bounds,
    /// Hours or business days where calendar days are counted.
    #[error("counts calendar days; write it as \"30 days\"")]
    NotDays,
    /// Not a number and a percent sign.
    #[error("is no share; write it as \"4 %\"")]
    NotAShare,
    /// Half of the audience or more.
    #[error("must be below 50 %")]
    ShareBounds,
}

/// The longest pause, in its own unit.
const LONGEST: u32 = 1000;

/// Reads "4 hours", "2 days", "1 business day" or "2 weeks".
///
/// # Errors
/// The text is no number and unit, or the number is out of bounds.
pub fn parse_wait(text: &str) -> Result<Wait, DurationError> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (number, unit) = words.split_first().ok_or(DurationError::NotAPause)?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DurationError::NotAPause);
    }
    let number: u32 = number.parse().map_err(|_| DurationError::Bounds)?;
    let unit: fn(u32) -> Wait = match unit {
        ["hour" | "hours"] => Wait::Hours,
        ["day" | "days"] => Wait::Days,
        ["week" | "weeks"] => |weeks| Wait::Days(weeks.saturating_mul(7)),
        ["business", "day" | "days"] => Wait::BusinessDays,
        _ => return Err(DurationError::NotAPause),
    };
    let wait = unit(number);
    match wait {
        Wait::Hours(n) | Wait::Days(n) | Wait::BusinessDays(n) if (1..=LONGEST).contains(&n) => Ok(wait),
        _ => Err(DurationError::Bounds),
    }
}

/// Reads "30 days" where only calendar days make sense.
///
/// # Errors
/// As [`parse_wait`], or the unit is another.
pub fn parse_days(text: &str) -> Result<u32, DurationError> {
    match parse_wait(text)? {
        Wait::Days(days) => Ok(days),
        Wait::Hours(_) | Wait::BusinessDays(_) => Err(DurationError::NotDays),
    }
}

/// Reads "4 %".
///
/// # Errors
/// The text is no whole number of percent, or it is 50 or more.
pub fn parse_percent(text: &str) -> Result<u8, DurationError> {
    let number = text.trim().strip_suffix('%').ok_or(DurationError::NotAShare)?.trim_end();
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DurationError::NotAShare);
    }
    number.parse().ok().filter(|percent| *percent < 50).ok_or(DurationError::ShareBounds)
}

/// A pause in the words of the file.
pub fn phrase(wait: Wait) -> String {
    let (number, unit) = match wait {
        Wait::Hours(n) => (n, "hour"),
        Wait::Days(n) => (n, "day"),
        Wait::BusinessDays(n) => (n, "business day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["4 hours", "1 day", "3 business days"] {
            assert_eq!(parse_wait(text).map(phrase).as_deref(), Ok(text));
        }
        assert_eq!(parse_wait(" 2  weeks "), Ok(Wait::Days(14)));
    }

    #[test]
    fn refuses_what_is_no_pause() {
        for text in ["", "days", "3", "-1 days", "3 months", "3days", "1.5 days", "3 business hours"] {
            assert_eq!(parse_wait(text), Err(DurationError::NotAPause), "{text}");
        }
        assert_eq!(parse_wait("0 days"), Err(DurationError::Bounds));
        assert_eq!(parse_wait("99999999999 days"), Err(DurationError::Bounds));
        assert_eq!(parse_wait("4294967295 weeks"), Err(DurationError::Bounds));
        assert_eq!(parse_days("3 business days"), Err(DurationError::NotDays));
    }

    #[test]
    fn reads_shares() {
        assert_eq!([parse_percent("4 %"), parse_percent("0%")], [Ok(4), Ok(0)]);
        assert_eq!([parse_percent("50 %"), parse_percent("999 %")], [Err(DurationError::ShareBounds); 2]);
        assert_eq!([parse_percent("4"), parse_percent("4.5 %")], [Err(DurationError::NotAShare); 2]);
    }
}
