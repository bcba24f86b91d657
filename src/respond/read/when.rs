//! Dates in the words of people: "vecka 34", "åter 15 mars", "next quarter".
//!
//! Days count from the day the mail came. A date without a year is the next one.

use std::sync::LazyLock;

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::{Span, ToSpan};
use regex::{Captures, Regex};

/// A date that a text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) date: Date,
}

type Resolve = fn(&Captures<'_>, Date) -> Option<Date>;

const MONTH: &str = r"(jan(?:uari|uary|uar)?|feb(?:ruari|ruary|ruar)?|mars|march|märz|mar|april|apr|maj|may|mai|juni|june|jun|juli|july|jul|augusti|august|aug|september|sept|sep|oktober|october|okt|oct|november|nov|december|dezember|dec|dez)\b\.?";
const WEEKDAY: &str = r"(måndag|tisdag|onsdag|torsdag|fredag|monday|tuesday|wednesday|thursday|friday|montag|dienstag|mittwoch|donnerstag|freitag)";
const AMOUNT: &str =
    r"(\d{1,2}|en|ett|två|tre|fyra|fem|sex|one|two|three|four|five|six|a|an|zwei|drei|vier|fünf|sechs|einem|einer)";

static FORMS: LazyLock<Vec<(Regex, Resolve)>> = LazyLock::new(|| {
    let form =
        |text: &str, resolve: Resolve| (Regex::new(&format!("(?i){text}")).expect("a test runs each form"), resolve);
    vec![
        form(r"\b(20\d\d)-(\d{1,2})-(\d{1,2})\b", by_iso),
        form(&format!(r"\b(\d{{1,2}})(?::?e|:?a|st|nd|rd|th|\.)? (?:of )?{MONTH}(?:,? (20\d\d))?"), by_day_month),
        form(&format!(r"\b{MONTH} (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (20\d\d))?"), by_month_day),
        form(r"\b(\d{1,2})/(\d{1,2})(?:[/ -](20\d\d|\d\d))?\b", by_slashes),
        form(r"\b(\d{1,2})\.(\d{1,2})\.(20\d\d|\d\d\b)?", by_slashes),
        form(r"\b(?:vecka|v\.?|week|w|kw|kalenderwoche|woche) ?(\d{1,2})\b(?:,? (20\d\d))?", by_week),
        form(
            &format!(
                r"\b(?:i|in|im|until|till|från|from|ab|early|mid|late|början av|mitten av|slutet av|anfang|mitte|ende) {MONTH}(?: (20\d\d))?"
            ),
            by_month,
        ),
        form(&format!(r"\b(?:på|nästa|on|next|am|nächsten|kommande|until|till) {WEEKDAY}\b"), by_weekday),
        form(
            &format!(
                r"\b(?:om|in|inom|within) (?:ungefär |cirka |about |ca )?{AMOUNT} (?:\p{{L}}+ )?(dag|vecka|veckor|månad|day|week|month|tag|woche|monat|år|year|jahr)"
            ),
            by_amount,
        ),
        form(r"\b(?:halvår|half a year|halben jahr|six months)\b", |_, day| day.checked_add(6.months()).ok()),
        form(r"\b(?:nästa vecka|next week|nächste woche)\b", |_, day| Some(next_monday(day))),
        form(r"\b(?:nästa månad|next month|nächsten monat)\b", |_, day| {
            day.first_of_month().checked_add(1.month()).ok()
        }),
        form(r"\b(?:nästa kvartal|next quarter|nächste[sn]? quartal)\b", by_quarter),
        form(r"\bq([1-4])\b", by_named_quarter),
        form(
            r"\b(?:nästa år|next year|nächstes jahr|efter nyår|efter årsskiftet|(?:after|in) the new year|after new year|nach neujahr)\b",
            |_, day| workday(Date::new(day.year() + 1, 1, 7).ok()?),
        ),
        form(
            r"\b(?:efter (?:semestern|semestrarna|semester|sommaren)|after (?:the )?(?:summer|vacation|holidays)|nach (?:dem sommer|den (?:sommer)?ferien|dem urlaub))\b",
            |_, day| workday(next(day, 8, 16)?),
        ),
        form(r"\b(?:till hösten|i höst|in (?:the )?(?:autumn|fall)|im herbst)\b", |_, day| workday(next(day, 9, 1)?)),
        form(r"\b(?:till våren|i vår|in (?:the )?spring|im frühjahr)\b", |_, day| workday(next(day, 3, 1)?)),
    ]
});

/// Every date that `text` names, by their place; `today` is the day it came.
pub(super) fn dates(text: &str, today: Date) -> Vec<Named> {
    let text = &text[..text.floor_char_boundary(8_000)];
    let mut found: Vec<Named> = Vec::new();
    for (form, resolve) in FORMS.iter() {
        for captures in form.captures_iter(text).take(20) {
            let whole = captures.get(0).expect("group 0 is the match");
            let overlaps = found.iter().any(|known| whole.start() < known.end && known.start < whole.end());
            let Some(date) = resolve(&captures, today).filter(|_| !overlaps) else { continue };
            found.push(Named { start: whole.start(), end: whole.end(), date });
        }
    }
    found.sort_by_key(|named| named.start);
    found
}

/// The day someone is back, as their automatic answer says it.
pub(super) fn return_date(text: &str, today: Date) -> Option<Date> {
    static BACK: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?i)\b(?:åter|tillbaka|på plats|back|return(?:ing|s)?|resume|available again|zurück|wieder|erreichbar)\b",
        )
    });
    static UNTIL: LazyLock<Regex> = LazyLock::new(|| {
        expression(r"(?i)\b(?:until|till|til|fram till|bis(?: zum)?|t\.?o\.?m\.?|through|thru|jusqu'au|tot)")
    });
    static WITH_IT: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?i)\b(?:t\.?o\.?m|till och med|through|thru|inklusive|inkl|einschlie(?:ß|ss)lich|inclusive|including)\b",
        )
    });
    let dates: Vec<Named> = dates(text, today).into_iter().filter(|named| named.date >= today).collect();
    let before = |words: &Regex| {
        dates.iter().find(|named| {
            let before = slice(text, named.start.saturating_sub(45), named.start);
            words.is_match(before.rsplit(['!', '\n']).next().unwrap_or_default())
        })
    };
    // "ab 15. März wieder": behind the date, and before the next one.
    let behind = |words: &Regex| {
        dates.iter().enumerate().find(|(at, named)| {
            let next = dates.get(at + 1).map_or(text.len(), |next| next.start);
            let after = slice(text, named.end, next.min(named.end + 30));
            words.is_match(after.split(['.', '!', '\n']).next().unwrap_or_default())
        })
    };
    if let Some(named) = before(&BACK).or_else(|| behind(&BACK).map(|(_, named)| named)) {
        return Some(named.date);
    }
    if let Some(named) = before(&UNTIL) {
        let around = slice(text, named.start.saturating_sub(45), named.end + 20);
        let with_it = WITH_IT.is_match(around);
        return if with_it { named.date.tomorrow().ok() } else { Some(named.date) };
    }
    // "1-14 mars": away on the last day too.
    match dates.as_slice() {
        [first, .., last] if first.date < last.date => last.date.tomorrow().ok(),
        _ => None,
    }
}

