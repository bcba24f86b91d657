//! A whole file: layout, header, then record by record, collecting rows and mistakes.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use csv::StringRecord;

use super::cell::{Cells, Complaint};
use super::field::Field;
use super::header::{Header, HeaderFault};
use super::place::Place;
use super::row::{self, RowKey};
use super::{ImportError, Options, Reading, decode, delimiter};
use crate::model::address::EmailAddress;
use crate::model::mistake::Mistake;
use crate::model::text::tame;

/// How much of a field a mistake shows, in characters.
const SHOWN: usize = 60;

/// Reads a client file named `file`, whoever its owners are.
///
/// A header that cannot be understood gives its mistakes and no rows.
///
/// # Errors
/// The file is no text, is empty, or mixes encodings.
pub fn read(file: &Path, bytes: &[u8], options: &Options) -> Result<Reading, ImportError> {
    read_owned(file, bytes, options, &|_| Ok(()))
}

/// Why an address cannot be an owner's, and what to do about it.
pub(super) struct NoOwner {
    /// As in "`owner` is nobody's".
    pub(super) why: &'static str,
    /// What to do.
    pub(super) hint: String,
}

/// Reads a client file and holds each owner against `check`; a row whose owner is none is bad.
pub(super) fn read_owned(
    file: &Path,
    bytes: &[u8],
    options: &Options,
    check: &dyn Fn(&EmailAddress) -> Result<(), NoOwner>,
) -> Result<Reading, ImportError> {
    let (text, encoding) = decode(bytes)?;
    let layout = delimiter::detect(&text, options.mapping.as_ref());
    let reading = Reading {
        rows: Vec::new(),
        mistakes: Vec::new(),
        bad_rows: 0,
        fields: Vec::new(),
        delimiter: char::from(layout.delimiter),
        encoding,
        unmapped_headers: Vec::new(),
    };
    let mut file = FileReader {
        file,
        options,
        check,
        delimiter: layout.delimiter,
        seen: HashMap::new(),
        strangers: HashSet::new(),
        reading,
    };
    let mut place = Place::start(&text);
    let mut records = delimiter::reader(&text[layout.skip..], layout.delimiter);
    let mut record = StringRecord::new();
    let mut header: Option<Header> = None;
    while records.read_record(&mut record).is_ok_and(|more| more) {
        let start = record.position().map_or(0, csv::Position::byte);
        place.go_to(layout.skip + usize::try_from(start).unwrap_or(usize::MAX));
        place.skip_line_ends();
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        // Only the last record can hold an open quote: it runs to the end.
        let last = usize::try_from(records.position().byte()).is_ok_and(|end| layout.skip + end >= text.len());
        if last && file.open_quote(&place) {
            return Ok(file.reading);
        }
        match &header {
            Some(header) => file.record(&record, header, &place),
            None => header = file.header(&record, &place),
        }
        if header.is_none() {
            return Ok(file.reading);
        }
    }
    if header.is_none() {
        return Err(ImportError::Empty);
    }
    Ok(file.reading)
}

/// The state of reading one file.
struct FileReader<'a> {
    file: &'a Path,
    options: &'a Options,
    check: &'a dyn Fn(&EmailAddress) -> Result<(), NoOwner>,
    delimiter: u8,
    /// The keys met so far, each with the line of its record.
    seen: HashMap<RowKey, usize>,
    /// The owners nobody knows, each of which gets its hint once.
    strangers: HashSet<String>,
    reading: Reading,
}

