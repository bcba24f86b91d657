//! The stage that delivers, over a database of its own, on a clock that the test moves.
//!
//! What it sends are notices: no pause, window or campaign has a say, so what becomes of
//! one is the wire's and the ledger's doing alone.

use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;
use outreachd::clock::{Clock, ManualClock};
use outreachd::config::{self, Config, Timeouts};
use outreachd::deliver::Deliver;
use outreachd::model::act::Act;
use outreachd::model::id::{AttemptId, DaemonId};
use outreachd::model::token::TokenKeys;
use outreachd::store::{AttemptState, DeliveryFilter, DeliveryRow, NewDelivery, Store};
use tokio_util::sync::CancellationToken;

use crate::support::databases::{Database, sqlite};
use crate::support::house;
use crate::support::ledger::finish;
pub use crate::support::ledger::handoff;
use crate::support::notice::{composed, notice};

/// Seconds of every timer where a relay is to stall: short, and yet enough for a busy machine.
pub const SHORT_S: u64 = 2;

/// The stage and what it stands on.
pub struct Bench {
    pub store: Store,
    pub clock: ManualClock,
    config: Arc<Config>,
    daemon: DaemonId,
    _database: Database,
}

impl Bench {
    /// A bench whose relay listens on `port`, and takes so many sessions.
    pub async fn new(port: u16, sessions: usize) -> Self {
        let database = sqlite().await;
        let relay = format!("host = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nsessions = {sessions}");
        let clock = ManualClock::new("2027-03-01T09:00:00Z".parse().unwrap());
        let daemon = database.store.register_daemon(clock.now()).await.unwrap();
        let config = Arc::new(house::config(&relay, ""));
        Self { store: database.store.clone(), clock, config, daemon, _database: database }
    }

    /// The stage, which remembers no trouble with the relay.
    fn deliver(&self, config: Arc<Config>) -> Arc<Deliver> {
        let keys = TokenKeys::new(vec![(1, vec![7; 32])]);
        let clock = Clock::Manual(self.clock.clone());
        Deliver::new(self.store.clone(), config, keys, clock, self.daemon, CancellationToken::new()).unwrap()
    }

    /// Mails that are due now, to `NAME@fyrljus.example`, of about `size` bytes each.
    pub async fn notices(&self, names: &[String], size: usize) {
        let now = self.clock.now();
        let text = "Ljuset i lagret mäts på torsdag.\n".repeat(size / 32 + 1);
        let new: Vec<_> =
            names.iter().map(|name| NewDelivery { payload: Some(composed(&text)), ..notice(name, now) }).collect();
        self.store.create_deliveries(&self.act(), &new).await.unwrap();
    }

    /// One turn of a fresh stage, and all that it has begun is written.
    pub async fn turn(&self) {
        self.turn_with(Arc::clone(&self.config)).await;
    }

    /// The same with a relay that is given up after [`SHORT_S`] at each step.
    pub async fn impatient_turn(&self) {
        let mut config = Config::clone(&self.config);
        config.relays[0].timeouts = Timeouts::all(SHORT_S);
        self.turn_with(Arc::new(config)).await;
    }

    async fn turn_with(&self, config: Arc<Config>) {
        let deliver = self.deliver(config);
        deliver.turn(self.clock.now()).await.unwrap();
        deliver.close().await;
    }

    pub fn pass_hours(&self, hours: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_hours(hours));
    }

    pub async fn rows(&self) -> Vec<DeliveryRow> {
        self.store.deliveries(&DeliveryFilter::default(), 100_000).await.unwrap()
    }

    /// Commits the handoff of the mail to `NAME@fyrljus.example`, as a session would.
    pub async fn hand_off(&self, name: &str) -> AttemptId {
        let row = self.row(name).await;
        let lanes = self.store.waiting_lanes().await.unwrap();
        let claimed = self.store.claim(self.daemon, &lanes[0].0, self.clock.now(), 1).await.unwrap();
        assert_eq!(claimed.iter().map(|one| one.row.id).collect::<Vec<_>>(), [row.id]);
        let handoff = handoff(row.id);
        self.store.exchange(&self.act(), self.daemon, &[], &[handoff]).await.unwrap().begun[&row.id]
    }

    /// Enters a result of one of its tries.
    pub async fn finish(&self, name: &str, attempt: AttemptId, state: AttemptState) {
        let finish = finish(self.row(name).await.id, attempt, state);
        self.store.exchange(&self.act(), self.daemon, &[finish], &[]).await.unwrap();
    }

    fn act(&self) -> Act {
        Act::stage("test", self.clock.now())
    }

    /// The mail to `NAME@fyrljus.example`.
    pub async fn row(&self, name: &str) -> DeliveryRow {
        self.rows().await.into_iter().find(|row| row.key == format!("notice/{name}")).unwrap()
    }
}

/// The configuration in a file, as the program reads it.
pub fn config_from(file: &Path) -> Arc<Config> {
    Arc::new(config::load(file, &[]).unwrap())
}

/// The stage, in this process, as the program would run it from this configuration file.
pub fn deliver_from(file: &Path, store: &Store, clock: Clock, daemon: DaemonId) -> Arc<Deliver> {
    let config = config_from(file);
    let keys = config::keys::load_or_create(&config.files.key_file).unwrap();
    Deliver::new(store.clone(), config, keys, clock, daemon, CancellationToken::new()).unwrap()
}
