//! One record's fields by name, cleaned, and what is wrong with them.
//!
//! What passes here is safe in a mail header, on a fax page and on a terminal.

use csv::StringRecord;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::field::Field;
use super::header::Header;
use crate::model::text::Line;

/// The longest field that is taken, in characters.
const LONGEST: usize = 300;

/// What Excel puts where a formula failed, in English and Swedish.
const EXCEL_ERRORS: [&str; 12] = [
    "#N/A",
    "#REF!",
    "#VALUE!",
    "#NAME?",
    "#DIV/0!",
    "#NULL!",
    "#NUM!",
    "#SAKNAS!",
    "#REFERENS!",
    "#VÄRDEFEL!",
    "#NAMN?",
    "#OGILTIGT!",
];

/// Something wrong with a field of a record; its place is found later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The field's index in the record.
    pub(super) index: usize,
    /// What is wrong.
    pub(super) message: String,
    /// What to do about it, if more can be said.
    pub(super) hint: Option<String>,
}

/// One record, read by field.
pub(super) struct Cells<'r> {
    record: &'r StringRecord,
    header: &'r Header,
    /// What was found wrong up to now.
    pub(super) complaints: Vec<Complaint>,
}

impl<'r> Cells<'r> {
    pub(super) fn new(record: &'r StringRecord, header: &'r Header) -> Self {
        Self { record, header, complaints: Vec::new() }
    }

    /// A field's clean text; none if it is empty, bad or has no column.
    pub(super) fn line(&mut self, field: Field) -> Option<Line> {
        let raw = self.record.get(self.header.index(field)?)?;
        match clean(raw) {
            Ok(line) => line,
            Err(why) => {
                self.complain(field, &why);
                None
            }
        }
    }

    /// A field's value.
    pub(super) fn value<T>(&mut self, field: Field, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let line = self.line(field)?;
        parse(line.as_str()).map_err(|why| self.complain(field, &why)).ok()
    }

    /// A field that every client has.
    pub(super) fn required(&mut self, field: Field) -> Option<Line> {
        let before = self.complaints.len();
        let line = self.line(field);
        if line.is_none() && self.complaints.len() == before {
            self.complain(field, "is empty");
        }
        line
    }

    /// Whether the file has a column of this field.
    pub(super) fn has(&self, field: Field) -> bool {
        self.header.index(field).is_some()
    }

    /// Notes that a field `why`, as in "`Header` is empty".
    pub(super) fn complain(&mut self, field: Field, why: &str) {
        let index = self.header.index(field).unwrap_or(0);
        let message = format!("`{}` {why}", self.header.written(index));
        self.complaints.push(Complaint { index, message, hint: None });
    }
}

/// A field's text as one line, composed (NFC), without what Excel wraps around it.
fn clean(raw: &str) -> Result<Option<Line>, String> {
    let text = raw.trim_matches([' ', '\t', '\u{a0}', '\u{200b}', '\u{feff}']);
    let text = literal(text);
    let line = Line::parse(text).map_err(|error| error.to_string())?;
    let text = line.as_str();
    if text.is_empty() {
        return Ok(None);
    }
    if text.chars().count() > LONGEST {
        return Err(format!("is longer than {LONGEST} characters"));
    }
    if text.contains('\u{fffd}') {
        return Err("holds U+FFFD: a letter was lost before this file was saved".to_owned());
    }
    if text.starts_with('=') {
        return Err("is a formula; export values".to_owned());
    }
    let upper = text.to_uppercase();
    if EXCEL_ERRORS.contains(&upper.as_str()) || text.len() > 3 && text.bytes().all(|b| b == b'#') {
        return Err("is what Excel shows where it has no value".to_owned());
    }
    if is_nfc(text) {
        return Ok(Some(line));
    }
    let composed: String = text.nfc().collect();
    Line::parse(&composed).map(Some).map_err(|error| error.to_string())
}

/// The text in `="0701740612"`, by which exports keep Excel from eating zeros.
fn literal(text: &str) -> &str {
    let inner = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(raw: &str) -> Result<Option<String>, String> {
        clean(raw).map(|line| line.map(String::from))
    }

    #[test]
    fn unwraps_and_composes_text() {
        assert_eq!(cleaned("=\"0701740612\""), Ok(Some("0701740612".to_owned())));
        assert_eq!(cleaned(" Dalka\u{308}rra\u{200b} "), Ok(Some("Dalkärra".to_owned())));
        assert_eq!(cleaned("\u{a0}"), Ok(None));
    }

    #[test]
    fn refuses_what_could_do_harm() {
        for raw in ["a\r\nBcc: x@y.example", "a\0", "a\u{202e}b", "=HYPERLINK(1)", "#SAKNAS!", "####", "Sm\u{fffd}g"] {
            assert!(clean(raw).is_err(), "{raw:?}");
        }
        assert!(clean(&"å".repeat(300)).is_ok());
        assert!(clean(&"å".repeat(301)).is_err());
    }
}
