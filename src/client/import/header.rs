//! The header record: which column holds which field.

use csv::StringRecord;

use super::Mapping;
use super::field::{Field, Strength, fold};
use crate::model::mistake::{Mistake, did_you_mean};
use crate::model::text::tame;

/// A header that was understood.
#[derive(Debug)]
pub(super) struct Header {
    written: Vec<String>,
    columns: Vec<(Field, usize)>,
}

/// Something wrong with a header.
#[derive(Debug)]
pub(super) enum HeaderFault {
    /// At a column of the client file.
    Column { index: usize, message: String, hint: Option<String> },
    /// In the mapping file.
    Mapping(Mistake),
}

impl Header {
    /// Understands a header; everything wrong with it is returned beside it.
    pub(super) fn read(record: &StringRecord, mapping: Option<&Mapping>) -> (Self, Vec<HeaderFault>) {
        let written: Vec<String> = record.iter().map(|header| tame(header).trim().to_owned()).collect();
        let folded: Vec<String> = written.iter().map(|header| fold(header)).collect();
        let mut faults = Vec::new();
        let mut columns = mapped(&written, &folded, mapping, &mut faults);
        let taken: Vec<usize> = columns.iter().map(|(_, index)| *index).collect();
        for field in Field::ALL {
            if mapping.is_some_and(|mapping| mapping.of(*field).is_some()) {
                continue;
            }
            let free = folded.iter().enumerate().filter(|(index, _)| !taken.contains(index));
            let meant = free.filter_map(|(index, header)| Some((index, Field::of_header(header)?)));
            let meant: Vec<(usize, Strength)> = meant
                .filter(|(_, (found, _))| found == field)
                .map(|(index, (_, strength))| (index, strength))
                .collect();
            columns.extend(choose(*field, &meant, &written, &mut faults).map(|index| (*field, index)));
        }
        let header = Self { written, columns };
        faults.extend(header.missing(mapping));
        (header, faults)
    }

    /// How many columns it has.
    pub(super) fn width(&self) -> usize {
        self.written.len()
    }

    /// The column of a field, from 0.
    pub(super) fn index(&self, field: Field) -> Option<usize> {
        self.columns.iter().find(|(known, _)| *known == field).map(|(_, index)| *index)
    }

    /// A column's header as the file has it.
    pub(super) fn written(&self, index: usize) -> &str {
        self.written.get(index).map_or("", String::as_str)
    }

    /// The headers whose columns are not read.
    pub(super) fn unmapped(&self) -> Vec<String> {
        let read = |index: &usize| self.columns.iter().any(|(_, column)| column == index);
        let unread = (0..self.written.len()).filter(|index| !read(index));
        unread.map(|index| self.written[index].clone()).filter(|header| !header.is_empty()).collect()
    }

    /// One fault for each field that every client has and the file has not.
    fn missing(&self, mapping: Option<&Mapping>) -> Vec<HeaderFault> {
        let named = [Field::Name, Field::GivenName, Field::FamilyName];
        let without_company = self.index(Field::Company).is_none().then_some(Field::Company);
        let without_name = named.iter().all(|field| self.index(*field).is_none()).then_some(Field::Name);
        let missing = without_company.into_iter().chain(without_name);
        // A mapped header that the file lacks is told already.
        let untold = missing.filter(|field| mapping.and_then(|m| m.of(*field)).is_none_or(|e| e.header.is_empty()));
        untold.map(|field| self.lacks(field)).collect()
    }

    fn lacks(&self, field: Field) -> HeaderFault {
        let name = field.name();
        let unread = self.unmapped();
        let close = unread.iter().find(|header| {
            let folded = fold(header);
            did_you_mean(&folded, [name].into_iter().chain(field.words())).is_some()
        });
        let hint = match close {
            Some(header) => format!("is it `{header}`? Then say so in a mapping: {name} = \"{header}\""),
            None => {
                format!("the first line must name the columns; a mapping can say which one it is: {name} = \"...\"")
            }
        };
        HeaderFault::Column { index: 0, message: format!("no column holds `{name}`"), hint: Some(hint) }
    }
}

/// The columns that the mapping names.
fn mapped(
    written: &[String],
    folded: &[String],
    mapping: Option<&Mapping>,
    faults: &mut Vec<HeaderFault>,
) -> Vec<(Field, usize)> {
    let mut columns = Vec::new();
    let Some(mapping) = mapping else { return columns };
    for entry in mapping.entries().iter().filter(|entry| !entry.header.is_empty()) {
        let wanted = fold(&entry.header);
        let found: Vec<usize> = (0..folded.len()).filter(|index| folded[*index] == wanted).collect();
        match found[..] {
            [] => {
                let mistake =
                    mapping.mistake(entry, format!("the client file has no column `{}`", tame(&entry.header)));
                let close = did_you_mean(&entry.header, written.iter().map(String::as_str));
                faults.push(HeaderFault::Mapping(match close {
                    Some(header) => mistake.aside(format!("did you mean `{header}`?")),
                    None => mistake,
                }));
            }
            [index] => columns.push((entry.field, index)),
            [first, second, ..] => faults.push(twice(entry.field, first, second, written)),
        }
    }
    columns
}

/// The column of those that mean a field: the only strong one, else the only weak one.
fn choose(
    field: Field,
    meant: &[(usize, Strength)],
    written: &[String],
    faults: &mut Vec<HeaderFault>,
) -> Option<usize> {
    for strength in [Strength::Strong, Strength::Weak] {
        let found: Vec<usize> = meant.iter().filter(|(_, s)| *s == strength).map(|(index, _)| *index).collect();
        if let [first, second, ..] = found[..] {
            faults.push(twice(field, first, second, written));
        }
        if let [first, ..] = found[..] {
            return Some(first);
        }
    }
    None
}

fn twice(field: Field, first: usize, second: usize, written: &[String]) -> HeaderFault {
    let name = field.name();
    let (a, b) = (&written[first], &written[second]);
    let column = first + 1;
    let (message, hint) = if fold(a) == fold(b) {
        (format!("`{b}` stands twice, first as column {column}"), "rename or delete one of the two".to_owned())
    } else {
        let hint = format!("say which one to read in a mapping: {name} = \"{a}\"");
        (format!("`{b}` means {name}, as `{a}` in column {column} does"), hint)
    };
    HeaderFault::Column { index: second, message, hint: Some(hint) }
}
