//! The contacts that are under way, each by the version they started on: where they
//! stand, and when their next letters go if nobody answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::forecast::Reach;
use super::plan::Slot;
use crate::model::campaign::Campaign;
use crate::model::consent::Consent;
use crate::model::delivery::DeliveryState;
use crate::model::id::{ContactId, RevisionId};
use crate::model::plan::{PlanState, StopReason};
use crate::policy::late::{self, LateDecision};
use crate::store::{
    AppliedRevision, Client, PauseRow, PauseScope, PlanCount, PlanPlace, PlanRow, Store, StoreError, UnderWayRow,
};

/// Plans that are followed at a time.
const PAGE: i64 = 500;

/// What a letter waits for that only a person lets go.
const DECISION: &str = "a person's decision";

/// What is known of the plans of one campaign.
pub(super) struct UnderWay<'a> {
    store: &'a Store,
    campaign: &'a str,
    now: Timestamp,
    pauses: Vec<PauseRow>,
    revisions: HashMap<RevisionId, Arc<AppliedRevision>>,
    /// Contacts with a plan of the run.
    pub(super) enrolled: u64,
    pub(super) versions: BTreeMap<i64, u64>,
    pub(super) ended: BTreeMap<&'static str, u64>,
    pub(super) undated: BTreeMap<String, u64>,
    pub(super) paused: Option<String>,
    pub(super) slots: BTreeMap<Slot, (String, u64)>,
}

/// When a plan's next letter goes.
enum Next {
    /// At an instant, from a step on; held where it waits for a return.
    At(usize, Timestamp, bool),
    /// When something happens that has no date.
    Undated(String),
    /// No letter is left.
    Nothing,
}

impl<'a> UnderWay<'a> {
    pub(super) async fn new(store: &'a Store, campaign: &'a str, now: Timestamp) -> Result<Self, StoreError> {
        let pauses = store.pauses(now).await?;
        let whole = |pause: &&PauseRow| match &pause.scope {
            PauseScope::All => true,
            PauseScope::Campaign(id) => id == campaign,
            PauseScope::Domain(_) | PauseScope::Contact(_) => false,
        };
        let paused = pauses.iter().find(whole).map(|pause| pause.reason.clone());
        Ok(Self {
            store,
            campaign,
            now,
            pauses,
            revisions: HashMap::new(),
            enrolled: 0,
            versions: BTreeMap::new(),
            ended: BTreeMap::new(),
            undated: BTreeMap::new(),
            paused,
            slots: BTreeMap::new(),
        })
    }

