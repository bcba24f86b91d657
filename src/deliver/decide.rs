//! What a rule, an answer or a result means for a delivery. Pure.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::refused;
use crate::model::address::Channel;
use crate::model::campaign::{Campaign, Late};
use crate::model::delivery::{DeliveryState, Outcome};
use crate::model::id::AttemptId;
use crate::model::response::{Bounce, FaxResult, ResponseKind};
use crate::model::suppression::{Reason, Scope};
use crate::model::task::TaskKind;
use crate::model::touchpoint::Direction;
use crate::policy::calendar::Calendar;
use crate::policy::enrolment::zone_of;
use crate::policy::fax_retry::{self, FaxNext};
use crate::policy::late::{self, LateDecision};
use crate::policy::retry::{self, Retry};
use crate::policy::{bounce, window};
use crate::store::{AttemptState, Claimed, Client, Consequence, DeliveryRow, Finish, Release};
use crate::transport::fax::FaxStatus;
use crate::transport::{Reply, Verdict};

/// What is known beside a delivery's own row.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) campaign: Option<&'a Campaign>,
    pub(super) client: Option<&'a Client>,
    pub(super) max_tries: u32,
    pub(super) now: Timestamp,
}

/// A release of `claimed` that says why.
pub(super) fn release(claimed: &Claimed, to: DeliveryState, reason: impl Into<String>) -> Release {
    Release { delivery: claimed.row.id, to, due_at: None, not_after: None, reason: Some(reason.into()) }
}

/// Where a delivery goes that `rule` forbids now.
pub(super) fn forbidden(claimed: &Claimed, rule: &str, around: Surroundings<'_>) -> Release {
    match rule {
        "late" => late(claimed, around),
        "plan_ended" => release(claimed, DeliveryState::Cancelled, rule),
        // Not ours: it is whoever's the fence says, or free.
        "paused" | "not_ours" => release(claimed, DeliveryState::Scheduled, rule),
        other => release(claimed, DeliveryState::Skipped, other),
    }
}

/// A delivery whose window has closed, by its step's late policy.
fn late(claimed: &Claimed, around: Surroundings<'_>) -> Release {
    let row = &claimed.row;
    match late::decide(late_policy(row, around), row.due_at, row.not_after, around.now) {
        LateDecision::Skip => release(claimed, DeliveryState::Skipped, "late"),
        LateDecision::Ask => release(claimed, DeliveryState::Held, "late"),
        LateDecision::OnTime | LateDecision::SendNextWindow => match next_window(row, around, around.now) {
            Some((due_at, not_after)) => Release {
                delivery: row.id,
                to: DeliveryState::Scheduled,
                due_at: Some(due_at),
                not_after: Some(not_after),
                reason: Some("late".into()),
            },
            None => release(claimed, DeliveryState::Skipped, "late"),
        },
    }
}

/// A delivery that is over a limit of its recipient's until `until`: it waits for its turn
/// beside the others, in a later window if need be.
pub(super) fn put_off(claimed: &Claimed, until: Timestamp, around: Surroundings<'_>) -> Release {
    let row = &claimed.row;
    let (due_at, not_after) = match row.not_after {
        Some(end) if until >= end && late_policy(row, around) == Late::Send => {
            next_window(row, around, until).map_or((until, Some(end)), |(due_at, closes)| (due_at, Some(closes)))
        }
        end => (until, end),
    };
    Release { due_at: Some(due_at), not_after, ..release(claimed, DeliveryState::Scheduled, "limit") }
}

fn late_policy(row: &DeliveryRow, around: Surroundings<'_>) -> Late {
    let step = around
        .campaign
        .zip(row.step.as_deref())
        .and_then(|(campaign, id)| campaign.find_step(id).map(|(_, step)| (campaign, step)));
    match step {
        Some((campaign, step)) => step.late.unwrap_or(campaign.window_of(step).late),
        None => Late::Skip,
    }
}

/// The next opening of a step's window that is not before `from`.
fn next_window(row: &DeliveryRow, around: Surroundings<'_>, from: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let (campaign, client) = (around.campaign?, around.client?);
    let (_, step) = campaign.find_step(row.step.as_deref()?)?;
    let send = campaign.window_of(step);
    let zone = zone_of(send, &client.contact.zone);
    let opening = window::next_open(send, &zone, &Calendar::of(client.account.country.as_deref()), from)?;
    let salt = u64::try_from(client.contact.id.0).unwrap_or_default();
    Some((window::place(&opening, salt, from), opening.closes))
}

