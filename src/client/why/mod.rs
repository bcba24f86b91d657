//! Why: each decision about one contact, in order, with the rule that made it.
//!
//! [`load`] gathers rows, [`tell`] turns them into lines and is pure; nothing here
//! decides or writes. What a line says was decided by `campaign`, `schedule`,
//! `deliver` and `respond`, and stands in their rows. The command and the pages show it.

mod audience;
mod enrolment;
mod event;
mod load;
mod next;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::say::{self, Clock};
use crate::model::id::{DeliveryId, RevisionId, UserId};
use crate::model::user::User;
use crate::store::{
    AppliedRevision, AttemptRow, ChangeRow, Client, DeliveryRow, LetterGap, MembershipRow, PauseRow, PlanRow,
    ResponseRow, SuppressionRow, TaskRow,
};

pub use audience::{Subject, explain, reference};
pub use load::load;

/// Every row that speaks of one contact.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The present.
    pub now: Timestamp,
    /// The contact.
    pub client: Client,
    /// The users, for their names.
    pub users: Vec<User>,
    /// The enrolment decisions.
    pub memberships: Vec<MembershipRow>,
    /// The plans.
    pub plans: Vec<PlanRow>,
    /// The versions that decisions and plans name.
    pub revisions: BTreeMap<RevisionId, AppliedRevision>,
    /// The versions that run now.
    pub running: Vec<AppliedRevision>,
    /// The deliveries.
    pub deliveries: Vec<DeliveryRow>,
    /// The tries of each delivery.
    pub attempts: BTreeMap<DeliveryId, Vec<AttemptRow>>,
    /// What persons decided about each delivery.
    pub resolved: BTreeMap<DeliveryId, Vec<ChangeRow>>,
    /// What came back.
    pub responses: Vec<ResponseRow>,
    /// What people had or have to do.
    pub tasks: Vec<TaskRow>,
    /// Suppressions over the contact, lifted ones too.
    pub suppressions: Vec<SuppressionRow>,
    /// Pauses over the contact.
    pub pauses: Vec<PauseRow>,
    /// They chose to get letters less often.
    pub letter_gap: Option<LetterGap>,
    /// Changes of the contact's own row.
    pub changes: Vec<ChangeRow>,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhyLine {
    /// When it was made, where that is known.
    pub at: Option<Timestamp>,
    /// What it was: `in`, `out`, `pass`, `choose`, `due`, `sent`, `reply`, `read`, `stop`, `task`, ...
    pub word: &'static str,
    /// The rule that made it, or what it was made of.
    pub rule: String,
    /// The rest, for people.
    pub text: String,
}

impl WhyLine {
    fn new(word: &'static str, rule: impl Into<String>, text: impl Into<String>) -> Self {
        Self { at: None, word, rule: rule.into(), text: text.into() }
    }

    fn at(self, at: Timestamp) -> Self {
        Self { at: Some(at), ..self }
    }
}

/// The decisions of one campaign, or those of none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// The campaign's id.
    pub campaign: Option<String>,
    /// Its version.
    pub version: Option<i64>,
    /// Its head, for people.
    pub title: String,
    /// The decisions, in order.
    pub lines: Vec<WhyLine>,
}

/// The whole answer; its `Display` is what the command prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    /// Who, where, whose.
    pub head: String,
    /// Campaign by campaign.
    pub sections: Vec<Section>,
    /// What comes next.
    pub next: String,
}

/// Puts the decisions in order and in words.
pub fn tell(facts: &Facts) -> Why {
    let mut clock = Clock::of(&facts.client.contact, facts.now);
    let mut sections = Vec::new();
    for membership in &facts.memberships {
        clock.begin();
        sections.push(of_membership(facts, membership, &mut clock));
    }
    for revision in &facts.running {
        if facts.memberships.iter().any(|membership| membership.campaign == revision.campaign.id) {
            continue;
        }
        let lines = enrolment::not_enrolled(facts, revision, &clock);
        sections.push(Section { lines, ..head_of(facts, revision, "", &clock) });
    }
    clock.begin();
    let lines = event::on_record(facts, &mut clock);
    if !lines.is_empty() {
        sections.push(Section { campaign: None, version: None, title: "on the record".to_owned(), lines });
    }
    Why { head: head(facts), sections, next: next::next(facts, &clock) }
}

fn head(facts: &Facts) -> String {
    let Client { contact, account, owner, .. } = &facts.client;
    let owner = owner.as_ref().map_or("No owner".to_owned(), |owner| format!("Owner {}", owner.name));
    format!("{}, {}. {owner}. Zone {}", contact.name, account.name, say::zone(&facts.client))
}

fn of_membership(facts: &Facts, membership: &MembershipRow, clock: &mut Clock) -> Section {
    let plan = facts.plans.iter().find(|plan| plan.campaign == membership.campaign && plan.run == membership.run);
    // A plan may have been moved to a later version than the one that enrolled it.
    let revision = facts.revisions.get(&plan.map_or(membership.revision, |plan| plan.revision));
    let mut lines = Vec::new();
    let Some(revision) = revision else {
        let title = membership.campaign.clone();
        return Section { campaign: Some(title.clone()), version: None, title, lines };
    };
    let decided = facts.revisions.get(&membership.revision).unwrap_or(revision);
    lines.extend(enrolment::decided(facts, membership, decided, clock));
    if let Some(plan) = plan {
        lines.extend(event::of_plan(facts, plan, revision, clock));
    }
    Section { lines, ..head_of(facts, revision, &membership.run, clock) }
}

fn head_of(facts: &Facts, revision: &AppliedRevision, run: &str, clock: &Clock) -> Section {
    let run = if run.is_empty() { String::new() } else { format!(", run of {}", run.replace('T', " ")) };
    let (campaign, version) = (&revision.campaign.id, revision.version);
    let by = actor(facts, &revision.actor);
    let title = format!("{campaign}{run}, version {version}, applied by {by} {}", clock.full(revision.applied_at));
    Section { campaign: Some(campaign.clone()), version: Some(version), title, lines: Vec::new() }
}

/// The name of a user whose address acted, else the actor as it is stored.
fn actor(facts: &Facts, actor: &str) -> String {
    let user = facts.users.iter().find(|user| user.email.folded() == actor.to_lowercase());
    user.map_or_else(|| crate::model::text::tame(actor), |user| user.name.to_string())
}

fn user(facts: &Facts, id: Option<UserId>) -> String {
    let user = id.and_then(|id| facts.users.iter().find(|user| user.id == id));
    user.map_or("operator".to_owned(), |user| user.name.to_string())
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.head)?;
        for section in &self.sections {
            writeln!(f, "\n{}", section.title)?;
            for WhyLine { word, rule, text, .. } in &section.lines {
                writeln!(f, "  {word:<7} {rule:<10} {text}")?;
            }
        }
        writeln!(f, "\nNext: {}.", self.next)
    }
}
