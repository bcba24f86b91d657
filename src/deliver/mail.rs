//! The mail lanes: a few sessions of one relay work through a batch.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::decide::{self, Surroundings};
use super::editions::Edition;
use super::ledger::NoHandoff;
use super::letter::{Materials, Outgoing};
use super::rests::Pause;
use super::{COOL_DOWN, Deliver, DeliverError};
use crate::config::Config;
use crate::model::delivery::DeliveryState;
use crate::model::id::{ContactId, PlanId};
use crate::store::{AttemptState, Claimed, Client, Finish, Release, Store, StoreError};
use crate::transport::smtp::{Connector, Envelope, Session};
use crate::transport::{Verdict, smtp};

/// How long a lane rests after the database took no handoff.
const DATABASE_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// Letters a session takes from one batch, on average.
const LETTERS_PER_SESSION: usize = 50;

/// The relays of the configuration, ready to connect.
pub(super) struct Relays(HashMap<String, Relay>);

pub(super) struct Relay {
    connector: Connector,
    sessions: usize,
    messages_per_session: usize,
}

impl Relays {
    pub(super) fn new(config: &Config) -> Result<Self, smtp::SetupError> {
        let relay = |relay: &crate::config::Relay| {
            let connector = Connector::new(relay)?;
            let ready = Relay {
                connector,
                sessions: relay.sessions.max(1),
                messages_per_session: relay.messages_per_session.max(1),
            };
            Ok((relay.id.clone(), ready))
        };
        config.relays.iter().map(relay).collect::<Result<_, _>>().map(Self)
    }
}

/// What a batch of deliveries is made from, read in a few statements.
pub(super) struct Batch {
    clients: HashMap<ContactId, Client>,
    editions: HashMap<crate::model::id::RevisionId, Arc<Edition>>,
    threads: HashMap<PlanId, Vec<(String, String)>>,
}

impl Batch {
    pub(super) async fn read(deliver: &Deliver, claimed: &[Claimed]) -> Result<Self, DeliverError> {
        let contacts: Vec<_> = claimed.iter().filter_map(|one| one.row.contact).collect();
        let clients =
            deliver.store.clients(&contacts).await?.into_iter().map(|client| (client.contact.id, client)).collect();
        let plans: Vec<_> = claimed.iter().filter_map(|one| one.row.plan).collect();
        let mut threads: HashMap<PlanId, Vec<_>> = HashMap::new();
        for (plan, message_id, frozen) in deliver.store.threads(&plans).await? {
            threads.entry(plan).or_default().push((message_id, frozen));
        }
        let mut editions = HashMap::new();
        for id in claimed.iter().filter_map(|one| one.row.revision) {
            if let std::collections::hash_map::Entry::Vacant(entry) = editions.entry(id) {
                match deliver.editions.get(&deliver.store, id).await {
                    Ok(edition) => drop(entry.insert(edition)),
                    // Its deliveries are held one by one, with the reason.
                    Err(StoreError::Absent { what, key }) => {
                        tracing::error!(
                            "revision {id} cannot be rendered, its letters are held: there is no {what} `{key}`"
                        )
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(Self { clients, editions, threads })
    }

    pub(super) fn materials<'a>(&'a self, deliver: &'a Deliver, claimed: &'a Claimed, now: Timestamp) -> Materials<'a> {
        Materials {
            config: &deliver.config,
            keys: &deliver.keys,
            signers: &deliver.signers,
            claimed,
            client: claimed.row.contact.and_then(|id| self.clients.get(&id)),
            edition: claimed.row.revision.and_then(|id| self.editions.get(&id)).map(Arc::as_ref),
            thread: claimed.row.plan.and_then(|id| self.threads.get(&id)).map_or(&[], Vec::as_slice),
            now,
        }
    }

    pub(super) fn around<'a>(&'a self, deliver: &Deliver, claimed: &Claimed, now: Timestamp) -> Surroundings<'a> {
        Surroundings {
            campaign: claimed
                .row
                .revision
                .and_then(|id| self.editions.get(&id))
                .map(|edition| &edition.revision.campaign),
            client: claimed.row.contact.and_then(|id| self.clients.get(&id)),
            max_tries: deliver.config.limits.attempts,
            now,
        }
    }
}