impl FileReader<'_> {
    /// Understands the header; none if no row can be read with it.
    fn header(&mut self, record: &StringRecord, place: &Place<'_>) -> Option<Header> {
        let (header, faults) = Header::read(record, self.options.mapping.as_ref());
        self.reading.unmapped_headers = header.unmapped();
        self.reading.fields = Field::ALL.iter().copied().filter(|field| header.index(*field).is_some()).collect();
        let fine = faults.is_empty();
        for fault in faults {
            let mistake = match fault {
                HeaderFault::Mapping(mistake) => mistake,
                HeaderFault::Column { index, message, hint } => {
                    let mistake = self.mistake(place, index, message, None);
                    Mistake { hint, ..mistake }
                }
            };
            self.reading.mistakes.push(mistake);
        }
        fine.then_some(header)
    }

    /// Reads one record to a row, or to its mistakes.
    fn record(&mut self, record: &StringRecord, header: &Header, place: &Place<'_>) {
        if let Some(complaint) = ragged(record, header) {
            return self.bad(record, place, vec![complaint]);
        }
        let mut cells = Cells::new(record, header);
        let told = row::read(&mut cells, place.line(), self.options);
        let mut twin = None;
        for (key, field) in told.keys {
            let first = *self.seen.entry(key).or_insert(place.line());
            twin = twin.or((first != place.line()).then_some((field, first)));
        }
        if let Some((field, first)) = twin {
            cells.complain(field, &format!("is of the same client as line {first}"));
        }
        if let Some(owner) = told.row.as_ref().and_then(|row| row.account.owner.as_ref())
            && let Err(NoOwner { why, hint }) = (self.check)(owner)
        {
            cells.complain(Field::Owner, why);
            if self.strangers.insert(owner.folded())
                && let Some(complaint) = cells.complaints.last_mut()
            {
                complaint.hint = Some(hint);
            }
        }
        match told.row {
            Some(row) if cells.complaints.is_empty() => self.reading.rows.push(row),
            _ => {
                let complaints = cells.complaints;
                self.bad(record, place, complaints);
            }
        }
    }

    /// Whether the record is the rest of a file in which a quote was never closed.
    fn open_quote(&mut self, place: &Place<'_>) -> bool {
        let Some(index) = place.open_quote(self.delimiter) else { return false };
        let message = "a quote opens here and is never closed; the rows behind it were not read".to_owned();
        let mistake = self.mistake(place, index, message, None);
        self.reading.mistakes.push(mistake.hint("close it, or write a quote inside a field twice: \"\""));
        self.reading.bad_rows += 1;
        true
    }

    fn bad(&mut self, record: &StringRecord, place: &Place<'_>, mut complaints: Vec<Complaint>) {
        complaints.sort_by_key(|complaint| complaint.index);
        self.reading.bad_rows += 1;
        for complaint in complaints {
            let mistake = self.mistake(place, complaint.index, complaint.message, record.get(complaint.index));
            self.reading.mistakes.push(Mistake { hint: complaint.hint, ..mistake });
        }
    }

    /// A mistake at a field of the record at `place`. It shows the field alone, never the
    /// record: a mistake ends in terminals and tickets, and a record is a person.
    fn mistake(&self, place: &Place<'_>, index: usize, message: String, field: Option<&str>) -> Mistake {
        let place = place.field(index, self.delimiter);
        let excerpt = field.map(shortened).filter(|shown| !shown.is_empty());
        Mistake {
            file: self.file.to_owned(),
            line: place.line(),
            column: place.column(),
            width: 0,
            excerpt,
            message,
            hint: None,
            aside: None,
        }
    }
}

/// What is wrong with the number of a record's fields. A short one is refused whole,
/// since a lost delimiter moves every field behind it, an opt-out among them.
fn ragged(record: &StringRecord, header: &Header) -> Option<Complaint> {
    let (fields, columns) = (record.len(), header.width());
    if fields < columns {
        let message = format!("the row ends after {fields} of {columns} columns");
        return Some(Complaint { index: fields.saturating_sub(1), message, hint: None });
    }
    let index = (columns..fields).find(|index| record.get(*index).is_some_and(|field| !field.trim().is_empty()))?;
    let message = format!("the row has a field behind its {columns} columns");
    Some(Complaint { index, message, hint: None })
}

/// A field as a mistake shows it.
fn shortened(field: &str) -> String {
    let tamed = tame(field);
    let tamed = tamed.trim();
    match tamed.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &tamed[..cut]),
        None => tamed.to_owned(),
    }
}
