//! What each lane may take now: tokens leased from the rows of its limits, and how many
//! sessions and letters a session it may have.
//!
//! Decides nothing itself; see [`crate::policy::throttle`]. A block is leased for one run
//! of a lane; what did not go is given back at its end. A daemon that is killed has spent
//! the block it held, so that a limit is never exceeded.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::batch::Batch;
use super::{Deliver, DeliverError, decide};
use crate::clock::Clock;
use crate::model::id::DeliveryId;
use crate::model::lane::{Lane, OTHER, Stream};
use crate::model::limit::{Limit, Scope};
use crate::policy::throttle::{Ask, Grant};
use crate::store::{Claimed, Release, Unused};

/// How long a recipient domain that got nothing is remembered, in days.
const REMEMBERED_DAYS: i64 = 7;

/// What the budgets of one turn share with those of the next.
#[derive(Default)]
pub(super) struct Turns {
    /// Which lane is served first; the next one the next time.
    first: AtomicUsize,
    /// The day on which forgotten domains were dropped.
    tidied: Mutex<Option<Date>>,
}

/// What one lane may take.
#[derive(Debug)]
pub(super) struct Budget {
    /// So many letters; none for as many as there are.
    pub(super) tokens: Option<u32>,
    /// When more may go, if that is less than it could use.
    pub(super) next_at: Option<Timestamp>,
    /// The limits under which each session needs a place, by their keys.
    pub(super) places: Vec<String>,
    /// Letters in one session.
    pub(super) messages_per_session: Option<usize>,
    /// The limits that the tokens count for.
    counted: Vec<(String, Limit)>,
    /// Tokens of recipient domains, by the delivery they were leased for.
    domains: Mutex<HashMap<DeliveryId, Vec<(String, Limit)>>>,
    day: Date,
}

impl Deliver {
    /// What each of `lanes` may take at `now`, up to `most` letters.
    pub(super) async fn budgets(&self, lanes: &[Lane], most: u32, now: Timestamp) -> Result<Vec<Budget>, DeliverError> {
        let has_campaign = lanes.iter().any(|lane| lane.campaign().is_some());
        let campaigns = if has_campaign { self.store.campaign_limits().await? } else { BTreeMap::new() };
        let limits: Vec<_> = lanes.iter().map(|lane| self.limits_of(lane, &campaigns)).collect();
        let asks: Vec<_> = lanes.iter().zip(&limits).map(|(lane, limits)| ask(lane, limits, most)).collect();
        let (now, zone) = (self.lease_time(now, &asks).await?, self.zone());
        let first = self.turns.first.fetch_add(1, Ordering::Relaxed);
        let grants = self.store.lease_tokens(&asks, first, now, &zone).await?;
        let day = zone.to_datetime(now).date();
        let budget = |((ask, grant), limits): ((Ask, Grant), &Vec<(String, Limit)>)| {
            let placed = limits.iter().filter(|(_, limit)| limit.sessions.is_some());
            let letters = limits.iter().filter_map(|(_, limit)| usize::try_from(limit.messages_per_session?).ok());
            Budget {
                tokens: (!ask.limits.is_empty()).then_some(grant.tokens),
                next_at: grant.next_at,
                places: placed.map(|(key, _)| key.clone()).collect(),
                messages_per_session: letters.min(),
                counted: ask.limits,
                domains: Mutex::default(),
                day,
            }
        };
        Ok(asks.into_iter().zip(grants).zip(&limits).map(budget).collect())
    }

