//! A letter whose address turned out dead goes again, by the step's other channel.

use super::{BATCH, ScheduleError, Stage, route};
use crate::model::id::DeliveryId;
use crate::store::{DeliveryRow, NewDelivery, StoreError};

/// Creates the fallback of every bounced delivery that has one; says how many it settled.
pub(super) async fn pass(stage: &mut Stage<'_>) -> Result<usize, ScheduleError> {
    let bounced = stage.store.open_fallbacks(BATCH).await?;
    let mut new = Vec::new();
    let mut given_up: Vec<DeliveryId> = Vec::new();
    for delivery in &bounced {
        match replace(stage, delivery).await? {
            Some(fallback) => new.push(fallback),
            None => given_up.push(delivery.id),
        }
    }
    if !new.is_empty() {
        stage.store.create_deliveries(&stage.act, &new).await?;
    }
    if !given_up.is_empty() {
        stage.store.drop_fallbacks(&given_up).await?;
    }
    Ok(bounced.len())
}

/// The same step by its fallback channel, as soon as its window is open.
async fn replace(stage: &mut Stage<'_>, bounced: &DeliveryRow) -> Result<Option<NewDelivery>, ScheduleError> {
    let (Some(contact), Some(revision), Some(channel)) = (bounced.contact, bounced.revision, bounced.fallback) else {
        return Ok(None);
    };
    let revision = stage.revision(revision).await?;
    let campaign = &revision.campaign;
    let client = match stage.store.get_client(contact).await {
        Ok(client) => client,
        Err(StoreError::Absent { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let consents = stage.store.consents(contact).await?;
    let Some((_, step)) = bounced.step.as_deref().and_then(|id| campaign.find_step(id)) else { return Ok(None) };
    let Some(way) = route::by_channel(channel, &client, &consents) else { return Ok(None) };
    let Some((due_at, closes_at)) = route::place(campaign, step, &client, stage.now, stage.now) else {
        return Ok(None);
    };
    let (sender, lane) = route::lane(stage.config, campaign, &way.address)?;
    Ok(Some(NewDelivery {
        key: super::spawn::key(bounced.plan, &step.id, contact, channel),
        purpose: bounced.purpose,
        address: way.address,
        contact: Some(contact),
        user: None,
        plan: bounced.plan,
        campaign: Some(campaign.id.clone()),
        step: Some(step.id.clone()),
        variant: bounced.variant.clone(),
        revision: Some(revision.id),
        fallback: None,
        needs_consent: way.needs_consent,
        sender,
        lane,
        payload: None,
        due_at,
        not_after: Some(closes_at),
    }))
}
