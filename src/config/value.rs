//! One value out of a TOML table, read as the type that is wanted of it.
//!
//! Each getter gives the value or keeps a mistake at its place and gives nothing;
//! none of them knows what the value is for.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};

use jiff::civil::{Date, Time};
use toml::de::DeValue;

use crate::model::mistake::{Mistake, did_you_mean};

use super::table::{Reader, Table, enumerate};

/// A value, the key it stands under and where it stands.
#[derive(Debug)]
pub struct Value<'r> {
    reader: &'r Reader<'r>,
    key: String,
    key_span: Range<usize>,
    span: Range<usize>,
    value: DeValue<'r>,
}

impl<'r> Value<'r> {
    pub(super) fn new(
        reader: &'r Reader<'r>,
        key: impl Into<String>,
        key_span: Range<usize>,
        span: Range<usize>,
        value: DeValue<'r>,
    ) -> Self {
        Self { reader, key: key.into(), key_span, span, value }
    }

    /// Where the value stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where its key stands.
    pub fn key_span(&self) -> Range<usize> {
        self.key_span.clone()
    }

    /// A mistake at the value, "`key` ...", not yet kept.
    pub fn mistake(&self, message: impl Display) -> Mistake {
        self.reader.mistake(&self.span, format!("`{}` {message}", self.key))
    }

    /// Keeps a mistake at the value, "`key` ...".
    pub fn report(&self, message: impl Display) {
        self.reader.push(self.mistake(message));
    }

    /// Keeps that the value is of the wrong type.
    pub fn expected<T>(&self, wanted: &str) -> Option<T> {
        let message = format!("`{}`: expected {wanted}, found {}", self.key, self.kind());
        self.reader.report(&self.span, message);
        None
    }

