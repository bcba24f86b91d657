//! Which days a client works: no weekends, no public holidays of its country.
//!
//! The holidays themselves are data in `holidays`; `window`, `wait` and `digest`
//! ask this calendar.

use jiff::civil::{Date, Weekday};

use super::holiday::Holiday;
use super::holidays;

/// The working days of one country.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    holidays: &'static [Holiday],
}

impl Calendar {
    /// The calendar of a country (ISO 3166 alpha-2, any case).
    ///
    /// Without a country, or for one that has no table, only weekends are free.
    pub fn of(country: Option<&str>) -> Self {
        let holidays = country.map_or(&[][..], |code| holidays::of_country(&code.to_ascii_uppercase()));
        Self { holidays }
    }

    /// The holiday on `date`, by law or by custom, also on a weekend.
    pub fn find_holiday(&self, date: Date) -> Option<&'static Holiday> {
        self.holidays.iter().find(|holiday| holiday.is_on(date))
    }

    /// The English name of the holiday on `date`.
    pub fn is_holiday(&self, date: Date) -> Option<&'static str> {
        self.find_holiday(date).map(|holiday| holiday.name)
    }

    /// Neither Saturday, Sunday nor a holiday.
    pub fn is_business_day(&self, date: Date) -> bool {
        !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && self.find_holiday(date).is_none()
    }

    /// The `days`-th business day after `date`; for 0 `date` itself or, where that
    /// is free, the next business day.
    pub fn add_business_days(&self, mut date: Date, days: u32) -> Date {
        if days == 0 {
            return self.on_or_after(date);
        }
        for _ in 0..days {
            let Ok(next) = date.tomorrow() else { return date };
            date = self.on_or_after(next);
        }
        date
    }

    /// The `days`-th business day before `date`; for 0 `date` itself or, where
    /// that is free, the business day before it.
    pub fn sub_business_days(&self, mut date: Date, days: u32) -> Date {
        if days == 0 {
            return self.on_or_before(date);
        }
        for _ in 0..days {
            let Ok(last) = date.yesterday() else { return date };
            date = self.on_or_before(last);
        }
        date
    }

    fn on_or_after(&self, mut date: Date) -> Date {
        while !self.is_business_day(date) {
            let Ok(next) = date.tomorrow() else { return date };
            date = next;
        }
        date
    }

    fn on_or_before(&self, mut date: Date) -> Date {
        while !self.is_business_day(date) {
            let Ok(last) = date.yesterday() else { return date };
            date = last;
        }
        date
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn swedish_easter_and_eves_are_no_business_days() {
        let sweden = Calendar::of(Some("se"));
        assert_eq!(sweden.is_holiday(date(2027, 3, 26)), Some("Good Friday"));
        assert_eq!(sweden.is_holiday(date(2027, 3, 29)), Some("Easter Monday"));
        for eve in [date(2027, 6, 25), date(2027, 12, 24), date(2027, 12, 31)] {
            assert!(!sweden.is_business_day(eve), "{eve}");
        }
        assert!(sweden.is_business_day(date(2027, 3, 25)));
    }

    #[test]
    fn unknown_country_has_only_weekends() {
        for calendar in [Calendar::of(None), Calendar::of(Some("XX"))] {
            assert!(calendar.is_business_day(date(2027, 12, 24)));
            assert!(!calendar.is_business_day(date(2027, 12, 25)));
        }
    }

    #[test]
    fn no_days_from_a_free_day_is_the_next_business_day() {
        let sweden = Calendar::of(Some("SE"));
        assert_eq!(sweden.add_business_days(date(2027, 3, 26), 0), date(2027, 3, 30));
        assert_eq!(sweden.add_business_days(date(2027, 3, 30), 0), date(2027, 3, 30));
        assert_eq!(sweden.sub_business_days(date(2027, 3, 28), 0), date(2027, 3, 25));
    }

    #[test]
    fn stops_at_the_last_day_that_can_be_written() {
        let last = Date::MAX;
        assert_eq!(Calendar::of(None).add_business_days(last, u32::MAX), last);
    }

    proptest! {
        #[test]
        fn business_days_never_land_on_a_free_day_and_count_exactly(
            offset in 0i64..20_000, days in 0u32..60,
            country in prop::sample::select(vec!["SE", "DE", "DK", "NO", "FI", "GB", "AT", "NL", "BE", "FR", "PL", "US", "XX"]),
        ) {
            let calendar = Calendar::of(Some(country));
            let from = date(2000, 1, 1).saturating_add(jiff::Span::new().days(offset));
            let to = calendar.add_business_days(from, days);
            prop_assert!(calendar.is_business_day(to));
            if days > 0 {
                let between = from.series(jiff::Span::new().days(1)).skip(1).take_while(|day| *day <= to);
                let counted = between.filter(|day| calendar.is_business_day(*day)).count();
                prop_assert_eq!(counted, days as usize);
            }
            if calendar.is_business_day(from) {
                prop_assert_eq!(calendar.sub_business_days(to, days), from);
            }
        }
    }
}
