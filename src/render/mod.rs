//! From a template and merge data to the bytes that leave: mail and fax page.
//!
//! ```text
//! folder, revision -> TemplateSet -> Renderer --letter()--> Rendered
//! Rendered -> email() -> Email { bytes, sha256 } -> sign() -> Email with DKIM
//! Rendered -> fax()   -> FaxDocument { pdf, pages, sha256 }
//! ```
//!
//! Pure: the same inputs give the same bytes, so that a letter that is sent again
//! is the same letter. It reads no clock, no environment and no network, and of
//! the file system only the template folder ([`TemplateSet::read`]). Merge data
//! never becomes markup, in no part of a letter. The only room that builds MIME;
//! `deliver` hands its bytes to a transport.

mod block;
mod callable;
mod dkim;
mod engine;
mod fax;
mod file;
mod font;
mod form;
mod html;
mod letter;
mod mail;
mod markdown;
mod mention;
pub mod merge;
mod mistake;
mod page;
mod picture;
mod quoted;
mod set;
mod shield;
mod slotted;
mod text;
mod words;

use std::path::PathBuf;

use sha2::{Digest, Sha256};

pub use block::{Block, Run};
pub use dkim::sign;
pub use fax::{FaxDocument, FaxHead, fax, opt_out_line};
pub use file::{File, MAX_FILE_BYTES, MAX_LETTER_BYTES};
pub use letter::{Letter, Rendered, Renderer, Subject};
pub use mail::{Email, ListId, MailHead, Unsubscribe, email, plain};
pub use mistake::{MistakeKind, RenderMistake, TemplateMistake};
pub use set::TemplateSet;

/// Why a template folder cannot be read, or a rendered letter not be put into its envelope.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The file system refused.
    #[error("cannot read template `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// A template beyond the cap, or too many of them.
    #[error("template folder `{}` holds {what}", path.display())]
    TooMuch {
        /// The file or folder.
        path: PathBuf,
        /// What there is too much of.
        what: &'static str,
    },
    /// A value that cannot stand in its header.
    #[error("the mail header {name} takes printable ASCII without blanks only")]
    Header {
        /// The header.
        name: &'static str,
    },
    /// An address that the MIME builder refuses.
    #[error("the address in {name} cannot be written in a mail header")]
    Address {
        /// The header.
        name: &'static str,
    },
    /// A DKIM key does not sign.
    #[error("{0}")]
    Dkim(#[from] crate::config::dkim::DkimError),
    /// The MIME builder failed.
    #[error("cannot build the mail")]
    Mime(#[from] lettre::error::Error),
    /// Something the law wants on the page is absent.
    #[error("a fax page needs {0}")]
    FaxLacks(&'static str),
    /// More pages than a fax machine should be asked to print.
    #[error("the fax would have {0} pages; the most is 20")]
    TooManyPages(usize),
    /// The PDF writer failed.
    #[error("cannot write the fax page: {0}")]
    Pdf(String),
}

/// The SHA-256 of `bytes` in lower-case hexadecimal.
fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}
