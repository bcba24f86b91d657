//! The manager's morning mail: collect what matters, compose it, schedule it once a day.
//!
//! ```text
//! turn -> collect (rows -> facts) -> compose (facts -> sheet -> text, HTML) -> one delivery row
//! ```
//!
//! When one comes: on a business day at the manager's hour, if anything happened
//! since the last one, if something waits for a person, or if letters go out today
//! or on the next business day. A silent day brings no mail. After a silent week
//! the week's first business day brings one line that all is well, so that silence
//! and a broken daemon are told apart.
//!
//! It sends nothing: the row goes the way of every delivery. It decides nothing
//! about clients either: each line repeats what a rule has written down.

mod collect;
mod compose;
mod data;
mod html;
mod letter;
mod people;
mod plain;
mod quote;
mod sheet;
mod stopped;
mod turn;
mod words;

pub use collect::collect;
pub use compose::{Digest, compose, layout};
pub use data::{
    Answer, Away, DigestData, FaxInstead, Fix, LeftOutOf, Letters, OptedOut, Person, Phone, Stop, Stopped, Todo,
    Trouble, Upcoming, Wait, Waiting,
};
pub use letter::{delivery, link};
pub use sheet::{Entry, Section, Sheet};
pub use turn::turn;

/// Why there is no digest.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// The database does not answer.
    #[error("cannot read what the digest tells: {0}")]
    Store(#[from] crate::store::StoreError),
    /// The configuration names nobody to send as.
    #[error("a digest has no sender; write a [[sender]] into the configuration")]
    NoSender,
    /// The configuration names no mail server that takes it.
    #[error("a digest has no relay; write a [[relay]] into the configuration or correct the sender's `relay`")]
    NoRelay,
}
