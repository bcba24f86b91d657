//! The daemon: each stage in a loop of its own, until a signal says stop.
//!
//! SIGTERM and SIGINT drain: nothing new begins, what is under way ends and is
//! written. SIGHUP reads the configuration again; a bad one keeps the old. A stage
//! that panics ends the daemon, for the service manager to start it afresh. One that
//! others took for dead drains likewise and goes on under a new id.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::keep::{self, Keeper};
use super::ring::Ring;
use super::signals::{Signals, Wish};
use super::wake::{self, Wake};
use super::watch::{self, Pulse};
use super::{AppError, Parts, Stage, reload};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::model::act::Act;
use crate::model::id::DaemonId;
use crate::model::token::TokenKeys;
use crate::respond;
use crate::store::{DaemonLock, Migration, Store};
use crate::web::{self, FaxCalls, Health, WebState};

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
    let mut signals = Signals::listen()?;
    let mut config = Arc::new(config::load(&options.config_file, &options.environment)?);
    reload::try_out(&config)?;
    let url = config.database.reveal_url()?;
    // Before the database is opened: a second one must not bring its schema up to date.
    let _lock = DaemonLock::of(url.expose_secret())?;
    let mut listener = listen(&config).await?;
    let store = Store::open(url.expose_secret(), Migration::BackUpFirst).await?;
    let keys = config::keys::load_or_create(&config.files.key_file)?;
    store.settle(&Act::stage("run", options.clock.now())).await?;
    let mut daemon = begin(&store, &options.clock).await?;
    report_pauses(&store, options.clock.now()).await?;
    loop {
        let serving = Serving { options: &options, store: &store, keys: &keys, daemon, config: Arc::clone(&config) };
        match serving.until_signal(&listener, &mut signals).await? {
            Exit::Stop => break,
            Exit::Lost => daemon = begin(&store, &options.clock).await?,
            Exit::Reload(fresh) => {
                if store.unfinished(daemon).await? > 0 {
                    // Results that could not be written: only a daemon that has ended is taken over.
                    store.end_daemon(daemon, options.clock.now()).await?;
                    daemon = begin(&store, &options.clock).await?;
                }
                let (newer, address) = *fresh;
                config = Arc::new(newer);
                listener = address.unwrap_or(listener);
            }
        }
    }
    let unwritten = store.unfinished(daemon).await?;
    store.end_daemon(daemon, options.clock.now()).await?;
    store.close().await;
    if unwritten > 0 {
        return Err(AppError::Unwritten(unwritten));
    }
    tracing::info!("stopped; everything that left is written");
    Ok(())
}

/// Why a serving ended.
enum Exit {
    Stop,
    /// Others took this daemon for dead.
    Lost,
    /// With the new configuration, and a new listener if its address changed.
    Reload(Box<(Config, Option<TcpListener>)>),
}

async fn listen(config: &Config) -> Result<TcpListener, AppError> {
    let address = config.web.listen.clone();
    TcpListener::bind(&address).await.map_err(|source| AppError::Listen { address, source })
}

/// Registers a daemon, which takes over what dead ones left before it begins anything.
async fn begin(store: &Store, clock: &Clock) -> Result<DaemonId, AppError> {
    let daemon = store.register_daemon(clock.now()).await?;
    keep::take_over(store, daemon, clock, &Wake::default()).await?;
    Ok(daemon)
}

