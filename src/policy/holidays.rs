//! Public holidays as data: one table per country, each with its source.
//!
//! Only what holds in the whole country is listed; a holiday of one region (a
//! German Land, Scotland) is not. `calendar` reads these tables. To correct one,
//! change its line; a year in which a law changed stands in `since` and `until`.

use jiff::civil::Weekday;

use super::holiday::Rule::{Easter, Fixed, From, InLieu, Nth};
use super::holiday::{Holiday, Kind, Rule};
use Weekday::{Friday, Monday, Saturday, Thursday};

const fn public(name: &'static str, rule: Rule) -> Holiday {
    Holiday { name, kind: Kind::Public, rule, since: i16::MIN, until: i16::MAX }
}

const fn closed(name: &'static str, rule: Rule) -> Holiday {
    Holiday { name, kind: Kind::DeFacto, rule, since: i16::MIN, until: i16::MAX }
}

const fn since(year: i16, holiday: Holiday) -> Holiday {
    Holiday { since: year, ..holiday }
}

const fn until(year: i16, holiday: Holiday) -> Holiday {
    Holiday { until: year, ..holiday }
}

const NEW_YEAR: Holiday = public("New Year's Day", Fixed(1, 1));
const EPIPHANY: Holiday = public("Epiphany", Fixed(1, 6));
const MAUNDY_THURSDAY: Holiday = public("Maundy Thursday", Easter(-3));
const GOOD_FRIDAY: Holiday = public("Good Friday", Easter(-2));
const EASTER_SUNDAY: Holiday = public("Easter Sunday", Easter(0));
const EASTER_MONDAY: Holiday = public("Easter Monday", Easter(1));
const MAY_DAY: Holiday = public("May Day", Fixed(5, 1));
const ASCENSION: Holiday = public("Ascension Day", Easter(39));
const WHIT_SUNDAY: Holiday = public("Whit Sunday", Easter(49));
const WHIT_MONDAY: Holiday = public("Whit Monday", Easter(50));
const CORPUS_CHRISTI: Holiday = public("Corpus Christi", Easter(60));
const ASSUMPTION: Holiday = public("Assumption Day", Fixed(8, 15));
const ALL_SAINTS: Holiday = public("All Saints' Day", Fixed(11, 1));
const NORDIC_ALL_SAINTS: Holiday = public("All Saints' Day", From(Saturday, 10, 31));
const MIDSUMMER_EVE: Holiday = closed("Midsummer Eve", From(Friday, 6, 19));
const MIDSUMMER_DAY: Holiday = public("Midsummer Day", From(Saturday, 6, 20));
const CHRISTMAS_EVE: Holiday = closed("Christmas Eve", Fixed(12, 24));
const CHRISTMAS_DAY: Holiday = public("Christmas Day", Fixed(12, 25));
const SECOND_CHRISTMAS_DAY: Holiday = public("Second Day of Christmas", Fixed(12, 26));
const NEW_YEARS_EVE: Holiday = closed("New Year's Eve", Fixed(12, 31));

/// Sweden: lag (1989:253) om allmänna helgdagar; the eves by custom, and lag
/// (1930:173) om beräkning av lagstadgad tid counts them as holidays.
const SE: &[Holiday] = &[
    NEW_YEAR,
    EPIPHANY,
    GOOD_FRIDAY,
    EASTER_SUNDAY,
    EASTER_MONDAY,
    MAY_DAY,
    ASCENSION,
    WHIT_SUNDAY,
    until(2004, WHIT_MONDAY),
    since(2005, public("National Day", Fixed(6, 6))),
    MIDSUMMER_EVE,
    MIDSUMMER_DAY,
    NORDIC_ALL_SAINTS,
    CHRISTMAS_EVE,
    CHRISTMAS_DAY,
    SECOND_CHRISTMAS_DAY,
    NEW_YEARS_EVE,
];

/// Germany: the nine days that are holidays in every Land (the Länder's
/// Feiertagsgesetze; 3 October by the Einigungsvertrag art. 2(2)); the eves by custom.
const DE: &[Holiday] = &[
    NEW_YEAR,
    GOOD_FRIDAY,
    EASTER_MONDAY,
    MAY_DAY,
    ASCENSION,
    WHIT_MONDAY,
    since(1990, public("German Unity Day", Fixed(10, 3))),
    CHRISTMAS_EVE,
    CHRISTMAS_DAY,
    SECOND_CHRISTMAS_DAY,
    NEW_YEARS_EVE,
];

/// Denmark: the holidays of the national church, as in lukkeloven par. 1; great
/// prayer day until 2023 (lov nr. 214 of 6 March 2023); Constitution Day and the eves by custom.
const DK: &[Holiday] = &[
    NEW_YEAR,
    MAUNDY_THURSDAY,
    GOOD_FRIDAY,
    EASTER_SUNDAY,
    EASTER_MONDAY,
    until(2023, public("Great Prayer Day", Easter(26))),
    ASCENSION,
    WHIT_SUNDAY,
    WHIT_MONDAY,
    closed("Constitution Day", Fixed(6, 5)),
    CHRISTMAS_EVE,
    CHRISTMAS_DAY,
    SECOND_CHRISTMAS_DAY,
    NEW_YEARS_EVE,
];

