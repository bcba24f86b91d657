//! A client's record as text: what `client show` prints.
//!
//! Pure. What came from outside is tamed to one line each.

use std::fmt::Write;

use jiff::Timestamp;

use super::record::Record;
use super::say::{self, Clock};
use crate::model::account::PersonType;
use crate::model::address::Channel;
use crate::model::consent::Basis;
use crate::model::language::Language;
use crate::model::plan::{PlanState, StopReason};
use crate::model::text::tame;
use crate::model::touchpoint::Direction;
use crate::store::{PlanRow, PointRow};

/// The record as it stands at `now`, times by the client's own clock.
pub fn text(record: &Record, now: Timestamp) -> String {
    let clock = Clock::of(&record.client.contact, now);
    let mut page = head(record, &clock);
    let mut part = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            page.push_str(&format!("\n{title}\n"));
            page.extend(lines.iter().map(|line| format!("  {}\n", tame(line))));
        }
    };
    part("Reached by", record.points.iter().map(point).collect());
    part("Consents", consents(record, &clock));
    part("Suppressed", suppressions(record, &clock));
    part("Paused", say::in_force(&record.pauses, now).map(|pause| say::pause(pause, &clock)).collect());
    part("Plans", record.plans.iter().map(|row| plan(row, &clock)).collect());
    part("To do", tasks(record, &clock));
    part("Timeline", timeline(record, clock));
    page
}

fn head(record: &Record, clock: &Clock) -> String {
    let (contact, account) = (&record.client.contact, &record.client.account);
    let title = contact.title.as_ref().map(|title| format!(", {title}")).unwrap_or_default();
    let external = record.external_id.as_deref().map(|id| format!(", {} at its source", tame(id))).unwrap_or_default();
    let mut head = format!("{}{title}\ncontact {}{external}\n\n", contact.name, contact.id);
    let person = match account.person_type {
        Some(PersonType::Company) => "company",
        Some(PersonType::SoleTrader) => "sole trader",
        Some(PersonType::Private) => "private person",
        None => "kind of person unknown",
    };
    let facts = [
        account.org_number.clone(),
        account.city.as_ref().map(ToString::to_string),
        account.country.clone(),
        account.tier.as_ref().map(|tier| format!("tier {tier}")),
        Some(person.to_owned()),
    ];
    let mut line = |name: &str, value: String| {
        let _ = writeln!(head, "{name:<9} {value}");
    };
    line("company", account.name.to_string());
    line("", facts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    if !account.needs.is_empty() {
        line("needs", account.needs.join(", "));
    }
    if !account.tags.is_empty() {
        line("tags", account.tags.join(", "));
    }
    let owner = record.client.owner.as_ref();
    line("owner", owner.map_or("nobody".to_owned(), |owner| format!("{}, {}", owner.name, owner.email.as_str())));
    line("zone", say::zone(&record.client));
    if let Some(language) = contact.language {
        line("language", if language == Language::Sv { "Swedish" } else { "English" }.to_owned());
    }
    if let Some(gap) = &record.letter_gap {
        line("letters", say::letter_gap(gap, clock));
    }
    line("last", record.client.last_touch.map_or("never touched".to_owned(), |at| format!("touch {}", clock.day(at))));
    head
}

fn point(row: &PointRow) -> String {
    let channel = if row.channel == Channel::Call { "phone" } else { say::channel(row.channel) };
    let state = match (row.valid, row.reason.as_deref()) {
        (true, _) => String::new(),
        (false, Some("replaced")) => ", replaced".to_owned(),
        (false, reason) => format!(", dead: {}", reason.unwrap_or("nobody knows why")),
    };
    format!("{channel:<7} {}{state}", row.address)
}

fn consents(record: &Record, clock: &Clock) -> Vec<String> {
    let line = |consent: &crate::model::consent::Consent| {
        let basis = match consent.basis {
            Basis::Consent => "said yes",
            Basis::Customer => "own customer",
        };
        let withdrawn = consent.withdrawn_at.map(|at| format!(", withdrawn {}", clock.full(at))).unwrap_or_default();
        let (channel, since) = (say::channel(consent.channel), clock.day(consent.given_at));
        format!("{channel:<7} {basis} {since}: \"{}\"{withdrawn}", consent.evidence)
    };
    record.consents.iter().map(line).collect()
}

fn suppressions(record: &Record, clock: &Clock) -> Vec<String> {
    let line = |row: &crate::store::SuppressionRow| {
        let lifted = row.lifted_at.map(|at| format!(", lifted {}", clock.full(at))).unwrap_or_default();
        format!("{}, since {}{lifted}", say::suppression(row), clock.full(row.at))
    };
    record.suppressions.iter().map(line).collect()
}

fn plan(row: &PlanRow, clock: &Clock) -> String {
    let run = if row.run.is_empty() { String::new() } else { format!(" ({})", row.run) };
    let step = row.step.as_deref().unwrap_or("its first step");
    let state = match (row.state, row.stop_reason) {
        (PlanState::Active, _) => match row.next_at {
            Some(at) => format!("at {step}, {}", clock.full(at)),
            None => format!("at {step}"),
        },
        (PlanState::Done, _) => "every step is done".to_owned(),
        (PlanState::Stopped, reason) => {
            let why = match reason {
                Some(StopReason::Reply) => "they answered",
                Some(StopReason::OptOut) => "they opted out",
                Some(StopReason::Unreachable) => "no channel reaches them",
                Some(StopReason::Operator) | None => "by us",
            };
            format!("stopped at {step}: {why}")
        }
    };
    let ended = row.ended_at.map(|at| format!(", {}", clock.full(at))).unwrap_or_default();
    format!("{}{run}: {state}{ended}", row.campaign)
}

fn tasks(record: &Record, clock: &Clock) -> Vec<String> {
    let open = record.tasks.iter().filter(|task| task.done_at.is_none());
    open.map(|task| format!("{}, due {}", task.note, clock.date(task.due_on))).collect()
}

fn timeline(record: &Record, mut clock: Clock) -> Vec<String> {
    let line = |row: &crate::store::TimelineRow| {
        let way = match row.direction {
            Direction::Out => "->",
            Direction::In => "<-",
            Direction::Note => "  ",
        };
        let (channel, at) = (say::channel(row.channel), clock.minute(row.at));
        format!("{at:>16}  {way} {channel:<7} {}", row.summary)
    };
    record.timeline.iter().map(line).collect()
}
