//! T1: killed at random while it sends, it sends nothing twice and loses nothing.
//!
//! Kills are shared among several daemons, each with a database and a relay of its own:
//! 60 here, 300 under CI, and `OUTREACHD_TEST_KILLS=1000 cargo test --test guarantee t1_`.

use std::collections::HashMap;

use outreachd::demo::mail_server::{MailServer, Options, Stage};
use outreachd::model::delivery::DeliveryState;
use outreachd::store::{Migration, Store};
use rustix::process::Signal;
use sqlx::Executor;

use crate::support::daemon::{Daemon, Site, count, deliveries, plans, soon};
use crate::support::databases::fresh_postgres;
use crate::support::services::postgres_url;
use crate::trap::{Chance, Trap};

const SESSIONS: usize = 4;

/// Letters for each kill; the first dozen or so leave before it.
const LETTERS: usize = 24;

/// How many kills the test makes in all.
pub fn kills() -> usize {
    let usual = if std::env::var_os("CI").is_some() { 300 } else { 60 };
    std::env::var("OUTREACHD_TEST_KILLS").map_or(usual, |text| text.parse().unwrap())
}

/// One daemon, again and again, and what it is killed upon.
struct Victim {
    site: Site,
    store: Store,
    relay: MailServer,
    trap: Trap,
    /// The database, where it is PostgreSQL's.
    postgres: Option<String>,
    letters: usize,
}

impl Victim {
    async fn new(kills: usize, pipelining: bool, postgres: Option<String>) -> Self {
        let (trap, script) = Trap::new();
        let relay = MailServer::start(script, Options { pipelining, ..Options::default() }).await.unwrap();
        let site = Site::new(relay.addr().port());
        let store = match &postgres {
            Some(url) => Store::open(url, Migration::Apply).await.unwrap(),
            None => site.store().await,
        };
        let letters = kills * LETTERS;
        plans(&store, letters).await;
        Self { site, store, relay, trap, postgres, letters }
    }

    fn run(&self) -> Daemon {
        let sessions = SESSIONS.to_string();
        let mut variables = vec![("OUTREACHD_LOG", "warn"), ("OUTREACHD_RELAY__0__SESSIONS", &sessions)];
        if let Some(url) = &self.postgres {
            variables.push(("OUTREACHD_DATABASE__URL", url));
        }
        self.site.run_with(&variables)
    }

    /// Starts the daemon and kills it somewhere in the middle of a few letters.
    async fn kill(&mut self, chance: &mut Chance) {
        let stages = [Stage::Greeting, Stage::Mail, Stage::Recipient, Stage::Data, Stage::Body, Stage::Dot];
        let stage = stages[usize::try_from(chance.below(6)).unwrap()];
        let passes = chance.below(if stage == Stage::Greeting { 2 } else { 8 });
        self.trap.arm(stage, passes, chance.below(2) == 0);
        let mut daemon = self.run();
        daemon.until("the moment to be killed at", self.trap.sprung()).await;
        daemon.signal(Signal::KILL);
        let (_, said) = daemon.ended().await;
        self.trap.release();
        assert!(!said.iter().any(|line| line.contains("panicked")), "{said:?}");
        let under_way = count(&self.store, DeliveryState::Handoff).await;
        assert!(under_way <= SESSIONS, "{under_way} under way in {SESSIONS} sessions");
        self.lapse().await;
    }

    /// Lets the dead daemon's lease lapse, as a minute does.
    async fn lapse(&self) {
        if let Some(url) = &self.postgres {
            let pool = sqlx::PgPool::connect(url).await.unwrap();
            pool.execute("UPDATE daemon SET ended_at = 0 WHERE ended_at IS NULL").await.unwrap();
            pool.close().await;
        }
    }

    /// Lets it run to the end, and stops it.
    async fn finish(&self) {
        let mut arrivals = self.relay.arrivals();
        let daemon = self.run();
        loop {
            arrivals.borrow_and_update();
            let rows = deliveries(&self.store).await;
            let open =
                |state| !matches!(state, DeliveryState::Accepted | DeliveryState::Uncertain | DeliveryState::Handoff);
            if rows.len() == self.letters && !rows.iter().any(|row| open(row.state)) {
                break;
            }
            soon("the next letter", arrivals.changed()).await.unwrap();
        }
        daemon.stop().await;
        assert_eq!(count(&self.store, DeliveryState::Handoff).await, 0, "a drained daemon leaves none");
    }

    /// Each letter is at the relay at most once, and its row knows as much as can be known.
    async fn account(&self, kills: usize) -> String {
        let mut received: HashMap<String, usize> = HashMap::new();
        for recipient in self.relay.received().iter().flat_map(|mail| mail.to.clone()) {
            *received.entry(recipient).or_default() += 1;
        }
        let rows = deliveries(&self.store).await;
        assert_eq!(rows.len(), self.letters, "none is missing");
        let mut uncertain = 0;
        for row in &rows {
            let copies = received.remove(&row.address).unwrap_or(0);
            match row.state {
                DeliveryState::Accepted => assert_eq!(copies, 1, "accepted: {row:?}"),
                DeliveryState::Uncertain => {
                    assert!(copies <= 1, "received {copies} times: {row:?}");
                    uncertain += 1;
                }
                _ => panic!("neither accepted nor uncertain: {row:?}"),
            }
        }
        assert_eq!(received.len(), 0, "nothing came that is in no row");
        assert!(uncertain <= kills * SESSIONS, "{uncertain} uncertain after {kills} kills of {SESSIONS} sessions");
        format!("{} letters, {kills} kills, {uncertain} uncertain, none twice, none lost", rows.len())
    }
}

async fn killed(kills: usize, seed: u64, postgres: Option<String>) {
    let mut chance = Chance(seed);
    let mut victim = Victim::new(kills, !seed.is_multiple_of(2), postgres).await;
    for _ in 0..kills {
        victim.kill(&mut chance).await;
    }
    victim.finish().await;
    println!("seed {seed}: {}", victim.account(kills).await);
}

async fn several(kills: usize, seed: u64) {
    println!("seed {seed}, {kills} kills");
    let victims = [0, 1, 2].map(|victim| tokio::spawn(killed(kills.div_ceil(3), seed + victim, None)));
    for victim in victims {
        victim.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn t1_killed_at_random_it_sends_nothing_twice_and_loses_nothing() {
    several(kills(), u64::from(std::process::id())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t1_killed_on_postgresql_it_sends_nothing_twice_and_loses_nothing() {
    let Some(server) = postgres_url() else { return };
    let url = fresh_postgres(&server, "t1_kills").await;
    let seed = u64::from(std::process::id());
    killed(kills().div_ceil(10), seed, Some(url)).await;
}