async fn report_pauses(store: &Store, now: Timestamp) -> Result<(), AppError> {
    for pause in store.pauses(now).await? {
        if pause.scope == crate::store::PauseScope::All {
            tracing::warn!("nothing is sent: paused since {} ({}); `outreachd resume` goes on", pause.at, pause.reason);
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
    async fn until_signal(&self, listener: &TcpListener, signals: &mut Signals) -> Result<Exit, AppError> {
        let (stop, stop_web, lost) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let ring = Ring {
            clock: self.options.clock.clone(),
            nudge: Arc::new(Notify::new()),
            wake: Wake::default(),
            stop: stop.clone(),
            health: Arc::new(Health::default()),
            pulse: Arc::new(Pulse::new(self.store.clone())),
        };
        let fax_calls = Arc::new(FaxCalls::default());
        // What can fail is made first: a loop that has begun must be drained, not dropped.
        let stages = Stage::all(&self.parts(&fax_calls), &stop)?;
        let mut around = self.around(&ring, &fax_calls, listener, &stop_web)?;
        self.listen_and_keep(&ring, &mut around, &stop_web, &lost);
        let mut loops = JoinSet::new();
        for stage in stages {
            ring.expect(&stage);
            loops.spawn(ring.clone().turn(stage));
        }
        watch::ready();
        // Compiling the rules for reading answers takes a moment, once: not at the first answer.
        tokio::task::spawn_blocking(respond::read::prepare);
        let exit = tokio::select! {
            exit = self.asked(signals) => Ok(exit),
            () = lost.cancelled() => Ok(Exit::Lost),
            ended = loops.join_next() => Err(ended_early(ended)),
        };
        // The stages first; pages, watchdog and lease last: an opt-out is taken while mails drain,
        // and who drains lives.
        stop.cancel();
        if matches!(exit, Ok(Exit::Stop)) {
            watch::stopping();
            tracing::info!("stopping: nothing new begins, what is under way ends and is written");
        }
        while let Some(ended) = loops.join_next().await {
            if let Err(error) = ended {
                tracing::error!("a stage ended badly: {error}");
            }
        }
        stop_web.cancel();
        while around.join_next().await.is_some() {}
        exit
    }

    fn parts(&self, fax_calls: &Arc<FaxCalls>) -> Parts {
        Parts {
            store: self.store.clone(),
            config: Arc::clone(&self.config),
            keys: self.keys.clone(),
            clock: self.options.clock.clone(),
            daemon: self.daemon,
            fax_calls: Arc::clone(fax_calls),
        }
    }

    /// Starts what stands around the stages: watchdog, heartbeat, pages.
    fn around(
        &self,
        ring: &Ring,
        fax_calls: &Arc<FaxCalls>,
        listener: &TcpListener,
        stop: &CancellationToken,
    ) -> Result<JoinSet<()>, AppError> {
        let no_pages = |source| AppError::Listen { address: self.config.web.listen.clone(), source };
        let pages = reload::another_handle(listener).map_err(no_pages)?;
        let address = pages.local_addr().map_err(no_pages)?;
        let caller = self.config.daemon.heartbeat_url.as_deref().map(watch::caller).transpose()?;
        let mut around = JoinSet::new();
        around.spawn(watch::watchdog(Arc::clone(&ring.pulse), stop.clone()));
        if let Some(caller) = caller {
            let (pulse, health) = (Arc::clone(&ring.pulse), Arc::clone(&ring.health));
            around.spawn(watch::heartbeat(caller, pulse, health, ring.clock.clone(), stop.clone()));
        }
        let router = web::router(WebState {
            store: self.store.clone(),
            config: Arc::clone(&self.config),
            keys: self.keys.clone(),
            clock: ring.clock.clone(),
            nudge: Arc::clone(&ring.nudge),
            health: Arc::clone(&ring.health),
            fax_calls: Arc::clone(fax_calls),
        });
        let stop = stop.clone();
        around.spawn(async move {
            if let Err(error) = web::serve(pages, router, stop).await {
                tracing::error!("the pages stopped: {error}");
            }
        });
        tracing::info!("ready; pages on http://{address}");
        Ok(around)
    }

    /// Starts what wakes the stages, and what keeps this daemon's lease.
    fn listen_and_keep(
        &self,
        ring: &Ring,
        around: &mut JoinSet<()>,
        stop: &CancellationToken,
        lost: &CancellationToken,
    ) {
        let (store, wake) = (|| self.store.clone(), || ring.wake.clone());
        around.spawn(wake::for_pages(wake(), Arc::clone(&ring.nudge), stop.clone()));
        around.spawn(wake::for_others(wake(), Arc::clone(&ring.pulse), store(), self.daemon, stop.clone()));
        let Some(heart) = self.store.heart(self.daemon) else { return };
        around.spawn(wake::announce(wake(), store(), self.daemon, stop.clone()));
        let lease = Duration::from_secs(self.config.daemon.lease_s);
        ring.health.expect(keep::NAME, SignedDuration::from_mins(5), ring.clock.now());
        let keeper = Keeper {
            store: store(),
            daemon: self.daemon,
            lease,
            clock: ring.clock.clone(),
            health: Arc::clone(&ring.health),
            wake: wake(),
            lost: lost.clone(),
        };
        around.spawn(keeper.keep(heart, stop.clone()));
    }

    /// Waits until somebody asks for an end of this span.
    async fn asked(&self, signals: &mut Signals) -> Exit {
        loop {
            match signals.next().await {
                Wish::Stop => return Exit::Stop,
                Wish::Reload => {}
            }
            watch::reloading();
            match reload::read(self.options, &self.config).await {
                Ok(fresh) => {
                    tracing::info!("the configuration was read again and is used");
                    return Exit::Reload(Box::new(fresh));
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

fn ended_early(ended: Option<Result<String, tokio::task::JoinError>>) -> AppError {
    match ended {
        Some(Ok(name)) => AppError::Ended(name, "it returned".into()),
        Some(Err(error)) => AppError::Ended("of unknown name".into(), error.to_string()),
        None => AppError::Ended("none".into(), "there is none".into()),
    }
}
