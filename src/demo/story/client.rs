//! One client's story: their letters, answers and what followed, from their rows.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::local;
use crate::client::say;
use crate::client::why::Facts;
use crate::model::address::Channel;
use crate::model::consent::Consent;
use crate::model::plan::PlanState;
use crate::model::response::{AutoReply, ResponseKind};
use crate::model::suppression::{Reason, Scope};
use crate::model::task::TaskKind;
use crate::model::text::tame;
use crate::store::{AttemptRow, AttemptState, DeliveryRow, ResponseRow, SuppressionRow};

/// One thing that happened with a client.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// A word for it: a channel, or what came back.
    pub word: &'static str,
    /// A line or two about it.
    pub text: Vec<String>,
}

/// The client's name, then a line for each thing that happened.
pub(super) fn lines(facts: &Facts, consents: &[Consent]) -> Vec<String> {
    let zone = TimeZone::get(&facts.client.contact.zone).unwrap_or(TimeZone::UTC);
    let mut lines = vec![format!("{}, {}", facts.client.contact.name, facts.client.account.name)];
    for Event { at, word, text } in events(facts, consents) {
        let mut text = text.into_iter();
        lines.push(format!("  {}  {word:<8} {}", local(at, &zone), text.next().unwrap_or_default()));
        lines.extend(text.map(|line| format!("  {:20}{line}", "")));
    }
    lines
}

/// What happened with a client, in order.
pub fn events(facts: &Facts, consents: &[Consent]) -> Vec<Event> {
    let mut events = Vec::new();
    for row in &facts.deliveries {
        let attempts = facts.attempts.get(&row.id).map_or(&[][..], Vec::as_slice);
        let tried = attempts.iter().enumerate();
        events.extend(tried.map(|(index, attempt)| letter(facts, row, attempt, attempts.get(index + 1), consents)));
    }
    events.extend(facts.responses.iter().filter_map(|row| answer(facts, row)));
    events.sort_by_key(|event| event.at);
    events
}

/// One try at one letter.
fn letter(
    facts: &Facts,
    row: &DeliveryRow,
    attempt: &AttemptRow,
    next: Option<&AttemptRow>,
    consents: &[Consent],
) -> Event {
    let ended = attempt.ended_at.unwrap_or(attempt.started_at);
    let again = next.map_or(row.due_at, |next| next.started_at);
    let minutes = again.duration_since(ended).as_secs().div_euclid(60);
    let (ending, at) = match row.channel {
        Channel::Fax => (fax(attempt), attempt.started_at),
        Channel::Email | Channel::Call => (mail(attempt), ended),
    };
    let mut what = row.step.clone().unwrap_or_default();
    let instead = facts.deliveries.iter().any(|other| other.step == row.step && other.id < row.id);
    if let Some(variant) = row.variant.as_deref().filter(|_| !instead) {
        what.push_str(&format!(", variant {variant}"));
    }
    let held = consents.iter().any(|one| one.channel == Channel::Fax && one.withdrawn_at.is_none());
    if row.channel == Channel::Fax && attempt.number == 1 && held {
        what.push_str(", consent on file");
    }
    let again = match attempt.state {
        AttemptState::Retry => format!(", again in {minutes} minutes"),
        _ => String::new(),
    };
    Event { at, word: say::channel(row.channel), text: vec![format!("{what}: {ending}{again}")] }
}

fn mail(attempt: &AttemptRow) -> String {
    let reply = || attempt.reply.as_deref().map(tame).unwrap_or_default();
    let code = attempt.code.map(|code| format!("{code} ")).unwrap_or_default();
    match attempt.state {
        AttemptState::Accepted => "accepted".to_owned(),
        AttemptState::Retry => format!("not now, {code}{}", reply()),
        AttemptState::Rejected => format!("refused, {code}{}", reply()),
        AttemptState::Uncertain => "uncertain".to_owned(),
        AttemptState::Handoff | AttemptState::Submitted => "under way".to_owned(),
    }
}

