//! The mail lanes: each session of a relay takes letter by letter from its feed.
//!
//! A session is a task of its own. While a letter's commands and its handoff's commit are
//! under way the next letter is rendered, so that the result of the one and the handoff of
//! the other are written in one commit. The body leaves when both are done. So there is one
//! handoff a session whose end nobody knows, never two.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use super::decide;
use super::feed::{Due, Feed};
use super::ledger::{NoHandoff, Receipt};
use super::letter::Outgoing;
use super::rests::Pause;
use super::{COOL_DOWN, Deliver, DeliverError};
use crate::config::Config;
use crate::model::delivery::DeliveryState;
use crate::model::id::AttemptId;
use crate::store::{AttemptState, Claimed, Finish, Release};
use crate::transport::smtp::{Connector, Envelope, Session};
use crate::transport::{Verdict, smtp};

/// How long a lane rests after the database took no handoff.
const DATABASE_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// Letters a session takes from one batch, on average.
const LETTERS_PER_SESSION: usize = 50;

/// The relays of the configuration, ready to connect.
pub(super) struct Relays(HashMap<String, Arc<Relay>>);

pub(super) struct Relay {
    id: String,
    connector: Connector,
    sessions: usize,
    messages_per_session: usize,
}

impl Relays {
    pub(super) fn new(config: &Config) -> Result<Self, smtp::SetupError> {
        let relay = |relay: &crate::config::Relay| {
            let ready = Relay {
                id: relay.id.clone(),
                connector: Connector::new(relay)?,
                sessions: relay.sessions.max(1),
                messages_per_session: relay.messages_per_session.max(1),
            };
            Ok((relay.id.clone(), Arc::new(ready)))
        };
        config.relays.iter().map(relay).collect::<Result<_, _>>().map(Self)
    }
}

/// What the sessions of one lane share in a turn.
struct Work {
    deliver: Arc<Deliver>,
    relay: Arc<Relay>,
    lane: String,
    feed: Feed,
    releases: Mutex<Vec<Release>>,
}

impl Deliver {
    /// Sends what is due in one relay's lane; says how many deliveries it moved.
    pub(super) async fn mail_lane(
        self: &Arc<Self>,
        lane: &str,
        relay_id: &str,
        now: Timestamp,
    ) -> Result<usize, DeliverError> {
        let Some(relay) = self.mail.0.get(relay_id) else {
            if self.failed(lane, "the configuration does not name it", Pause::SHORT) {
                tracing::error!(
                    relay = relay_id,
                    "mails wait for relay {relay_id}, which the configuration no longer names; bring it back in [[relay]]"
                );
            }
            return Ok(0);
        };
        let feed = Feed::open(self, lane, relay.sessions * LETTERS_PER_SESSION, now).await;
        let sessions = relay.sessions.min(feed.len().await);
        let work = Arc::new(Work {
            deliver: Arc::clone(self),
            relay: Arc::clone(relay),
            lane: lane.to_owned(),
            feed,
            releases: Mutex::default(),
        });
        let mut under_way: JoinSet<()> = (0..sessions).map(|_| Arc::clone(&work).session()).collect();
        while let Some(ended) = under_way.join_next().await {
            if let Err(gone) = ended
                && let Ok(panic) = gone.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
        let left = work.feed.close().await;
        let untouched = left.releases.len();
        let mut releases = std::mem::take(&mut *work.releases.lock().unwrap_or_else(PoisonError::into_inner));
        releases.extend(left.releases);
        self.release(&releases).await?;
        left.failure.map_or(Ok(left.taken - untouched), Err)
    }

    /// Gives claimed deliveries back.
    pub(super) async fn release(&self, releases: &[Release]) -> Result<(), DeliverError> {
        if !releases.is_empty() {
            self.store.release(&self.act(), self.daemon, releases).await?;
        }
        Ok(())
    }
}

/// A letter that is ready to leave.
struct Ready {
    due: Due,
    outgoing: Outgoing,
}

/// How a letter's transaction ended.
enum Sent {
    /// With a result; behind it, when that is written.
    Told(Receipt),
    /// Without one: it was given back.
    Returned,
    /// The session had grown old: a new one takes the letter.
    Again(Box<Ready>),
}

impl Work {
    fn release(&self, release: Release) {
        self.releases.lock().unwrap_or_else(PoisonError::into_inner).push(release);
    }

