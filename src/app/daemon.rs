//! The daemon: each stage in a loop of its own, until a signal says stop.
//!
//! SIGTERM and SIGINT drain: nothing new begins, what is under way ends and is
//! written. SIGHUP reads the configuration again; a bad one keeps the old. A stage
//! that panics ends the daemon, for the service manager to start it afresh.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{AppError, Parts, Stage, reload, watch};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::model::id::DaemonId;
use crate::model::token::TokenKeys;
use crate::respond;
use crate::store::{Migration, Store};
use crate::web::{self, FaxCalls, Health, WebState};

/// The longest wait of a loop: commands are other processes, whose rows are seen by looking.
const POLL: Duration = Duration::from_secs(2);

/// The pause of a loop after an error.
const AFTER_ERROR: Duration = Duration::from_secs(10);

/// What a daemon is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration's file.
    pub config_file: PathBuf,
    /// The variables that override it.
    pub environment: Vec<(String, String)>,
    /// Domain time.
    pub clock: Clock,
}

/// Runs until a signal says stop.
///
/// # Errors
/// The configuration, the database, a key, a port or a relay cannot be used; or a stage ended.
pub async fn run(options: Options) -> Result<(), AppError> {
    let mut config = Arc::new(config::load(&options.config_file, &options.environment)?);
    let url = config.database.reveal_url()?;
    let store = Store::open(url.expose_secret(), Migration::BackUpFirst).await?;
    let _lock = store.lock()?;
    let keys = config::keys::load_or_create(&config.files.key_file)?;
    let now = options.clock.now();
    let daemon = store.register_daemon(now).await?;
    report_pauses(&store, now).await?;
    // Compiling the rules for reading answers takes a moment, once: not at the first answer.
    tokio::task::spawn_blocking(respond::read::prepare);
    let mut listener = listen(&config).await?;
    loop {
        let serving = Serving { options: &options, store: &store, keys: &keys, daemon, config: Arc::clone(&config) };
        match serving.until_signal(&listener).await? {
            Exit::Stop => break,
            Exit::Reload(fresh) => {
                let (newer, address) = *fresh;
                config = Arc::new(newer);
                listener = address.unwrap_or(listener);
            }
        }
    }
    store.end_daemon(daemon, options.clock.now()).await?;
    store.close().await;
    tracing::info!("stopped; everything that left is written");
    Ok(())
}

/// Why a serving ended.
enum Exit {
    Stop,
    /// With the new configuration, and a new listener if its address changed.
    Reload(Box<(Config, Option<TcpListener>)>),
}

async fn listen(config: &Config) -> Result<TcpListener, AppError> {
    let address = config.web.listen.clone();
    TcpListener::bind(&address).await.map_err(|source| AppError::Listen { address, source })
}

async fn report_pauses(store: &Store, now: Timestamp) -> Result<(), AppError> {
    for pause in store.pauses(now).await? {
        if pause.scope == crate::store::PauseScope::All {
            tracing::warn!(reason = pause.reason, "sending is paused since {}; `outreachd resume` goes on", pause.at);
        }
    }
    Ok(())
}

/// One span between two readings of the configuration.
struct Serving<'a> {
    options: &'a Options,
    store: &'a Store,
    keys: &'a TokenKeys,
    daemon: DaemonId,
    config: Arc<Config>,
}

