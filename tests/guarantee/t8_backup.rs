//! T8: an old backup is put back, or a database is copied: it starts paused, down to the
//! last digest, until a person says `resume`, and gives no id again.
//!
//! What went out after the backup was made the program cannot know. It says up to when it
//! knows, and waits. Whoever resumes without looking sends those letters again: the tests
//! below write that down, so that nobody takes it for a promise.

use std::path::Path;

use outreachd::clock::Clock;
use outreachd::demo::mail_server::MailServer;
use outreachd::model::act::Act;
use outreachd::model::delivery::DeliveryState;
use outreachd::model::id::COUNTER_BITS;
use outreachd::store::{Migration, PauseScope, Store};
use sqlx::{Connection, Executor};

use crate::bench::{config_from, deliver_from, handoff};
use crate::support::daemon::{Site, count, deliveries, notices, plans, soon};
use crate::support::databases::fresh_postgres;
use crate::support::services::postgres_url;

/// One turn of every stage that sends, in this process.
async fn turn(site: &Site, store: &Store) {
    let (file, now) = (site.path("outreachd.toml"), Clock::System.now());
    let daemon = store.register_daemon(now).await.unwrap();
    store.recover(daemon, now).await.unwrap();
    outreachd::schedule::turn(store, &config_from(&file), now).await.unwrap();
    let deliver = deliver_from(&file, store, Clock::System, daemon);
    soon("a turn", deliver.turn(Clock::System.now())).await.unwrap();
    deliver.close().await;
}

fn to(relay: &MailServer, address: &str) -> usize {
    relay.received().iter().filter(|mail| mail.to == [address]).count()
}

