//! A digest as sections of numbered items in words, before it is text or HTML.
//!
//! Text, HTML and the page all show this, so an item has one number everywhere.

use super::data::Phone;
use crate::model::language::Language;

/// A whole digest in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The language of the words.
    pub language: Language,
    /// The subject, which counts the acts.
    pub subject: String,
    /// Greeting and figures, a line each.
    pub opening: Vec<String>,
    /// The sections that have something in them.
    pub sections: Vec<Section>,
    /// What the link to the page is called.
    pub link_label: String,
}

/// One section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its heading, in capitals.
    pub heading: &'static str,
    /// Its items.
    pub entries: Vec<Entry>,
    /// What is said of items that found no room.
    pub more: Option<String>,
}

/// One item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number; none where there is nothing to decide.
    pub number: Option<usize>,
    /// Who or what it is about.
    pub who: Option<String>,
    /// What happened, in a few words.
    pub what: Option<String>,
    /// The client's own words.
    pub quote: Option<String>,
    /// What comes next, a line each.
    pub lines: Vec<String>,
    /// A number that stands in `lines` and can be dialled.
    pub phone: Option<Phone>,
}
