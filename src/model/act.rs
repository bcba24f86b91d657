//! Who did something, for whom, by which right, from where and when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::UserId;

/// Where a change came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A person at the command line or on a page.
    User,
    /// A file of clients.
    Import,
    /// A mail that came in.
    Mail,
    /// The fax gateway.
    Fax,
    /// A page that a client opened (opt-out, preferences).
    Web,
    /// One of the daemon's own stages.
    Daemon,
}

/// The act under which a row changes; every mutation takes one.
#[derive(Clone, Debug)]
pub struct Act {
    /// Who acts: a user's e-mail address, an operating-system login, or a stage's name.
    pub actor: String,
    /// The principal a deputy acts for.
    pub on_behalf_of: Option<UserId>,
    /// The mandate under which the deputy acts.
    pub mandate: Option<String>,
    /// Where the change came from.
    pub source: Source,
    /// When, in domain time.
    pub at: Timestamp,
}

impl Act {
    /// An act of the daemon's stage `name` (`schedule`, `deliver`, `respond`, ...).
    pub fn stage(name: &str, at: Timestamp) -> Self {
        Self { actor: name.to_owned(), on_behalf_of: None, mandate: None, source: Source::Daemon, at }
    }

    /// An act of a person.
    pub fn person(actor: impl Into<String>, at: Timestamp) -> Self {
        Self { actor: actor.into(), on_behalf_of: None, mandate: None, source: Source::User, at }
    }

    /// The same act, but coming from `source`.
    #[must_use]
    pub fn via(mut self, source: Source) -> Self {
        self.source = source;
        self
    }
}
