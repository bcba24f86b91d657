//! The mapping file: which of our fields stands under which of their headers.
//!
//! ```toml
//! company = "Kundens benämning"
//! email   = "Mejl 2"
//! phone   = ""                     # not to be read at all
//! ```

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::ImportError;
use super::field::Field;
use crate::model::mistake::{Mistake, did_you_mean};

/// A checked mapping file.
#[derive(Clone, Debug)]
pub struct Mapping {
    path: PathBuf,
    source: String,
    entries: Vec<Entry>,
}

/// One line of it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Our field.
    pub(super) field: Field,
    /// Their header; empty if the field is not to be read.
    pub(super) header: String,
    /// Where the header stands in the mapping file, in bytes.
    span: Range<usize>,
}

impl Mapping {
    /// Parses the text of a mapping file named `path`.
    ///
    /// # Errors
    /// All of its mistakes: unknown fields, values that are no header.
    pub fn parse(path: &Path, source: &str) -> Result<Self, ImportError> {
        let wrong = |mistakes| ImportError::Mapping { path: path.to_owned(), mistakes };
        let table = DeTable::parse(source).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            wrong(vec![Mistake::at(path, source, span, error.message().to_owned())])
        })?;
        let mut entries = Vec::new();
        let mut mistakes = Vec::new();
        for (key, value) in table.get_ref() {
            let Some(field) = Field::of_name(key.get_ref()) else {
                mistakes.push(unknown(path, source, key.span(), key.get_ref()));
                continue;
            };
            let DeValue::String(header) = value.get_ref() else {
                let message = format!("`{}` must be a header of the client file, in quotes", field.name());
                mistakes.push(Mistake::at(path, source, value.span(), message));
                continue;
            };
            entries.push(Entry { field, header: header.trim().to_owned(), span: value.span() });
        }
        if !mistakes.is_empty() {
            mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
            return Err(wrong(mistakes));
        }
        Ok(Self { path: path.to_owned(), source: source.to_owned(), entries })
    }

    /// Its lines.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What the mapping says of a field.
    pub(super) fn of(&self, field: Field) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.field == field)
    }

    /// A mistake at the header that an entry names.
    pub(super) fn mistake(&self, entry: &Entry, message: String) -> Mistake {
        Mistake::at(&self.path, &self.source, entry.span.clone(), message)
    }
}

fn unknown(path: &Path, source: &str, span: Range<usize>, key: &str) -> Mistake {
    let names = || Field::ALL.iter().map(|field| field.name());
    let mistake = Mistake::at(path, source, span, format!("unknown field `{}`", crate::model::text::tame(key)));
    match did_you_mean(key, names()) {
        Some(name) => mistake.aside(format!("did you mean `{name}`?")),
        None => mistake.hint(format!("the fields are {}", names().collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_every_mistake_with_what_was_meant() {
        let source = "compny = \"Kund\"\nemail = 7\nphone = \"Tel\"\nshoe = \"x\"\n";
        let Err(ImportError::Mapping { mistakes, .. }) = Mapping::parse(Path::new("m.toml"), source) else {
            panic!("taken");
        };
        let told: Vec<_> = mistakes.iter().map(|m| (m.line, m.column, m.width, m.message.as_str())).collect();
        assert_eq!(
            told,
            [
                (1, 1, 6, "unknown field `compny`"),
                (2, 9, 1, "`email` must be a header of the client file, in quotes"),
                (4, 1, 4, "unknown field `shoe`"),
            ]
        );
        assert_eq!(mistakes[0].aside.as_deref(), Some("did you mean `company`?"));
    }
}