/// The day to come back at that stands nearest to `at`, if it is to come.
pub(super) fn date_near(text: &str, at: usize, today: Date) -> Option<Date> {
    let coming = dates(text, today).into_iter().filter(|named| named.date > today);
    coming.min_by_key(|named| named.start.abs_diff(at)).map(|named| named.date)
}

fn slice(text: &str, from: usize, to: usize) -> &str {
    &text[text.floor_char_boundary(from)..text.floor_char_boundary(to.min(text.len()))]
}

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a test runs each expression")
}

fn number<T: std::str::FromStr>(captures: &Captures<'_>, group: usize) -> Option<T> {
    captures.get(group)?.as_str().parse().ok()
}

fn year(captures: &Captures<'_>, group: usize) -> Option<i16> {
    number::<i16>(captures, group).map(|year| if year < 100 { 2000 + year } else { year })
}

fn month(name: &str) -> Option<i8> {
    let head: String = name.to_lowercase().chars().take(3).collect();
    let number = match head.as_str() {
        "jan" => 1,
        "feb" => 2,
        "mar" | "mär" => 3,
        "apr" => 4,
        "maj" | "may" | "mai" => 5,
        "jun" => 6,
        "jul" => 7,
        "aug" => 8,
        "sep" => 9,
        "okt" | "oct" => 10,
        "nov" => 11,
        "dec" | "dez" => 12,
        _ => return None,
    };
    Some(number)
}

