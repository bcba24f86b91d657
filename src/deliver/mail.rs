//! The mail lanes: each session of a relay takes letter by letter from its feed.
//!
//! A session is a task of its own. While a letter's commands and its handoff's commit are
//! under way the next letter is rendered, so that the result of the one and the handoff of
//! the other are written in one commit. The body leaves when both are done. So there is one
//! handoff a session whose end nobody knows, never two.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use super::budget::Budget;
use super::decide;
use super::feed::{Due, Feed, back};
use super::ledger::{NoHandoff, Receipt};
use super::letter::Outgoing;
use super::relays::{Open, Relay};
use super::rests::Pause;
use super::slots::Places;
use super::{COOL_DOWN, Deliver, DeliverError};
use crate::model::delivery::DeliveryState;
use crate::model::id::AttemptId;
use crate::model::lane::Lane;
use crate::model::limit::Scope;
use crate::store::{AttemptState, Claimed, Finish, Handoff, Release};
use crate::transport::smtp::Envelope;
use crate::transport::{Verdict, smtp};

/// How long a lane rests after the database took no handoff.
const DATABASE_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// Letters that a session sends before it leaves its place to others who wait for it.
const LETTERS_PER_TURN: usize = 20;

/// Letters a session takes from one batch, on average.
const LETTERS_PER_SESSION: usize = 50;

/// What the sessions of one lane share in a turn.
struct Work {
    deliver: Arc<Deliver>,
    relay: Arc<Relay>,
    budget: Arc<Budget>,
    /// The limits under which a session needs a place.
    keys: Vec<String>,
    feed: Feed,
    releases: Mutex<Vec<Release>>,
}

