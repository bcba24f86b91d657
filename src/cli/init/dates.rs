//! Moves the days in the starter's texts, whose story is told around one day, to around another.
//!
//! By whole weeks, so that each stays the weekday it is and a campaign begins on a Monday.

use jiff::ToSpan;
use jiff::civil::Date;

/// The day around which clients and campaign of the invented company are written.
const STORY: Date = jiff::civil::date(2027, 2, 24);
/// Characters of a day, `2027-02-24`.
const LENGTH: usize = 10;

/// What was on or before the story's day will be on or before `today`.
pub(super) fn past(text: &str, today: Date) -> String {
    moved(text, weeks(today))
}

/// What was five days or more behind the story's day will be at least six behind `today`.
pub(super) fn future(text: &str, today: Date) -> String {
    moved(text, weeks(today) + 1)
}

fn weeks(today: Date) -> i64 {
    let days = STORY.until(today).map(|span| i64::from(span.get_days())).unwrap_or(0);
    days.div_euclid(7)
}

fn moved(text: &str, weeks: i64) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let day = rest.get(..LENGTH).filter(|word| word.as_bytes()[4] == b'-');
        let day = day.and_then(|word| word.parse::<Date>().ok()).filter(|_| !out.ends_with(is_part_of_a_word));
        match day.and_then(|day| day.checked_add(weeks.weeks()).ok()) {
            Some(day) => {
                out.push_str(&day.to_string());
                rest = &rest[LENGTH..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

fn is_part_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{Weekday, date};

    #[test]
    fn moves_days_and_nothing_else() {
        let text = "F-1003;070-174 06 98;2026-10-14 blankett;é-2026-10-14;2026-12-22\n";
        assert_eq!(past(text, date(2027, 3, 10)), "F-1003;070-174 06 98;2026-10-28 blankett;é-2026-10-14;2027-01-05\n");
        assert_eq!(past(text, STORY), text);
    }

    #[test]
    fn leaves_no_past_day_in_the_future_and_no_start_in_the_past() {
        for days in -800..800_i64 {
            let today = STORY.checked_add(days.days()).unwrap();
            let touched: Date = past("2027-02-24", today).parse().unwrap();
            let start: Date = future("2027-03-01", today).parse().unwrap();
            assert!(touched <= today && start >= today.checked_add(6.days()).unwrap(), "{today}: {touched}, {start}");
            assert_eq!(start.weekday(), Weekday::Monday);
        }
    }
}
