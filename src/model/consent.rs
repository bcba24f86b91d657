//! Consent: what a contact allowed, how we know, and whether it was withdrawn.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::address::Channel;
use super::id::ContactId;

/// The legal basis of writing to someone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// They said yes, expressly.
    Consent,
    /// They bought similar goods and were offered an opt-out (soft opt-in).
    Customer,
}

/// One consent; rows are only added, a withdrawal sets `withdrawn_at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Whose.
    pub contact: ContactId,
    /// For which channel.
    pub channel: Channel,
    /// On which basis.
    pub basis: Basis,
    /// How we know: a fair, a form, a contract.
    pub evidence: String,
    /// Since when.
    pub given_at: Timestamp,
    /// Until when, if it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
}
