//! What happened with a contact's letters, answers and tasks, in order.

use jiff::Timestamp;

use super::super::say::{self, Clock};
use super::{Facts, WhyLine, actor, user};
use crate::model::delivery::DeliveryState;
use crate::model::id::PlanId;
use crate::model::plan::{PlanState, StopReason};
use crate::model::response::ResponseKind;
use crate::model::text::tame;
use crate::policy::calendar::Calendar;
use crate::policy::enrolment::zone_of;
use crate::store::{
    AppliedRevision, AttemptRow, AttemptState, ChangeRow, DeliveryRow, PlanRow, ResponseRow, SuppressionRow, TaskRow,
};

/// One thing that happened; of those at one instant the earlier kind stands first.
#[derive(Clone, Copy)]
enum Event<'f> {
    Chosen(&'f DeliveryRow),
    Due(&'f DeliveryRow),
    HandedOff,
    Tried(&'f DeliveryRow, &'f AttemptRow),
    Left(&'f DeliveryRow),
    Resolved(&'f DeliveryRow, &'f ChangeRow),
    Answered(&'f ResponseRow),
    Ended(&'f PlanRow),
    Task(&'f TaskRow),
    Suppressed(&'f SuppressionRow),
    Changed(&'f ChangeRow),
}

impl Event<'_> {
    fn rank(&self) -> u8 {
        match self {
            Self::Chosen(_) => 0,
            Self::Due(_) => 1,
            Self::HandedOff => 2,
            Self::Tried(..) => 3,
            Self::Left(_) => 4,
            Self::Resolved(..) => 5,
            Self::Answered(_) => 6,
            Self::Suppressed(_) => 7,
            Self::Ended(_) => 8,
            Self::Task(_) => 9,
            Self::Changed(_) => 10,
        }
    }
}

/// The lines of one plan.
pub(super) fn of_plan(facts: &Facts, plan: &PlanRow, revision: &AppliedRevision, clock: &mut Clock) -> Vec<WhyLine> {
    let mut events = deliveries(facts, Some(plan.id));
    let own = |row: &&ResponseRow| plan_of(facts, row) == Some(plan.id);
    events.extend(facts.responses.iter().filter(own).map(|row| (row.received_at, Event::Answered(row))));
    let of_plan = facts.tasks.iter().filter(|task| task.plan == Some(plan.id));
    events.extend(of_plan.map(|task| (task.created_at, Event::Task(task))));
    events.extend(plan.ended_at.map(|at| (at, Event::Ended(plan))));
    lines(facts, Some(revision), events, clock)
}

/// The lines that belong to no plan.
pub(super) fn on_record(facts: &Facts, clock: &mut Clock) -> Vec<WhyLine> {
    let mut events = deliveries(facts, None);
    let loose = facts.responses.iter().filter(|row| plan_of(facts, row).is_none());
    events.extend(loose.map(|row| (row.received_at, Event::Answered(row))));
    let loose = facts.tasks.iter().filter(|task| task.plan.is_none());
    events.extend(loose.map(|task| (task.created_at, Event::Task(task))));
    events.extend(facts.suppressions.iter().map(|row| (row.at, Event::Suppressed(row))));
    events.extend(facts.changes.iter().map(|change| (change.at, Event::Changed(change))));
    lines(facts, None, events, clock)
}

fn plan_of(facts: &Facts, response: &ResponseRow) -> Option<PlanId> {
    let delivery = response.delivery?;
    facts.deliveries.iter().find(|row| row.id == delivery)?.plan
}

/// What happened with the deliveries of a plan, or of none.
fn deliveries(facts: &Facts, plan: Option<PlanId>) -> Vec<(Timestamp, Event<'_>)> {
    let mut events = Vec::new();
    for row in facts.deliveries.iter().filter(|row| row.plan == plan) {
        let attempts = facts.attempts.get(&row.id).map_or(&[][..], Vec::as_slice);
        // A retry moves `due_at`; the first try was no earlier than the first time it was due.
        let due = attempts.first().map_or(row.due_at, |attempt| attempt.started_at.min(row.due_at));
        // What never left is named where its plan ended.
        if row.state != DeliveryState::Cancelled || !attempts.is_empty() {
            let first =
                facts.deliveries.iter().filter(|one| one.plan == plan && one.step == row.step).map(|one| one.id);
            if row.variant.is_some() && first.min() == Some(row.id) {
                events.push((due, Event::Chosen(row)));
            }
            events.push((due, Event::Due(row)));
        }
        for attempt in attempts {
            // One that ended at once was refused before its body could leave.
            if attempt.ended_at != Some(attempt.started_at) || attempt.state == AttemptState::Accepted {
                events.push((attempt.started_at, Event::HandedOff));
            }
            events.push((attempt.ended_at.unwrap_or(attempt.started_at), Event::Tried(row, attempt)));
        }
        if matches!(row.state, DeliveryState::Held | DeliveryState::Skipped) {
            events.push((row.finished_at.unwrap_or(due), Event::Left(row)));
        }
        let resolved = facts.resolved.get(&row.id).map_or(&[][..], Vec::as_slice);
        events.extend(resolved.iter().map(|change| (change.at, Event::Resolved(row, change))));
    }
    events
}

fn lines(
    facts: &Facts,
    revision: Option<&AppliedRevision>,
    mut events: Vec<(Timestamp, Event<'_>)>,
    clock: &mut Clock,
) -> Vec<WhyLine> {
    events.sort_by_key(|(at, event)| (*at, event.rank()));
    let told = |(at, event)| tell(facts, revision, at, event, clock).into_iter().map(move |line| line.at(at));
    events.into_iter().flat_map(told).collect()
}

fn tell(
    facts: &Facts,
    revision: Option<&AppliedRevision>,
    at: Timestamp,
    event: Event<'_>,
    clock: &mut Clock,
) -> Vec<WhyLine> {
    match event {
        Event::Chosen(row) => {
            let variant = row.variant.as_deref().unwrap_or_default();
            vec![WhyLine::new("choose", "variant", format!("{variant}, from the contact's id"))]
        }
        Event::Due(row) => vec![due(facts, revision, row, at, clock)],
        Event::HandedOff => {
            let looked = "suppression, consent, pauses, window looked at again";
            vec![WhyLine::new("pass", "handoff", format!("{} {looked}", clock.second(at)))]
        }
        Event::Tried(row, attempt) => vec![tried(row, attempt, at, clock)],
        Event::Left(row) => {
            let word = if row.state == DeliveryState::Held { "hold" } else { "skip" };
            vec![WhyLine::new(word, say::channel(row.channel), format!("{}: {}", step(row), left_reason(row)))]
        }
        Event::Resolved(row, change) => {
            let state = change.diff["state"][1].as_str().unwrap_or_default();
            let reason = tame(change.diff["reason"].as_str().unwrap_or_default());
            let text = format!("{} {}: {state}, \"{reason}\"", clock.minute(at), step(row));
            vec![WhyLine::new("decide", actor(facts, &change.actor), text)]
        }
        Event::Answered(row) => answered(row, at, clock),
        Event::Ended(plan) => vec![ended(facts, revision, plan)],
        Event::Task(task) => {
            let done = task.done_at.map(|at| format!(", done {}", clock.full(at))).unwrap_or_default();
            let text = format!("\"{}\", due {}{done}", tame(&task.note), clock.date(task.due_on));
            vec![WhyLine::new("task", user(facts, task.user), text)]
        }
        Event::Suppressed(row) => {
            let lifted = row.lifted_at.map(|at| format!(", lifted {}", clock.full(at))).unwrap_or_default();
            let text = format!("{} {}{lifted}", clock.minute(at), say::suppression(row));
            vec![WhyLine::new("stop", "suppressed", text)]
        }
        Event::Changed(change) => changed(facts, change, at, clock),
    }
}

fn step(row: &DeliveryRow) -> &str {
    row.step.as_deref().unwrap_or("a message of its own")
}

fn due(
    facts: &Facts,
    revision: Option<&AppliedRevision>,
    row: &DeliveryRow,
    at: Timestamp,
    clock: &mut Clock,
) -> WhyLine {
    let found =
        revision.and_then(|revision| Some((&revision.campaign, revision.campaign.find_step(row.step.as_deref()?)?.1)));
    let Some((campaign, step)) = found else {
        return WhyLine::new("due", "at once", clock.minute(at));
    };
    let window = campaign.window_of(step);
    let local = zone_of(window, &facts.client.contact.zone).to_datetime(at).date();
    let calendar = Calendar::of(facts.client.account.country.as_deref());
    let holiday = if calendar.is_holiday(local).is_none() { ", no holiday" } else { "" };
    WhyLine::new("due", "window", format!("{}; {}{holiday}", clock.minute(at), say::window(window)))
}

fn tried(row: &DeliveryRow, attempt: &AttemptRow, at: Timestamp, clock: &mut Clock) -> WhyLine {
    let said = attempt.reply.as_deref().map(|reply| format!("\"{}\"", tame(reply)));
    let (word, otherwise) = match attempt.state {
        AttemptState::Handoff => ("sending", "no answer yet"),
        AttemptState::Submitted => ("sent", "the gateway has it"),
        AttemptState::Accepted => ("sent", "accepted"),
        AttemptState::Retry => ("again", "failed for now"),
        AttemptState::Rejected => ("refused", "refused for good"),
        AttemptState::Uncertain => ("unsure", "it may have left; a person says, never the program"),
    };
    let mut text = format!("{} {}: {}", clock.second(at), step(row), said.unwrap_or_else(|| otherwise.to_owned()));
    if row.state == DeliveryState::Retry && attempt.number == row.tries {
        text.push_str(&format!(", again {}", clock.minute(row.due_at)));
    }
    WhyLine::new(word, say::channel(row.channel), text)
}

fn left_reason(row: &DeliveryRow) -> String {
    match row.reason.as_deref() {
        Some("less_often") => "they chose to get letters less often".to_owned(),
        Some("late") => "its window had passed".to_owned(),
        Some("plan_ended") => "its plan had ended".to_owned(),
        Some("suppressed") => "suppressed by the time it was due".to_owned(),
        Some("no_consent") => "the consent it needs is not on file any more".to_owned(),
        Some("invalid_address") => "the address does not exist".to_owned(),
        Some(other) => tame(other).replace('_', " "),
        None => "no reason is on record".to_owned(),
    }
}

fn answered(row: &ResponseRow, at: Timestamp, clock: &mut Clock) -> Vec<WhyLine> {
    let word = match row.kind {
        ResponseKind::Human(_) => "reply",
        ResponseKind::Auto(_) => "auto",
        ResponseKind::Bounce(_) => "bounce",
        ResponseKind::OptOut(_) => "opt-out",
        ResponseKind::Fax(_) => "fax",
        ResponseKind::Delayed | ResponseKind::Delivered | ResponseKind::Complaint | ResponseKind::AuthFailure => {
            "report"
        }
        ResponseKind::Other => "mail",
    };
    let conflict = match (row.evidence.get("conflict").is_some(), row.review) {
        (true, _) => "in conflict, a person must look",
        (false, true) => "a person must look",
        (false, false) => "no conflict",
    };
    let by = tie(row.tie.as_deref());
    let name = row.kind.name();
    let (kind, detail) = name.split_once('.').unwrap_or((&name, &name));
    let mut text = format!("{} {:.2}", detail.replace('_', " "), row.confidence);
    if let Some(enhanced) = &row.enhanced {
        text.push_str(&format!(", {}", tame(enhanced)));
    }
    if let Some(rule) = row.evidence["rule"].as_str() {
        text.push_str(&format!(", rule {}", tame(rule)));
    }
    let words = row.evidence["text"].as_str().filter(|words| !words.is_empty()).or(row.reason.as_deref());
    if let Some(words) = words {
        text.push_str(&format!(", \"{}\"", tame(words)));
    }
    if let Some(until) = row.until {
        text.push_str(&format!(", names {}", clock.date(until)));
    }
    vec![
        WhyLine::new(word, "tied", format!("{} {by}, {conflict}", clock.minute(at))),
        WhyLine::new("read", kind.replace('_', "-"), text),
    ]
}

/// By what an answer was tied to its letter; `respond` stores the word.
fn tie(word: Option<&str>) -> String {
    let known = match word {
        Some("verp") => "by the address it came to",
        Some("header") => "by our header in the returned mail",
        Some("message_id") => "by the returned mail's Message-ID",
        Some("envid") => "by the envelope's id",
        Some("reply_to") => "by In-Reply-To",
        Some("references") => "by References",
        Some("original_recipient" | "final_recipient") => "by the recipient it names",
        Some("sender") => "by its writer's address",
        Some("token") => "by the link's token",
        Some(other) => return format!("by {}", tame(other).replace('_', " ")),
        None => "to no letter of ours",
    };
    known.to_owned()
}

fn ended(facts: &Facts, revision: Option<&AppliedRevision>, plan: &PlanRow) -> WhyLine {
    if plan.state == PlanState::Done {
        return WhyLine::new("end", "plan", "every step is done");
    }
    let reason = match plan.stop_reason {
        Some(StopReason::Reply) | None => "",
        Some(StopReason::OptOut) => "opted out; ",
        Some(StopReason::Unreachable) => "no channel reaches them; ",
        Some(StopReason::Operator) => "stopped by us; ",
    };
    let cancelled = revision.map(|revision| cancelled(facts, revision, plan)).unwrap_or_default();
    let text = match cancelled.len() {
        0 => "no step was left".to_owned(),
        1 => format!("1 step cancelled: {}", cancelled[0]),
        number => format!("{number} steps cancelled: {}", cancelled.join(", ")),
    };
    WhyLine::new("stop", "plan", format!("{reason}{text}"))
}

/// The steps from the plan's own on of which nothing had begun to leave.
fn cancelled<'r>(facts: &Facts, revision: &'r AppliedRevision, plan: &PlanRow) -> Vec<&'r str> {
    let campaign = &revision.campaign;
    let from = plan.step.as_deref().and_then(|id| campaign.find_step(id)).map_or(0, |(index, _)| index);
    let left = |id: &str| {
        let rows = facts.deliveries.iter().filter(|row| row.plan == Some(plan.id) && row.step.as_deref() == Some(id));
        rows.filter_map(|row| facts.attempts.get(&row.id)).any(|attempts| !attempts.is_empty())
    };
    campaign.steps[from..].iter().map(|step| step.id.as_str()).filter(|id| !left(id)).collect()
}

/// A change of the contact's own row; what other lines tell is not told again.
fn changed(facts: &Facts, change: &ChangeRow, at: Timestamp, clock: &mut Clock) -> Vec<WhyLine> {
    let Some(diff) = change.diff.as_object() else { return Vec::new() };
    if diff.contains_key("suppressed") || diff.contains_key("plans_stopped") {
        return Vec::new();
    }
    let what = if diff.contains_key("import") {
        "an import had other values".to_owned()
    } else if let Some(days) = diff.get("letter_gap_days").and_then(|days| days.get(1)) {
        days.as_i64().map_or("letters as before".to_owned(), |days| format!("letters less often, one in {days} days"))
    } else {
        let values: Vec<_> =
            diff.iter().map(|(key, value)| format!("{}: {}", key.replace('_', " "), from_to(value))).collect();
        values.join(", ")
    };
    vec![WhyLine::new("change", actor(facts, &change.actor), format!("{} {}", clock.minute(at), tame(&what)))]
}

fn from_to(value: &serde_json::Value) -> String {
    let word = |value: &serde_json::Value| match value {
        serde_json::Value::Null => "nothing".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value.as_array().map(Vec::as_slice) {
        Some([from, to]) => format!("{} -> {}", word(from), word(to)),
        _ => word(value),
    }
}
