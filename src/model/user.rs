//! Users: who works with the clients, and with what right.

use jiff::civil::Time;
use serde::{Deserialize, Serialize};

use super::address::{EmailAddress, PhoneNumber};
use super::id::UserId;
use super::language::Language;
use super::text::Line;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The head of the company: alone appoints and dismisses.
    Head,
    /// An account manager: owns clients and gets a digest.
    Manager,
}

/// One user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The name clients see.
    pub name: Line,
    /// Where the digest goes and replies are sent on.
    pub email: EmailAddress,
    /// The telephone number in the signature.
    pub phone: Option<PhoneNumber>,
    /// The title in the signature.
    pub title: Option<Line>,
    /// What they may do.
    pub role: Role,
    /// The language of the digest.
    pub language: Language,
    /// IANA time zone of the digest's hour.
    pub zone: String,
    /// When the digest comes, by their clock.
    pub digest_at: Time,
    /// Appointed and not dismissed.
    pub active: bool,
}
