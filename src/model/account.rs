//! Accounts: the companies we sell to.

use serde::{Deserialize, Serialize};

use super::id::{AccountId, UserId};
use super::text::Line;

/// What kind of person the law sees in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonType {
    /// A legal person: a limited company, an association, an authority.
    Company,
    /// A natural person in business (enskild firma).
    SoleTrader,
    /// A natural person out of business: never written to.
    Private,
}

/// One company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: Line,
    /// Registry number (organisationsnummer) as digits.
    pub org_number: Option<String>,
    /// ISO 3166 alpha-2, upper case.
    pub country: Option<String>,
    /// Town.
    pub city: Option<Line>,
    /// `A`, `B`, `C` or what the company uses.
    pub tier: Option<Line>,
    /// What the law sees in it.
    pub person_type: Option<PersonType>,
    /// The account manager.
    pub owner: Option<UserId>,
    /// Product needs, sorted.
    pub needs: Vec<String>,
    /// Tags, sorted.
    pub tags: Vec<String>,
}
