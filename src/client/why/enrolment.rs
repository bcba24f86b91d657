//! Why a contact is in a campaign, or by which rule it is left out.

use serde_json::Value;

use super::super::say::Clock;
use super::audience::{Subject, explain, reference, say_failed, say_held};
use super::{Facts, WhyLine};
use crate::model::campaign::Start;
use crate::model::plan::LeftOut;
use crate::store::{AppliedRevision, MembershipRow};

/// The lines of a decision that was made: the audience, then the rules in the order in
/// which they are asked, to the one that left the contact out.
pub(super) fn decided(
    facts: &Facts,
    membership: &MembershipRow,
    revision: &AppliedRevision,
    clock: &Clock,
) -> Vec<WhyLine> {
    let known = &membership.facts;
    let law = || known["law"].as_str().unwrap_or("no rule is on record").to_owned();
    let passed = |rule: &str, text: String| WhyLine::new("pass", rule, text);
    let mut lines = vec![in_audience(facts, membership, revision, clock)];
    match membership.left_out {
        Some(
            LeftOut::NoConsent
            | LeftOut::SoleTrader
            | LeftOut::PersonTypeUnknown
            | LeftOut::PrivatePerson
            | LeftOut::CountryUnknown,
        ) => lines.push(WhyLine::new("out", "law", law())),
        None => lines.extend([
            passed("law", law()),
            passed("holdout", holdout(known)),
            passed("cap", colleagues(facts, known)),
        ]),
        Some(LeftOut::Colleague) => lines.extend([
            passed("law", law()),
            passed("holdout", holdout(known)),
            WhyLine::new("out", "cap", colleagues(facts, known)),
        ]),
        Some(LeftOut::Holdout) => {
            lines.extend([passed("law", law()), WhyLine::new("out", "holdout", holdout(known))]);
        }
        Some(rule @ (LeftOut::Suppressed | LeftOut::NoAddress | LeftOut::NoOwner)) => {
            let (name, text) = match rule {
                LeftOut::Suppressed => ("suppressed", "the person, the address or the domain"),
                LeftOut::NoAddress => ("address", "none that the first step could go to"),
                _ => ("owner", "the company has no active account manager whose name the letter could carry"),
            };
            lines.extend([passed("law", law()), WhyLine::new("out", name, text)]);
        }
    }
    lines.into_iter().map(|line| line.at(membership.at)).collect()
}

/// The audience as the record is today: a decision keeps no copy of every field.
fn in_audience(facts: &Facts, membership: &MembershipRow, revision: &AppliedRevision, clock: &Clock) -> WhyLine {
    let campaign = &revision.campaign;
    let last_touch = membership.facts["last_touch"].as_str().and_then(|at| at.parse().ok());
    let reference = reference(campaign, &facts.client.contact.zone, membership.at);
    let subject = Subject { client: &facts.client, last_touch, reference };
    let told: Vec<_> = explain(&campaign.audience, subject)
        .into_iter()
        .filter_map(|(condition, holds)| match holds {
            true => say_held(condition, subject, clock),
            false => Some(format!("now {}", say_failed(condition, subject, clock))),
        })
        .collect();
    WhyLine::new("in", "audience", if told.is_empty() { "everybody".to_owned() } else { told.join(", ") })
}

fn holdout(known: &Value) -> String {
    let bucket = known["bucket"].as_i64().unwrap_or_default();
    let left = match known["holdout_percent"].as_i64().unwrap_or_default() {
        0 => "nobody is left in peace".to_owned(),
        1 => "0 is left in peace".to_owned(),
        percent => format!("0-{} are left in peace", percent - 1),
    };
    format!("bucket {bucket} of 100; {left}")
}

fn colleagues(facts: &Facts, known: &Value) -> String {
    let company = &facts.client.account.name;
    match known["colleagues"].as_i64().unwrap_or_default() {
        0 => format!("no colleague at {company} is being written to"),
        1 => format!("1 colleague at {company} is being written to"),
        number => format!("{number} colleagues at {company} are being written to"),
    }
}

/// For a running campaign that never decided about the contact: which conditions fail.
pub(super) fn not_enrolled(facts: &Facts, revision: &AppliedRevision, clock: &Clock) -> Vec<WhyLine> {
    let campaign = &revision.campaign;
    let client = &facts.client;
    let reference = reference(campaign, &client.contact.zone, facts.now);
    let subject = Subject { client, last_touch: client.last_touch, reference };
    let judged = explain(&campaign.audience, subject);
    let failed = judged.iter().filter(|(_, holds)| !holds);
    let lines: Vec<_> =
        failed.map(|(condition, _)| WhyLine::new("out", "audience", say_failed(condition, subject, clock))).collect();
    if !lines.is_empty() {
        return lines;
    }
    let text = match (&campaign.start, revision.next_run_at) {
        (Start::Cron(_), Some(at)) => format!("matches; the next run draws its audience {}", clock.full(at)),
        (Start::Cron(_), None) => "matches, but no run is to come".to_owned(),
        (Start::Date(_), _) => {
            "matches now, but not when this version was applied; `outreachd apply` draws again".to_owned()
        }
    };
    vec![WhyLine::new("wait", "audience", text)]
}
