//! What comes next for a contact, from its plans.

use super::super::say::{self, Clock};
use super::Facts;
use crate::model::address::Channel;
use crate::model::campaign::Step;
use crate::model::delivery::DeliveryState;
use crate::model::plan::PlanState;
use crate::store::PlanRow;

/// The last line, without its full stop.
pub(super) fn next(facts: &Facts, clock: &Clock) -> String {
    let active = facts.plans.iter().filter(|plan| plan.state == PlanState::Active);
    let mut steps: Vec<_> = active.map(|plan| of_plan(facts, plan, clock)).collect();
    let nothing = steps.is_empty();
    if nothing {
        steps.push("nothing planned".to_owned());
    }
    let live: Vec<_> = facts.suppressions.iter().filter(|row| row.lifted_at.is_none()).collect();
    for row in &live {
        steps.push(format!("suppressed since {}, {}", clock.full(row.at), say::suppression(row)));
    }
    if nothing && live.is_empty() {
        steps.push("not suppressed".to_owned());
    }
    steps.extend(say::in_force(&facts.pauses, facts.now).map(|pause| format!("paused: {}", say::pause(pause, clock))));
    steps.extend(facts.letter_gap.iter().map(|gap| format!("letters {}", say::letter_gap(gap, clock))));
    steps.join("; ")
}

/// The channel a step would go by as things stand: its own, else its fallback.
fn way(facts: &Facts, step: &Step) -> &'static str {
    let contact = &facts.client.contact;
    let reached = |channel: Channel| match channel {
        Channel::Email => contact.email.is_some(),
        Channel::Fax => contact.fax.is_some(),
        Channel::Call => true,
    };
    match step.fallback.filter(|fallback| !reached(step.channel) && reached(*fallback)) {
        Some(fallback) => say::channel(fallback),
        None if reached(step.channel) => say::channel(step.channel),
        None => "no channel, for no address is left: it is passed over",
    }
}

fn of_plan(facts: &Facts, plan: &PlanRow, clock: &Clock) -> String {
    let step = plan.step.as_deref().unwrap_or("its first step");
    let campaign = &plan.campaign;
    let delivery = plan.delivery.and_then(|id| facts.deliveries.iter().find(|row| row.id == id));
    let Some(delivery) = delivery else {
        let revision = facts.revisions.get(&plan.revision);
        let found = revision.and_then(|revision| revision.campaign.find_step(step));
        let by = found.map(|(_, step)| format!(" by {}", way(facts, step))).unwrap_or_default();
        let at = plan.next_at.map(|at| clock.full(at)).unwrap_or_else(|| "at no known time".to_owned());
        return format!("{step}{by}, {at} ({campaign})");
    };
    let by = say::channel(delivery.channel);
    // What is over is no promise: it waits for a relay, a limit or the daemon.
    let due = |at| if at < facts.now { format!("due since {}", clock.full(at)) } else { clock.full(at) };
    match delivery.state {
        DeliveryState::Scheduled | DeliveryState::Claimed => {
            format!("{step} by {by}, {} ({campaign})", due(delivery.due_at))
        }
        DeliveryState::Retry => format!("{step} by {by} again, {} ({campaign})", due(delivery.due_at)),
        DeliveryState::Handoff | DeliveryState::Submitted => format!("{step} by {by} is under way ({campaign})"),
        DeliveryState::Uncertain => {
            format!("{step} by {by} is uncertain until a person says what became of it ({campaign})")
        }
        DeliveryState::Held => format!("{step} by {by} is held until a person says ({campaign})"),
        DeliveryState::Accepted | DeliveryState::Rejected | DeliveryState::Skipped | DeliveryState::Cancelled => {
            format!("the step after {step}, once it is reckoned ({campaign})")
        }
    }
}