impl Serving<'_> {
    async fn until_signal(&self, listener: &TcpListener) -> Result<Exit, AppError> {
        let (stop, stop_web) = (CancellationToken::new(), CancellationToken::new());
        let (health, nudge, fax_calls) =
            (Arc::new(Health::default()), Arc::new(Notify::new()), Arc::new(FaxCalls::default()));
        let clock = self.options.clock.clone();
        let parts = Parts {
            store: self.store.clone(),
            config: Arc::clone(&self.config),
            keys: self.keys.clone(),
            clock: clock.clone(),
            daemon: self.daemon,
            fax_calls: Arc::clone(&fax_calls),
        };
        let mut loops = JoinSet::new();
        for stage in Stage::all(&parts, &stop)? {
            health.expect(stage.name(), limit(&stage), clock.now());
            let ring = Ring {
                clock: clock.clone(),
                nudge: Arc::clone(&nudge),
                stop: stop.clone(),
                health: Arc::clone(&health),
            };
            loops.spawn(ring.turn(stage));
        }
        let mut around = JoinSet::new();
        around.spawn(watch::watchdog(self.store.clone(), stop_web.clone()));
        if let Some(url) = &self.config.daemon.heartbeat_url {
            around.spawn(watch::heartbeat(url, Arc::clone(&health), clock.clone(), stop_web.clone())?);
        }
        let state = WebState {
            store: self.store.clone(),
            config: Arc::clone(&self.config),
            keys: self.keys.clone(),
            clock,
            nudge,
            health,
            fax_calls,
        };
        let pages = reload::another_handle(listener)
            .map_err(|source| AppError::Listen { address: self.config.web.listen.clone(), source })?;
        around.spawn({
            let (router, stop_web) = (web::router(state), stop_web.clone());
            async move {
                if let Err(error) = web::serve(pages, router, stop_web).await {
                    tracing::error!(%error, "the pages stopped");
                }
            }
        });
        watch::ready();
        tracing::info!("ready; pages on http://{}", self.config.web.listen);
        let exit = tokio::select! {
            exit = self.signal() => exit,
            ended = loops.join_next() => Err(ended_early(ended)),
        };
        // The stages first, the pages and the watchdog last: an opt-out is taken while mails drain.
        stop.cancel();
        watch::stopping(matches!(exit, Ok(Exit::Stop)));
        while let Some(ended) = loops.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a stage ended badly");
            }
        }
        stop_web.cancel();
        while around.join_next().await.is_some() {}
        exit
    }

    /// Waits for a signal that ends this span.
    async fn signal(&self) -> Result<Exit, AppError> {
        let on = |kind| signal(kind).map_err(AppError::Signals);
        let (mut term, mut int, mut hup) =
            (on(SignalKind::terminate())?, on(SignalKind::interrupt())?, on(SignalKind::hangup())?);
        loop {
            tokio::select! {
                _ = term.recv() => return Ok(Exit::Stop),
                _ = int.recv() => return Ok(Exit::Stop),
                _ = hup.recv() => {}
            }
            watch::reloading();
            match reload::read(self.options, &self.config).await {
                Ok(fresh) => {
                    tracing::info!("the configuration was read again");
                    return Ok(Exit::Reload(Box::new(fresh)));
                }
                Err(reasons) => {
                    for reason in reasons {
                        tracing::error!("the new configuration is not used, the old one stays: {reason}");
                    }
                    watch::ready();
                }
            }
        }
    }
}

/// How long a stage may go without a good turn before `/readyz` complains.
fn limit(stage: &Stage) -> SignedDuration {
    match stage {
        // A relay may take ten minutes to answer a final dot (RFC 5321 4.5.3.2.6).
        Stage::Deliver(..) => SignedDuration::from_mins(20),
        _ => SignedDuration::from_mins(5),
    }
}

fn ended_early(ended: Option<Result<String, tokio::task::JoinError>>) -> AppError {
    match ended {
        Some(Ok(name)) => AppError::Ended(name, "it returned".into()),
        Some(Err(error)) => AppError::Ended("of unknown name".into(), error.to_string()),
        None => AppError::Ended("none".into(), "there is none".into()),
    }
}

/// What one stage's loop has at hand.
struct Ring {
    clock: Clock,
    nudge: Arc<Notify>,
    stop: CancellationToken,
    health: Arc<Health>,
}

impl Ring {
    /// Turns a stage until it is told to stop; returns its name.
    async fn turn(self, mut stage: Stage) -> String {
        let name = stage.name().to_owned();
        let mut last_error = None;
        while !self.stop.is_cancelled() {
            let now = self.clock.now();
            let turned = stage.turn(now).await;
            self.health.turned(&name, now, turned.as_ref().err().cloned());
            let wait = match turned {
                Ok(turn) => {
                    if last_error.take().is_some() {
                        tracing::info!(stage = name, "stage {name} turns again");
                    }
                    if turn.done > 0 { Duration::ZERO } else { until(turn.next_at, now) }
                }
                Err(error) => {
                    // The same error again is no news.
                    if last_error.as_ref() != Some(&error) {
                        tracing::error!(stage = name, "stage {name}: {error}");
                        last_error = Some(error);
                    }
                    AFTER_ERROR
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.nudge.notified(), if !wait.is_zero() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        stage.close().await;
        name
    }
}

/// How long to wait for `next_at`, at most [`POLL`].
fn until(next_at: Option<Timestamp>, now: Timestamp) -> Duration {
    let wait = next_at.map_or(POLL, |at| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO));
    // Not a busy loop, even if a stage names an instant that has passed.
    wait.clamp(Duration::from_millis(20), POLL)
}
