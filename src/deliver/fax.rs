//! The fax lane: a page is handed to the gateway, then asked for until it has ended.
//!
//! The gateway's 2xx only means queued. A submission whose answer was lost is
//! looked up by its reference and never made again by itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::batch::Batch;
use super::budget::Budget;
use super::decide::{self, Surroundings};
use super::ledger::NoHandoff;
use super::letter::Outgoing;
use super::rests::Pause;
use super::{COOL_DOWN, Deliver, DeliverError, after};
use crate::config::Config;
use crate::model::address::{Address, PhoneNumber};
use crate::model::delivery::DeliveryState;
use crate::model::id::{AttemptId, DeliveryId};
use crate::model::response::{FaxResult, ResponseKind};
use crate::model::token::TokenPurpose;
use crate::model::turn::{Turn, earliest};
use crate::policy::fax_retry;
use crate::store::{AttemptState, Claimed, Finish};
use crate::transport::fax::{FaxError, FaxJob, FaxProgress, FaxStatus, Gateway, Submission};

/// What rests when the gateway fails.
const WAY: &str = "fax";

/// Faxes handed over in one turn.
const BATCH: i64 = 20;

/// The gateway, and when each fax under way was last asked for.
pub(super) struct Line {
    gateway: Option<Gateway>,
    poll: SignedDuration,
    asked: Mutex<HashMap<DeliveryId, Timestamp>>,
}

impl Line {
    pub(super) fn new(config: &Config) -> Result<Self, FaxError> {
        let gateway = config.fax.as_ref().map(Gateway::new).transpose()?;
        let poll_s = config.fax.as_ref().map_or(60, |fax| fax.poll_s);
        Ok(Self {
            gateway,
            poll: SignedDuration::from_secs(i64::try_from(poll_s).unwrap_or(60)),
            asked: Mutex::default(),
        })
    }

    /// When this fax is to be asked for; remembers that it is asked for now.
    fn due(&self, delivery: DeliveryId, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let next = after(*asked.entry(delivery).or_insert(since), self.poll);
        if next > now {
            return Some(next);
        }
        asked.insert(delivery, now);
        None
    }

    fn forget(&self, delivery: DeliveryId) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&delivery);
    }
}

impl Deliver {
    /// Makes a fax be asked for in the next turn: its gateway called.
    pub fn nudge_fax(&self, delivery: DeliveryId) {
        self.fax.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(delivery, Timestamp::MIN);
    }

