//! Single values as people and Excel write them; an error continues "`Header` ...".

use jiff::civil::Date;

use super::field::fold;
use super::row::Evidence;
use crate::model::account::PersonType;
use crate::model::address::{EmailAddress, PhoneNumber};
use crate::model::language::Language;
use crate::model::mistake::did_you_mean;

type Parsed<T> = Result<T, String>;

const COMPANY: [&str; 17] = [
    "company",
    "bolag",
    "aktiebolag",
    "ab",
    "företag",
    "legal",
    "legalperson",
    "juridiskperson",
    "handelsbolag",
    "hb",
    "kommanditbolag",
    "kb",
    "förening",
    "stiftelse",
    "kommun",
    "myndighet",
    "gmbh",
];
const SOLE_TRADER: [&str; 5] = ["soletrader", "enskildfirma", "enskildnäringsidkare", "ef", "einzelunternehmen"];
const PRIVATE: [&str; 4] = ["private", "privat", "privatperson", "konsument"];

const YES: [&str; 8] = ["ja", "j", "yes", "y", "true", "sant", "1", "x"];
const NO: [&str; 7] = ["nej", "n", "no", "false", "falskt", "0", "ingen"];

/// What the law sees in a company.
pub(super) fn person_type(text: &str) -> Parsed<PersonType> {
    let word = fold(text);
    let kinds = [
        (COMPANY.as_slice(), PersonType::Company),
        (&SOLE_TRADER, PersonType::SoleTrader),
        (&PRIVATE, PersonType::Private),
    ];
    if let Some((_, kind)) = kinds.iter().find(|(words, _)| words.contains(&word.as_str())) {
        return Ok(*kind);
    }
    let meant = did_you_mean(&word, ["company", "soletrader", "private", "enskildfirma", "privatperson"]);
    let meant = meant.map(|meant| if meant == "soletrader" { "sole_trader" } else { meant });
    let aside = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
    Err(format!("is none of company, sole_trader, private{aside}"))
}

/// Yes or no; a day means yes, since that day.
pub(super) fn flag(text: &str) -> Parsed<bool> {
    let word = fold(text);
    match () {
        () if YES.contains(&word.as_str()) => Ok(true),
        () if NO.contains(&word.as_str()) => Ok(false),
        () if read_date(text).is_some() => Ok(true),
        () => Err("is neither yes nor no".to_owned()),
    }
}

/// Words between commas, semicolons or bars: sorted, in lower case, each once.
pub(super) fn list(text: &str) -> Vec<String> {
    let words = text.split([',', ';', '|']).map(|word| word.trim().to_lowercase());
    let mut words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    words.sort();
    words.dedup();
    words
}

/// A language the house has words in.
pub(super) fn language(text: &str) -> Parsed<Language> {
    let main = text.split(['-', '_']).next().unwrap_or(text);
    match fold(main).as_str() {
        "sv" | "swe" | "svenska" | "swedish" => Ok(Language::Sv),
        "en" | "eng" | "engelska" | "english" => Ok(Language::En),
        _ => Err("is no language letters are written in; those are sv and en".to_owned()),
    }
}

/// An IANA time zone.
pub(super) fn zone(text: &str) -> Parsed<String> {
    let zone = jiff::tz::TimeZone::get(text).ok();
    let name = zone.as_ref().and_then(|zone| zone.iana_name()).map(str::to_owned);
    name.ok_or_else(|| "is no time zone; one looks like Europe/Stockholm".to_owned())
}

/// One mail address.
pub(super) fn email(text: &str) -> Parsed<EmailAddress> {
    if text.matches('@').count() > 1 {
        return Err("holds several addresses; write one contact per row".to_owned());
    }
    let text = text.get(..7).filter(|head| head.eq_ignore_ascii_case("mailto:")).map_or(text, |_| &text[7..]);
    EmailAddress::parse(text).map_err(|error| error.to_string())
}

