//! A step that is due becomes a delivery, or, for a call, a line in the owner's digest.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{BATCH, ScheduleError, Stage, ahead, follow, route};
use crate::model::act::Act;
use crate::model::address::Channel;
use crate::model::campaign::{Campaign, Step};
use crate::model::consent::Consent;
use crate::model::delivery::Purpose;
use crate::model::id::{ContactId, PlanId, RevisionId};
use crate::model::plan::StopReason;
use crate::model::task::TaskKind;
use crate::model::user::User;
use crate::policy::choice;
use crate::policy::enrolment::zone_of;
use crate::store::{Client, Consequence, DuePlace, LetterGap, NewDelivery, PlanMove, PlanRow, Store, StoreError};

/// The key that makes a step's delivery by one channel the only one.
pub(super) fn key(plan: Option<PlanId>, step: &str, contact: ContactId, channel: Channel) -> String {
    let channel = match channel {
        Channel::Email => "email",
        Channel::Fax => "fax",
        Channel::Call => "call",
    };
    format!("plan/{}/{step}/{contact}/{channel}", plan.map_or(0, |plan| plan.0))
}

/// What becomes of one due plan.
enum Spawned {
    Delivery(Box<NewDelivery>),
    Move(PlanMove, Option<Consequence>),
    /// A call is not made ahead of its time.
    NotYet,
}

/// Creates what is due within two days; says how many plans it settled.
///
/// A few go soonest first. Many go hour by hour and by their ids: by the second, each row
/// would land in other pages of every index, and a million would write tens of gigabytes.
pub(super) async fn pass(stage: &mut Stage<'_>) -> Result<usize, ScheduleError> {
    let ahead = ahead(stage.now);
    let plans = stage.store.due_plans(stage.now, ahead, BATCH).await?;
    let mut done = settle(stage, &plans).await?;
    if plans.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
        return Ok(done);
    }
    for campaign in stage.store.open_campaigns(stage.now).await? {
        done += sweep(stage, &campaign, ahead).await?;
    }
    Ok(done)
}

/// Everything of one campaign; while a page is written, the next one is read.
async fn sweep(stage: &mut Stage<'_>, campaign: &str, ahead: Timestamp) -> Result<usize, ScheduleError> {
    let (store, now) = (stage.store, stage.now);
    let users = store.users().await?;
    let (mut done, mut after, mut settled) = (0, DuePlace::default(), Settled::default());
    loop {
        let write = settled.write(store, &stage.act);
        let read = async {
            let plans = store.due_page(campaign, now, ahead, after, BATCH).await?;
            let people = People::of(store, &users, &plans).await?;
            Ok::<_, StoreError>((plans, people))
        };
        let (written, read) = tokio::join!(write, read);
        done += written?;
        let (plans, people) = read?;
        let Some(last) = plans.last() else { return Ok(done) };
        after = DuePlace::behind(last);
        settled = Settled::of(stage, &plans, &people).await?;
    }
}

async fn settle(stage: &mut Stage<'_>, plans: &[PlanRow]) -> Result<usize, ScheduleError> {
    if plans.is_empty() {
        return Ok(0);
    }
    let people = People::of(stage.store, &stage.store.users().await?, plans).await?;
    let settled = Settled::of(stage, plans, &people).await?;
    Ok(settled.write(stage.store, &stage.act).await?)
}

/// The clients of some plans, their consents, and who of them wants letters less often.
struct People {
    clients: HashMap<ContactId, Client>,
    consents: HashMap<ContactId, Vec<Consent>>,
    gaps: HashMap<ContactId, LetterGap>,
}

impl People {
    async fn of(store: &Store, users: &[User], plans: &[PlanRow]) -> Result<Self, StoreError> {
        let contacts: Vec<_> = plans.iter().map(|plan| plan.contact).collect();
        let clients = store.clients_of(users, &contacts).await?;
        let clients = clients.into_iter().map(|client| (client.contact.id, client)).collect();
        let mut consents: HashMap<ContactId, Vec<Consent>> = HashMap::new();
        for consent in store.consents_of(&contacts).await? {
            consents.entry(consent.contact).or_default().push(consent);
        }
        Ok(Self { clients, consents, gaps: store.letter_gaps(&contacts).await? })
    }
}

/// What is to be written of some plans.
#[derive(Default)]
struct Settled {
    new: Vec<NewDelivery>,
    moves: Vec<PlanMove>,
    tasks: Vec<Consequence>,
}

impl Settled {
    async fn of(stage: &mut Stage<'_>, plans: &[PlanRow], people: &People) -> Result<Self, ScheduleError> {
        let mut settled = Self::default();
        // Of two plans that are due at a time, the second comes behind the first one's letter.
        let mut gaps = people.gaps.clone();
        for plan in plans {
            let revision = stage.revision(plan.revision).await?;
            let Some(client) = people.clients.get(&plan.contact) else { continue };
            let held = people.consents.get(&plan.contact).map_or(&[][..], Vec::as_slice);
            let gap = gaps.get_mut(&plan.contact);
            let free_at = gap.as_ref().and_then(|gap| gap.free_at());
            match spawn(stage, plan, revision.id, &revision.campaign, client, held, free_at)? {
                Spawned::Delivery(delivery) => {
                    if let Some(gap) = gap {
                        gap.last_letter = Some(delivery.due_at);
                    }
                    settled.new.push(*delivery);
                }
                Spawned::Move(step, task) => {
                    settled.moves.push(step);
                    settled.tasks.extend(task);
                }
                Spawned::NotYet => {}
            }
        }
        Ok(settled)
    }

