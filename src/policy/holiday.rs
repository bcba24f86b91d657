//! How the date of a holiday follows from the year.
//!
//! Only the arithmetic; which country has which is data in `holidays`.

use jiff::civil::{Date, Weekday};

/// Why nobody works on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A public holiday by law.
    Public,
    /// No holiday by law, but companies are closed or nearly so.
    DeFacto,
}

/// How the date of a holiday follows from the year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Month and day.
    Fixed(i8, i8),
    /// Days after Easter Sunday.
    Easter(i16),
    /// The first such weekday on or after a month and day.
    From(Weekday, i8, i8),
    /// The n-th such weekday of a month; -1 is the last.
    Nth(i8, Weekday, i8),
    /// The day off in lieu of a month and day on a weekend: so many days later
    /// when that is a Saturday, so many when it is a Sunday (0: none).
    InLieu(i8, i8, i16, i16),
}

/// One holiday of one country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holiday {
    /// Its English name.
    pub name: &'static str,
    /// Public or de facto.
    pub kind: Kind,
    /// When it is.
    pub rule: Rule,
    /// The first year, where a law made it.
    pub since: i16,
    /// The last year, where a law ended it.
    pub until: i16,
}

impl Holiday {
    /// Whether it falls on `date`.
    pub fn is_on(&self, date: Date) -> bool {
        let year = date.year();
        if year < self.since || year > self.until {
            return false;
        }
        match self.rule {
            Rule::Fixed(month, day) => (date.month(), date.day()) == (month, day),
            Rule::Easter(days) => {
                let sunday = easter_sunday(year);
                sunday.is_some_and(|sunday| date.day_of_year() - sunday.day_of_year() == days)
            }
            Rule::From(weekday, month, day) => {
                let Ok(first) = Date::new(year, month, day) else { return false };
                date.weekday() == weekday && (0..7).contains(&(date.day_of_year() - first.day_of_year()))
            }
            Rule::Nth(nth, weekday, month) => {
                date.month() == month && date.nth_weekday_of_month(nth, weekday).is_ok_and(|found| found == date)
            }
            Rule::InLieu(month, day, saturday, sunday) => {
                let Ok(given) = Date::new(year, month, day) else { return false };
                let later = date.day_of_year() - given.day_of_year();
                match given.weekday() {
                    Weekday::Saturday => saturday > 0 && later == saturday,
                    Weekday::Sunday => sunday > 0 && later == sunday,
                    _ => false,
                }
            }
        }
    }
}

/// Easter Sunday of the western churches (Meeus, Jones, Butcher; Gregorian).
pub fn easter_sunday(year: i16) -> Option<Date> {
    let year = i32::from(year);
    let golden = year % 19;
    let (century, rest) = (year / 100, year % 100);
    let correction = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - correction + 15) % 30;
    let to_sunday = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4) % 7;
    let leap = (golden + 11 * epact + 22 * to_sunday) / 451;
    let days = epact + to_sunday - 7 * leap + 114;
    Date::new(i16::try_from(year).ok()?, i8::try_from(days / 31).ok()?, i8::try_from(days % 31 + 1).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_falls_where_the_church_tables_say() {
        for text in ["1961-04-02", "2000-04-23", "2008-03-23", "2024-03-31", "2025-04-20", "2027-03-28", "2038-04-25"] {
            let date: Date = text.parse().unwrap();
            assert_eq!(easter_sunday(date.year()), Some(date));
        }
    }
}