/// One number of the telephone network.
pub(super) fn phone(text: &str, country: &str) -> Parsed<PhoneNumber> {
    whole_number(text)?;
    let dialled = |c: char| c.is_ascii_digit() || "+-()/. \u{a0}\u{2010}\u{2011}\u{2013}".contains(c);
    if !text.chars().all(dialled) {
        return Err("is no telephone number; write it as +46 8 123 456 78".to_owned());
    }
    // "+46 (0)70": the zero is dialled at home only.
    let plain: String = text.replace("(0)", "").chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    PhoneNumber::parse(&plain, Some(country)).map_err(|error| error.to_string())
}

/// Refuses `5,56E+09`, in which Excel has lost digits.
pub(super) fn whole_number(text: &str) -> Parsed<()> {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return Ok(()) };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = mantissa.split([',', '.']).all(digits);
    if number && digits(exponent.trim_start_matches('+')) {
        return Err("was shortened by Excel and has lost digits; format the column as text and export again".to_owned());
    }
    Ok(())
}

/// A registry number: a Swedish one as its ten digits, any other without spaces and hyphens.
pub(super) fn org_number(text: &str, country: &str) -> Parsed<String> {
    whole_number(text)?;
    let plain: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    if country != "SE" {
        return if plain.is_empty() { Err("holds no number".to_owned()) } else { Ok(plain) };
    }
    // A VAT number is SE, the ten digits, 01; a person's number can have its century in front.
    let vat = plain.strip_prefix("SE").and_then(|rest| rest.strip_suffix("01")).filter(|digits| digits.len() == 10);
    let century = ["16", "18", "19", "20"].iter().find_map(|head| plain.strip_prefix(head));
    let digits = vat.or(century.filter(|digits| digits.len() == 10)).unwrap_or(&plain);
    if digits.len() != 10 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("is no Swedish registry number; one has ten digits".to_owned());
    }
    if !luhn(digits) {
        return Err("has a wrong check digit; one of the ten digits is mistyped".to_owned());
    }
    Ok(digits.to_owned())
}

/// The check of Swedish registry numbers (ISO/IEC 7812-1 annex B).
fn luhn(digits: &str) -> bool {
    let doubled = |(at, byte): (usize, u8)| {
        let digit = u32::from(byte - b'0');
        let weighed = if at % 2 == 1 { digit * 2 } else { digit };
        weighed / 10 + weighed % 10
    };
    digits.bytes().rev().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
}

/// A day that is not later than `today`.
pub(super) fn date(text: &str, today: Date) -> Parsed<Date> {
    let Some(date) = read_date(text) else {
        let serial = text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
        let why = if serial { "is Excel's number of a day; format the column as a date" } else { "is no day" };
        return Err(format!("{why}; write it as 2026-12-22"));
    };
    if date > today {
        return Err("lies in the future".to_owned());
    }
    Ok(date)
}

/// 2026-12-22, 2026/12/22, 20261222 or 22.12.2026, with a time behind it or not. Days
/// with slashes and the year last are ambiguous and so none.
fn read_date(text: &str) -> Option<Date> {
    let day = text.split(['T', ' ']).next()?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i16>().ok()).flatten();
    let parts: Vec<&str> = match day.len() {
        8 if day.bytes().all(|b| b.is_ascii_digit()) => vec![&day[..4], &day[4..6], &day[6..]],
        _ => day.split(['-', '/', '.']).collect(),
    };
    let [first, month, last] = parts[..] else { return None };
    let (year, day) = match (first.len(), last.len()) {
        (4, 1..=2) => (first, last),
        (1..=2, 4) if day.contains('.') => (last, first),
        _ => return None,
    };
    let small = |text: &str| number(text).and_then(|number| i8::try_from(number).ok());
    Date::new(number(year)?, small(month)?, small(day)?).ok()
}