async fn greatest_id(store: &Store) -> i64 {
    deliveries(store).await.iter().map(|row| row.id.0).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t8_an_old_backup_sends_nothing_until_a_person_resumes() {
    let relay = MailServer::accepting().await.unwrap();
    let site = Site::new(relay.addr().port());
    let store = site.store().await;
    plans(&store, 3).await;
    notices(&store, &["digest"]).await;
    outreachd::schedule::turn(&store, &config_from(&site.path("outreachd.toml")), Clock::System.now()).await.unwrap();
    site.well(&["backup", "old.db"]).await;
    turn(&site, &store).await;
    assert_eq!(relay.received().len(), 4, "three letters and a digest");
    notices(&store, &["later"]).await;
    let greatest = greatest_id(&store).await;
    store.close().await;

    let said = site.well(&["restore", "old.db", "--yes"]).await;
    assert!(said.contains("It knows of nothing after"), "{said}");
    let store = site.store().await;
    for _ in 0..3 {
        turn(&site, &store).await;
    }
    assert_eq!(relay.received().len(), 4, "neither a letter nor a digest");
    assert_eq!(count(&store, DeliveryState::Scheduled).await, 4, "they wait");
    notices(&store, &["new"]).await;
    let fresh = deliveries(&store).await.pop().unwrap();
    assert!(fresh.id.0 > greatest, "{} was given already", fresh.id);

    // A person has looked and says: go on. What the copy calls due goes; that is their word.
    site.well(&["resume", "--as", "mira.holm@fyrljus.example"]).await;
    assert_eq!(store.pauses(Clock::System.now()).await.unwrap(), []);
    turn(&site, &store).await;
    assert_eq!(to(&relay, "digest@fyrljus.example"), 2);
    assert_eq!(to(&relay, "new@fyrljus.example"), 1);
    assert_eq!(relay.received().len(), 4 + 4 + 1, "the three letters and the digest once more, by a person's word");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t8_what_was_under_way_in_a_backup_is_uncertain_after_it() {
    let relay = MailServer::accepting().await.unwrap();
    let site = Site::new(relay.addr().port());
    let store = site.store().await;
    notices(&store, &["a"]).await;
    let now = Clock::System.now();
    let daemon = store.register_daemon(now).await.unwrap();
    let (lane, _) = store.waiting_lanes().await.unwrap().remove(0);
    let delivery = store.claim(daemon, &lane, now, 1).await.unwrap()[0].row.id;
    let act = Act::stage("test", now);
    assert_eq!(store.exchange(&act, daemon, &[], &[handoff(delivery)]).await.unwrap().begun.len(), 1);
    site.well(&["backup", "old.db"]).await;
    store.close().await;
    site.well(&["restore", "old.db", "--yes"]).await;
    site.well(&["resume"]).await;
    let store = site.store().await;
    turn(&site, &store).await;
    assert_eq!(store.get_delivery(delivery).await.unwrap().state, DeliveryState::Uncertain);
    assert_eq!(relay.received().len(), 0, "it is not sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t8_a_copied_database_starts_paused_and_the_original_does_not() {
    let relay = MailServer::accepting().await.unwrap();
    let site = Site::new(relay.addr().port());
    let mut daemon = site.run();
    daemon.ready().await;
    assert!(!daemon.stop().await.iter().any(|line| line.contains("nothing is sent")), "the first start");

    let copy = Site::new(relay.addr().port());
    std::fs::copy(site.path("test.db"), copy.path("test.db")).unwrap();
    std::fs::copy(site.path("token.key"), copy.path("token.key")).unwrap();
    let mut daemon = copy.run();
    let line = daemon.says("nothing is sent: paused since ").await;
    assert!(
        line.contains("it is a copy of a database that ran elsewhere") && line.contains("`outreachd resume`"),
        "{line}"
    );
    daemon.ready().await;
    daemon.stop().await;
    let (original, store) = (site.store().await, copy.store().await);
    notices(&store, &["digest"]).await;
    notices(&original, &["digest"]).await;
    assert!(deliveries(&store).await[0].id.0 > greatest_id(&original).await, "the copy gives ids of its own");
    turn(&copy, &store).await;
    assert_eq!(relay.received().len(), 0, "not even a digest leaves a copy");
    turn(&site, &original).await;
    assert_eq!(relay.received().len(), 1, "the original goes on");

    copy.well(&["resume"]).await;
    let mut daemon = copy.run();
    daemon.ready().await;
    soon("its mail after a person's word", relay.wait_for(2)).await;
    let said = daemon.stop().await;
    assert!(!said.iter().any(|line| line.contains("nothing is sent")), "it is at home now: {said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t8_a_restored_database_that_was_resumed_stays_so() {
    let relay = MailServer::accepting().await.unwrap();
    let site = Site::new(relay.addr().port());
    let mut daemon = site.run();
    daemon.ready().await;
    daemon.stop().await;
    site.well(&["backup", "old.db"]).await;
    site.well(&["restore", "old.db", "--yes"]).await;
    site.well(&["resume"]).await;
    let store = open(&site.path("test.db")).await;
    notices(&store, &["a"]).await;
    let mut daemon = site.run();
    daemon.ready().await;
    soon("a mail", relay.wait_for(1)).await;
    daemon.stop().await;
}

async fn open(file: &Path) -> Store {
    Store::open(&format!("sqlite:{}", file.display()), Migration::Refuse).await.unwrap()
}

#[tokio::test]
async fn t8_a_copied_postgresql_database_is_paused_and_gives_ids_of_its_own() {
    let Some(server) = postgres_url() else { return };
    let url = fresh_postgres(&server, "t8_original").await;
    let original = Store::open(&url, Migration::Apply).await.unwrap();
    let act = Act::stage("run", Clock::System.now());
    assert!(!original.settle(&act).await.unwrap(), "the first start");
    assert!(!original.settle(&act).await.unwrap(), "each later one");
    let before = original.new_response_id().await.unwrap();
    original.close().await;

    let copy = fresh_postgres(&server, "t8_copy").await;
    let mut admin = sqlx::PgConnection::connect(&server).await.unwrap();
    admin.execute("DROP DATABASE outreachd_test_t8_copy").await.unwrap();
    admin.execute("CREATE DATABASE outreachd_test_t8_copy TEMPLATE outreachd_test_t8_original").await.unwrap();
    let copy = Store::open(&copy, Migration::Refuse).await.unwrap();
    assert!(copy.settle(&act).await.unwrap());
    assert_eq!(copy.pauses(act.at).await.unwrap()[0].scope, PauseScope::All);
    assert!(copy.new_response_id().await.unwrap().0 >> COUNTER_BITS > before.0 >> COUNTER_BITS);
    assert!(!copy.settle(&act).await.unwrap(), "it is at home now");
}
