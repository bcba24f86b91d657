//! Decides what a response changes, and writes it up for the store.
//!
//! Pure: everything it needs was looked up before, and the store carries out what
//! it answers in one transaction. What a client's response changes is the table in
//! [`super::answer`]; here are mails to ourselves, mails that point at two clients
//! and mails that nothing ties. An objection counts however it is tied; a conflict
//! suppresses nobody.

use jiff::Timestamp;
use serde_json::json;

use super::answer::{Answer, answered};
use super::facts::Facts;
use super::read::{Finding, Reading};
use super::tie::{Tie, fold};
use super::words::{self, Trouble};
use crate::model::delivery::{Outcome, Purpose};
use crate::model::id::{ContactId, ResponseId};
use crate::model::plan::StopReason;
use crate::model::response::{OptOut, ResponseKind};
use crate::model::suppression::{Reason, Scope};
use crate::model::task::TaskKind;
use crate::store::{Consequence, LoggedResponse};

/// Characters of a reply on the timeline.
const SUMMARY_CHARS: usize = 200;
/// Characters of a reply that are kept beside the raw mail.
const TEXT_CHARS: usize = 20_000;

/// One finding, with what is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The response's id.
    pub id: ResponseId,
    /// The mail.
    pub reading: &'a Reading,
    /// What it says.
    pub finding: &'a Finding,
    /// What it answers.
    pub tie: Option<&'a Tie>,
    /// What is known about the client.
    pub facts: &'a Facts,
    /// When it came in.
    pub received_at: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// The response that is logged for a case, with everything it changes.
pub fn apply(case: &Case<'_>, source_key: String, raw: Option<(String, Vec<u8>)>) -> LoggedResponse {
    let (review, consequences) = decide(case);
    // A conflict stands on nobody's record until a person has decided.
    let settled = case.tie.filter(|tie| tie.conflict.is_none()).map(|tie| &tie.candidate);
    let finding = case.finding;
    LoggedResponse {
        id: case.id,
        source: "mail",
        source_key,
        kind: if is_ours(case) { ResponseKind::Other } else { finding.kind },
        delivery: settled.map(|candidate| candidate.delivery),
        plan: settled.and_then(|candidate| candidate.plan),
        contact: settled.filter(|candidate| candidate.purpose == Purpose::Campaign).and_then(|it| it.contact),
        recipient: finding.recipient.as_deref().map(storable),
        tie: case.tie.map(|tie| tie.way.word().to_owned()),
        confidence: f64::from((finding.confidence * 100.0).round()) / 100.0,
        enhanced: finding.enhanced.as_deref().map(storable),
        reason: finding.reason.as_deref().map(storable),
        evidence: evidence(case),
        new_text: finding.new_text.as_deref().map(storable),
        until: finding.until,
        raw,
        review,
        received_at: case.received_at,
        consequences,
    }
}

/// Text without what PostgreSQL refuses (NUL) and what a terminal obeys, of bounded length.
fn storable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(TEXT_CHARS).collect()
}

fn evidence(case: &Case<'_>) -> serde_json::Value {
    let found = &case.finding.evidence;
    let mut evidence = json!({ "part": found.part, "line": found.line, "rule": found.rule, "text": found.text });
    let mail = [("subject", &case.reading.subject), ("from", &case.reading.from)];
    for (name, value) in mail {
        evidence[name] = json!(value.as_deref().map(storable));
    }
    if let Some(other) = &case.finding.referred_to {
        evidence["referred_to"] = json!(other);
    }
    if let Some((tie, (other, way))) = case.tie.and_then(|tie| Some((tie, tie.conflict.as_ref()?))) {
        evidence["conflict"] = json!({ tie.way.word(): tie.candidate.delivery, way.word(): other.delivery });
    }
    evidence
}

/// A colleague's mail in a client's thread is no answer of the client's.
fn is_ours(case: &Case<'_>) -> bool {
    let to_client = case.tie.is_some_and(|tie| tie.candidate.purpose == Purpose::Campaign);
    case.facts.from_us && to_client
}

