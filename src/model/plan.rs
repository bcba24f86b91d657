//! A plan: one contact's run through a campaign.

use serde::{Deserialize, Serialize};

/// Where a plan stands.
///
/// ```text
/// active -> done | stopped(reason)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// Its next step is due at `next_at`, or its current step is under way.
    Active,
    /// `schedule` found no step left.
    Done,
    /// A response or a person ended it before its last step.
    Stopped,
}

/// Why a plan was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// A person answered.
    Reply,
    /// They opted out or complained.
    OptOut,
    /// No channel reaches them any more.
    Unreachable,
    /// A person stopped it, or the campaign ended.
    Operator,
}

/// Why a contact that matches the audience got no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// The law of the country wants an express consent that is not on file.
    NoConsent,
    /// A sole trader, whose consent is not on file.
    SoleTrader,
    /// Nobody said what kind of person it is.
    PersonTypeUnknown,
    /// A private person, who is never written to.
    PrivatePerson,
    /// The country is not known, so no rule can be named.
    CountryUnknown,
    /// The person, the address or the domain is suppressed.
    Suppressed,
    /// No address for the channel of the first step.
    NoAddress,
    /// Drawn into the group that is left in peace.
    Holdout,
    /// A colleague at the same account is already being written to.
    Colleague,
    /// The account has no owner whose name the letter could carry.
    NoOwner,
}
