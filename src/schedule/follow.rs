//! A plan whose step has ended goes to its next step, or ends.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{BATCH, ScheduleError, Stage, route};
use crate::model::campaign::Campaign;
use crate::model::delivery::DeliveryState;
use crate::model::id::{ContactId, PlanId};
use crate::model::plan::StopReason;
use crate::store::{Client, EndedStep, PlanMove, PlanRow};

/// Moves every plan whose current delivery has ended; says how many.
pub(super) async fn pass(stage: &mut Stage<'_>) -> Result<usize, ScheduleError> {
    let mut done = 0;
    loop {
        let ended = stage.store.ended_steps(BATCH).await?;
        if ended.is_empty() {
            return Ok(done);
        }
        let contacts: Vec<_> = ended.iter().filter_map(|step| Some(step.plan.as_ref()?.contact)).collect();
        let clients: HashMap<ContactId, Client> =
            stage.store.clients(&contacts).await?.into_iter().map(|client| (client.contact.id, client)).collect();
        let mut moves = Vec::with_capacity(ended.len());
        for step in &ended {
            let Some(plan) = &step.plan else { continue };
            let revision = stage.revision(plan.revision).await?;
            let Some(client) = clients.get(&plan.contact) else { continue };
            moves.push(next_move(&revision.campaign, step, plan, client, stage.now));
        }
        let heard: Vec<_> = ended.iter().map(|step| step.delivery).collect();
        let moved = stage.store.follow_plans(&stage.act, &moves, &heard).await?;
        done += usize::try_from(moved).unwrap_or(0);
    }
}

/// Where a plan goes after a step that has ended.
fn next_move(campaign: &Campaign, ended: &EndedStep, plan: &PlanRow, client: &Client, now: Timestamp) -> PlanMove {
    let step = plan.step.as_deref().unwrap_or_default();
    let begun = match ended.state {
        // A skipped step counts from the time it was meant for, so that an outage moves no date twice.
        DeliveryState::Skipped | DeliveryState::Cancelled => plan.next_at.unwrap_or(ended.finished_at),
        _ => ended.finished_at,
    };
    after(campaign, plan.id, step, client, begun, now)
}

/// The step behind `step`, due by its wait from `begun`; the end where there is none.
pub(super) fn after(
    campaign: &Campaign,
    plan: PlanId,
    step: &str,
    client: &Client,
    begun: Timestamp,
    now: Timestamp,
) -> PlanMove {
    let Some((index, _)) = campaign.find_step(step) else { return PlanMove::Stop(plan, StopReason::Operator) };
    let Some(next) = campaign.steps.get(index + 1) else { return PlanMove::Done(plan) };
    match route::due(campaign, next, client, begun, now) {
        Some((next_at, closes_at)) => {
            PlanMove::Next { plan, step: next.id.clone(), next_at, closes_at: Some(closes_at) }
        }
        None => PlanMove::Stop(plan, StopReason::Operator),
    }
}
