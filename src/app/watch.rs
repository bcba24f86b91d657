//! Those who watch the daemon: systemd's notifications and watchdog, a heartbeat URL.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::clock::Clock;
use crate::store::Store;
use crate::transport::http::{self, HttpClient, Limits};
use crate::web::Health;

/// Between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// How long the database may take to answer the watchdog.
const PATIENCE: Duration = Duration::from_secs(20);

/// Says that the daemon serves.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the configuration is read again.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot tell systemd of the reload"),
    }
}

/// Says that the daemon drains, if it does.
pub(super) fn stopping(really: bool) {
    if really {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot tell systemd");
    }
}

/// Pings systemd's watchdog as long as the database answers, until `stop`.
pub(super) async fn watchdog(store: Store, stop: CancellationToken) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    loop {
        match tokio::time::timeout(PATIENCE, store.ping()).await {
            Ok(Ok(())) => tell(&[NotifyState::Watchdog]),
            Ok(Err(error)) => tracing::error!(%error, "no ping to the watchdog: the database fails"),
            Err(_) => tracing::error!("no ping to the watchdog: the database does not answer"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(period / 3) => {}
        }
    }
}

/// Calls a URL every minute while all is well, until `stop`, so that silence is noticed.
///
/// # Errors
/// The URL cannot be used.
pub(super) fn heartbeat(
    url: &str,
    health: Arc<Health>,
    clock: Clock,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()> + use<>, AppError> {
    let url = http::parse_url(url)?;
    let client = HttpClient::new(&url, Limits::default())?;
    Ok(async move {
        loop {
            if health.complaints(clock.now()).is_empty()
                && let Err(error) = client.get(url.clone()).await
            {
                tracing::warn!(%error, "the heartbeat was not heard");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(HEARTBEAT) => {}
            }
        }
    })
}
