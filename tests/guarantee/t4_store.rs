//! T4: the disk or the database fails at the handoff (Tx-1) or at the result (Tx-2).
//!
//! Without a handoff no byte of a body leaves. Without a result nothing new begins, and
//! the result is written as soon as it can be. Afterwards each mail is there once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use outreachd::clock::Clock;
use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options, Stage};
use outreachd::model::act::Act;
use outreachd::model::delivery::DeliveryState;
use outreachd::model::suppression::{Reason, Scope};
use outreachd::store::{Consequence, Migration, Store};

use crate::small_disk::small_disk;
use crate::support::daemon::{ANY_PORT, Site, configuration, count, deliveries, notices, plans, soon};
use crate::support::gate::Gate;
use crate::trouble::{BrokenDisk, FullDisk, Locked, Postgres, Refusing, Trouble};

/// A relay with a gate at one stage, which counts the bodies whose first line it saw.
async fn relay_at(stage: Stage) -> (Gate, MailServer, Arc<AtomicUsize>) {
    let (gate, script) = Gate::at(stage);
    let bodies = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&bodies);
    let script = move |facts: &Facts<'_>| -> Answer {
        if facts.stage == Stage::Body {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        script(facts)
    };
    (gate, MailServer::start(script, Options::default()).await.unwrap(), bodies)
}

fn configure(site: &Site, relay: &MailServer) {
    site.configure(&configuration(relay.addr().port(), ANY_PORT, "tls = \"none\"", ""));
}

async fn at_the_handoff<T: Trouble>(site: Site, store: Store, mut trouble: T) {
    let (gate, relay, bodies) = relay_at(Stage::Greeting).await;
    configure(&site, &relay);
    notices(&store, &["a", "b"]).await;
    let mut daemon = trouble.run(&site);
    gate.reached().await;
    trouble.begin(&site, &daemon).await;
    gate.let_one();
    let line = daemon.says("no handoff can be written, so nothing leaves: ").await;
    assert!(line.contains(T::WORDS), "{line}");
    assert_eq!(bodies.load(Ordering::SeqCst), 0, "no byte of a body left");
    trouble.end(&daemon).await;
    gate.open();
    soon("the mails when it has passed", relay.wait_for(2)).await;
    daemon.stop().await;
    each_once(&store, &relay, 2).await;
}

async fn at_the_result<T: Trouble>(site: Site, store: Store, mut trouble: T) {
    let (gate, relay, bodies) = relay_at(Stage::Dot).await;
    configure(&site, &relay);
    notices(&store, &["a", "b", "c"]).await;
    let mut daemon = trouble.run(&site);
    gate.reached().await;
    trouble.begin(&site, &daemon).await;
    gate.open();
    let line = daemon.says("nothing leaves until they are written: ").await;
    assert!(line.contains("1 results are kept") && line.contains(T::WORDS), "{line}");
    assert_eq!(bodies.load(Ordering::SeqCst), 1, "nothing new begins");
    trouble.end(&daemon).await;
    daemon.says("1 results that had waited are written").await;
    soon("the other mails", relay.wait_for(3)).await;
    daemon.stop().await;
    each_once(&store, &relay, 3).await;
}

