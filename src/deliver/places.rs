//! Gets this daemon's places for sessions, where others share its database.
//!
//! While letters wait or leave it asks once a second, for all limits at once, and at once
//! where it has none and wants some. Sessions deal among themselves what it got: a letter
//! or a turn costs no statement. What it may no longer hold it gives back as sessions end
//! their letters. Who is alone on a file asks nothing, ever.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::relays::Relays;
use super::slots::Slots;
use crate::clock::Clock;
use crate::model::id::DaemonId;
use crate::store::{PlaceAsk, Store, StoreError};

/// How often it asks while letters wait or leave.
const PERIOD: Duration = Duration::from_secs(1);

/// What rings shortly after another is answered with it.
const SPACING: Duration = Duration::from_millis(20);

/// Times that it finds nothing to do before it gives all places back and asks no more.
const IDLE: u32 = 5;

/// The task that asks; it ends with this.
pub(super) struct Sharing {
    task: JoinHandle<()>,
    gone: DropGuard,
}

struct Asker {
    store: Store,
    daemon: DaemonId,
    clock: Clock,
    slots: Arc<Slots>,
    relays: Relays,
    /// Limits of which the database has us hold or want something.
    told: BTreeSet<String>,
}

impl Sharing {
    /// Begins to ask for the places of `slots` whenever `bell` rings.
    pub(super) fn start(
        (store, daemon, clock): (Store, DaemonId, Clock),
        slots: Arc<Slots>,
        relays: Relays,
        bell: Arc<Notify>,
    ) -> Self {
        let gone = CancellationToken::new();
        let asker = Asker { store, daemon, clock, slots, relays, told: BTreeSet::new() };
        let task = tokio::spawn(asker.run(bell, gone.clone()));
        Self { task, gone: gone.drop_guard() }
    }

    /// Gives all places back. No session may be open any more.
    pub(super) async fn close(self) {
        drop(self.gone);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "this daemon's places for sessions are given back when it ends");
        }
    }
}

impl Asker {
    async fn run(mut self, bell: Arc<Notify>, gone: CancellationToken) {
        let (mut idle, mut said) = (0, None);
        while !gone.is_cancelled() {
            let began = Instant::now();
            if idle >= IDLE {
                self.drop_all().await;
            }
            let asks = self.asks();
            idle = if asks.iter().all(|ask| ask.own.wanted == 0) { idle + 1 } else { 0 };
            let asked = self.ask(&asks).await;
            let trouble = asked.as_ref().err().map(ToString::to_string);
            // The same again is no news.
            if let Some(error) = trouble.as_ref().filter(|error| said.as_ref() != Some(*error)) {
                tracing::error!("letters may wait, for the database says nothing of places for sessions: {error}");
            }
            said = trouble;
            if asked.is_ok_and(|gave_back| gave_back) {
                continue;
            }
            tokio::select! {
                () = gone.cancelled() => {}
                () = rung(&bell, began) => idle = 0,
                () = sleep(PERIOD), if !asks.is_empty() => {}
            }
        }
        self.drop_all().await;
        if let Err(error) = self.ask(&self.asks()).await {
            tracing::warn!("places for sessions are given back when this daemon ends only: {error}");
        }
    }

    /// Every limit of which something is held or wanted, or was when it was said last.
    fn asks(&self) -> Vec<PlaceAsk> {
        let all = self.slots.standing().into_iter();
        let concerned = all.filter(|(key, own)| own.held + own.wanted > 0 || self.told.contains(key));
        concerned.map(|(key, own)| PlaceAsk { key, own }).collect()
    }

    /// Asks once; whether something was given back, which must be said.
    async fn ask(&mut self, asks: &[PlaceAsk]) -> Result<bool, StoreError> {
        if asks.is_empty() {
            return Ok(false);
        }
        let shares = self.store.share_places(self.daemon, asks, self.clock.now()).await?;
        let mut given_back = 0;
        for (ask, share) in asks.iter().zip(shares) {
            if ask.own.held.max(share) + ask.own.wanted > 0 {
                self.told.insert(ask.key.clone());
            } else {
                self.told.remove(&ask.key);
            }
            given_back += self.settle(&ask.key, share).await;
        }
        Ok(given_back > 0)
    }

    /// Gives up every place that nobody uses.
    async fn drop_all(&self) {
        for (key, _) in self.slots.standing() {
            self.settle(&key, 0).await;
        }
    }

    /// An open session that nobody uses holds no place here, but others would count it.
    async fn settle(&self, key: &str, share: u32) -> usize {
        let gone = self.slots.settle(key, share);
        self.relays.close_some(key, gone).await;
        gone
    }
}

/// Waits for the bell, and a little for what else rings.
async fn rung(bell: &Notify, began: Instant) {
    bell.notified().await;
    sleep_until(began + SPACING).await;
}