/// Norway: lov om helligdager og helligdagsfred (1995-02-24-12) par. 2, and lov
/// (1947-04-26-1) for 1 and 17 May; the eves by custom.
const NO: &[Holiday] = &[
    NEW_YEAR,
    MAUNDY_THURSDAY,
    GOOD_FRIDAY,
    EASTER_SUNDAY,
    EASTER_MONDAY,
    MAY_DAY,
    public("Constitution Day", Fixed(5, 17)),
    ASCENSION,
    WHIT_SUNDAY,
    WHIT_MONDAY,
    CHRISTMAS_EVE,
    CHRISTMAS_DAY,
    SECOND_CHRISTMAS_DAY,
    NEW_YEARS_EVE,
];

/// Finland: kyrkolag (652/2023) on church holidays, with the laws on May Day
/// (272/1944) and Independence Day (388/1937); the eves by custom and collective agreements.
const FI: &[Holiday] = &[
    NEW_YEAR,
    EPIPHANY,
    GOOD_FRIDAY,
    EASTER_SUNDAY,
    EASTER_MONDAY,
    MAY_DAY,
    ASCENSION,
    WHIT_SUNDAY,
    MIDSUMMER_EVE,
    MIDSUMMER_DAY,
    NORDIC_ALL_SAINTS,
    public("Independence Day", Fixed(12, 6)),
    CHRISTMAS_EVE,
    CHRISTMAS_DAY,
    SECOND_CHRISTMAS_DAY,
];

/// Great Britain: England and Wales, Banking and Financial Dealings Act 1971
/// sch. 1 and the yearly proclamations (gov.uk/bank-holidays); one-off days are not listed.
const GB: &[Holiday] = &[
    NEW_YEAR,
    public("New Year's Day (in lieu)", InLieu(1, 1, 2, 1)),
    GOOD_FRIDAY,
    EASTER_MONDAY,
    public("Early May bank holiday", Nth(1, Monday, 5)),
    public("Spring bank holiday", Nth(-1, Monday, 5)),
    public("Summer bank holiday", Nth(-1, Monday, 8)),
    CHRISTMAS_DAY,
    public("Boxing Day", Fixed(12, 26)),
    public("Christmas Day (in lieu)", InLieu(12, 25, 2, 2)),
    public("Boxing Day (in lieu)", InLieu(12, 26, 2, 2)),
];

/// Austria: Feiertagsruhegesetz 1957 par. 1; the eves by custom.
const AT: &[Holiday] = &[
    NEW_YEAR,
    EPIPHANY,
    EASTER_MONDAY,
    MAY_DAY,
    ASCENSION,
    WHIT_MONDAY,
    CORPUS_CHRISTI,
    ASSUMPTION,
    public("National Day", Fixed(10, 26)),
    ALL_SAINTS,
    public("Immaculate Conception", Fixed(12, 8)),
    CHRISTMAS_EVE,
    CHRISTMAS_DAY,
    SECOND_CHRISTMAS_DAY,
    NEW_YEARS_EVE,
];

/// Netherlands: Algemene termijnenwet art. 3; King's Day moves from Sunday to
/// Saturday, which is no business day either way.
const NL: &[Holiday] = &[
    NEW_YEAR,
    GOOD_FRIDAY,
    EASTER_SUNDAY,
    EASTER_MONDAY,
    since(2014, public("King's Day", Fixed(4, 27))),
    ASCENSION,
    WHIT_SUNDAY,
    WHIT_MONDAY,
    CHRISTMAS_DAY,
    SECOND_CHRISTMAS_DAY,
];

/// Belgium: the ten days of the royal decree of 18 April 1974 on the law of 4 January 1974.
const BE: &[Holiday] = &[
    NEW_YEAR,
    EASTER_MONDAY,
    MAY_DAY,
    ASCENSION,
    WHIT_MONDAY,
    public("National Day", Fixed(7, 21)),
    ASSUMPTION,
    ALL_SAINTS,
    public("Armistice Day", Fixed(11, 11)),
    CHRISTMAS_DAY,
];

/// France: Code du travail art. L3133-1.
const FR: &[Holiday] = &[
    NEW_YEAR,
    EASTER_MONDAY,
    MAY_DAY,
    public("Victory Day", Fixed(5, 8)),
    ASCENSION,
    WHIT_MONDAY,
    public("Bastille Day", Fixed(7, 14)),
    ASSUMPTION,
    ALL_SAINTS,
    public("Armistice Day", Fixed(11, 11)),
    CHRISTMAS_DAY,
];

