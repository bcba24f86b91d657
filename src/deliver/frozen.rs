//! The inputs of a letter, frozen at its first handoff.
//!
//! Rendering is pure, so the same inputs give the same bytes: a later try sends
//! what the first one would have sent, even if the client's record, the
//! configuration or the day has changed since. The bytes that are compared hold the
//! DKIM signatures: a key that was taken out of the configuration between two tries
//! holds the letter, one that is marked as retired still signs it.
//!
//! Fields that were added later have a default, which is what a letter of an earlier
//! version was rendered with.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::address::{EmailAddress, PhoneNumber};
use crate::model::language::Language;

/// Everything a letter is rendered from, beside its template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Frozen {
    pub(super) date: Timestamp,
    /// The IANA zone in which the date is written.
    pub(super) zone: String,
    pub(super) message_id: String,
    pub(super) language: Language,
    /// The template's name and the subject, for a campaign's letter.
    pub(super) template: Option<String>,
    pub(super) subject: FrozenSubject,
    pub(super) data: Value,
    pub(super) from_name: String,
    pub(super) from: EmailAddress,
    pub(super) reply_to: Option<EmailAddress>,
    pub(super) to_name: String,
    pub(super) to_company: String,
    pub(super) list: Option<(String, String)>,
    pub(super) opt_out_url: Option<String>,
    pub(super) opt_out_mail: Option<String>,
    pub(super) legal_name: String,
    pub(super) postal_address: String,
    pub(super) from_fax: Option<PhoneNumber>,
    pub(super) from_phone: Option<PhoneNumber>,
    #[serde(default)]
    pub(super) feedback_id: Option<String>,
    #[serde(default)]
    pub(super) auto_submitted: Option<bool>,
    /// The files that go with it, by name; the revision has their bytes.
    #[serde(default)]
    pub(super) attachments: Vec<String>,
    /// The keys that sign it, at the instant of `date`.
    #[serde(default)]
    pub(super) dkim: Vec<FrozenKey>,
}

/// A DKIM key by its place in the DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FrozenKey {
    pub(super) domain: String,
    pub(super) selector: String,
}

/// What the subject is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FrozenSubject {
    /// A template of its own.
    Template(String),
    /// The thread of the letters before: their subject and their Message-IDs, oldest first.
    Thread(String, Vec<String>),
}

impl FrozenSubject {
    pub(super) fn references(&self) -> &[String] {
        match self {
            Self::Template(_) => &[],
            Self::Thread(_, ids) => ids,
        }
    }
}