/// What the sessions of one batch share.
struct Work<'a> {
    deliver: &'a Deliver,
    relay: &'a Relay,
    relay_id: &'a str,
    lane: &'a str,
    batch: Batch,
    queue: Mutex<VecDeque<Claimed>>,
    releases: Mutex<Vec<Release>>,
    /// Nothing more begins in this batch.
    ended: AtomicBool,
}

impl Deliver {
    /// Sends a batch of one relay's lane; says how many deliveries it moved.
    pub(super) async fn mail_lane(&self, lane: &str, relay_id: &str, now: Timestamp) -> Result<usize, DeliverError> {
        let Some(relay) = self.mail.0.get(relay_id) else {
            if self.failed(lane, "the configuration does not name it", Pause::SHORT) {
                tracing::error!(
                    relay = relay_id,
                    "mails wait for relay {relay_id}, which the configuration no longer names; bring it back in [[relay]]"
                );
            }
            return Ok(0);
        };
        let most = i64::try_from(relay.sessions * LETTERS_PER_SESSION).unwrap_or(i64::MAX);
        let claimed = self.store.claim(self.daemon, lane, now, most).await?;
        let taken = claimed.len();
        if taken == 0 {
            return Ok(0);
        }
        let batch = Batch::read(self, &claimed).await?;
        let work = Work {
            deliver: self,
            relay,
            relay_id,
            lane,
            batch,
            queue: Mutex::new(claimed.into()),
            releases: Mutex::default(),
            ended: AtomicBool::new(false),
        };
        join_all((0..relay.sessions.min(taken)).map(|_| work.session())).await;
        let mut releases = work.releases.into_inner().unwrap_or_else(PoisonError::into_inner);
        // What no session took (the relay is away, or we are stopping) is free again.
        let left = work.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        let untouched = left.len();
        releases.extend(left.iter().map(back));
        release(&self.store, self, &releases).await?;
        Ok(taken - untouched)
    }
}

/// Gives claimed deliveries back.
pub(super) async fn release(store: &Store, deliver: &Deliver, releases: &[Release]) -> Result<(), StoreError> {
    if !releases.is_empty() {
        store.release(&deliver.act(), deliver.daemon, releases).await?;
    }
    Ok(())
}

/// A claimed delivery, free again as it was.
fn back(claimed: &Claimed) -> Release {
    Release { delivery: claimed.row.id, to: DeliveryState::Scheduled, due_at: None, not_after: None, reason: None }
}