    /// Writes it; says how many plans it settles.
    async fn write(&self, store: &Store, act: &Act) -> Result<usize, StoreError> {
        if !self.new.is_empty() {
            store.create_deliveries(act, &self.new).await?;
        }
        if !self.moves.is_empty() {
            store.move_plans(act, &self.moves, &self.tasks).await?;
        }
        Ok(self.new.len() + self.moves.len())
    }
}

fn spawn(
    stage: &Stage<'_>,
    plan: &PlanRow,
    revision: RevisionId,
    campaign: &Campaign,
    client: &Client,
    consents: &[Consent],
    free_at: Option<Timestamp>,
) -> Result<Spawned, ScheduleError> {
    let step = plan.step.as_deref().and_then(|id| campaign.find_step(id));
    let (Some((index, step)), Some(due_at)) = (step, plan.next_at) else {
        return Ok(Spawned::Move(PlanMove::Stop(plan.id, StopReason::Operator), None));
    };
    if step.channel == Channel::Call {
        return Ok(call(stage, plan, campaign, step, client, due_at));
    }
    let Some(way) = route::find(step, client, consents) else {
        let reachable = campaign.steps[index + 1..].iter().any(|later| route::find(later, client, consents).is_some());
        let next = follow::after(campaign, plan.id, &step.id, client, due_at, stage.now);
        let unreachable = PlanMove::Stop(plan.id, StopReason::Unreachable);
        return Ok(Spawned::Move(if reachable { next } else { unreachable }, None));
    };
    if let Some(free_at) = free_at.filter(|free_at| due_at < *free_at) {
        return Ok(Spawned::Move(put_off(stage, plan, campaign, step, client, free_at), None));
    }
    let channel = way.address.channel();
    let (sender, lane) = route::lane(stage.config, campaign, &way.address)?;
    let variant = (!step.variants.is_empty())
        .then(|| &step.variants[choice::variant(&campaign.id, &step.id, plan.contact, step.variants.len())]);
    Ok(Spawned::Delivery(Box::new(NewDelivery {
        key: key(Some(plan.id), &step.id, plan.contact, channel),
        purpose: Purpose::Campaign,
        address: way.address,
        contact: Some(plan.contact),
        user: None,
        plan: Some(plan.id),
        campaign: Some(campaign.id.clone()),
        step: Some(step.id.clone()),
        variant: variant.map(|variant| variant.id.clone()),
        revision: Some(revision),
        fallback: step.fallback.filter(|fallback| *fallback != channel),
        needs_consent: way.needs_consent,
        sender,
        lane,
        payload: None,
        due_at,
        not_after: plan.closes_at,
    })))
}

/// The same step in the first window behind `free_at`: its client wants letters less often.
fn put_off(
    stage: &Stage<'_>,
    plan: &PlanRow,
    campaign: &Campaign,
    step: &Step,
    client: &Client,
    free_at: Timestamp,
) -> PlanMove {
    match route::place(campaign, step, client, free_at, stage.now) {
        Some((next_at, closes_at)) => {
            PlanMove::Next { plan: plan.id, step: step.id.clone(), next_at, closes_at: Some(closes_at) }
        }
        None => PlanMove::Stop(plan.id, StopReason::Operator),
    }
}

/// A call becomes a task of the owner's on its day, and the plan goes on.
fn call(
    stage: &Stage<'_>,
    plan: &PlanRow,
    campaign: &Campaign,
    step: &Step,
    client: &Client,
    due_at: Timestamp,
) -> Spawned {
    if due_at > stage.now {
        return Spawned::NotYet;
    }
    let zone = zone_of(campaign.window_of(step), &client.contact.zone);
    let note =
        step.note.as_deref().unwrap_or("{{contact.name}}").replace("{{contact.name}}", client.contact.name.as_str());
    let task = Consequence::Task {
        kind: TaskKind::Call,
        user: client.account.owner,
        contact: Some(plan.contact),
        plan: Some(plan.id),
        response: None,
        note: note.replace("{{account.name}}", client.account.name.as_str()),
        due_on: zone.to_datetime(stage.now).date(),
    };
    Spawned::Move(follow::after(campaign, plan.id, &step.id, client, due_at, stage.now), Some(task))
}

/// When the first call that is within two days is due.
pub(super) async fn next_call_at(stage: &Stage<'_>) -> Result<Option<Timestamp>, ScheduleError> {
    Ok(stage.store.next_plan_at(stage.now, stage.now).await?.filter(|at| *at > stage.now))
}