    /// Of a claimed batch those that may go by the limits of their recipients' domains. The
    /// others are put off, each to its time, so that they stand in nobody's way.
    pub(super) async fn admit(
        &self,
        lane: &Lane,
        budget: &Budget,
        batch: &Batch,
        claimed: Vec<Claimed>,
        now: Timestamp,
    ) -> Result<(Vec<Claimed>, Vec<Release>), DeliverError> {
        if !self.config.pace.limits_recipients() {
            return Ok((claimed, Vec::new()));
        }
        let mut by_domain: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, one) in claimed.iter().enumerate().filter(|(_, one)| one.blocked.is_none()) {
            let Some((_, domain)) = one.row.address.rsplit_once('@') else { continue };
            by_domain.entry(domain.to_owned()).or_default().push(index);
        }
        let limits = |domain: &str| self.limits_of_domain(domain, lane);
        let limited: Vec<_> = by_domain.into_iter().map(|(domain, rows)| (limits(&domain), rows)).collect();
        let limited: Vec<_> = limited.into_iter().filter(|(limits, _)| !limits.is_empty()).collect();
        if limited.is_empty() {
            return Ok((claimed, Vec::new()));
        }
        let count = |rows: &[usize]| u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let asks: Vec<_> = limited
            .iter()
            .map(|(limits, rows)| Ask { limits: limits.clone(), want: count(rows), direct: true })
            .collect();
        let lease_time = self.lease_time(now, &asks).await?;
        let grants = self.store.lease_tokens(&asks, 0, lease_time, &self.zone()).await?;
        let mut later = BTreeMap::new();
        let mut leased = budget.domains.lock().unwrap_or_else(PoisonError::into_inner);
        for ((limits, rows), grant) in limited.into_iter().zip(grants) {
            let (go, wait) = rows.split_at(usize::try_from(grant.tokens).unwrap_or(rows.len()).min(rows.len()));
            leased.extend(go.iter().map(|index| (claimed[*index].row.id, limits.clone())));
            later.extend(wait.iter().map(|index| (*index, grant.next_at.unwrap_or(now))));
        }
        drop(leased);
        let (mut go, mut put_off) = (Vec::new(), Vec::new());
        for (index, one) in claimed.into_iter().enumerate() {
            match later.get(&index) {
                Some(until) => put_off.push(decide::put_off(&one, *until, batch.around(self, &one, now))),
                None => go.push(one),
            }
        }
        Ok((go, put_off))
    }

    /// Gives back the tokens of what did not go: `spare` of the lane's own, and those that
    /// were leased for the recipients of `releases`.
    pub(super) async fn settle(&self, budget: &Budget, spare: u32, releases: &[Release]) -> Result<(), DeliverError> {
        let unused =
            |(key, limit): &(String, Limit), count| Unused { key: key.clone(), limit: *limit, count, day: budget.day };
        let mut all: Vec<_> = budget.counted.iter().map(|of| unused(of, spare)).collect();
        {
            let leased = budget.domains.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = releases.iter().filter_map(|release| leased.get(&release.delivery));
            all.extend(kept.flatten().map(|of| unused(of, 1)));
        }
        Ok(self.store.return_tokens(&all).await?)
    }

    /// The limits that a lane is under.
    fn limits_of(&self, lane: &Lane, campaigns: &BTreeMap<String, Limit>) -> Vec<(String, Limit)> {
        let (relay, sender) = match lane {
            Lane::Email { relay, sender, .. } => (Some(relay), sender),
            Lane::Fax { sender, .. } => (None, sender),
        };
        let mut scopes = vec![Scope::Sender(sender.clone())];
        scopes.extend(relay.cloned().map(Scope::Relay));
        scopes.extend(lane.campaign().map(|id| Scope::Campaign(id.to_owned())));
        scopes.extend(Some(lane.provider()).filter(|id| *id != OTHER).map(|id| Scope::Provider(id.to_owned())));
        let limit = |scope: Scope| {
            let own = match &scope {
                Scope::Campaign(id) => campaigns.get(id).copied(),
                _ => None,
            };
            let configured = self.config.pace.limits.get(&scope).copied();
            let limit = own.unwrap_or_default().and(configured.unwrap_or_default());
            (!limit.is_empty()).then(|| (scope.key(), limit))
        };
        scopes.into_iter().filter_map(limit).collect()
    }

    /// The limits of a recipient domain that its lane does not hold: its own, and its
    /// provider's if that one has become known since it was scheduled.
    fn limits_of_domain(&self, domain: &str, lane: &Lane) -> Vec<(String, Limit)> {
        let pace = &self.config.pace;
        let own = pace.domain(domain).map(|limit| (Scope::Domain(domain.to_owned()).key(), limit));
        let provider = Some(pace.provider(domain)).filter(|id| *id != lane.provider() && *id != OTHER);
        let of_provider = provider.and_then(|id| {
            let scope = Scope::Provider(id.into_owned());
            pace.limits.get(&scope).map(|limit| (scope.key(), *limit))
        });
        own.into_iter().chain(of_provider).filter(|(_, limit)| limit.is_counted()).collect()
    }

    /// The instant by which tokens are leased: that of the database, which its daemons share.
    async fn lease_time(&self, now: Timestamp, asks: &[Ask]) -> Result<Timestamp, DeliverError> {
        if asks.iter().all(|ask| ask.limits.is_empty()) || matches!(self.clock, Clock::Manual(_)) {
            return Ok(now);
        }
        let now = self.store.shared_now(now).await?;
        let today = self.zone().to_datetime(now).date();
        let before = self.turns.tidied.lock().unwrap_or_else(PoisonError::into_inner).replace(today);
        if before != Some(today) {
            self.store.forget_domains(today.saturating_sub(REMEMBERED_DAYS.days())).await?;
        }
        Ok(now)
    }

    fn zone(&self) -> TimeZone {
        TimeZone::get(&self.config.company.zone).unwrap_or(TimeZone::UTC)
    }
}

fn ask(lane: &Lane, limits: &[(String, Limit)], most: u32) -> Ask {
    let counted = limits.iter().filter(|(_, limit)| limit.is_counted());
    let direct = matches!(lane.stream(), Stream::Direct(_));
    Ask { limits: counted.cloned().collect(), want: most, direct }
}