    /// Hands a batch of faxes to the gateway; says how many deliveries it moved.
    /// Says too whether the lane may have more than its budget let it take.
    pub(super) async fn fax_lane(
        &self,
        lane: &str,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<(usize, bool), DeliverError> {
        let Some(gateway) = &self.fax.gateway else {
            if self.failed(WAY, "no gateway is configured", Pause::LONG) {
                tracing::error!("faxes wait, but the configuration has no [fax] section");
            }
            return Ok((0, false));
        };
        let most = budget.tokens.map_or(BATCH, |tokens| BATCH.min(i64::from(tokens)));
        let claimed = self.store.claim(self.daemon, lane, now, most).await?;
        let batch = Batch::read(self, &claimed).await?;
        let (mut releases, mut moved) = (Vec::new(), 0);
        for one in &claimed {
            let around = batch.around(self, one, self.clock.now());
            if self.stop.is_cancelled() || self.rests.until(WAY, now).is_some() {
                releases.push(decide::forbidden(one, "paused", around));
                continue;
            }
            moved += 1;
            if let Some(rule) = &one.blocked {
                releases.push(decide::forbidden(one, rule, around));
                continue;
            }
            match batch.materials(self, one, self.clock.now()).fax() {
                Err(reason) => {
                    tracing::error!(
                        delivery.id = one.row.id.0,
                        "fax {} is held, see `outreachd deliveries list --state held`: {reason}",
                        one.row.id
                    );
                    releases.push(decide::release(one, DeliveryState::Held, reason));
                }
                Ok(outgoing) => match self.ledger.begin(outgoing.handoff.clone()).await {
                    Ok(attempt) => self.submit(gateway, one, attempt, &outgoing, around).await,
                    Err(NoHandoff::Rule(rule)) => releases.push(decide::forbidden(one, &rule, around)),
                    Err(NoHandoff::Store) => releases.push(decide::forbidden(one, "paused", around)),
                },
            }
        }
        self.release(&releases).await?;
        let gone = u32::try_from(claimed.len().saturating_sub(releases.len())).unwrap_or(u32::MAX);
        self.settle(budget, budget.tokens.map_or(0, |tokens| tokens.saturating_sub(gone)), &[]).await?;
        Ok((moved, budget.tokens.is_some_and(|tokens| tokens <= gone)))
    }

    async fn submit(
        &self,
        gateway: &Gateway,
        one: &Claimed,
        attempt: AttemptId,
        outgoing: &Outgoing,
        around: Surroundings<'_>,
    ) {
        let Ok(Address::Fax(to)) = Address::parse(one.row.channel, &one.row.address) else { return };
        let reference = reference(&outgoing.token, one.row.tries + 1);
        let callback = format!(
            "{}/hooks/fax/{}",
            self.config.web.public_url.trim_end_matches('/'),
            self.keys.sign(TokenPurpose::FaxCallback, one.row.id.0)
        );
        let job = FaxJob {
            to: &to,
            from: outgoing.frozen.from_fax.as_ref(),
            header_text: &outgoing.frozen.legal_name,
            reference: &reference,
            pdf: &outgoing.bytes,
            callback_url: Some(&callback),
        };
        let finish = |state, reason: Option<String>, reply: Option<String>| Finish {
            delivery: one.row.id,
            attempt: Some(attempt),
            relay: "fax".into(),
            state,
            code: None,
            enhanced: None,
            reply,
            reason,
            due_at: None,
            not_after: one.row.not_after,
            gateway_id: None,
            consequences: Vec::new(),
        };
        let soon = after(around.now, COOL_DOWN);
        let finish = match gateway.submit(&job).await {
            Submission::Submitted { gateway_id } => {
                if self.rests.works(WAY) {
                    tracing::info!("faxes leave again");
                }
                Finish { gateway_id: Some(gateway_id), ..finish(AttemptState::Submitted, None, None) }
            }
            Submission::NotSent(why) => {
                if self.failed(WAY, &why, Pause::SHORT) {
                    tracing::error!("no fax leaves for now, all of them wait: the gateway: {why}");
                }
                Finish {
                    due_at: Some(soon),
                    ..finish(AttemptState::Retry, Some("gateway_unreachable".into()), Some(why))
                }
            }
            Submission::Retry(why) => {
                self.cool(WAY, COOL_DOWN);
                Finish { due_at: Some(soon), ..finish(AttemptState::Retry, Some("gateway_busy".into()), Some(why)) }
            }
            Submission::Refused { reason, kind } => {
                if fax_retry::pauses_channel(kind) {
                    tracing::error!("the fax gateway refuses our account, no fax leaves for an hour: {reason}");
                    self.cool(WAY, COOL_DOWN * 60);
                }
                let status = FaxStatus {
                    gateway_id: String::new(),
                    reference: None,
                    progress: FaxProgress::Ended(kind),
                    pages_sent: 0,
                    error_code: None,
                    detail: reason,
                    price: None,
                    created_at: None,
                };
                let mut row = one.row.clone();
                row.tries += 1;
                decide::fax(&row, attempt, kind, &status, around)
            }
            Submission::Uncertain(why) => finish(AttemptState::Uncertain, Some("no_answer".into()), Some(why)),
        };
        self.ledger.finish(finish).await;
    }

    /// Asks the gateway for the faxes under way and the uncertain ones whose time it is.
    pub(super) async fn poll_faxes(&self, now: Timestamp) -> Result<Turn, DeliverError> {
        let Some(gateway) = &self.fax.gateway else { return Ok(Turn::default()) };
        let mut turn = Turn::default();
        for (delivery, attempt, gateway_id, since) in self.store.submitted_faxes(200).await? {
            if let Some(next) = self.fax.due(delivery, since, now) {
                turn.next_at = earliest(turn.next_at, Some(next));
                continue;
            }
            match gateway.get(&gateway_id).await {
                Ok(status) => turn.done += self.ended(delivery, attempt, &status).await?,
                Err(error) => tracing::warn!(delivery.id = delivery.0, "cannot ask how fax {delivery} stands: {error}"),
            }
            turn.next_at = earliest(turn.next_at, Some(after(now, self.fax.poll)));
        }
        for (delivery, attempt, to, since) in self.store.uncertain_faxes(200).await? {
            if let Some(next) = self.fax.due(delivery, since, now) {
                turn.next_at = earliest(turn.next_at, Some(next));
                continue;
            }
            turn.done += self.look_up(gateway, delivery, attempt, &to, since).await?;
            turn.next_at = earliest(turn.next_at, Some(after(now, self.fax.poll)));
        }
        Ok(turn)
    }

    /// Writes how a fax ended; 0 while it is under way.
    async fn ended(&self, delivery: DeliveryId, attempt: AttemptId, status: &FaxStatus) -> Result<usize, DeliverError> {
        let FaxProgress::Ended(result) = status.progress else { return Ok(0) };
        let row = self.store.get_delivery(delivery).await?;
        let client = match row.contact {
            Some(contact) => self.store.clients(&[contact]).await?.into_iter().next(),
            None => None,
        };
        let edition = match row.revision {
            Some(revision) => Some(self.editions.get(&self.store, revision).await?),
            None => None,
        };
        let around = Surroundings {
            campaign: edition.as_ref().map(|edition| &edition.revision.campaign),
            client: client.as_ref(),
            max_tries: self.config.limits.attempts,
            now: self.clock.now(),
        };
        let finish = decide::fax(&row, attempt, result, status, around);
        tracing::info!(delivery.id = delivery.0, "fax {delivery}: {}", ResponseKind::Fax(result).name());
        if result != FaxResult::Delivered && fax_retry::pauses_channel(result) {
            self.cool(WAY, COOL_DOWN * 60);
        }
        self.ledger.finish(finish).await;
        self.fax.forget(delivery);
        Ok(1)
    }

    /// Looks an uncertain fax up; if the gateway has it, it is submitted after all.
    async fn look_up(
        &self,
        gateway: &Gateway,
        delivery: DeliveryId,
        attempt: AttemptId,
        to: &str,
        since: Timestamp,
    ) -> Result<usize, DeliverError> {
        let Ok(to) = PhoneNumber::from_e164(to) else { return Ok(0) };
        let row = self.store.get_delivery(delivery).await?;
        let reference = reference(&self.keys.sign(TokenPurpose::Delivery, delivery.0), row.tries);
        match gateway.find(&to, since, &reference).await {
            Ok(Some(status)) => {
                let found = Finish {
                    delivery,
                    attempt: Some(attempt),
                    relay: "fax".into(),
                    state: AttemptState::Submitted,
                    code: None,
                    enhanced: None,
                    reply: Some("found at the gateway by its reference".into()),
                    reason: None,
                    due_at: None,
                    not_after: None,
                    gateway_id: Some(status.gateway_id),
                    consequences: Vec::new(),
                };
                self.ledger.finish(found).await;
                Ok(1)
            }
            Ok(None) => Ok(0),
            Err(error) => {
                tracing::warn!(delivery.id = delivery.0, "cannot look uncertain fax {delivery} up: {error}");
                Ok(0)
            }
        }
    }
}

/// Our own name for one try at a fax.
fn reference(token: &str, number: i64) -> String {
    format!("{token}-{number}")
}
