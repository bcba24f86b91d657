//! What stands between the fields, and where the header begins.

use csv::{ReaderBuilder, StringRecord};

use super::Mapping;
use super::field::{Field, fold};

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The byte between the fields.
    pub(super) delimiter: u8,
    /// Bytes before the header: Excel's `sep=;` line.
    pub(super) skip: usize,
}

const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Finds the layout: what the file says of itself, else the delimiter by which most
/// headers are known to us, else the one that makes most columns.
pub(super) fn detect(text: &str, mapping: Option<&Mapping>) -> Layout {
    if let Some(layout) = said(text) {
        return layout;
    }
    let score = |delimiter: &u8| {
        let header = first_record(text, *delimiter);
        let known = header.iter().map(fold).filter(|folded| {
            let mapped = mapping.is_some_and(|m| m.entries().iter().any(|entry| fold(&entry.header) == *folded));
            !folded.is_empty() && (mapped || Field::of_header(folded).is_some())
        });
        (known.count(), header.len())
    };
    // `max_by_key` takes the last of equals: the comma.
    let delimiter = CANDIDATES.iter().rev().copied().max_by_key(score).unwrap_or(b',');
    Layout { delimiter, skip: 0 }
}

/// Excel's own first line `sep=;`, with or without quotes.
fn said(text: &str) -> Option<Layout> {
    let line = text.split(['\r', '\n']).next()?;
    let said = line.trim_start_matches('"').trim_end_matches('"');
    let head = said.get(..4).filter(|head| head.eq_ignore_ascii_case("sep="))?;
    match said.as_bytes()[head.len()..] {
        [delimiter] if delimiter.is_ascii_punctuation() || delimiter == b'\t' => {
            Some(Layout { delimiter, skip: line.len() })
        }
        _ => None,
    }
}

/// A reader of a text's records.
pub(super) fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes())
}

/// The first record with a word in it.
fn first_record(text: &str, delimiter: u8) -> StringRecord {
    let mut records = reader(text, delimiter).into_records().filter_map(Result::ok);
    records.find(|record| record.iter().any(|field| field.contains(char::is_alphanumeric))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_delimiter_by_known_headers() {
        let cases = [
            ("company,name,city\n", b','),
            ("Företag;Namn;Ort, land, region, m.m.\n", b';'),
            ("company\tname\n", b'\t'),
            ("\"company\";\"name; or so\"\n", b';'),
            ("company\n", b','),
            ("\n;;\nFöretag;Namn\n", b';'),
            ("Företag|Namn\n", b'|'),
        ];
        for (text, delimiter) in cases {
            assert_eq!(detect(text, None), Layout { delimiter, skip: 0 }, "{text}");
        }
    }

    #[test]
    fn believes_what_excel_says() {
        assert_eq!(detect("sep=;\r\ncompany,x;name\n", None), Layout { delimiter: b';', skip: 5 });
        assert_eq!(detect("\"SEP=,\"\ncompany,name\n", None), Layout { delimiter: b',', skip: 7 });
        assert_eq!(detect("sep=\ncompany,name\n", None).skip, 0);
    }
}