/// How a call ended, in the gateway's words, and with its pages where they arrived.
fn fax(attempt: &AttemptRow) -> String {
    let said = || attempt.reply.as_deref().map(|reply| tame(reply).to_lowercase()).unwrap_or_default();
    match attempt.state {
        AttemptState::Accepted => format!("delivered, {}", said()),
        AttemptState::Retry | AttemptState::Rejected => said(),
        AttemptState::Uncertain => "uncertain".to_owned(),
        AttemptState::Handoff | AttemptState::Submitted => "under way".to_owned(),
    }
}

/// What came back, and what it changed.
fn answer(facts: &Facts, row: &ResponseRow) -> Option<Event> {
    let at = row.received_at;
    let event = |word, text| Some(Event { at, word, text });
    match row.kind {
        ResponseKind::Human(_) => {
            let said = row.new_text.as_deref().or(row.evidence["text"].as_str()).unwrap_or_default();
            let quote = format!("\"{}\"", tame(said.trim()));
            let name = row.kind.name();
            let intent = name.rsplit('.').next().unwrap_or_default().replace('_', " ");
            event("reply", vec![quote, format!("{intent}: {}", followed(facts, row))])
        }
        ResponseKind::Bounce(_) => {
            let said = row.reason.as_deref().map(tame).unwrap_or_default();
            let suppressed = suppressed(facts, at, |one| one.scope == Scope::Address && one.reason == Reason::Invalid);
            event("bounce", vec![format!("{said}{}", if suppressed { ": address suppressed" } else { "" })])
        }
        ResponseKind::OptOut(_) => {
            let suppressed = suppressed(facts, at, |one| one.reason == Reason::OptOut);
            let mut changed = vec![if suppressed { "suppressed" } else { "not suppressed" }];
            changed.extend(ended(facts, at).then_some("plan ended"));
            let name = row.kind.name();
            let how = name.rsplit('.').next().unwrap_or_default().replace('_', " ");
            event("opt-out", vec![format!("{how}: {}", changed.join(", "))])
        }
        ResponseKind::Auto(AutoReply::OutOfOffice) => {
            let back = row.until.map(|date| date.strftime(", back %-d %B").to_string()).unwrap_or_default();
            event("auto", vec![format!("out of office{back}")])
        }
        ResponseKind::Auto(_)
        | ResponseKind::Delayed
        | ResponseKind::Delivered
        | ResponseKind::Complaint
        | ResponseKind::AuthFailure
        | ResponseKind::Fax(_)
        | ResponseKind::Other => None,
    }
}

/// What an answer led to: the plan's end, and who has to do what.
fn followed(facts: &Facts, row: &ResponseRow) -> String {
    let mut changes = Vec::new();
    if ended(facts, row.received_at) {
        changes.push("plan stopped".to_owned());
    }
    for task in facts.tasks.iter().filter(|task| task.response == Some(row.id)) {
        let who = facts.users.iter().find(|user| Some(user.id) == task.user);
        let who = who.map_or("operations".to_owned(), |user| user.name.to_string());
        let what = match task.kind {
            TaskKind::Answer | TaskKind::Call => "to call by",
            TaskKind::Remind => "reminded",
            TaskKind::Fix | TaskKind::Operate => "to mend by",
        };
        changes.push(format!("{who} {what} {}", task.due_on.strftime("%A")));
    }
    changes.join(", ")
}

fn ended(facts: &Facts, at: Timestamp) -> bool {
    facts.plans.iter().any(|plan| plan.state != PlanState::Active && plan.ended_at == Some(at))
}

fn suppressed(facts: &Facts, at: Timestamp, which: impl Fn(&SuppressionRow) -> bool) -> bool {
    facts.suppressions.iter().any(|one| one.at == at && one.lifted_at.is_none() && which(one))
}
