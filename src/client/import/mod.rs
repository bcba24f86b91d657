//! Reads a client file (CSV as people and Excel write it) into checked rows.
//!
//! Reading is pure: bytes in, rows and mistakes out; it opens no file, knows no store
//! and reads no clock. Every mistake of every row is told at once, with its place.
//! What was read goes on to [`publish`], the only part that writes: it saves the rows
//! under a batch, where a known client is found again by its key, and publishes it.

mod cell;
mod company;
mod country;
mod decode;
mod delimiter;
mod field;
mod header;
mod mapping;
mod place;
pub mod publish;
mod read;
mod row;
mod value;

use std::path::PathBuf;

use jiff::civil::Date;

use crate::model::mistake::Mistake;

pub use decode::{Encoding, decode};
pub use field::Field;
pub use mapping::Mapping;
pub use publish::{ImportReport, Request, RunError, run};
pub use read::read;
pub use row::{AccountFields, ClientRow, ContactFields, Evidence, RowKey};

/// How a file is to be read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which of our fields stands under which of their headers, where names alone don't tell.
    pub mapping: Option<Mapping>,
    /// ISO 3166 alpha-2: the country of numbers and clients that name none.
    pub country: String,
    /// The IANA zone of clients whose country says nothing.
    pub zone: String,
    /// The day of the import: no consent and no touch can be later.
    pub today: Date,
}

/// What a file held.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The good rows, in the file's order.
    pub rows: Vec<ClientRow>,
    /// Everything wrong, in the file's order.
    pub mistakes: Vec<Mistake>,
    /// How many rows have at least one mistake.
    pub bad_rows: usize,
    /// The fields that have a column.
    pub fields: Vec<Field>,
    /// What stands between the fields.
    pub delimiter: char,
    /// How the characters were written.
    pub encoding: Encoding,
    /// Headers that mean nothing to us, as written; their columns were not read.
    pub unmapped_headers: Vec<String>,
}

/// Why a file could not be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Nothing in it.
    #[error("the file is empty; its first line must name the columns")]
    Empty,
    /// XLSX, XLS or another spreadsheet's own format.
    #[error("the file is a spreadsheet, not text; save it as \"CSV UTF-8\" and import that")]
    Spreadsheet,
    /// Some other format that is no text.
    #[error("the file is {0}, not text; import takes CSV")]
    NotText(&'static str),
    /// Most of it is UTF-8, some of it is not: two files glued together.
    #[error("line {line} is not UTF-8 as the rest of the file is; save the whole file as UTF-8")]
    MixedEncoding {
        /// The first line that is not UTF-8.
        line: usize,
    },
    /// Half a character, or half of a pair.
    #[error("line {line} holds a broken UTF-16 character; export the file again")]
    BrokenUtf16 {
        /// The line it stands in.
        line: usize,
    },
    /// The mapping file has mistakes.
    #[error("the mapping `{}` has {} mistake(s)", .path.display(), .mistakes.len())]
    Mapping {
        /// The mapping file.
        path: PathBuf,
        /// All of its mistakes.
        mistakes: Vec<Mistake>,
    },
}
