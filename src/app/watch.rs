//! Those who watch the daemon: systemd's notifications and watchdog, a heartbeat URL.
//!
//! All of them look at the database first, by one [`Pulse`]: without it nothing is well.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;
use url::Url;

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
        Err(error) => tracing::warn!("cannot tell systemd of the reload: {error}"),
    }
}

/// Says that the daemon drains.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    // It blocks while the service manager does not read.
    if let Err(error) = tokio::task::block_in_place(|| sd_notify::notify(state)) {
        tracing::warn!("cannot tell systemd: {error}");
    }
}

/// Whether the database answers, for all who must know before they begin something.
pub(super) struct Pulse {
    store: Store,
    /// What was last said to be wrong: the same again is no news, whoever finds it.
    trouble: Mutex<Option<String>>,
}

impl Pulse {
    pub(super) fn new(store: Store) -> Self {
        Self { store, trouble: Mutex::default() }
    }

    /// Whether the database answers; if not, why.
    pub(super) async fn feel(&self) -> Result<(), String> {
        let felt = match tokio::time::timeout(PATIENCE, self.store.ping()).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("the database does not answer".to_owned()),
        };
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &felt {
            Ok(()) if trouble.take().is_some() => tracing::info!("the database answers again; all goes on"),
            Err(error) if trouble.as_ref() != Some(error) => {
                tracing::error!("nothing is begun until the database is there again: {error}");
                *trouble = Some(error.clone());
            }
            _ => {}
        }
        felt
    }
}

/// Pings systemd's watchdog as long as the database answers, until `stop`.
pub(super) async fn watchdog(pulse: Arc<Pulse>, stop: CancellationToken) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    loop {
        if pulse.feel().await.is_ok() {
            tell(&[NotifyState::Watchdog]);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(period / 3) => {}
        }
    }
}

/// The heartbeat's way out.
///
/// # Errors
/// The URL cannot be used.
pub(super) fn caller(url: &str) -> Result<(HttpClient, Url), AppError> {
    let url = http::parse_url(url)?;
    Ok((HttpClient::new(&url, Limits::default())?, url))
}

/// Calls a URL every minute while all is well, until `stop`, so that silence is noticed.
pub(super) async fn heartbeat(
    (client, url): (HttpClient, Url),
    pulse: Arc<Pulse>,
    health: Arc<Health>,
    clock: Clock,
    stop: CancellationToken,
) {
    let mut said: Option<String> = None;
    loop {
        let trouble = beat(&client, &url, &pulse, &health, &clock).await.err();
        // The same again is no news.
        if let Some(why) = trouble.as_ref().filter(|why| said.as_ref() != Some(*why)) {
            tracing::warn!("no heartbeat: {why}");
        }
        said = trouble;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
    }
}

async fn beat(client: &HttpClient, url: &Url, pulse: &Pulse, health: &Health, clock: &Clock) -> Result<(), String> {
    pulse.feel().await?;
    if let [first, ..] = health.all_complaints(clock.now()).as_slice() {
        return Err(first.clone());
    }
    match client.get(url.clone()).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(format!("heartbeat_url answered {}", answer.status)),
        Err(error) => Err(format!("heartbeat_url: {error}")),
    }
}
