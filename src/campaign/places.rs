//! Where a campaign's parts stand in its file, so that who checks its letters
//! later can point at the line that a person wrote.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::model::mistake::Mistake;
use crate::model::response::HumanIntent;

/// A part of a campaign file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The campaign's id.
    Id,
    /// The sender's name.
    From,
    /// The first day, or the cron expression.
    Start,
    /// The header of the audience.
    Audience,
    /// A part of the step with this id.
    Step(String, Part),
    /// The note of a reaction.
    Reaction(HumanIntent),
}

/// A part of a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Its id.
    Id,
    /// The template's name.
    Template,
    /// The subject.
    Subject,
    /// The note of a call.
    Note,
    /// The attachment at this place of the list.
    Attachment(usize),
    /// The subject of the variant with this id.
    VariantSubject(String),
    /// The template's name of the variant with this id.
    VariantTemplate(String),
}

/// The places of one campaign file.
#[derive(Clone, Debug)]
pub struct Places {
    file: PathBuf,
    source: String,
    spans: BTreeMap<Place, Range<usize>>,
}

impl Places {
    /// No places yet in `source`, which stands in `file`.
    pub fn new(file: &Path, source: &str) -> Self {
        Self { file: file.to_owned(), source: source.to_owned(), spans: BTreeMap::new() }
    }

    pub(super) fn note(&mut self, place: Place, span: Range<usize>) {
        self.spans.entry(place).or_insert(span);
    }

    /// The bytes of a value (with its quotes), if the file has it.
    pub fn find(&self, place: &Place) -> Option<Range<usize>> {
        self.spans.get(place).cloned()
    }

    /// A mistake at a place; at the file's beginning if it has no such place.
    pub fn mistake(&self, place: &Place, message: impl Into<String>) -> Mistake {
        match self.find(place) {
            Some(span) => Mistake::at(&self.file, &self.source, span, message),
            None => Mistake { excerpt: None, ..Mistake::at(&self.file, &self.source, 0..0, message) },
        }
    }

    /// A mistake at the bytes `inner` of a string's value, as a subject template's
    /// parser counts them; at the whole string where it was written with escapes.
    pub fn mistake_within(&self, place: &Place, inner: Range<usize>, message: impl Into<String>) -> Mistake {
        let plain = self.find(place).filter(|span| {
            let written = self.source.get(span.clone()).unwrap_or_default();
            let is_literal = written.starts_with('\'') || !written.contains('\\');
            is_literal && !written.starts_with("\"\"\"") && !written.starts_with("'''") && inner.end + 2 <= span.len()
        });
        match plain {
            Some(span) => {
                let span = span.start + 1 + inner.start..span.start + 1 + inner.end;
                Mistake::at(&self.file, &self.source, span, message)
            }
            None => self.mistake(place, message),
        }
    }
}
