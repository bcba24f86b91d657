//! What wakes the loops: rows that another stage, another process or a page wrote.
//!
//! A stage says by itself when it next has something to do at a known instant. All
//! else comes as rows, and whoever writes them rings here. A ring is never lost: it
//! is seen by a loop that is in the middle of a turn as soon as that turn has ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::watch::Pulse;
use crate::model::id::DaemonId;
use crate::store::{ForeignWrites, Store};

/// Between two looks for rows of other processes, where nobody tells.
const LOOK: Duration = Duration::from_secs(2);

/// The most often that other daemons are told of our results: each of them then looks.
const ANNOUNCE: Duration = Duration::from_secs(1);

/// The bell of one daemon's loops.
#[derive(Clone, Debug, Default)]
pub(super) struct Wake {
    bell: Arc<watch::Sender<()>>,
    moved: Arc<Notify>,
}

impl Wake {
    /// Somebody else wrote: all look.
    pub(super) fn ring(&self) {
        self.bell.send_replace(());
    }

    /// A stage of this daemon moved rows: all look, in other daemons too.
    pub(super) fn moved(&self) {
        self.ring();
        self.moved.notify_one();
    }

    /// What a loop waits on.
    pub(super) fn listen(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }
}

/// Rings when a page asks for it, until `stop`.
pub(super) async fn for_pages(wake: Wake, nudge: Arc<Notify>, stop: CancellationToken) {
    while stop.run_until_cancelled(nudge.notified()).await.is_some() {
        wake.ring();
    }
}

/// Tells other daemons of rows that were moved here, until `stop`.
pub(super) async fn announce(wake: Wake, store: Store, daemon: DaemonId, stop: CancellationToken) {
    while stop.run_until_cancelled(wake.moved.notified()).await.is_some() {
        // Whoever is not told looks by itself within a minute.
        if let Err(error) = store.announce(daemon).await {
            tracing::debug!("cannot tell other daemons of new rows: {error}");
        }
        stop.run_until_cancelled(tokio::time::sleep(ANNOUNCE)).await;
    }
}

/// Rings when another process wrote or the database is there again, until `stop`.
pub(super) async fn for_others(wake: Wake, pulse: Arc<Pulse>, store: Store, daemon: DaemonId, stop: CancellationToken) {
    let mut ear = None;
    while let Some(heard) = stop.run_until_cancelled(hear(&mut ear, &pulse, &store, daemon)).await {
        if heard {
            wake.ring();
        }
        // Who waits to be told listens on at once.
        if !heard || !store.tells() {
            stop.run_until_cancelled(tokio::time::sleep(LOOK)).await;
        }
    }
}

/// One look, or one wait to be told. A new ear has missed what came before it: that counts
/// as heard.
async fn hear(ear: &mut Option<ForeignWrites>, pulse: &Pulse, store: &Store, daemon: DaemonId) -> bool {
    if let Some(open) = ear {
        let looked = open.look().await;
        if looked.is_err() {
            *ear = None;
        }
        return looked.unwrap_or(false);
    }
    // It says what is wrong, once.
    if pulse.feel().await.is_ok() {
        *ear = store.foreign_writes(daemon).await.ok();
    }
    ear.is_some()
}