/// The result of a mail's try. `attempt` is absent where it ended before a handoff.
pub(super) fn mail(
    row: &DeliveryRow,
    relay: &str,
    attempt: Option<AttemptId>,
    verdict: &Verdict,
    around: Surroundings<'_>,
) -> Finish {
    let finish = |state, reply: Option<&Reply>, reason: Option<String>| Finish {
        delivery: row.id,
        attempt,
        relay: relay.to_owned(),
        state,
        code: reply.map(|reply| i64::from(reply.code)),
        enhanced: reply.and_then(|reply| reply.enhanced.clone()),
        reply: reply.map(|reply| reply.text.clone()),
        reason,
        due_at: None,
        not_after: None,
        gateway_id: None,
        consequences: Vec::new(),
    };
    match verdict {
        Verdict::Accepted(reply) => {
            let line = touch(row, Direction::Out, "accepted".into(), row.step.clone().unwrap_or_default());
            Finish { consequences: line.into_iter().collect(), ..finish(AttemptState::Accepted, Some(reply), None) }
        }
        Verdict::Retry(reply) => {
            let next = again(row, finish(AttemptState::Retry, Some(reply), Some("refused_for_now".into())), around);
            Finish { consequences: refused::by_google(row, reply, around), ..next }
        }
        Verdict::Rejected(reply) => {
            if needs_smtputf8(row, reply) {
                let why =
                    format!("its address has letters before the @ that relay {relay} does not take (no SMTPUTF8)");
                let done = finish(AttemptState::Rejected, Some(reply), Some(why));
                return Finish { consequences: not_taken(row, around), ..done };
            }
            let kind = bounce::classify(reply.code, reply.enhanced.as_deref(), &reply.text);
            // 5.2.2: people empty full mailboxes.
            if kind == Bounce::Full {
                let full = Some(ResponseKind::Bounce(kind).name());
                return again(row, finish(AttemptState::Retry, Some(reply), full), around);
            }
            let done = finish(AttemptState::Rejected, Some(reply), Some(ResponseKind::Bounce(kind).name()));
            Finish { consequences: rejected(row, kind, reply, around), ..done }
        }
        // The body provably did not arrive (RFC 5321 4.1.1.10): the same may be tried again.
        Verdict::NotSent(why) => {
            let lost = finish(AttemptState::Retry, None, Some("connection_lost".into()));
            again(row, Finish { reply: Some(why.clone()), ..lost }, around)
        }
        Verdict::Uncertain(why) => {
            Finish { reply: Some(why.clone()), ..finish(AttemptState::Uncertain, None, Some("no_answer".into())) }
        }
    }
}

/// Another try within the window, in the next window, or none any more.
fn again(row: &DeliveryRow, finish: Finish, around: Surroundings<'_>) -> Finish {
    // The row was claimed before this try, so it counts the ones before it.
    let tries = u32::try_from(row.tries).unwrap_or(u32::MAX).saturating_add(1);
    match retry::next(tries, around.max_tries, around.now, None, retry::jitter(row.id, tries)) {
        Retry::GiveUp { why } => Finish { state: AttemptState::Rejected, reason: Some(why.to_owned()), ..finish },
        Retry::At(at) if row.not_after.is_none_or(|end| at < end) => {
            Finish { due_at: Some(at), not_after: row.not_after, ..finish }
        }
        Retry::At(at) => match (late_policy(row, around), next_window(row, around, at)) {
            (Late::Send, Some((due_at, not_after))) => {
                Finish { due_at: Some(due_at), not_after: Some(not_after), ..finish }
            }
            _ => Finish {
                state: AttemptState::Rejected,
                reason: Some("its time is over before the next try".into()),
                ..finish
            },
        },
    }
}

/// What a refusal for good changes: a dead address is one thing, a server that refuses us another.
fn rejected(row: &DeliveryRow, kind: Bounce, reply: &Reply, around: Surroundings<'_>) -> Vec<Consequence> {
    let mut list: Vec<_> =
        touch(row, Direction::In, ResponseKind::Bounce(kind).name(), reply.to_string()).into_iter().collect();
    let folded = row.address.to_lowercase();
    if kind.is_dead_address() {
        list.push(Consequence::Outcome { delivery: row.id, outcome: Outcome::Bounced });
        list.push(Consequence::Suppress {
            scope: Scope::Address,
            value: folded.clone(),
            reason: Reason::Invalid,
            response: None,
        });
        list.push(Consequence::InvalidatePoint { channel: Channel::Email, folded, reason: reply.to_string() });
        list.extend(task(row, TaskKind::Fix, "the address does not exist", around));
    } else if bounce::is_our_mistake(reply.code, reply.enhanced.as_deref()) {
        list.extend(task(
            row,
            TaskKind::Operate,
            "a server does not understand us, by a fault of ours or the relay's",
            around,
        ));
    } else if kind == Bounce::Size || is_about_form(reply) {
        list.extend(task(
            row,
            TaskKind::Operate,
            "the letter itself is refused: too large, or of a form not taken",
            around,
        ));
    } else if kind == Bounce::Policy {
        list.extend(refused::by_policy(row, reply, around));
    }
    list
}

/// Whether the relay, or a server behind it, takes no address beyond ASCII (RFC 6531 3.5). It is
/// not tried again, and nobody is suppressed: the address lives.
fn needs_smtputf8(row: &DeliveryRow, reply: &Reply) -> bool {
    let is_said = matches!(reply.enhanced.as_deref(), Some("5.6.7" | "5.6.9"));
    is_said && row.channel == Channel::Email && !row.address.is_ascii()
}

