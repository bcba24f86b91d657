//! The relays and their open sessions: which one takes the next letter, and who stands in
//! for a relay that cannot be reached.
//!
//! Only a connection is ever replaced. A letter that was handed off to one relay is not
//! handed to another one by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Deliver;
use super::rests::Pause;
use super::slots::Places;
use crate::config::Config;
use crate::model::limit::Scope;
use crate::transport::smtp::{self, Connector, Session};

/// The relays of the configuration, ready to connect.
#[derive(Clone)]
pub(super) struct Relays(HashMap<String, Arc<Relay>>);

pub(super) struct Relay {
    pub(super) id: String,
    /// What rests when it fails.
    pub(super) way: String,
    connector: Connector,
    messages_per_session: usize,
    /// The relay that takes its letters while it cannot be reached.
    backup: Option<String>,
    /// Open sessions that nobody uses now; the next one to send takes one of them.
    parked: Mutex<Vec<Session>>,
}

impl Relays {
    pub(super) fn new(config: &Config) -> Result<Self, smtp::SetupError> {
        let relay = |relay: &crate::config::Relay| {
            let ready = Relay {
                id: relay.id.clone(),
                way: format!("email/{}", relay.id),
                connector: Connector::new(relay)?,
                messages_per_session: relay.messages_per_session.max(1),
                backup: relay.backup.clone(),
                parked: Mutex::default(),
            };
            Ok((relay.id.clone(), Arc::new(ready)))
        };
        config.relays.iter().map(relay).collect::<Result<_, _>>().map(Self)
    }

    /// The relay with this id.
    pub(super) fn find(&self, id: &str) -> Option<&Arc<Relay>> {
        self.0.get(id)
    }

    /// Ends the sessions that nobody uses.
    pub(super) async fn close_parked(&self) {
        for relay in self.0.values() {
            while let Some(session) = relay.unpark() {
                session.quit().await;
            }
        }
    }

    /// Ends up to `count` sessions that nobody uses of the relay whose limit has this key.
    pub(super) async fn close_some(&self, key: &str, count: usize) {
        let Some(relay) = self.0.values().find(|relay| count > 0 && Scope::Relay(relay.id.clone()).key() == key) else {
            return;
        };
        for _ in 0..count {
            let Some(session) = relay.unpark() else { return };
            session.quit().await;
        }
    }
}

impl Relay {
    fn park(&self, session: Session) {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    fn unpark(&self) -> Option<Session> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// An open session, and whose.
pub(super) struct Open {
    pub(super) session: Session,
    pub(super) relay: Arc<Relay>,
    /// A backup's place; its own the lane holds.
    place: Option<Places>,
}

impl Open {
    /// Whether it is not the session of `relay` itself.
    fn is_stand_in(&self, relay: &Relay) -> bool {
        self.relay.id != relay.id
    }

    /// Whether its place belongs to another daemon now.
    pub(super) fn must_go(&self) -> bool {
        self.place.as_ref().is_some_and(Places::must_go)
    }

    /// Leaves the session to whoever sends next.
    pub(super) fn park(self) {
        self.relay.park(self.session);
    }
}

impl Deliver {
    /// The open session if it can take another letter, else a parked or a new one. Where the
    /// relay cannot be reached, one of its backup, unless the letter's handoff already names
    /// the relay.
    pub(super) async fn connected(
        &self,
        relay: &Arc<Relay>,
        open: Option<Open>,
        most: usize,
        has_begun: bool,
    ) -> Option<Open> {
        let own = |session| Open { session, relay: Arc::clone(relay), place: None };
        let most = most.min(relay.messages_per_session);
        if let Some(by) = open.or_else(|| relay.unpark().map(own)) {
            let may_stay = by.session.is_usable() && by.session.sent() < most;
            if may_stay && !(has_begun && by.is_stand_in(relay)) {
                return Some(by);
            }
            by.session.quit().await;
        }
        match self.connect(relay).await {
            Some(session) => Some(own(session)),
            None if has_begun => None,
            None => self.backup(relay).await,
        }
    }

    /// A session of the relay's backup, if it has one that can be reached.
    async fn backup(&self, relay: &Relay) -> Option<Open> {
        let backup = self.mail.find(relay.backup.as_deref()?)?;
        // Hardly waits: who holds a place of this relay may be waited for by the other.
        let place = self.slots.try_take(&Scope::Relay(backup.id.clone()).key()).await?;
        let session = self.connect(backup).await?;
        tracing::warn!(relay = backup.id, "relay {} takes the letters of relay {}", backup.id, relay.id);
        Some(Open { session, relay: Arc::clone(backup), place: Some(place) })
    }

    /// A new session, unless the relay rests or cannot be reached.
    async fn connect(&self, relay: &Relay) -> Option<Session> {
        let (id, way) = (relay.id.as_str(), relay.way.as_str());
        self.rests.until(way, self.clock.now()).is_none().then_some(())?;
        match relay.connector.connect().await {
            Ok(session) => {
                if self.rests.works(way) {
                    tracing::info!(relay = id, "mail leaves by relay {id} again");
                }
                Some(session)
            }
            Err(error) => {
                let pause = if error.is_permanent() { Pause::LONG } else { Pause::SHORT };
                if self.failed(way, &error.to_string(), pause) {
                    tracing::error!(relay = id, "no mail leaves by relay {id} for now: {error}");
                }
                None
            }
        }
    }
}
