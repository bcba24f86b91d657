//! Contacts: the persons at an account, and the points where they are reached.

use serde::{Deserialize, Serialize};

use super::address::{EmailAddress, PhoneNumber};
use super::id::{AccountId, ContactId};
use super::language::Language;
use super::text::Line;

/// Where a contact's time zone came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneSource {
    /// It stood in the client's own field.
    Field,
    /// It follows from the country.
    Country,
    /// Neither: the company's own zone.
    Default,
}

/// One person at an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// The company.
    pub account: AccountId,
    /// The whole name.
    pub name: Line,
    /// The first name, if it is known apart.
    pub given_name: Option<Line>,
    /// The title or role.
    pub title: Option<Line>,
    /// The language letters are written in; the campaign's where absent.
    pub language: Option<Language>,
    /// IANA time zone.
    pub zone: String,
    /// Where the zone came from.
    pub zone_source: ZoneSource,
    /// Mail address, the first valid one.
    pub email: Option<EmailAddress>,
    /// Fax number, the first valid one.
    pub fax: Option<PhoneNumber>,
    /// Telephone number.
    pub phone: Option<PhoneNumber>,
}