/// This day of the year at its next coming; one just past stays in the past, for
/// "back 15 March" read on the 16th does not mean next year.
fn next(today: Date, month: i8, day: i8) -> Option<Date> {
    let here = Date::new(today.year(), month, day).ok();
    match here.filter(|date| *date >= today.saturating_sub(30.days())) {
        Some(date) => Some(date),
        None => Date::new(today.year() + 1, month, day).ok(),
    }
}

fn exactly_or_next(year: Option<i16>, month: i8, day: i8, today: Date) -> Option<Date> {
    match year {
        Some(year) => Date::new(year, month, day).ok(),
        None => next(today, month, day),
    }
}

/// The day itself, or the Monday after a weekend.
fn workday(date: Date) -> Option<Date> {
    match date.weekday() {
        Weekday::Saturday | Weekday::Sunday => Some(next_monday(date)),
        _ => Some(date),
    }
}

fn next_monday(day: Date) -> Date {
    day.nth_weekday(1, Weekday::Monday).unwrap_or(day)
}

fn by_iso(captures: &Captures<'_>, _: Date) -> Option<Date> {
    Date::new(number(captures, 1)?, number(captures, 2)?, number(captures, 3)?).ok()
}

fn by_day_month(captures: &Captures<'_>, today: Date) -> Option<Date> {
    exactly_or_next(year(captures, 3), month(&captures[2])?, number(captures, 1)?, today)
}

fn by_month_day(captures: &Captures<'_>, today: Date) -> Option<Date> {
    exactly_or_next(year(captures, 3), month(&captures[1])?, number(captures, 2)?, today)
}

/// Day before month, as Europe writes it, unless that is no date.
fn by_slashes(captures: &Captures<'_>, today: Date) -> Option<Date> {
    let (first, second): (i8, i8) = (number(captures, 1)?, number(captures, 2)?);
    let (day, month) = if second > 12 { (second, first) } else { (first, second) };
    exactly_or_next(year(captures, 3), month, day, today)
}

fn by_week(captures: &Captures<'_>, today: Date) -> Option<Date> {
    let week = number(captures, 1)?;
    let monday = |year| ISOWeekDate::new(year, week, Weekday::Monday).ok().map(ISOWeekDate::date);
    match year(captures, 2) {
        Some(year) => monday(year),
        None => {
            let this = today.iso_week_date().year();
            (this..=this + 2).filter_map(monday).find(|date| *date >= today)
        }
    }
}

fn by_month(captures: &Captures<'_>, today: Date) -> Option<Date> {
    let month = month(&captures[1])?;
    let first = match year(captures, 2) {
        Some(year) => Date::new(year, month, 1).ok()?,
        None if month == today.month() => return today.tomorrow().ok(),
        None => [today.year(), today.year() + 1]
            .into_iter()
            .filter_map(|year| Date::new(year, month, 1).ok())
            .find(|date| *date >= today)?,
    };
    workday(first)
}

fn by_weekday(captures: &Captures<'_>, today: Date) -> Option<Date> {
    let head: String = captures[1].to_lowercase().chars().take(3).collect();
    let weekday = match head.as_str() {
        "mån" | "mon" => Weekday::Monday,
        "tis" | "tue" | "die" => Weekday::Tuesday,
        "ons" | "wed" | "mit" => Weekday::Wednesday,
        "tor" | "thu" | "don" => Weekday::Thursday,
        "fre" | "fri" => Weekday::Friday,
        _ => return None,
    };
    today.nth_weekday(1, weekday).ok()
}

