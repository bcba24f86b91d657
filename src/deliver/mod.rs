//! From delivery rows to the wire, and the result back: claim, render, hand off, finish.
//!
//! Never sends twice by itself and loses nothing in silence; see
//! [`crate::model::delivery::DeliveryState`] for the states it moves. One delivery
//! goes this way, and a kill between any two lines of it is accounted for:
//!
//! 1. [`Store::claim`]: it is this daemon's; a restart sets it free.
//! 2. [`letter`]: its inputs are frozen and rendered; nothing has left.
//! 3. [`ledger`]: the handoff is committed; a restart makes it uncertain. Meanwhile MAIL, RCPT
//!    and DATA are on the wire; a refusal here ends the try, and nothing has left.
//! 4. The body leaves, and the answer is read.
//! 5. [`ledger`]: the result is committed, with or before the session's next handoff.
//!
//! What a result means is decided in [`decide`], which is pure.

mod batch;
mod budget;
mod decide;
mod editions;
mod fax;
mod feed;
mod frozen;
mod lanes;
mod ledger;
mod letter;
mod mail;
mod places;
mod refused;
mod relays;
mod rests;
mod slots;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::config::dkim::{DkimError, Signers};
use crate::model::act::Act;
use crate::model::id::DaemonId;
use crate::model::token::TokenKeys;
use crate::model::turn::{Turn, earliest};
use crate::store::{Store, StoreError};

use ledger::Ledger;
use rests::{Pause, Rests};

/// Why a turn of delivery failed.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The store could not do it.
    #[error("cannot deliver: {0}")]
    Store(#[from] StoreError),
    /// A relay of the configuration cannot be used as it is written.
    #[error("cannot use a relay: {0}")]
    Relay(#[from] crate::transport::smtp::SetupError),
    /// A DKIM key of the configuration cannot sign.
    #[error("cannot sign letters: {0}")]
    Dkim(#[from] DkimError),
    /// The fax gateway of the configuration cannot be used as it is written.
    #[error("cannot use the fax gateway: {0}")]
    Gateway(#[from] crate::transport::fax::FaxError),
}

/// How long a relay that failed is left alone.
const COOL_DOWN: SignedDuration = SignedDuration::from_secs(60);

/// The stage: what it needs for a turn, and what it keeps between turns.
pub struct Deliver {
    store: Store,
    config: Arc<Config>,
    keys: TokenKeys,
    clock: Clock,
    daemon: DaemonId,
    stop: CancellationToken,
    ledger: Ledger,
    editions: editions::Editions,
    signers: Signers,
    mail: relays::Relays,
    fax: fax::Line,
    rests: Rests,
    slots: Arc<slots::Slots>,
    /// Gets places for sessions, where others share the database.
    sharing: Option<places::Sharing>,
    turns: budget::Turns,
    /// A turn failed, perhaps one before a reload: what it had claimed must be set free.
    unclean: AtomicBool,
    /// A turn came back with an error: what it left handed off must be taken back.
    came_back: AtomicBool,
}

impl Deliver {
    /// The stage for one daemon. When `stop` is cancelled it begins nothing new.
    ///
    /// # Errors
    /// A relay, the gateway or a DKIM key cannot be used as it is configured.
    pub fn new(
        store: Store,
        config: Arc<Config>,
        keys: TokenKeys,
        clock: Clock,
        daemon: DaemonId,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, DeliverError> {
        let signers = Signers::load(&config)?;
        let mail = relays::Relays::new(&config)?;
        let bell = store.is_shared().then(|| Arc::new(Notify::new()));
        let slots = Arc::new(slots::Slots::new(&config, bell.clone()));
        let sharing = bell.map(|bell| {
            let who = (store.clone(), daemon, clock.clone());
            places::Sharing::start(who, Arc::clone(&slots), mail.clone(), bell)
        });
        Ok(Arc::new(Self {
            signers,
            ledger: Ledger::start(store.clone(), clock.clone(), daemon, stop.clone()),
            mail,
            fax: fax::Line::new(&config)?,
            editions: editions::Editions::default(),
            rests: Rests::default(),
            slots,
            sharing,
            turns: budget::Turns::default(),
            unclean: AtomicBool::new(true),
            came_back: AtomicBool::new(false),
            store,
            config,
            keys,
            clock,
            daemon,
            stop,
        }))
    }

    /// One turn: what is due at `now`, a few batches of every lane, and a look at the faxes
    /// that are under way.
    ///
    /// # Errors
    /// The store does not answer. What was claimed and not begun stays claimed until the
    /// next turn sets it free.
    pub async fn turn(self: &Arc<Self>, now: Timestamp) -> Result<Turn, DeliverError> {
        let turn = self.poll_faxes(now).await?;
        if !self.ledger.is_healthy() {
            // Results that could not be written are tried again by the ledger; nothing new begins.
            return Ok(Turn { done: turn.done, next_at: earliest(turn.next_at, Some(after(now, COOL_DOWN))) });
        }
        // Every session of a turn that came back has ended and every result is written: of what
        // still stands as handed off no body has left. A turn that was dropped proves nothing.
        if self.came_back.load(Ordering::Acquire) {
            self.store.take_back(self.daemon, now).await?;
            self.came_back.store(false, Ordering::Release);
        }
        if self.unclean.swap(true, Ordering::AcqRel) {
            self.store.free_claims(self.daemon).await?;
        }
        let lanes = self.run_lanes(now).await;
        self.came_back.store(lanes.is_err(), Ordering::Release);
        let lanes = lanes?;
        self.unclean.store(false, Ordering::Release);
        Ok(turn.and(lanes))
    }

    /// Leaves a way alone for a while.
    fn cool(&self, way: &str, pause: SignedDuration) {
        self.rests.rest(way, after(self.clock.now(), pause));
    }

    /// Leaves a way alone because it failed; says whether that is news.
    fn failed(&self, way: &str, why: &str, pause: Pause) -> bool {
        self.rests.failed(way, why, pause, self.clock.now())
    }

    /// Each relay and the fax gateway, and why nothing leaves by it, if so.
    pub fn ways(&self) -> Vec<(String, Option<String>)> {
        let relays = self.config.relays.iter();
        let relays = relays.map(|relay| (format!("relay/{}", relay.id), format!("email/{}", relay.id)));
        let fax = self.config.fax.iter().map(|_| ("fax".to_owned(), "fax".to_owned()));
        relays.chain(fax).map(|(name, lane)| (name, self.rests.trouble(&lane))).collect()
    }

    fn act(&self) -> Act {
        Act::stage("deliver", self.clock.now())
    }

    /// Waits until every result is written. Call it after the last turn.
    pub async fn close(self: Arc<Self>) {
        // Sessions and feeds end with their turn, so nobody else holds it.
        if let Some(deliver) = Arc::into_inner(self) {
            deliver.ledger.close().await;
            if let Some(sharing) = deliver.sharing {
                sharing.close().await;
            }
        }
    }
}

fn after(now: Timestamp, pause: SignedDuration) -> Timestamp {
    now.checked_add(pause).unwrap_or(now)
}

impl std::fmt::Debug for Deliver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deliver").field("daemon", &self.daemon).finish_non_exhaustive()
    }
}
