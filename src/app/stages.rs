//! The stages of one daemon, each behind the same face: a turn at an instant.

use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::deliver::{Deliver, DeliverError};
use crate::digest;
use crate::evidence::Evidence;
use crate::guard::Guard;
use crate::model::id::DaemonId;
use crate::model::token::TokenKeys;
use crate::model::turn::Turn;
use crate::mx::Exchangers;
use crate::respond::{Respond, Source};
use crate::schedule;
use crate::store::{Hold, Store};
use crate::web::FaxCalls;

/// When a daemon looks again whether what another one does has become its own.
const STAND_BY_SECONDS: i64 = 5;

/// What every stage is made from.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The rows.
    pub store: Store,
    /// The configuration.
    pub config: Arc<Config>,
    /// What signs tokens.
    pub keys: TokenKeys,
    /// Domain time.
    pub clock: Clock,
    /// This daemon.
    pub daemon: DaemonId,
    /// The faxes whose gateway has called.
    pub fax_calls: Arc<FaxCalls>,
}

/// One stage.
pub enum Stage {
    /// Plans become deliveries.
    Schedule(Parts),
    /// Deliveries leave.
    Deliver(Parts, Arc<Deliver>),
    /// One mailbox is read.
    Respond(Parts, String, Box<Respond>),
    /// Managers get their digest.
    Digest(Parts),
    /// Uncertain letters are settled by what is known elsewhere.
    Evidence(Parts, Box<Evidence>),
    /// Campaigns that go wrong are paused.
    Guard(Parts, Guard),
    /// The DNS is asked whose hosts take whose mail.
    Exchangers(Parts, Box<Exchangers>),
}

impl Stage {
    /// All stages of a daemon. Those that deliver begin nothing new once `stop` is cancelled.
    ///
    /// # Errors
    /// A relay or the fax gateway cannot be used as it is configured.
    pub fn all(parts: &Parts, stop: &CancellationToken) -> Result<Vec<Self>, DeliverError> {
        let Parts { store, config, keys, clock, daemon, .. } = parts.clone();
        let deliver = Deliver::new(store, Arc::clone(&config), keys, clock, daemon, stop.clone())?;
        let mut stages = vec![
            Self::Schedule(parts.clone()),
            Self::Deliver(parts.clone(), deliver),
            Self::Digest(parts.clone()),
            Self::Evidence(parts.clone(), Box::new(Evidence::new(&config))),
            Self::Guard(parts.clone(), Guard::default()),
        ];
        if config.pace.providers.has_hosts() {
            stages.push(Self::Exchangers(parts.clone(), Box::new(Exchangers::new(&config))));
        }
        for mailbox in &config.mailboxes {
            let source = Source::Configured(Box::new(mailbox.clone()));
            let respond = Respond::new(&mailbox.id, source);
            stages.push(Self::Respond(parts.clone(), format!("respond/{}", mailbox.id), Box::new(respond)));
        }
        Ok(stages)
    }

    /// Its name, as health and logs show it.
    pub fn name(&self) -> &str {
        match self {
            Self::Schedule(_) => "schedule",
            Self::Deliver(..) => "deliver",
            Self::Respond(_, name, _) => name,
            Self::Digest(_) => "digest",
            Self::Evidence(..) => "evidence",
            Self::Guard(..) => "guard",
            Self::Exchangers(..) => "mx",
        }
    }

    /// What only one daemon of a database does at a time, under a lease of the stage's name:
    /// two would do the same work twice over. Delivering is everybody's.
    fn alone(&self) -> Option<&Parts> {
        match self {
            Self::Schedule(parts) | Self::Respond(parts, ..) | Self::Digest(parts) => Some(parts),
            Self::Guard(parts, _) => Some(parts),
            // Each machine reads the log of its own relay, and what others have asked.
            Self::Deliver(..) | Self::Evidence(..) | Self::Exchangers(..) => None,
        }
    }

    /// One turn at `now`.
    ///
    /// # Errors
    /// In words, for the log and for `/readyz`; what was done so far stays.
    pub async fn turn(&mut self, now: Timestamp) -> Result<Turn, String> {
        if let Some(parts) = self.alone() {
            let held = parts.store.hold_lease(self.name(), parts.daemon, now).await;
            match held.map_err(|error| error.to_string())? {
                Hold::Kept => {}
                Hold::Taken => tracing::info!("stage {} runs in this daemon now", self.name()),
                Hold::Elsewhere => {
                    return Ok(Turn { done: 0, next_at: now.checked_add(STAND_BY_SECONDS.seconds()).ok() });
                }
            }
        }
        match self {
            Self::Schedule(parts) => schedule::turn(&parts.store, &parts.config, now).await.map_err(|e| e.to_string()),
            Self::Deliver(parts, deliver) => {
                for called in parts.fax_calls.take() {
                    deliver.nudge_fax(called);
                }
                deliver.turn(now).await.map_err(|error| error.to_string())
            }
            Self::Respond(parts, _, respond) => {
                let turn = respond.turn(&parts.store, &parts.config, &parts.keys, now).await;
                // A turn that only waits until the next try went no better than the one before.
                match (turn, respond.trouble()) {
                    (Ok(_), Some(trouble)) => Err(trouble.to_owned()),
                    (turn, _) => turn.map_err(|error| error.to_string()),
                }
            }
            Self::Digest(parts) => {
                digest::turn(&parts.store, &parts.config, &parts.keys, now).await.map_err(|error| error.to_string())
            }
            Self::Evidence(parts, evidence) => {
                let turn = evidence.turn(&parts.store, &parts.config, &parts.keys, now).await;
                turn.map_err(|error| error.to_string())
            }
            Self::Guard(parts, guard) => {
                guard.turn(&parts.store, &parts.config, now).await.map_err(|error| error.to_string())
            }
            Self::Exchangers(parts, exchangers) => {
                let turn = exchangers.turn(&parts.store, &parts.config, parts.daemon, now).await;
                turn.map_err(|error| error.to_string())
            }
        }
    }

    /// What it needs from outside the program, and what is wrong with each.
    pub fn ways(&self) -> Vec<(String, Option<String>)> {
        match self {
            Self::Deliver(_, deliver) => deliver.ways(),
            Self::Evidence(_, evidence) => evidence.ways(),
            _ => Vec::new(),
        }
    }

    /// Waits until what it has begun is written.
    pub async fn close(self) {
        if let Self::Deliver(_, deliver) = self {
            deliver.close().await;
        }
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stage({})", self.name())
    }
}