    fn kind(&self) -> &'static str {
        match &self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(at) if at.date.is_none() => "a time",
            DeValue::Datetime(at) if at.time.is_some() => "a date with a time",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }

    /// The reader it belongs to.
    pub fn reader(&self) -> &'r Reader<'r> {
        self.reader
    }

    /// Whether it is a string.
    pub fn is_string(&self) -> bool {
        matches!(self.value, DeValue::String(_))
    }

    /// Whether it is this very text.
    pub fn is_text(&self, text: &str) -> bool {
        matches!(&self.value, DeValue::String(written) if written == text)
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    /// Whether it came from the environment.
    pub fn is_override(&self) -> bool {
        self.reader.variable_at(&self.span).is_some()
    }

    /// A string that is not empty.
    pub fn text(self) -> Option<String> {
        self.parse(|text| Ok::<_, String>(text.to_owned()))
    }

    /// A string that `parse` reads; its error completes the sentence "`key` ...".
    pub fn parse<T, E: Display>(self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let DeValue::String(text) = &self.value else { return self.expected("a string") };
        if text.trim().is_empty() {
            self.report("is empty");
            return None;
        }
        parse(text).map_err(|error| self.report(error)).ok()
    }

    /// One of a few words.
    pub fn word<T: Copy>(self, words: &[(&'static str, T)]) -> Option<T> {
        let DeValue::String(text) = &self.value else { return self.expected("a string") };
        if let Some((_, meaning)) = words.iter().find(|(word, _)| word == text) {
            return Some(*meaning);
        }
        let known = || words.iter().map(|(word, _)| *word);
        let mut mistake = self.mistake(format!("cannot be `{text}`; it can be {}", enumerate(known(), "or")));
        if let Some(meant) = did_you_mean(&text.to_lowercase(), known()) {
            mistake = mistake.aside(format!("did you mean `{meant}`?"));
        }
        self.reader.push(mistake);
        None
    }

    /// A slug: the name by which rows and other keys refer to a thing.
    pub fn slug(self) -> Option<String> {
        let DeValue::String(text) = &self.value else { return self.expected("a string") };
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.chars().all(fits) && (1..=60).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-') {
            return Some(text.to_string());
        }
        let mut mistake = self.mistake("may have a-z, 0-9 and - between them, at most 60");
        if let Some(meant) = slug_from(text) {
            mistake = mistake.aside(format!("did you mean `{meant}`?"));
        }
        self.reader.push(mistake);
        None
    }

    /// A whole number within `range`; a variable's text is read as one.
    pub fn integer<T: TryFrom<u64>>(self, range: RangeInclusive<u64>) -> Option<T> {
        let written = match &self.value {
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).ok(),
            DeValue::String(text) if self.is_override() => text.trim().parse().ok(),
            _ => return self.expected("an integer"),
        };
        let number = written.and_then(|number| u64::try_from(number).ok()).filter(|number| range.contains(number));
        if number.is_none() {
            self.report(format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        T::try_from(number?).ok()
    }

    /// `true` or `false`; a variable's text is read as one.
    pub fn boolean(self) -> Option<bool> {
        match &self.value {
            DeValue::Boolean(value) => Some(*value),
            DeValue::String(text) if self.is_override() && matches!(text.trim(), "true" | "false") => {
                Some(text.trim() == "true")
            }
            _ => self.expected("true or false"),
        }
    }

    /// A factor such as `1.5`, in percent.
    pub fn percent(self, range: RangeInclusive<u32>) -> Option<u32> {
        let written = match &self.value {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok(),
            DeValue::String(text) if self.is_override() => text.trim().parse().ok(),
            _ => return self.expected("a number"),
        };
        let (least, most) = (f64::from(*range.start()) / 100.0, f64::from(*range.end()) / 100.0);
        let Some(factor) = written.filter(|factor: &f64| (least..=most).contains(factor)) else {
            self.report(format!("must be a number from {least} to {most}"));
            return None;
        };
        range.into_iter().find(|percent| f64::from(*percent) >= (factor * 100.0).round())
    }

    /// A date without a time.
    pub fn date(self) -> Option<Date> {
        let DeValue::Datetime(at) = &self.value else { return self.expected("a date") };
        let (Some(date), None) = (at.date, at.time) else { return self.expected("a date") };
        let year = i16::try_from(date.year).ok()?;
        let month = i8::try_from(date.month).ok()?;
        let day = i8::try_from(date.day).ok()?;
        Date::new(year, month, day).map_err(|_| self.report("is no day of the calendar")).ok()
    }

    /// A time of day, `"07:30"` or `07:30:00`.
    pub fn time(self) -> Option<Time> {
        if let DeValue::Datetime(at) = &self.value
            && let (None, Some(time)) = (at.date, at.time)
        {
            let (hour, minute) = (i8::try_from(time.hour).ok()?, i8::try_from(time.minute).ok()?);
            return Time::new(hour, minute, 0, 0).map_err(|_| self.report("is no time of day")).ok();
        }
        if !self.is_string() {
            return self.expected("a time such as \"07:30\"");
        }
        self.parse(|text| parse_time(text).ok_or("is no time of day; one looks like 07:30"))
    }

    /// The values of a list.
    pub fn list(self) -> Option<Vec<Value<'r>>> {
        let DeValue::Array(items) = self.value else { return self.expected("a list") };
        let item = |item: toml::Spanned<DeValue<'r>>| {
            let span = item.span();
            Value::new(self.reader, self.key.clone(), self.key_span.clone(), span, item.into_inner())
        };
        Some(items.into_iter().map(item).collect())
    }

    /// The values of a list that is not empty; a string alone is a list of one.
    pub fn one_or_more(self) -> Vec<Value<'r>> {
        if self.is_string() {
            return vec![self];
        }
        if !matches!(self.value, DeValue::Array(_)) {
            self.expected::<()>("a string or a list of strings");
            return Vec::new();
        }
        if matches!(&self.value, DeValue::Array(items) if items.is_empty()) {
            self.report("is an empty list, which nothing matches");
        }
        self.list().unwrap_or_default()
    }

    /// A table with these keys and no other, which is called `label` in messages.
    pub fn table(self, label: impl Into<String>, keys: &[&'static str]) -> Option<Table<'r>> {
        match self.value {
            DeValue::Table(entries) => Some(Table::open(self.reader, label, self.span, entries, keys)),
            _ => self.expected("a table"),
        }
    }

    /// The tables of `[[key]]`; a lone `[key]` is reported and read as one of them.
    pub fn tables(self, keys: &[&'static str]) -> Vec<Table<'r>> {
        let label = format!("[[{}]]", self.key);
        match &self.value {
            DeValue::Table(_) => {
                self.reader.report(&self.span, format!("`{}` is a list of tables; write it as `{label}`", self.key));
                self.table(label, keys).into_iter().collect()
            }
            DeValue::Array(_) => {
                let items = self.list().unwrap_or_default();
                items.into_iter().filter_map(|item| item.table(&label, keys)).collect()
            }
            _ => self.expected(&format!("tables, each as `{label}`")).unwrap_or_default(),
        }
    }
}

/// Reads `07:30`.
pub fn parse_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) || minute.len() != 2 {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

/// The slug that was probably meant, if any letter is left of it.
fn slug_from(text: &str) -> Option<String> {
    let plain = |c: char| match c {
        'å' | 'ä' | 'à' | 'á' => 'a',
        'ö' | 'ó' | 'ø' => 'o',
        'é' | 'è' => 'e',
        'ü' => 'u',
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    let plain: String = text.to_lowercase().chars().map(plain).collect();
    let words: Vec<_> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let slug = words.join("-");
    (1..=60).contains(&slug.len()).then_some(slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_of_day_only() {
        assert_eq!(parse_time("7:30"), Some(jiff::civil::time(7, 30, 0, 0)));
        assert_eq!([parse_time("24:00"), parse_time("7:5"), parse_time("+7:30"), parse_time("730")], [None; 4]);
    }

    #[test]
    fn proposes_a_slug() {
        assert_eq!(slug_from("LED på lagret!").as_deref(), Some("led-pa-lagret"));
        assert_eq!(slug_from("…"), None);
    }
}
