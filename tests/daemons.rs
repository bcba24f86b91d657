//! Several daemons on one PostgreSQL: one that is killed or frozen loses nothing and sends
//! nothing twice, and what one of them does at a time goes on in another.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use outreachd::clock::Clock;
use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options, Stage};
use outreachd::model::delivery::DeliveryState;
use outreachd::store::{DeliveryFilter, DeliveryRow, Hold, Migration, Store};
use rustix::process::Signal;
use support::daemon::{ANY_PORT, Daemon, Site, configuration, errors, notices, plans, soon};
use support::databases::fresh_postgres;
use support::gate::Gate;
use support::services::postgres_url;

const SESSIONS: usize = 4;

/// A lease that a test can wait for, and a busy machine can keep.
const SHORT_LEASE: &str = "[daemon]\nlease_s = 4";

/// A machine with a daemon on `relay`, a few sessions at a time.
fn machine(relay: &MailServer) -> Site {
    let text = configuration(relay.addr().port(), ANY_PORT, "tls = \"none\"", SHORT_LEASE);
    Site::with(&text.replace("sessions = 1", &format!("sessions = {SESSIONS}")))
}

/// The same, one mail at a time.
fn slow_machine(relay: &MailServer) -> Site {
    Site::with(&configuration(relay.addr().port(), ANY_PORT, "tls = \"none\"", SHORT_LEASE))
}

fn start(site: &Site, url: &str) -> Daemon {
    site.run_with(&[("OUTREACHD_DATABASE__URL", url)])
}

/// One that says little: nobody reads a line for each of its many mails.
fn start_quietly(site: &Site, url: &str) -> Daemon {
    site.run_with(&[("OUTREACHD_DATABASE__URL", url), ("OUTREACHD_LOG", "warn")])
}

/// A fresh database of the server, and a store over it.
async fn database(test: &str) -> Option<(String, Store)> {
    let url = fresh_postgres(&postgres_url()?, test).await;
    let store = Store::open(&url, Migration::Apply).await.unwrap();
    Some((url, store))
}

async fn all(store: &Store) -> Vec<DeliveryRow> {
    let mut rows = store.deliveries(&DeliveryFilter::default(), 100_000).await.unwrap();
    rows.sort_by_key(|row| row.id);
    rows
}