/// A consent: how we know, and since when (in its own column, or before the words).
/// "No" is none; a bare "yes" proves nothing and is refused.
pub(super) fn evidence(text: &str, since: Option<Date>, today: Date) -> Parsed<Option<Evidence>> {
    if NO.contains(&fold(text).as_str()) {
        return Ok(None);
    }
    let (head, rest) = text.split_once(' ').unwrap_or((text, ""));
    let written = read_date(head.trim_end_matches([',', ':', ';']));
    let words = if written.is_some() { rest.trim() } else { text };
    if words.is_empty() || YES.contains(&fold(words).as_str()) {
        return Err("does not say how we know; write as `2026-10-14 form at the fair`".to_owned());
    }
    let Some(date) = since.or(written) else {
        return Err("does not say since when; write as `2026-10-14 form at the fair`".to_owned());
    };
    if date > today {
        return Err("lies in the future".to_owned());
    }
    Ok(Some(Evidence { text: words.to_owned(), date }))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date as day;

    use super::*;

    const TODAY: Date = day(2027, 2, 24);

    #[test]
    fn reads_days_in_the_ways_that_mean_one_day() {
        for text in ["2026-12-22", "2026/12/22", "20261222", "22.12.2026", "2026-12-22 08:30", "2026-12-22T08:30:00Z"] {
            assert_eq!(date(text, TODAY), Ok(day(2026, 12, 22)), "{text}");
        }
        for text in ["12/22/2026", "22-12-26", "2026-13-01", "i våras", "2026-02-30", "å2026-1-1", "+026-1-1"] {
            assert!(date(text, TODAY).is_err(), "{text}");
        }
        assert_eq!(date("2027-02-25", TODAY), Err("lies in the future".to_owned()));
        assert!(date("46378", TODAY).unwrap_err().contains("Excel's number"));
    }

    #[test]
    fn reads_numbers_as_people_and_excel_write_them() {
        for text in ["070-174 06 12", "0701740612", "701740612", "+46 (0)70-174 06 12", "0046701740612", "070/1740612"]
        {
            assert_eq!(phone(text, "SE").map(|n| n.as_str().to_owned()), Ok("+46701740612".to_owned()), "{text}");
        }
        assert!(phone("7,02E+08", "SE").unwrap_err().contains("Excel"));
        for text in ["070-LAMPA", "växeln", "1", "+", "()", "++46"] {
            assert!(phone(text, "SE").is_err(), "{text}");
        }
    }

    #[test]
    fn checks_swedish_registry_numbers() {
        for text in ["559980-0017", "5599800017", "165599800017", "SE559980001701"] {
            assert_eq!(org_number(text, "SE").as_deref(), Ok("5599800017"), "{text}");
        }
        assert!(org_number("559980-0018", "SE").unwrap_err().contains("check digit"));
        assert!(org_number("5,56E+09", "SE").unwrap_err().contains("Excel"));
        assert!(org_number("12345", "SE").is_err());
        assert_eq!(org_number("HRB 12345", "DE").as_deref(), Ok("HRB12345"));
    }

    #[test]
    fn takes_no_consent_without_day_and_evidence() {
        let fair = Evidence { text: "blankett på mässan".to_owned(), date: day(2026, 10, 14) };
        assert_eq!(evidence("2026-10-14 blankett på mässan", None, TODAY), Ok(Some(fair.clone())));
        assert_eq!(evidence("blankett på mässan", Some(fair.date), TODAY), Ok(Some(fair)));
        assert_eq!(evidence("nej", None, TODAY), Ok(None));
        for text in ["ja", "2026-10-14", "2026-10-14 ja", "muntligt", "2028-01-01 form"] {
            assert!(evidence(text, None, TODAY).is_err(), "{text}");
        }
    }

    #[test]
    fn guesses_a_mistyped_kind_of_person() {
        assert_eq!(person_type("Enskild firma"), Ok(PersonType::SoleTrader));
        assert_eq!(
            person_type("compny"),
            Err("is none of company, sole_trader, private; did you mean `company`?".to_owned())
        );
    }

    #[test]
    fn refuses_two_addresses_in_one_field() {
        assert!(email("a@b.example; c@d.example").unwrap_err().contains("several"));
        assert_eq!(email("mailto:a@b.example").unwrap().as_str(), "a@b.example");
    }
}
