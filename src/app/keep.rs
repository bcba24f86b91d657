//! The daemon's lease where several daemons share a database: renewed by a task of its
//! own, beside the loops, from before the first to after the last of them. It also takes
//! over what dead ones left.
//!
//! A daemon that finds its lease lost (it was stopped, frozen or cut off for too long)
//! says so by `lost`, and renews nothing more: what it began is drained, its late results
//! are stored, and it goes on as a new one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::wake::Wake;
use crate::clock::Clock;
use crate::model::id::DaemonId;
use crate::store::{Heart, Store, StoreError};
use crate::web::Health;

/// The keeper's name, as health shows it.
pub(super) const NAME: &str = "keep";

/// What keeps a lease.
pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) daemon: DaemonId,
    pub(super) lease: Duration,
    pub(super) clock: Clock,
    pub(super) health: Arc<Health>,
    pub(super) wake: Wake,
    pub(super) lost: CancellationToken,
}

impl Keeper {
    /// Keeps the lease until `stop` or until it is lost.
    pub(super) async fn keep(self, heart: Heart, stop: CancellationToken) {
        let mut beat_at = Instant::now();
        let mut last_error = None;
        loop {
            match self.beat(&heart, &mut beat_at).await {
                Ok(true) => last_error = None,
                Ok(false) => {
                    tracing::error!(
                        "others took this daemon for dead; it begins nothing more and goes on as a new one"
                    );
                    self.lost.cancel();
                    break;
                }
                Err(error) => {
                    // The same again is no news.
                    if last_error.as_ref() != Some(&error) {
                        tracing::error!("cannot say that this daemon lives: {error}");
                    }
                    self.health.turned(NAME, self.clock.now(), Some(error.clone()));
                    last_error = Some(error);
                }
            }
            if stop.run_until_cancelled(sleep(self.lease / 3)).await.is_none() {
                break;
            }
        }
        heart.stop().await;
    }

    /// One beat, and a look for the dead; `false` if the lease is lost.
    async fn beat(&self, heart: &Heart, beat_at: &mut Instant) -> Result<bool, String> {
        let beat = timeout(self.lease, heart.beat(self.lease, self.clock.now())).await;
        if !beat.map_err(|_| "the database does not answer".to_owned())?.map_err(|error| error.to_string())? {
            return Ok(false);
        }
        // Who was cut off itself gives the others time to come back, too.
        let was_cut_off = std::mem::replace(beat_at, Instant::now()).elapsed() > self.lease;
        if !was_cut_off {
            take_over(&self.store, self.daemon, &self.clock, &self.wake).await.map_err(|error| error.to_string())?;
        }
        self.health.turned(NAME, self.clock.now(), None);
        Ok(true)
    }
}

/// Takes over what daemons left that run no more.
pub(super) async fn take_over(store: &Store, daemon: DaemonId, clock: &Clock, wake: &Wake) -> Result<(), StoreError> {
    let (freed, uncertain) = store.recover(daemon, clock.now()).await?;
    if freed + uncertain > 0 {
        tracing::warn!(
            freed,
            uncertain,
            "took over what a daemon left that runs no more: {freed} free again, {uncertain} uncertain"
        );
        wake.ring();
    }
    Ok(())
}
