//! Suppression: who or what is not written to any more, and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a suppression covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A person on every channel; the value is the contact's id.
    Contact,
    /// One e-mail address or fax number; the value is its folded form.
    Address,
    /// Every address at a domain.
    Domain,
}

/// Why it was suppressed; this decides what it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// They asked for it. Stops marketing, never a digest.
    OptOut,
    /// They reported us as spam. Stops marketing.
    Complaint,
    /// The address does not exist. Stops everything.
    Invalid,
    /// An operator decided. Stops marketing.
    Operator,
}

/// One suppression in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// What it covers.
    pub scope: Scope,
    /// Which one: a contact's id, a folded address, a domain.
    pub value: String,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub at: Timestamp,
}