/// What is to be done about such an address.
fn not_taken(row: &DeliveryRow, around: Surroundings<'_>) -> Vec<Consequence> {
    let note = "the address has letters before the @ that the relay does not take; ask for another one, \
                or send by a relay with SMTPUTF8";
    task(row, TaskKind::Fix, note, around).into_iter().collect()
}

/// 5.6.x is about the letter's form (RFC 3463 3.7), which no pause of a domain mends.
fn is_about_form(reply: &Reply) -> bool {
    reply.enhanced.as_deref().is_some_and(|enhanced| enhanced.starts_with("5.6."))
}

/// The result of asking how a fax stands; `None` while it is under way.
pub(super) fn fax(
    row: &DeliveryRow,
    attempt: AttemptId,
    result: FaxResult,
    status: &FaxStatus,
    around: Surroundings<'_>,
) -> Finish {
    let name = ResponseKind::Fax(result).name();
    let mut finish = Finish {
        delivery: row.id,
        attempt: Some(attempt),
        relay: "fax".into(),
        state: AttemptState::Rejected,
        code: status.error_code,
        enhanced: None,
        reply: Some(if status.detail.is_empty() {
            format!("{} page{}", status.pages_sent, if status.pages_sent == 1 { "" } else { "s" })
        } else {
            status.detail.clone()
        }),
        reason: Some(name.clone()),
        due_at: None,
        not_after: None,
        gateway_id: None,
        consequences: Vec::new(),
    };
    if result == FaxResult::Delivered {
        finish.state = AttemptState::Accepted;
        finish.reason = None;
        finish.consequences.push(Consequence::Outcome { delivery: row.id, outcome: Outcome::Delivered });
        finish.consequences.extend(touch(row, Direction::Out, name, row.step.clone().unwrap_or_default()));
        return finish;
    }
    let tries = u32::try_from(row.tries).unwrap_or(u32::MAX);
    match fax_retry::next_try(result, tries, around.now, None) {
        FaxNext::Again(at) if row.not_after.is_none_or(|end| at < end) => {
            Finish { state: AttemptState::Retry, due_at: Some(at), not_after: row.not_after, ..finish }
        }
        FaxNext::Again(at) => match (late_policy(row, around), next_window(row, around, at)) {
            (Late::Send, Some((due_at, end))) => {
                Finish { state: AttemptState::Retry, due_at: Some(due_at), not_after: Some(end), ..finish }
            }
            _ => finish,
        },
        FaxNext::GiveUp => {
            finish.consequences.extend(touch(row, Direction::In, name, status.detail.clone()));
            finish.consequences.extend(fax_failed(row, result, around));
            finish
        }
    }
}

fn fax_failed(row: &DeliveryRow, result: FaxResult, around: Surroundings<'_>) -> Vec<Consequence> {
    match result {
        FaxResult::BadNumber => {
            let dead = Consequence::InvalidatePoint {
                channel: Channel::Fax,
                folded: row.address.clone(),
                reason: "bad_number".into(),
            };
            std::iter::once(dead).chain(task(row, TaskKind::Fix, "the fax number does not exist", around)).collect()
        }
        FaxResult::NotAFax => {
            task(row, TaskKind::Fix, "no fax machine answers at the fax number", around).into_iter().collect()
        }
        FaxResult::Document | FaxResult::Account | FaxResult::Blocked => {
            task(row, TaskKind::Operate, "the fax gateway refuses", around).into_iter().collect()
        }
        FaxResult::Delivered | FaxResult::Busy | FaxResult::NoAnswer | FaxResult::Line | FaxResult::Incompatible => {
            Vec::new()
        }
    }
}

/// A line of the client's timeline about this delivery.
fn touch(row: &DeliveryRow, direction: Direction, kind: String, summary: String) -> Option<Consequence> {
    let contact = row.contact?;
    Some(Consequence::Touch {
        contact,
        direction,
        channel: row.channel,
        kind,
        summary,
        delivery: Some(row.id),
        response: None,
    })
}

/// A task about this delivery's client: the owner's, or the operator's.
pub(super) fn task(row: &DeliveryRow, kind: TaskKind, note: &str, around: Surroundings<'_>) -> Option<Consequence> {
    let user = around.client.and_then(|client| client.account.owner).filter(|_| kind != TaskKind::Operate);
    let name =
        around.client.map(|client| format!("{}, {}: ", client.contact.name, client.account.name)).unwrap_or_default();
    let due_on = today(around);
    Some(Consequence::Task {
        kind,
        user,
        contact: row.contact,
        plan: row.plan,
        response: None,
        note: format!("{name}{note}"),
        due_on,
    })
}

pub(super) fn today(around: Surroundings<'_>) -> Date {
    let zone = around.client.and_then(|client| client.owner.as_ref()).map_or("UTC", |owner| owner.zone.as_str());
    TimeZone::get(zone).unwrap_or(TimeZone::UTC).to_datetime(around.now).date()
}
