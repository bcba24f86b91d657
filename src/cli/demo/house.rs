//! The invented company put together: its rows, the stages as `run` has them, our
//! pages, and the world beside them, all on one clock that jumps.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use axum::Router;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::virtual_time::{self, World as Beside};
use crate::app::{Parts, Stage};
use crate::campaign::apply::apply_all;
use crate::campaign::{check, plan};
use crate::client::import;
use crate::clock::{Clock, ManualClock};
use crate::config::Config;
use crate::demo::company::{self, Peers};
use crate::demo::story::Opening;
use crate::demo::world::{Servers, World};
use crate::inbox::{Inbox, MemoryInbox};
use crate::model::act::Act;
use crate::model::token::TokenKeys;
use crate::model::turn::Turn;
use crate::respond::{Respond, Source};
use crate::store::{Migration, Store};
use crate::web::{self, FaxCalls, Health, WebState};

/// The company and its world.
pub(super) struct House {
    pub(super) store: Store,
    pub(super) config: Arc<Config>,
    pub(super) keys: TokenKeys,
    pub(super) clock: ManualClock,
    pub(super) servers: Servers,
    stages: Vec<Stage>,
    world: World,
    stop: CancellationToken,
}

impl House {
    /// Sets it up in `folder`, with our pages at `public_url`.
    pub(super) async fn set_up(folder: &Path, public_url: String) -> anyhow::Result<Self> {
        let clock = ManualClock::new(company::beginning());
        let servers = Servers::start(Clock::Manual(clock.clone())).await.context("cannot start the demo's servers")?;
        company::write_files(folder).context("cannot write the demo's files")?;
        let peers = Peers {
            relay_port: servers.relay.addr().port(),
            fax_url: servers.gateway.base_url().to_owned(),
            public_url,
        };
        let config = Arc::new(company::config(folder, &peers)?);
        let url = config.database.reveal_url()?;
        let store = Store::open(url.expose_secret(), Migration::Apply).await?;
        let parts = Parts {
            store: store.clone(),
            config: Arc::clone(&config),
            keys: company::keys(),
            clock: Clock::Manual(clock.clone()),
            daemon: store.register_daemon(clock.now()).await?,
            fax_calls: Arc::new(FaxCalls::default()),
        };
        let (stop, inbox) = (CancellationToken::new(), MemoryInbox::new());
        let mut stages = Stage::all(&parts, &stop)?;
        // They look again and again, for lost answers and for campaigns gone wrong: here no answer
        // is lost and all goes well, and to a clock that jumps a minute is nothing.
        stages.retain(|stage| !matches!(stage, Stage::Evidence(..) | Stage::Guard(..)));
        let respond = Respond::new(company::MAILBOX, Source::Open(Inbox::Memory(inbox.clone())));
        stages.push(Stage::Respond(parts.clone(), format!("respond/{}", company::MAILBOX), Box::new(respond)));
        let world = World::new(servers.clone(), inbox);
        Ok(Self { store, config, keys: parts.keys, clock, servers, stages, world, stop })
    }

    /// Appoints, imports, checks, plans and applies: what people do before the daemon does the rest.
    pub(super) async fn open(&self) -> anyhow::Result<Opening> {
        let now = self.clock.now();
        let act = Act::person(self.config.company.head.folded(), now);
        for user in company::people() {
            self.store.appoint(&act, &user, "the demo's people").await?;
        }
        let file = Path::new(company::CLIENT_FILE);
        let request = import::Request::default();
        let clients = company::CLIENTS.as_bytes();
        let imported = import::run(&self.store, &self.config, &act, file, clients, request, |_, _| {}).await?;
        ensure!(imported.mistakes.is_empty(), "the sample clients have mistakes: {:?}", imported.mistakes);
        let check = check::check(Some(&self.store), &self.config, now, &|_| {}).await?;
        ensure!(check.mistakes.is_empty(), "the sample campaign has mistakes: {:?}", check.mistakes);
        let plan = plan::preview(&self.store, &self.config, &check, now, false, &|_| ()).await?;
        let applied = apply_all(&self.store, &self.config, &check, &act, &|_| {}).await?;
        let missing = || anyhow!("the sample campaign is not there");
        Ok(Opening {
            clients: self.store.count_contacts().await?,
            checked: check.campaigns.into_iter().next().with_context(missing)?,
            plan: plan.into_iter().next().with_context(missing)?,
            applied: applied.into_iter().next().with_context(missing)?,
        })
    }

    /// Our own pages, with `more` beside them, on `listener` until this is dropped.
    pub(super) fn serve(&self, listener: TcpListener, more: Router) -> JoinHandle<std::io::Result<()>> {
        let state = WebState {
            store: self.store.clone(),
            config: Arc::clone(&self.config),
            keys: self.keys.clone(),
            clock: Clock::Manual(self.clock.clone()),
            nudge: Arc::new(Notify::new()),
            health: Arc::new(Health::default()),
            fax_calls: Arc::new(FaxCalls::default()),
        };
        tokio::spawn(web::serve(listener, web::router(state).merge(more), self.stop.clone()))
    }

    /// Lets everything happen that happens until `until`.
    pub(super) async fn live(&mut self, until: Timestamp) -> anyhow::Result<()> {
        let mut beside = Outside(&mut self.world);
        virtual_time::drive(&mut self.stages, &mut beside, &self.clock, until).await.map_err(|error| anyhow!(error))?;
        self.world.trouble().map_or(Ok(()), |trouble| Err(trouble.into()))
    }

    /// Ends the pages and what is under way.
    pub(super) async fn close(self) {
        self.stop.cancel();
        for stage in self.stages {
            stage.close().await;
        }
        self.store.close().await;
    }
}

/// The world, as the driver of virtual time wants it.
struct Outside<'a>(&'a mut World);

impl Beside for Outside<'_> {
    async fn turn(&mut self, now: Timestamp) -> Turn {
        self.0.turn(now).await
    }
}