/// Whether a person must look, and what changes.
fn decide(case: &Case<'_>) -> (bool, Vec<Consequence>) {
    let Some(tie) = case.tie else { return untied(case) };
    if tie.conflict.is_some() {
        return (true, conflict(case, tie));
    }
    if is_ours(case) {
        return (true, Vec::new());
    }
    let mut consequences = Vec::new();
    if tie.way.proves_arrival() {
        consequences.push(Consequence::Arrived { delivery: tie.candidate.delivery });
    }
    let (review, more) = match (tie.candidate.contact, &case.facts.client) {
        (Some(contact), Some(client)) if tie.candidate.purpose == Purpose::Campaign => {
            answered(&Answer { case, tie, contact, client })
        }
        _ => own_mail(case, tie),
    };
    consequences.extend(more);
    (review, consequences)
}

/// A mail to one of us: a digest, a notice, a test.
fn own_mail(case: &Case<'_>, tie: &Tie) -> (bool, Vec<Consequence>) {
    match case.finding.kind {
        ResponseKind::Bounce(_) if tie.way.is_strong() => {
            let failed = Consequence::Outcome { delivery: tie.candidate.delivery, outcome: Outcome::Bounced };
            (false, vec![failed, operate(case, None, Trouble::OwnMailBounced)])
        }
        ResponseKind::Bounce(_) | ResponseKind::Complaint => (true, vec![]),
        ResponseKind::Human(_) | ResponseKind::OptOut(_) => (true, vec![operate(case, None, Trouble::OwnMailAnswered)]),
        ResponseKind::Delayed
        | ResponseKind::Delivered
        | ResponseKind::Auto(_)
        | ResponseKind::Fax(_)
        | ResponseKind::AuthFailure
        | ResponseKind::Other => (false, vec![]),
    }
}

/// Two clients are named: neither is suppressed, and neither is written to where a
/// person may have asked for that.
fn conflict(case: &Case<'_>, tie: &Tie) -> Vec<Consequence> {
    let reason = match case.finding.kind {
        ResponseKind::Human(_) => StopReason::Reply,
        ResponseKind::OptOut(_) | ResponseKind::Complaint => StopReason::OptOut,
        _ => return vec![],
    };
    let both = [Some(&tie.candidate), tie.conflict.as_ref().map(|(other, _)| other)];
    let contacts = both.into_iter().flatten().filter_map(|candidate| candidate.contact);
    let mut changes: Vec<_> = contacts.map(|contact| Consequence::StopPlans { contact, reason }).collect();
    changes.push(operate(case, None, Trouble::Conflict));
    changes
}

/// Nothing ties it: an objection still counts for the address it names.
fn untied(case: &Case<'_>) -> (bool, Vec<Consequence>) {
    let suppress = |address: &Option<String>, reason| {
        let value = address.as_deref().map(fold)?;
        Some(Consequence::Suppress { scope: Scope::Address, value, reason, response: Some(case.id) })
    };
    let (reason, address) = match case.finding.kind {
        ResponseKind::Complaint => (Reason::Complaint, &case.finding.recipient),
        ResponseKind::OptOut(_) if case.finding.recipient.is_some() => (Reason::OptOut, &case.finding.recipient),
        ResponseKind::OptOut(_) => (Reason::OptOut, &case.reading.from),
        ResponseKind::Bounce(_) | ResponseKind::Human(_) | ResponseKind::AuthFailure | ResponseKind::Other => {
            return (true, vec![]);
        }
        ResponseKind::Delayed | ResponseKind::Delivered | ResponseKind::Auto(_) | ResponseKind::Fax(_) => {
            return (false, vec![]);
        }
    };
    let mut changes: Vec<_> = suppress(address, reason).into_iter().collect();
    // Every piece of spam says "unsubscribe" somewhere; that alone asks nobody to act.
    if case.finding.kind != ResponseKind::OptOut(OptOut::InReply) {
        changes.push(operate(case, None, Trouble::UnknownObjection));
    }
    (true, changes)
}

pub(super) fn operate(case: &Case<'_>, contact: Option<ContactId>, trouble: Trouble<'_>) -> Consequence {
    Consequence::Task {
        kind: TaskKind::Operate,
        user: None,
        contact,
        plan: None,
        response: Some(case.id),
        note: words::trouble(case.facts.language, trouble),
        due_on: case.facts.today(case.now),
    }
}

/// One line for the timeline: what they wrote, else what the server said, else the subject.
pub(super) fn summary(case: &Case<'_>) -> String {
    let texts = [&case.finding.new_text, &case.finding.reason, &case.reading.subject];
    let said = texts.into_iter().flatten().map(String::as_str).find(|text| !text.trim().is_empty());
    super::read::one_line(said.unwrap_or_default(), SUMMARY_CHARS)
}