fn by_amount(captures: &Captures<'_>, today: Date) -> Option<Date> {
    let amount: i32 = match captures[1].to_lowercase().as_str() {
        "en" | "ett" | "one" | "a" | "an" | "einem" | "einer" => 1,
        "två" | "two" | "zwei" => 2,
        "tre" | "three" | "drei" => 3,
        "fyra" | "four" | "vier" => 4,
        "fem" | "five" | "fünf" => 5,
        "sex" | "six" | "sechs" => 6,
        digits => digits.parse().ok()?,
    };
    let span: Span = match captures[2].to_lowercase().as_str() {
        "dag" | "day" | "tag" => amount.days(),
        "vecka" | "veckor" | "week" | "woche" => amount.weeks(),
        "månad" | "month" | "monat" => amount.months(),
        _ => amount.years(),
    };
    today.checked_add(span).ok()
}

fn by_quarter(_: &Captures<'_>, today: Date) -> Option<Date> {
    let months_to_go = 3 - (today.month() - 1) % 3;
    today.first_of_month().checked_add(i32::from(months_to_go).months()).ok().and_then(workday)
}

fn by_named_quarter(captures: &Captures<'_>, today: Date) -> Option<Date> {
    let month = (number::<i8>(captures, 1)? - 1) * 3 + 1;
    let years = [today.year(), today.year() + 1];
    let first = years.into_iter().filter_map(|year| Date::new(year, month, 1).ok()).find(|date| *date >= today)?;
    workday(first)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn first(text: &str) -> Option<Date> {
        dates(text, date(2027, 3, 1)).first().map(|named| named.date)
    }

    #[test]
    fn reads_the_dates_people_write() {
        let cases = [
            ("Hör av er vecka 34.", date(2027, 8, 23)),
            ("hör av dig v. 34", date(2027, 8, 23)),
            ("KW 34", date(2027, 8, 23)),
            ("vecka 5", date(2028, 1, 31)),
            ("tillbaka den 15/3", date(2027, 3, 15)),
            ("until 15/03/2027", date(2027, 3, 15)),
            ("back on 15 March", date(2027, 3, 15)),
            ("back on March 15th", date(2027, 3, 15)),
            ("ab dem 15.03. wieder", date(2027, 3, 15)),
            ("am 15. März", date(2027, 3, 15)),
            ("2027-04-05", date(2027, 4, 5)),
            ("i augusti", date(2027, 8, 2)),
            ("next quarter", date(2027, 4, 1)),
            ("efter semestern", date(2027, 8, 16)),
            ("om två veckor", date(2027, 3, 15)),
            ("in 3 months", date(2027, 6, 1)),
            ("på torsdag", date(2027, 3, 4)),
        ];
        for (text, day) in cases {
            assert_eq!(first(text), Some(day), "{text}");
        }
    }

    #[test]
    fn finds_the_day_someone_is_back() {
        let today = date(2027, 3, 1);
        let cases = [
            ("Hej, jag är på semester, åter 15 mars.", Some(date(2027, 3, 15))),
            ("Jag är borta 2 mars till 12 mars och tillbaka den 15/3.", Some(date(2027, 3, 15))),
            ("Out of office through 14 March.", Some(date(2027, 3, 15))),
            ("Ich bin ab dem 15. März wieder erreichbar.", Some(date(2027, 3, 15))),
            ("Ich bin bis einschließlich 14.03.2027 nicht im Büro.", Some(date(2027, 3, 15))),
            ("Ledig 2 mars - 14 mars", Some(date(2027, 3, 15))),
            ("Jag är på semester.", None),
            ("Back on 15 February.", None),
        ];
        for (text, day) in cases {
            assert_eq!(return_date(text, today), day, "{text}");
        }
    }
}