    /// Gives a letter back that `rule` forbids now.
    fn forbid(&self, due: &Due, rule: &str) {
        let around = due.batch.around(&self.deliver, &due.claimed, self.deliver.clock.now());
        self.release(decide::forbidden(&due.claimed, rule, around));
    }

    /// One session: letter by letter, until the feed ends or the relay is away.
    async fn session(self: Arc<Self>) {
        let mut open: Option<Session> = None;
        let mut last: Option<Receipt> = None;
        let mut next = self.prepare().await;
        while let Some(ready) = next.take() {
            let connected = if self.feed.is_over() { None } else { self.connected(open.take()).await };
            let Some(mut session) = connected else {
                self.feed.put_back(ready.due).await;
                break;
            };
            let (sent, prepared) = self.send(&mut session, ready).await;
            next = prepared;
            match sent {
                Sent::Told(receipt) => last = Some(receipt),
                Sent::Returned => {}
                // Its handoff stands, so it goes before all others: there is never a second one.
                Sent::Again(ready) => {
                    if let Some(other) = next.replace(*ready) {
                        self.feed.put_back(other.due).await;
                    }
                }
            }
            open = Some(session).filter(Session::is_usable);
        }
        // The ledger writes in order: after the last result all are written.
        if let Some(receipt) = last {
            receipt.written().await;
        }
        if let Some(session) = open {
            session.quit().await;
        }
    }

    /// The next letter that may leave, rendered.
    async fn prepare(&self) -> Option<Ready> {
        loop {
            let due = self.feed.next().await?;
            if let Some(outgoing) = self.outgoing(&due) {
                return Some(Ready { due, outgoing });
            }
        }
    }

    /// What leaves for a letter, unless a rule or a mistake keeps it here.
    fn outgoing(&self, due: &Due) -> Option<Outgoing> {
        let claimed = &due.claimed;
        if let Some(rule) = &claimed.blocked {
            self.forbid(due, rule);
            return None;
        }
        match due.batch.materials(&self.deliver, claimed, self.deliver.clock.now()).mail(&self.relay.id) {
            Ok(outgoing) => Some(outgoing),
            Err(reason) => {
                let id = claimed.row.id;
                tracing::error!(
                    delivery.id = id.0,
                    "letter {id} is held, see `outreachd deliveries list --state held`: {reason}"
                );
                self.release(decide::release(claimed, DeliveryState::Held, reason));
                None
            }
        }
    }

    /// The open session if it can take another letter, else a new one.
    async fn connected(&self, open: Option<Session>) -> Option<Session> {
        if let Some(session) = open {
            if session.sent() < self.relay.messages_per_session {
                return Some(session);
            }
            session.quit().await;
        }
        let relay = self.relay.id.as_str();
        match self.relay.connector.connect().await {
            Ok(session) => {
                if self.deliver.rests.works(&self.lane) {
                    tracing::info!(relay, "mail leaves by relay {relay} again");
                }
                Some(session)
            }
            Err(error) => {
                let pause = if error.is_permanent() { Pause::LONG } else { Pause::SHORT };
                if self.deliver.failed(&self.lane, &error.to_string(), pause) {
                    tracing::error!(relay, "no mail leaves for now, all of it waits: {error}");
                }
                None
            }
        }
    }