/// Poland: ustawa o dniach wolnych od pracy of 18 January 1951; Epiphany since
/// 2011, Christmas Eve since 2025.
const PL: &[Holiday] = &[
    NEW_YEAR,
    since(2011, EPIPHANY),
    EASTER_SUNDAY,
    EASTER_MONDAY,
    MAY_DAY,
    public("Constitution Day", Fixed(5, 3)),
    WHIT_SUNDAY,
    CORPUS_CHRISTI,
    ASSUMPTION,
    ALL_SAINTS,
    public("Independence Day", Fixed(11, 11)),
    since(2025, public("Christmas Eve", Fixed(12, 24))),
    CHRISTMAS_DAY,
    SECOND_CHRISTMAS_DAY,
];

/// United States: the federal holidays of 5 U.S.C. 6103; one on a Sunday is kept
/// on Monday, one on a Saturday is not moved in business.
const US: &[Holiday] = &[
    NEW_YEAR,
    public("New Year's Day (in lieu)", InLieu(1, 1, 0, 1)),
    public("Martin Luther King Day", Nth(3, Monday, 1)),
    public("Washington's Birthday", Nth(3, Monday, 2)),
    public("Memorial Day", Nth(-1, Monday, 5)),
    since(2021, public("Juneteenth", Fixed(6, 19))),
    since(2021, public("Juneteenth (in lieu)", InLieu(6, 19, 0, 1))),
    public("Independence Day", Fixed(7, 4)),
    public("Independence Day (in lieu)", InLieu(7, 4, 0, 1)),
    public("Labor Day", Nth(1, Monday, 9)),
    public("Columbus Day", Nth(2, Monday, 10)),
    public("Veterans Day", Fixed(11, 11)),
    public("Veterans Day (in lieu)", InLieu(11, 11, 0, 1)),
    public("Thanksgiving", Nth(4, Thursday, 11)),
    CHRISTMAS_DAY,
    public("Christmas Day (in lieu)", InLieu(12, 25, 0, 1)),
];

/// The holidays of a country (ISO 3166 alpha-2); none where no table stands here.
pub fn of_country(code: &str) -> &'static [Holiday] {
    match code {
        "AT" => AT,
        "BE" => BE,
        "DE" => DE,
        "DK" => DK,
        "FI" => FI,
        "FR" => FR,
        "GB" => GB,
        "NL" => NL,
        "NO" => NO,
        "PL" => PL,
        "SE" => SE,
        "US" => US,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::*;

    /// The weekdays off of a year, as `MM-DD name`.
    fn weekdays_off(country: &str, year: i16) -> Vec<String> {
        let first = Date::new(year, 1, 1).unwrap();
        let days = first.series(jiff::Span::new().days(1)).take_while(|date| date.year() == year);
        days.filter(|date| date.weekday().to_monday_one_offset() < 6)
            .filter_map(|date| {
                let holiday = of_country(country).iter().find(|holiday| holiday.is_on(date))?;
                let mark = if holiday.kind == Kind::DeFacto { " *" } else { "" };
                Some(format!("{:02}-{:02} {}{mark}", date.month(), date.day(), holiday.name))
            })
            .collect()
    }

    #[test]
    fn sweden_2027_is_closed_on_these_weekdays() {
        insta::assert_snapshot!(weekdays_off("SE", 2027).join("\n"), @r"
        01-01 New Year's Day
        01-06 Epiphany
        03-26 Good Friday
        03-29 Easter Monday
        05-06 Ascension Day
        06-25 Midsummer Eve *
        12-24 Christmas Eve *
        12-31 New Year's Eve *
        ");
    }

    #[test]
    fn germany_2027_is_closed_on_these_weekdays() {
        insta::assert_snapshot!(weekdays_off("DE", 2027).join("\n"), @r"
        01-01 New Year's Day
        03-26 Good Friday
        03-29 Easter Monday
        05-06 Ascension Day
        05-17 Whit Monday
        12-24 Christmas Eve *
        12-31 New Year's Eve *
        ");
    }

    #[test]
    fn denmark_lost_its_great_prayer_day_after_2023() {
        assert!(weekdays_off("DK", 2023).contains(&"05-05 Great Prayer Day".to_owned()));
        assert!(!weekdays_off("DK", 2024).iter().any(|day| day.contains("Prayer")));
    }

    #[test]
    fn norway_and_finland_keep_their_own_days() {
        assert!(weekdays_off("NO", 2027).contains(&"05-17 Constitution Day".to_owned()));
        assert!(weekdays_off("NO", 2027).contains(&"03-25 Maundy Thursday".to_owned()));
        assert!(weekdays_off("FI", 2027).contains(&"12-06 Independence Day".to_owned()));
        assert!(weekdays_off("FI", 2027).contains(&"06-25 Midsummer Eve *".to_owned()));
    }

    #[test]
    fn britain_gets_the_monday_and_tuesday_after_a_christmas_weekend() {
        let days = weekdays_off("GB", 2027);
        assert!(days.ends_with(&["12-27 Christmas Day (in lieu)".to_owned(), "12-28 Boxing Day (in lieu)".to_owned()]));
        let days = weekdays_off("GB", 2022);
        assert!(days.contains(&"01-03 New Year's Day (in lieu)".to_owned()));
        assert!(days.ends_with(&["12-26 Boxing Day".to_owned(), "12-27 Christmas Day (in lieu)".to_owned()]));
    }
}