    /// Follows every active plan, and counts all; only those of `run` are counted as under
    /// way or ended. `on_page` hears how many more were followed.
    pub(super) async fn follow(&mut self, run: &str, mut on_page: impl FnMut(u64)) -> Result<(), StoreError> {
        for count in self.store.count_plans(self.campaign).await?.iter().filter(|count| count.run == run) {
            self.count(count).await?;
        }
        let mut after = PlanPlace::default();
        loop {
            let page = self.store.under_way(self.campaign, &after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = PlanPlace::behind(&last.plan);
            self.page(&page).await?;
            on_page(page.len() as u64);
        }
    }

    async fn count(&mut self, count: &PlanCount) -> Result<(), StoreError> {
        self.enrolled += count.count;
        if count.state == PlanState::Active {
            let version = self.revision(count.revision).await?.version;
            *self.versions.entry(version).or_default() += count.count;
        } else {
            *self.ended.entry(ending(count.stop_reason)).or_default() += count.count;
        }
        Ok(())
    }

    async fn page(&mut self, page: &[UnderWayRow]) -> Result<(), StoreError> {
        let ids: Vec<_> = page.iter().map(|row| row.plan.contact).collect();
        let clients: HashMap<ContactId, Client> =
            self.store.clients(&ids).await?.into_iter().map(|client| (client.contact.id, client)).collect();
        let mut consents: HashMap<ContactId, Vec<Consent>> = HashMap::new();
        for consent in self.store.consents_of(&ids).await? {
            consents.entry(consent.contact).or_default().push(consent);
        }
        for row in page {
            let revision = self.revision(row.plan.revision).await?;
            let Some(client) = clients.get(&row.plan.contact) else { continue };
            let held = consents.get(&row.plan.contact).map_or(&[][..], Vec::as_slice);
            self.plan(row, &revision, client, &Reach::of_client(client, held));
        }
        Ok(())
    }

    async fn revision(&mut self, id: RevisionId) -> Result<Arc<AppliedRevision>, StoreError> {
        if let Some(revision) = self.revisions.get(&id) {
            return Ok(Arc::clone(revision));
        }
        let revision = Arc::new(self.store.get_revision(id).await?);
        self.revisions.insert(id, Arc::clone(&revision));
        Ok(revision)
    }

    fn plan(&mut self, row: &UnderWayRow, revision: &AppliedRevision, client: &Client, reach: &Reach) {
        let (first, at, held) = match self.next(row, revision, client, reach) {
            Next::At(first, at, held) => (first, at, held),
            Next::Undated(what) => return *self.undated.entry(what).or_default() += 1,
            Next::Nothing => return,
        };
        for letter in reach.letters(&revision.campaign, first, at, self.now) {
            let place = revision.campaign.find_step(&letter.step.id).map_or(0, |(place, _)| place);
            let slot = (letter.date, revision.version, place, letter.channel, held);
            self.slots.entry(slot).or_insert_with(|| (letter.step.id.clone(), 0)).1 += 1;
        }
    }

    fn next(&self, row: &UnderWayRow, revision: &AppliedRevision, client: &Client, reach: &Reach) -> Next {
        let plan = &row.plan;
        let campaign = &revision.campaign;
        let Some((index, step)) = plan.step.as_deref().and_then(|id| campaign.find_step(id)) else {
            return Next::Nothing;
        };
        let behind = |from| self.behind(campaign, index, from, reach);
        let (due_at, not_after) = match row.delivery {
            None => (plan.next_at.unwrap_or(self.now), plan.closes_at),
            Some((DeliveryState::Scheduled | DeliveryState::Claimed | DeliveryState::Retry, due_at, not_after)) => {
                (due_at, not_after)
            }
            Some((DeliveryState::Held | DeliveryState::Uncertain, ..)) => return Next::Undated(DECISION.into()),
            // It is leaving, or has just left: the step behind it is the next.
            Some(_) => return behind(self.now),
        };
        let late = step.late.unwrap_or(campaign.window_of(step).late);
        let at = match late::decide(late, due_at, not_after, self.now) {
            LateDecision::OnTime => Some(due_at.max(self.now)),
            LateDecision::SendNextWindow => reach.place(campaign, step, self.now, self.now),
            LateDecision::Skip => return behind(due_at),
            LateDecision::Ask => return Next::Undated(DECISION.into()),
        };
        let Some(at) = at else { return Next::Nothing };
        match self.wait_for(plan, client) {
            Err(what) => Next::Undated(what),
            Ok(Some(until)) if until > at => {
                reach.place(campaign, step, until, self.now).map_or(Next::Nothing, |at| Next::At(index, at, true))
            }
            Ok(_) => Next::At(index, at, false),
        }
    }

    /// The step behind `index`, counted from `from`.
    fn behind(&self, campaign: &Campaign, index: usize, from: Timestamp, reach: &Reach) -> Next {
        let Some(next) = campaign.steps.get(index + 1) else { return Next::Nothing };
        let at = reach.due(campaign, next, from, self.now);
        at.map_or(Next::Nothing, |at| Next::At(index + 1, at, false))
    }

    /// Until when a pause holds a contact's letters; the error is what a pause without an end waits for.
    fn wait_for(&self, plan: &PlanRow, client: &Client) -> Result<Option<Timestamp>, String> {
        let domain = client.contact.email.as_ref().map(|address| address.domain());
        let mut held_until = None;
        for pause in &self.pauses {
            let what = match &pause.scope {
                PauseScope::Contact(id) if *id == plan.contact => format!("{}'s return", client.contact.name),
                PauseScope::Domain(name) if domain == Some(name) => name.clone(),
                _ => continue,
            };
            held_until = held_until.max(Some(pause.until.ok_or(what)?));
        }
        Ok(held_until)
    }
}

fn ending(stop_reason: Option<StopReason>) -> &'static str {
    match stop_reason {
        None => "done",
        Some(StopReason::Reply) => "reply",
        Some(StopReason::OptOut) => "opt_out",
        Some(StopReason::Unreachable) => "unreachable",
        Some(StopReason::Operator) => "operator",
    }
}