    /// One transaction: the commands, the handoff's commit and the next letter's rendering side
    /// by side, then the body. Gives the next letter too.
    async fn send(&self, session: &mut Session, ready: Ready) -> (Sent, Option<Ready>) {
        if let Err(refused) = smtp::check_message(&ready.outgoing.bytes) {
            let told = self.finish(&ready.due, ready.due.begun, &refused).await;
            return (told, self.prepare().await);
        }
        let Ready { due, outgoing } = &ready;
        let envid = format!("d{}", outgoing.token);
        let envelope = Envelope {
            from: &outgoing.return_path,
            to: &due.claimed.row.address,
            size: outgoing.bytes.len(),
            envid: Some(&envid),
        };
        let (is_fresh, has_answered) = (session.sent() == 0, AtomicBool::new(false));
        let commands = async {
            let answers = session.begin(&envelope).await;
            has_answered.store(true, Ordering::Release);
            answers
        };
        let commit = async {
            let begun = match due.begun {
                Some(attempt) => Ok(attempt),
                None => self.deliver.ledger.begin(outgoing.handoff.clone()).await,
            };
            (begun, has_answered.load(Ordering::Acquire))
        };
        let (answers, (begun, is_new), next) = tokio::join!(commands, commit, self.prepare());
        let attempt = match begun {
            Ok(attempt) => attempt,
            Err(no) => return (self.keep_back(ready.due, no).await, next),
        };
        if let Err(verdict) = answers {
            return (self.not_begun(ready, attempt, is_fresh, verdict).await, next);
        }
        // A relay may take minutes to answer, and a client who opted out meanwhile is right.
        // After a 354 only a broken connection takes the message back (RFC 5321 4.1.1.4).
        if !is_new && let Some(no) = self.look_again(due).await {
            return (self.keep_back(ready.due, no).await, next);
        }
        let verdict = session.body(&outgoing.bytes).await;
        self.cool_if_busy(&verdict);
        (self.finish(due, Some(attempt), &verdict).await, next)
    }

    /// Why a letter may not leave after all, although its handoff is committed.
    async fn look_again(&self, due: &Due) -> Option<NoHandoff> {
        match self.deliver.store.forbidden(due.claimed.row.id, self.deliver.clock.now()).await {
            Ok(rule) => rule.map(NoHandoff::Rule),
            Err(error) => {
                tracing::error!("no handoff can be looked at again, so nothing leaves: {error}");
                Some(NoHandoff::Store)
            }
        }
    }

    /// A letter that may not leave.
    async fn keep_back(&self, due: Due, no: NoHandoff) -> Sent {
        match no {
            NoHandoff::Rule(rule) => self.forbid(&due, &rule),
            NoHandoff::Store => {
                // No other letter would fare better: the relay is not asked again for nothing.
                self.feed.put_back(due).await;
                self.feed.end();
                self.deliver.cool(&self.lane, DATABASE_PAUSE);
            }
        }
        Sent::Returned
    }

    /// A letter whose handoff stands and whose commands the relay did not take: nothing of its
    /// body has left, so this is never uncertain.
    async fn not_begun(&self, mut ready: Ready, attempt: AttemptId, is_fresh: bool, verdict: Verdict) -> Sent {
        match &verdict {
            // A session that had grown old says nothing about this letter: a new one takes it.
            Verdict::NotSent(_) if !is_fresh => {
                ready.due.begun = Some(attempt);
                return Sent::Again(Box::new(ready));
            }
            // A new session that ends at this letter may end at it again: the try counts, so that
            // a letter the relay cannot stomach does not stand before all others for ever.
            Verdict::NotSent(why) => {
                let relay = self.relay.id.as_str();
                tracing::warn!(relay, "relay {relay} ended a session before a letter began: {why}");
                self.deliver.cool(&self.lane, COOL_DOWN);
            }
            _ => self.cool_if_busy(&verdict),
        }
        self.finish(&ready.due, Some(attempt), &verdict).await
    }

    /// A 421 asks for quiet (RFC 5321 4.2.1).
    fn cool_if_busy(&self, verdict: &Verdict) {
        if let Verdict::Retry(reply) = verdict
            && reply.code == 421
        {
            self.deliver.cool(&self.lane, COOL_DOWN);
        }
    }

    async fn finish(&self, due: &Due, attempt: Option<AttemptId>, verdict: &Verdict) -> Sent {
        let around = due.batch.around(&self.deliver, &due.claimed, self.deliver.clock.now());
        let finish = decide::mail(&due.claimed.row, &self.relay.id, attempt, verdict, around);
        tell(&due.claimed, &finish);
        Sent::Told(self.deliver.ledger.enter(finish).await)
    }
}

/// One line a try; what nobody but a person can settle is a warning.
fn tell(claimed: &Claimed, finish: &Finish) {
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
