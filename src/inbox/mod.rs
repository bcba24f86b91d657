//! The wire inwards: mailboxes, and a relay's log, that are read, never changed.
//!
//! An inbox yields raw messages with a stable key each; `respond` reads them.
//! It sets no flag, moves and deletes nothing, so a person may use the same
//! mailbox. After a crash or a restored mailbox it may yield a message again:
//! whoever stores them drops a key that is already there. What a log and a folder of sent
//! mail tell of letters whose answer was lost goes to `evidence`.

mod imap;
mod log;
mod maildir;
mod memory;
mod postfix;
mod wire;

use std::path::PathBuf;

use crate::config;
use crate::config::SecretError;
use crate::oauth::OAuthError;

pub use imap::{ImapInbox, Sought};
pub use log::{LogError, LogPage, RelayLog};
pub use maildir::MaildirInbox;
pub use memory::MemoryInbox;
pub use postfix::QueueLine;

/// Bytes of one message that are fetched; of a longer one only the headers are.
pub const MOST_BYTES: usize = 25 << 20;

/// A message as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct RawMail {
    /// The same for the same message at each fetch: `imap:<uidvalidity>:<uid>`,
    /// `maildir:<unique name>` or `memory:<number>`.
    pub key: String,
    /// The message. One over [`MOST_BYTES`] is its headers and a note.
    pub bytes: Vec<u8>,
    /// The position after this message, for the next [`Inbox::fetch`].
    pub cursor: String,
}

impl std::fmt::Debug for RawMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawMail({}, {} bytes)", self.key, self.bytes.len())
    }
}

/// Why a mailbox cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The section names neither kind of mailbox, or both.
    #[error("mailbox `{0}` needs either maildir = \"/path\" or host = \"imap.example.org\"")]
    Kind(String),
    /// IMAP without a name or a password.
    #[error("mailbox `{0}` needs username, and password = {{ file = \"...\" }} or oauth")]
    NoLogin(String),
    /// The password cannot be had.
    #[error("mailbox `{id}`: {source}")]
    Secret {
        /// The mailbox.
        id: String,
        /// Why.
        source: SecretError,
    },
    /// The server is not reached.
    #[error("mailbox `{id}`: cannot reach {host}:{port}: {source}; check host and port")]
    Connect {
        /// The mailbox.
        id: String,
        /// The server.
        host: String,
        /// Its port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// The connection is not safe.
    #[error("mailbox `{id}`: no safe connection to {host}: {reason}")]
    Tls {
        /// The mailbox.
        id: String,
        /// The server.
        host: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The server refused the login.
    #[error(
        "mailbox `{id}`: {host} refused the login ({reason}); check username and password, and whether the \
         provider wants an app password or IMAP switched on"
    )]
    Login {
        /// The mailbox.
        id: String,
        /// The server.
        host: String,
        /// What it said.
        reason: String,
    },
    /// There is no token to show.
    #[error("mailbox `{id}`: {source}")]
    Token {
        /// The mailbox.
        id: String,
        /// Why.
        source: OAuthError,
    },
    /// The server refused a token that was just made.
    #[error(
        "mailbox `{id}`: {host} refused the token ({reason}); check that `username` is who logged in, and that IMAP \
         is switched on for it"
    )]
    TokenRefused {
        /// The mailbox.
        id: String,
        /// The server.
        host: String,
        /// What it said.
        reason: String,
    },
    /// The folder cannot be opened.
    #[error("mailbox `{id}`: cannot open folder `{folder}` ({reason}); check folder")]
    Folder {
        /// The mailbox.
        id: String,
        /// The folder.
        folder: String,
        /// What the server said.
        reason: String,
    },
    /// A command failed or the server's answer makes no sense.
    #[error("mailbox `{id}`: {command} failed: {reason}")]
    Command {
        /// The mailbox.
        id: String,
        /// The command.
        command: &'static str,
        /// Why.
        reason: String,
    },
    /// The server did not answer in time.
    #[error("mailbox `{id}`: no answer to {command} within {seconds} s")]
    TimeOut {
        /// The mailbox.
        id: String,
        /// The command.
        command: &'static str,
        /// How long we waited.
        seconds: u64,
    },
    /// A Maildir is not there or not readable.
    #[error("mailbox `{id}`: cannot read `{}`: {source}; it must be a Maildir (with new and cur) this user can read", path.display())]
    Maildir {
        /// The mailbox.
        id: String,
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A mailbox.
pub enum Inbox {
    /// On an IMAP server.
    Imap(Box<ImapInbox>),
    /// A folder of files.
    Maildir(MaildirInbox),
    /// A queue in memory, for the demo and for tests.
    Memory(MemoryInbox),
}

impl Inbox {
    /// Opens the mailbox that a section describes; IMAP logs in at once, so that
    /// what is wrong shows here.
    ///
    /// # Errors
    /// Says what in the section or at the server is to be mended.
    pub async fn open(mailbox: &config::Mailbox) -> Result<Self, InboxError> {
        match (&mailbox.maildir, &mailbox.host) {
            (Some(path), None) => MaildirInbox::open(&mailbox.id, path).map(Self::Maildir),
            (None, Some(_)) => ImapInbox::open(mailbox).await.map(|inbox| Self::Imap(Box::new(inbox))),
            _ => Err(InboxError::Kind(mailbox.id.clone())),
        }
    }

    /// Fetches at most `limit` messages behind `cursor` (`None`: from the first
    /// on), in their order. Fewer can come though more are there, where they are
    /// large; none means there is none.
    ///
    /// # Errors
    /// The mailbox cannot be read now; the next call tries afresh.
    pub async fn fetch(&mut self, cursor: Option<&str>, limit: usize) -> Result<Vec<RawMail>, InboxError> {
        match self {
            Self::Imap(inbox) => inbox.fetch(cursor, limit).await,
            Self::Maildir(inbox) => inbox.fetch(cursor, limit).await,
            Self::Memory(inbox) => Ok(inbox.fetch(cursor, limit)),
        }
    }
}

/// The headers of a message that is too large, and a note instead of the rest.
fn headers_only(head: &[u8], size_bytes: u64) -> Vec<u8> {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let end = ends.iter().filter_map(|end| head.windows(end.len()).position(|window| window == *end)).min();
    let mut bytes = head[..end.unwrap_or(head.len())].trim_ascii_end().to_vec();
    bytes.extend_from_slice(format!("\r\n\r\n[message of {size_bytes} bytes: too large, not read]\r\n").as_bytes());
    bytes
}