async fn mails(store: &Store, count: usize) {
    let names: Vec<_> = (0..count).map(|number| format!("n{number}")).collect();
    notices(store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// How often each address got something.
fn received(relays: &[&MailServer]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for to in relays.iter().flat_map(|relay| relay.received()).flat_map(|mail| mail.to.clone()) {
        *counts.entry(to).or_default() += 1;
    }
    counts
}

/// Waits until nothing is left to begin; looks at each arrival.
async fn all_begun(store: &Store, relay: &MailServer) {
    let mut arrivals = relay.arrivals();
    let open = [DeliveryState::Scheduled, DeliveryState::Claimed, DeliveryState::Retry];
    let filter = DeliveryFilter { states: open.to_vec(), ..Default::default() };
    soon("all mails", async {
        while !store.deliveries(&filter, 1).await.unwrap().is_empty() {
            arrivals.changed().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t5_a_frozen_daemons_late_result_resolves_what_others_found_uncertain() {
    let Some((url, store)) = database("t5").await else { return };
    let (gate, script) = Gate::at(Stage::Dot);
    let slow = MailServer::start(script, Options::default()).await.unwrap();
    let quick = MailServer::accepting().await.unwrap();
    let (first_site, second_site) = (slow_machine(&slow), machine(&quick));
    mails(&store, 5).await;
    let mut frozen = start(&first_site, &url);
    gate.reached().await;
    frozen.signal(Signal::STOP);

    let mut other = start(&second_site, &url);
    let line = other.says("took over what a daemon left").await;
    assert!(line.contains("4 free again, 1 uncertain"), "{line}");
    soon("the mails that were claimed", quick.wait_for(4)).await;
    let states: Vec<_> = all(&store).await.iter().map(|row| row.state).collect();
    assert_eq!(states[0], DeliveryState::Uncertain, "{states:?}");

    frozen.signal(Signal::CONT);
    frozen.says("others took this daemon for dead").await;
    assert_eq!(slow.received().len(), 0, "the relay has not answered yet");
    gate.let_one();
    // It drains, and begins anew.
    frozen.ready().await;
    let row = all(&store).await.remove(0);
    assert_eq!((row.state, row.reason), (DeliveryState::Accepted, None), "its late result counts");
    assert_eq!(store.attempts(row.id).await.unwrap().len(), 1);
    assert_eq!(slow.received().len(), 1, "under its old name it began nothing more");
    assert!(received(&[&slow, &quick]).values().all(|count| *count == 1));

    other.stop().await;
    notices(&store, &["later"]).await;
    gate.open();
    soon("a mail under its new name", slow.wait_for(2)).await;
    frozen.stop().await;
    assert!(all(&store).await.iter().all(|row| row.state == DeliveryState::Accepted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_two_is_killed_and_the_other_sends_all_the_rest_once() {
    const MAILS: usize = 2000;
    let Some((url, store)) = database("daemons_killed").await else { return };
    let relay = MailServer::accepting().await.unwrap();
    let sites = [machine(&relay), machine(&relay)];
    mails(&store, MAILS).await;
    let (victim, mut other) = (start_quietly(&sites[0], &url), start_quietly(&sites[1], &url));
    soon("a part of the mails", relay.wait_for(MAILS / 4)).await;
    victim.signal(Signal::KILL);
    assert_eq!(victim.ended().await.0, None);
    other.says("took over what a daemon left").await;
    all_begun(&store, &relay).await;
    other.stop().await;

    let (rows, got) = (all(&store).await, received(&[&relay]));
    assert_eq!(rows.len(), MAILS);
    let mut uncertain = 0;
    for row in &rows {
        let count = got.get(&row.address).copied().unwrap_or(0);
        match row.state {
            DeliveryState::Accepted => assert_eq!(count, 1, "{row:?}"),
            DeliveryState::Uncertain => {
                assert!(count <= 1, "{count}: {row:?}");
                uncertain += 1;
            }
            _ => panic!("neither accepted nor uncertain: {row:?}"),
        }
    }
    assert!(uncertain <= SESSIONS, "{uncertain}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_share_the_sessions_of_a_relay_and_the_other_has_all_when_one_is_killed() {
    let Some((url, store)) = database("daemons_sessions").await else { return };
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (first_gate, first_script) = Gate::at(Stage::Dot);
    let (gate, script) = Gate::at(Stage::Dot);
    let first_relay = MailServer::start(counted(&open, &most, first_script), Options::default()).await.unwrap();
    let relay = MailServer::start(counted(&open, &most, script), Options::default()).await.unwrap();
    let machine = |relay: &MailServer| {
        let text = configuration(relay.addr().port(), ANY_PORT, "tls = \"none\"", SHORT_LEASE);
        Site::with(&text.replace("sessions = 1", "sessions = 2"))
    };
    let sites = [machine(&first_relay), machine(&relay)];
    mails(&store, 4000).await;
    let first = start_quietly(&sites[0], &url);
    first_gate.reached().await;
    first_gate.reached().await;
    let mut second = start(&sites[1], &url);
    second.ready().await;
    // As soon as the first has heard of the second, the end of a letter leaves its place to that.
    loop {
        first_gate.let_one();
        tokio::select! {
            () = gate.reached() => break,
            () = first_gate.reached() => {}
        }
    }
    assert_eq!((open.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (2, 2));

    first.signal(Signal::KILL);
    // The place of the one that is dead.
    second.until("a second letter", gate.reached()).await;
    first.ended().await;
    second.signal(Signal::KILL);
    second.ended().await;
    assert!(received(&[&first_relay, &relay]).values().all(|count| *count == 1));
}

/// `script`, with a count of the mails between their MAIL and their dot.
fn counted(
    open: &Arc<AtomicUsize>,
    most: &Arc<AtomicUsize>,
    script: impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static,
) -> impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static {
    let (open, most) = (Arc::clone(open), Arc::clone(most));
    move |facts| {
        if facts.stage == Stage::Mail {
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        }
        let answer = script(facts);
        if facts.stage == Stage::Dot {
            open.fetch_sub(1, Ordering::SeqCst);
        }
        answer
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_schedule_runs_in_one_daemon_and_goes_on_in_another() {
    let Some((url, store)) = database("daemons_schedule").await else { return };
    let relay = MailServer::accepting().await.unwrap();
    let sites = [machine(&relay), machine(&relay)];
    let mut first = start(&sites[0], &url);
    first.says("stage schedule runs in this daemon now").await;
    let mut second = start(&sites[1], &url);
    second.ready().await;
    plans(&store, 20).await;
    soon("a letter to each", relay.wait_for(20)).await;
    first.signal(Signal::KILL);
    let (_, said) = first.ended().await;
    assert!(errors(&said).is_empty(), "{said:?}");
    second.says("stage schedule runs in this daemon now").await;
    let said = second.stop().await;
    assert!(errors(&said).is_empty(), "{said:?}");
    assert!(received(&[&relay]).values().all(|count| *count == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_idle_daemon_hears_at_once_of_what_another_process_writes() {
    let Some((url, store)) = database("daemons_hears").await else { return };
    let relay = MailServer::accepting().await.unwrap();
    let site = machine(&relay);
    let mut daemon = start(&site, &url);
    daemon.says("stage digest runs in this daemon now").await;
    for number in 1..=3 {
        notices(&store, &[&format!("n{number}")]).await;
        // It would look by itself after a minute.
        tokio::time::timeout(Duration::from_secs(15), relay.wait_for(number)).await.unwrap();
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_that_start_at_once_on_an_empty_database_all_serve() {
    let Some(server) = postgres_url() else { return };
    let url = fresh_postgres(&server, "daemons_three").await;
    let relay = MailServer::accepting().await.unwrap();
    let text = configuration(relay.addr().port(), ANY_PORT, "tls = \"none\"", "");
    let sites = [Site::with(&text), Site::with(&text), Site::with(&text)];
    let mut daemons = sites.each_ref().map(|site| start(site, &url));
    for daemon in &mut daemons {
        daemon.ready().await;
    }
    for daemon in daemons {
        let said = daemon.stop().await;
        assert!(errors(&said).is_empty(), "{said:?}");
    }
}

#[tokio::test]
async fn a_named_lease_has_one_holder_until_that_daemon_ends() {
    let Some((_, store)) = database("daemons_lease").await else { return };
    let now = Clock::System.now();
    let (first, second) = (store.register_daemon(now).await.unwrap(), store.register_daemon(now).await.unwrap());
    let hold = async |daemon| store.hold_lease("schedule", daemon, now).await.unwrap();
    assert_eq!([hold(first).await, hold(second).await, hold(first).await], [Hold::Taken, Hold::Elsewhere, Hold::Kept]);
    assert_eq!(store.hold_lease("digest", second, now).await.unwrap(), Hold::Taken, "each lease is one of its own");
    store.end_daemon(first, now).await.unwrap();
    assert_eq!(
        [hold(first).await, hold(second).await, hold(first).await],
        [Hold::Elsewhere, Hold::Taken, Hold::Elsewhere]
    );
}

#[tokio::test]
async fn a_daemon_whose_lease_ran_out_gets_nothing_more() {
    let Some((_, store)) = database("daemons_lapsed").await else { return };
    let now = Clock::System.now();
    let (stale, other) = (store.register_daemon(now).await.unwrap(), store.register_daemon(now).await.unwrap());
    notices(&store, &["a", "b"]).await;
    let now = Clock::System.now();
    let heart = store.heart(stale).unwrap();
    assert!(heart.beat(Duration::from_secs(60), now).await.unwrap());
    assert_eq!(store.claim(stale, "email/main", now, 1).await.unwrap().len(), 1);
    assert_eq!(store.recover(other, now).await.unwrap(), (0, 0), "it lives");
    assert!(heart.beat(Duration::ZERO, now).await.unwrap());
    assert_eq!(store.recover(other, now).await.unwrap(), (1, 0));
    assert!(!heart.beat(Duration::from_secs(60), now).await.unwrap(), "it has been taken for dead");
    assert_eq!(store.claim(stale, "email/main", now, 2).await.unwrap(), []);
    assert_eq!(store.claim(other, "email/main", now, 2).await.unwrap().len(), 2);
}

/// A PostgreSQL of this test's own, for it is restarted.
struct Server(tempfile::TempDir);

impl Server {
    fn start() -> Self {
        let server = Self(tempfile::Builder::new().prefix("outreachd-pg.").tempdir_in("/tmp").unwrap());
        server.script("start-postgres");
        server
    }

    fn script(&self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real").join(name);
        assert!(Command::new(path).arg(self.0.path()).status().unwrap().success(), "{name}");
    }

    fn url(&self) -> String {
        std::fs::read_to_string(self.0.path().join("url")).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.script("stop-postgres");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restart_of_the_database_under_two_daemons_loses_nothing() {
    const MAILS: usize = 600;
    if postgres_url().is_none() {
        return;
    }
    let server = Server::start();
    let url = fresh_postgres(&server.url(), "restarted").await;
    let store = Store::open(&url, Migration::Apply).await.unwrap();
    let relay = MailServer::accepting().await.unwrap();
    let sites = [machine(&relay), machine(&relay)];
    mails(&store, MAILS).await;
    let daemons = sites.each_ref().map(|site| start_quietly(site, &url));
    soon("a part of the mails", relay.wait_for(MAILS / 4)).await;
    tokio::task::block_in_place(|| server.script("restart-postgres"));
    soon("all mails", relay.wait_for(MAILS)).await;
    for daemon in daemons {
        daemon.stop().await;
    }
    assert!(received(&[&relay]).values().all(|count| *count == 1));
    let rows = all(&store).await;
    assert_eq!(rows.iter().filter(|row| row.state == DeliveryState::Accepted).count(), MAILS, "each result is stored");
    store.close().await;
}