impl Work<'_> {
    fn next(&self) -> Option<Claimed> {
        if self.deliver.stop.is_cancelled() || self.ended.load(Ordering::Acquire) {
            return None;
        }
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn put_back(&self, claimed: Claimed) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_front(claimed);
    }

    fn release(&self, release: Release) {
        self.releases.lock().unwrap_or_else(PoisonError::into_inner).push(release);
    }

    /// One session: letter by letter, until the batch is empty or the relay is away.
    async fn session(&self) {
        let mut open: Option<Session> = None;
        while let Some(claimed) = self.next() {
            let now = self.deliver.clock.now();
            if let Some(rule) = &claimed.blocked {
                self.release(decide::forbidden(&claimed, rule, self.batch.around(self.deliver, &claimed, now)));
                continue;
            }
            let outgoing = match self.batch.materials(self.deliver, &claimed, now).mail(self.relay_id) {
                Ok(outgoing) => outgoing,
                Err(reason) => {
                    tracing::error!(
                        delivery.id = claimed.row.id.0,
                        "letter {} is held, see `outreachd deliveries list --state held`: {reason}",
                        claimed.row.id
                    );
                    self.release(decide::release(&claimed, DeliveryState::Held, reason));
                    continue;
                }
            };
            let Some(mut session) = self.connected(open.take()).await else {
                self.put_back(claimed);
                return;
            };
            if self.send(&mut session, claimed, &outgoing).await {
                open = Some(session);
            }
        }
        if let Some(session) = open {
            session.quit().await;
        }
    }

    /// The open session if it can take another letter, else a new one.
    async fn connected(&self, open: Option<Session>) -> Option<Session> {
        if let Some(session) = open {
            if session.is_usable() && session.sent() < self.relay.messages_per_session {
                return Some(session);
            }
            session.quit().await;
        }
        match self.relay.connector.connect().await {
            Ok(session) => {
                if self.deliver.rests.works(self.lane) {
                    tracing::info!(relay = self.relay_id, "mail leaves by relay {} again", self.relay_id);
                }
                Some(session)
            }
            Err(error) => {
                let pause = if error.is_permanent() { Pause::LONG } else { Pause::SHORT };
                if self.deliver.failed(self.lane, &error.to_string(), pause) {
                    tracing::error!(relay = self.relay_id, "no mail leaves for now, all of it waits: {error}");
                }
                None
            }
        }
    }

    /// One transaction. Says whether the session can go on.
    async fn send(&self, session: &mut Session, claimed: Claimed, outgoing: &Outgoing) -> bool {
        let row = &claimed.row;
        let envid = format!("d{}", outgoing.token);
        let envelope =
            Envelope { from: &outgoing.return_path, to: &row.address, size: outgoing.bytes.len(), envid: Some(&envid) };
        if let Err(refused) = smtp::check_message(&outgoing.bytes) {
            self.finish(&claimed, None, &refused).await;
            return true;
        }
        let fresh = session.sent() == 0;
        if let Err(verdict) = session.begin(&envelope).await {
            match &verdict {
                // A session that had grown old says nothing about this letter: a new one takes it.
                Verdict::NotSent(_) if !fresh => {
                    self.put_back(claimed);
                    return false;
                }
                // A new session that ends at this letter may end at it again: the try counts, so that
                // a letter the relay cannot stomach does not stand before all others for ever.
                Verdict::NotSent(why) => {
                    tracing::warn!(
                        relay = self.relay_id,
                        "relay {} ended a session before a letter began: {why}",
                        self.relay_id
                    );
                    self.deliver.cool(self.lane, COOL_DOWN);
                }
                _ => self.cool_if_busy(&verdict),
            }
            self.finish(&claimed, None, &verdict).await;
            return session.is_usable();
        }
        match self.deliver.ledger.begin(outgoing.handoff.clone()).await {
            Ok(attempt) => {
                let verdict = session.body(&outgoing.bytes).await;
                self.cool_if_busy(&verdict);
                self.finish(&claimed, Some(attempt), &verdict).await;
                session.is_usable()
            }
            Err(NoHandoff::Rule(rule)) => {
                self.release(decide::forbidden(
                    &claimed,
                    &rule,
                    self.batch.around(self.deliver, &claimed, self.deliver.clock.now()),
                ));
                // After a 354 only a broken connection takes the message back (RFC 5321 4.1.1.4).
                false
            }
            Err(NoHandoff::Store) => {
                // No other letter would fare better: the relay is not asked again for nothing.
                self.put_back(claimed);
                self.ended.store(true, Ordering::Release);
                self.deliver.cool(self.lane, DATABASE_PAUSE);
                false
            }
        }
    }

    /// A 421 asks for quiet (RFC 5321 4.2.1).
    fn cool_if_busy(&self, verdict: &Verdict) {
        if let Verdict::Retry(reply) = verdict
            && reply.code == 421
        {
            self.deliver.cool(self.lane, COOL_DOWN);
        }
    }

    async fn finish(&self, claimed: &Claimed, attempt: Option<crate::model::id::AttemptId>, verdict: &Verdict) {
        let around = self.batch.around(self.deliver, claimed, self.deliver.clock.now());
        let finish = decide::mail(&claimed.row, self.relay_id, attempt, verdict, around);
        self.tell(claimed, &finish);
        self.deliver.ledger.finish(finish).await;
    }

    /// One line a try; what nobody but a person can settle is a warning.
    fn tell(&self, claimed: &Claimed, finish: &Finish) {
        let (id, attempt) = (claimed.row.id, claimed.row.tries + 1);
        let campaign = claimed.row.campaign.as_deref().unwrap_or_default();
        if finish.state == AttemptState::Uncertain {
            tracing::warn!(
                delivery.id = id.0,
                campaign,
                attempt,
                "delivery {id}: nobody knows whether it arrived; see `outreachd deliveries list --state uncertain`"
            );
            return;
        }
        tracing::info!(delivery.id = id.0, campaign, attempt, code = finish.code, "delivery {id}: {:?}", finish.state);
    }
}
