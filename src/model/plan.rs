//! A plan: one contact's run through a campaign.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::account::PersonType;
use super::consent::Basis;
use super::id::{AccountId, ContactId};

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

/// One contact that matches an audience, with what decides whether a plan may start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The person.
    pub contact: ContactId,
    /// The person's name.
    pub name: String,
    /// The company.
    pub account: AccountId,
    /// The company's name.
    pub account_name: String,
    /// The company's country.
    pub country: Option<String>,
    /// What the law sees in the company.
    pub person_type: Option<PersonType>,
    /// The company has an active account manager.
    pub has_owner: bool,
    /// The contact's zone.
    pub zone: String,
    /// There is a valid mail address.
    pub has_email: bool,
    /// There is a valid fax number.
    pub has_fax: bool,
    /// Consent to e-mail is on file: `consent` or `customer`.
    pub email_basis: Option<Basis>,
    /// Consent to fax is on file.
    pub fax_basis: Option<Basis>,
    /// The person, an address or its domain is suppressed.
    pub suppressed: bool,
    /// Active plans of colleagues at the same account, in any campaign.
    pub busy_colleagues: i64,
    /// A plan of this campaign and run exists already.
    pub enrolled: bool,
    /// The last touch.
    pub last_touch: Option<Timestamp>,
}

/// The decision about one candidate: a plan starts, or a rule leaves them out.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolment {
    /// Whom.
    pub contact: ContactId,
    /// Their company.
    pub account: AccountId,
    /// Why they got no plan, if they got none.
    pub left_out: Option<LeftOut>,
    /// What the decision looked at, for `why`.
    pub facts: serde_json::Value,
    /// The first step.
    pub step: String,
    /// When it is due.
    pub next_at: Option<Timestamp>,
    /// When its window closes.
    pub closes_at: Option<Timestamp>,
}