impl Deliver {
    /// Sends what is due in one relay's lane; says how many deliveries it moved, and whether
    /// the lane may have more than its budget let it take.
    pub(super) async fn mail_lane(
        self: &Arc<Self>,
        text: &str,
        lane: &Lane,
        relay_id: &str,
        budget: &Arc<Budget>,
        now: Timestamp,
    ) -> Result<(usize, bool), DeliverError> {
        let Some(relay) = self.mail.find(relay_id) else {
            if self.failed(&lane.way(), "the configuration does not name it", Pause::SHORT) {
                tracing::error!(
                    relay = relay_id,
                    "mails wait for relay {relay_id}, which the configuration no longer names; bring it back in [[relay]]"
                );
            }
            self.settle(budget, budget.tokens.unwrap_or(0), &[]).await?;
            return Ok((0, false));
        };
        // The relay's place is taken last: whoever waits for a provider's holds none of them.
        let relay_key = Scope::Relay(relay.id.clone()).key();
        let others = budget.places.iter().filter(|key| **key != relay_key);
        let keys: Vec<_> = others.chain([&relay_key]).cloned().collect();
        let sessions = self.slots.most(&keys);
        let feed = Feed::open(self, (text, lane), budget, sessions * LETTERS_PER_SESSION, now).await;
        let sessions = sessions.min(feed.len().await);
        let (deliver, relay, budget) = (Arc::clone(self), Arc::clone(relay), Arc::clone(budget));
        let work = Arc::new(Work { deliver, relay, budget, keys, feed, releases: Mutex::default() });
        let mut under_way: JoinSet<()> = (0..sessions).map(|_| Arc::clone(&work).session()).collect();
        while let Some(ended) = under_way.join_next().await {
            if let Err(gone) = ended
                && let Ok(panic) = gone.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
        self.close_lane(&work).await
    }

    /// Gives back what no session sent, letters and tokens.
    async fn close_lane(&self, work: &Work) -> Result<(usize, bool), DeliverError> {
        let left = work.feed.close().await;
        let untouched = left.releases.len();
        let mut releases = std::mem::take(&mut *work.releases.lock().unwrap_or_else(PoisonError::into_inner));
        releases.extend(left.releases);
        self.release(&releases).await?;
        let spare = left.spare.saturating_add(u32::try_from(releases.len()).unwrap_or(u32::MAX));
        self.settle(&work.budget, spare, &releases).await?;
        left.failure.map_or(Ok((left.taken - untouched, left.is_dry)), Err)
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

/// What a session keeps from letter to letter.
struct Course {
    /// The next letter, rendered while the one before was on its way.
    next: Option<Ready>,
    /// When the last result is written.
    last: Option<Receipt>,
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
        let mut course = Course { next: self.prepare().await, last: None };
        while course.next.is_some() {
            let Some(places) = self.deliver.slots.take(&self.keys, &self.deliver.stop).await else { break };
            if !self.letters(&places, &mut course).await {
                break;
            }
        }
        if let Some(ready) = course.next {
            self.feed.put_back(ready.due).await;
        }
        // The ledger writes in order: after the last result all are written.
        if let Some(receipt) = course.last {
            receipt.written().await;
        }
    }

    /// Letters of one session, until there is none, or until others have waited for its
    /// place for long enough, or another daemon has it; says whether it was for the others.
    async fn letters(&self, places: &Places, course: &mut Course) -> bool {
        let (mut open, mut sent, mut is_for_others): (Option<Open>, usize, bool) = (None, 0, false);
        while let Some(ready) = course.next.take() {
            let has_begun = ready.due.begun.is_some();
            let connected = if self.feed.is_over() { None } else { self.connected(open.take(), has_begun).await };
            let Some(mut by) = connected else {
                course.next = Some(ready);
                break;
            };
            self.take_course(&mut by, ready, course).await;
            sent += 1;
            let must_go = places.must_go() || by.must_go();
            open = Some(by).filter(|by| by.session.is_usable());
            is_for_others = must_go || sent >= LETTERS_PER_TURN && places.are_wanted();
            if is_for_others {
                break;
            }
        }
        match open {
            // Others open one in its place.
            Some(by) if places.must_go() || by.must_go() => by.session.quit().await,
            Some(by) => by.park(),
            None => {}
        }
        is_for_others
    }

    /// Sends a letter, and keeps what becomes of it and of the next one.
    async fn take_course(&self, by: &mut Open, ready: Ready, course: &mut Course) {
        let (sent, next) = self.send(by, ready).await;
        course.next = next;
        match sent {
            Sent::Told(receipt) => course.last = Some(receipt),
            Sent::Returned => {}
            // Its handoff stands, so it goes before all others: there is never a second one.
            Sent::Again(ready) => {
                if let Some(other) = course.next.replace(*ready) {
                    self.feed.put_back(other.due).await;
                }
            }
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

    /// A session for the next letter; its handoff may have begun by another one.
    async fn connected(&self, open: Option<Open>, has_begun: bool) -> Option<Open> {
        let most = self.budget.messages_per_session.unwrap_or(usize::MAX);
        self.deliver.connected(&self.relay, open, most, has_begun).await
    }

    /// One transaction: the commands, the handoff's commit and the next letter's rendering side
    /// by side, then the body. Gives the next letter too.
    async fn send(&self, by: &mut Open, ready: Ready) -> (Sent, Option<Ready>) {
        let (session, relay) = (&mut by.session, by.relay.as_ref());
        let Ready { due, outgoing } = &ready;
        let message = match smtp::Message::check(&outgoing.bytes) {
            Ok(message) => message,
            Err(refused) => return (self.finish(relay, due, due.begun, &refused).await, self.prepare().await),
        };
        let handoff = Handoff { relay: relay.id.clone(), ..outgoing.handoff.clone() };
        let envid = format!("d{}", outgoing.token);
        let (from, to) = (outgoing.return_path.as_str(), due.claimed.row.address.as_str());
        let (size, eight_bit) = (message.size(), message.has_eight_bits());
        let envelope = Envelope { from, to, size, eight_bit, envid: Some(&envid) };
        let (is_fresh, has_answered) = (session.sent() == 0, AtomicBool::new(false));
        let commands = async {
            let answers = session.begin(&envelope).await;
            has_answered.store(true, Ordering::Release);
            answers
        };
        let commit = async {
            let begun = match due.begun {
                Some(attempt) => Ok(attempt),
                None => self.deliver.ledger.begin(handoff).await,
            };
            (begun, has_answered.load(Ordering::Acquire))
        };
        let (answers, (begun, is_new), next) = tokio::join!(commands, commit, self.prepare());
        let attempt = match begun {
            Ok(attempt) => attempt,
            Err(no) => return (self.keep_back(relay, ready.due, no).await, next),
        };
        if let Err(verdict) = answers {
            return (self.not_begun(relay, ready, attempt, is_fresh, verdict).await, next);
        }
        // A relay may take minutes to answer, and a client who opted out meanwhile is right.
        // After a 354 only a broken connection takes the message back (RFC 5321 4.1.1.4).
        if !is_new && let Some(no) = self.look_again(due).await {
            return (self.keep_back(relay, ready.due, no).await, next);
        }
        let verdict = session.body(&message).await;
        self.cool_if_busy(relay, &verdict);
        (self.finish(relay, due, Some(attempt), &verdict).await, next)
    }

    /// Why a letter may not leave after all, although its handoff is committed.
    async fn look_again(&self, due: &Due) -> Option<NoHandoff> {
        match self.deliver.store.forbidden(due.claimed.row.id, self.deliver.daemon, self.deliver.clock.now()).await {
            Ok(rule) => rule.map(NoHandoff::Rule),
            Err(error) => {
                tracing::error!("no handoff can be looked at again, so nothing leaves: {error}");
                Some(NoHandoff::Store)
            }
        }
    }

    /// A letter that may not leave.
    async fn keep_back(&self, relay: &Relay, due: Due, no: NoHandoff) -> Sent {
        match no {
            NoHandoff::Rule(rule) => self.forbid(&due, &rule),
            NoHandoff::Store => {
                // No other letter would fare better: the relay is not asked again for nothing.
                self.feed.put_back(due).await;
                self.feed.end();
                self.deliver.cool(&relay.way, DATABASE_PAUSE);
            }
        }
        Sent::Returned
    }

    /// A letter whose handoff stands and whose commands the relay did not take: nothing of its
    /// body has left, so this is never uncertain.
    async fn not_begun(
        &self,
        relay: &Relay,
        mut ready: Ready,
        attempt: AttemptId,
        is_fresh: bool,
        verdict: Verdict,
    ) -> Sent {
        match &verdict {
            // A session that had grown old says nothing about this letter: a new one takes it.
            Verdict::NotSent(_) if !is_fresh => {
                // Its handoff names a stand-in, which the new one would not be.
                if relay.id != self.relay.id {
                    self.release(back(&ready.due.claimed));
                    return Sent::Returned;
                }
                ready.due.begun = Some(attempt);
                return Sent::Again(Box::new(ready));
            }
            // A new session that ends at this letter may end at it again: the try counts, so that
            // a letter the relay cannot stomach does not stand before all others for ever.
            Verdict::NotSent(why) => {
                let id = relay.id.as_str();
                tracing::warn!(relay = id, "relay {id} ended a session before a letter began: {why}");
                self.deliver.cool(&relay.way, COOL_DOWN);
            }
            _ => self.cool_if_busy(relay, &verdict),
        }
        self.finish(relay, &ready.due, Some(attempt), &verdict).await
    }

    /// A 421 asks for quiet (RFC 5321 4.2.1).
    fn cool_if_busy(&self, relay: &Relay, verdict: &Verdict) {
        if let Verdict::Retry(reply) = verdict
            && reply.code == 421
        {
            self.deliver.cool(&relay.way, COOL_DOWN);
        }
    }

    async fn finish(&self, relay: &Relay, due: &Due, attempt: Option<AttemptId>, verdict: &Verdict) -> Sent {
        let around = due.batch.around(&self.deliver, &due.claimed, self.deliver.clock.now());
        let finish = decide::mail(&due.claimed.row, &relay.id, attempt, verdict, around);
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