/// Somebody opts out between handoff and body, and the database fails before that is written.
/// False where the relay was faster than the news of the daemon's own commit: that handoff
/// counts as begun after the relay's answer, and the opt-out came too late for it.
async fn between_handoff_and_body<T: Trouble>(site: Site, store: Store, mut trouble: T) -> bool {
    let (gate, relay, bodies) = relay_at(Stage::Data).await;
    configure(&site, &relay);
    plans(&store, 1).await;
    let mut daemon = trouble.run(&site);
    gate.reached().await;
    soon("the handoff", async {
        while count(&store, DeliveryState::Handoff).await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let contact = deliveries(&store).await[0].contact.unwrap();
    let (scope, value) = (Scope::Contact, contact.to_string());
    let suppress = Consequence::Suppress { scope, value, reason: Reason::OptOut, response: None };
    store.carry_out(&Act::stage("test", Clock::System.now()), &[suppress]).await.unwrap();
    trouble.begin(&site, &daemon).await;
    gate.open();
    let is_kept = loop {
        let line = daemon.says(T::WORDS).await;
        if line.contains("stage deliver: cannot deliver: ") || line.contains("results are kept") {
            break line.contains("results are kept");
        }
    };
    trouble.end(&daemon).await;
    if is_kept {
        daemon.says("results that had waited are written").await;
        daemon.stop().await;
        each_once(&store, &relay, 1).await;
        return false;
    }
    daemon.says("stage deliver turns again").await;
    assert_eq!(bodies.load(Ordering::SeqCst), 0, "no byte of a body left");
    daemon.stop().await;
    let rows = deliveries(&store).await;
    assert_eq!(rows[0].state, DeliveryState::Skipped, "{rows:?}");
    assert_eq!(rows[0].reason.as_deref(), Some("suppressed"));
    true
}

async fn each_once(store: &Store, relay: &MailServer, count: usize) {
    assert_eq!(relay.received().len(), count, "each once");
    let rows = deliveries(store).await;
    assert_eq!(rows.len(), count);
    assert!(rows.iter().all(|row| row.state == DeliveryState::Accepted), "{rows:?}");
}

async fn site() -> (Site, Store) {
    let site = Site::new(9);
    let store = site.store().await;
    (site, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t4_a_full_disk_before_the_handoff_lets_no_body_leave() {
    let Some(folder) = small_disk("t4_store::t4_a_full_disk_before_the_handoff_lets_no_body_leave") else { return };
    let site = Site::at(&folder);
    configure(&site, &MailServer::accepting().await.unwrap());
    let store = site.store().await;
    at_the_handoff(site, store, FullDisk { folder, filler: None }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t4_a_full_disk_after_the_body_keeps_the_result_and_begins_nothing() {
    let test = "t4_store::t4_a_full_disk_after_the_body_keeps_the_result_and_begins_nothing";
    let Some(folder) = small_disk(test) else { return };
    let site = Site::at(&folder);
    configure(&site, &MailServer::accepting().await.unwrap());
    let store = site.store().await;
    at_the_result(site, store, FullDisk { folder, filler: None }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t4_a_disk_that_takes_no_handoff_lets_no_body_leave() {
    let (site, store) = site().await;
    at_the_handoff(site, store, BrokenDisk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t4_a_disk_that_takes_no_result_begins_nothing_and_gets_it_later() {
    let (site, store) = site().await;
    at_the_result(site, store, BrokenDisk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t4_a_locked_database_before_the_handoff_lets_no_body_leave() {
    let (site, store) = site().await;
    at_the_handoff(site, store, Locked(None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t4_a_locked_database_after_the_body_keeps_the_result_and_begins_nothing() {
    let (site, store) = site().await;
    at_the_result(site, store, Locked(None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t4_a_statement_that_fails_at_the_handoff_lets_no_body_leave() {
    let (site, store) = site().await;
    at_the_handoff(site, store, Refusing { into: DeliveryState::Handoff, by: None }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t4_a_statement_that_fails_at_the_result_keeps_it_and_begins_nothing() {
    let (site, store) = site().await;
    at_the_result(site, store, Refusing { into: DeliveryState::Accepted, by: None }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t4_a_postgresql_that_dies_before_the_handoff_lets_no_body_leave() {
    let Some(postgres) = Postgres::start() else { return };
    let store = Store::open(&postgres.url, Migration::Apply).await.unwrap();
    at_the_handoff(Site::new(9), store, postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t4_a_postgresql_that_dies_after_the_body_keeps_the_result_and_begins_nothing() {
    let Some(postgres) = Postgres::start() else { return };
    let store = Store::open(&postgres.url, Migration::Apply).await.unwrap();
    at_the_result(Site::new(9), store, postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t4_a_handoff_whose_body_never_left_is_taken_back_when_the_database_is_there_again() {
    for _ in 0..5 {
        let (site, store) = site().await;
        if between_handoff_and_body(site, store, Locked(None)).await {
            return;
        }
    }
    panic!("a handoff that had long been committed was never looked at again");
}
