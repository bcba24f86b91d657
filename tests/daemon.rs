//! The daemon as a process: signals, the service manager, a second one, pauses from
//! another process, pages, heartbeat, and a database that goes away or was restored.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

#[path = "daemon/service_manager.rs"]
mod service_manager;

use outreachd::demo::mail_server::{MailServer, Options, Stage};
use outreachd::model::delivery::DeliveryState;
use rustix::process::Signal;
use support::daemon::{ANY_PORT, Site, configuration, count, deliveries, errors, get, notices, plans, soon};
use support::gate::Gate;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn drains_when_it_is_told_to_stop() {
    let (gate, script) = Gate::at(Stage::Dot);
    let relay = MailServer::start(script, Options::default()).await.unwrap();
    let site = Site::new(relay.addr().port());
    let store = site.store().await;
    notices(&store, &["a", "b", "c"]).await;
    let mut daemon = site.run();
    gate.reached().await;
    daemon.signal(Signal::TERM);
    daemon.says("stopping: nothing new begins").await;
    gate.open();
    let (code, said) = daemon.ended().await;
    assert_eq!(code, Some(0), "{}", said.join("\n"));
    assert_eq!(relay.received().len(), 1, "nothing new begins");
    let states: Vec<_> = deliveries(&store).await.iter().map(|row| row.state).collect();
    assert_eq!(states, [DeliveryState::Accepted, DeliveryState::Scheduled, DeliveryState::Scheduled]);
    assert!(said.last().unwrap().contains("stopped; everything that left is written"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_old_configuration_when_the_new_one_is_bad() {
    let relay = MailServer::accepting().await.unwrap();
    let site = Site::new(relay.addr().port());
    let store = site.store().await;
    let mut daemon = site.run();
    let pages = daemon.ready().await;
    site.configure(&configuration(relay.addr().port(), "listne = \"127.0.0.1:0\"", "tls = \"none\"", ""));
    daemon.signal(Signal::HUP);
    let line = daemon.says("the new configuration is not used, the old one stays: ").await;
    assert!(line.contains("outreachd.toml:21:1: unknown key `listne`"), "{line}");
    notices(&store, &["a"]).await;
    soon("a mail after a bad reload", relay.wait_for(1)).await;
    assert_eq!(get(&format!("{pages}/healthz")).await.0, 200);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uses_a_new_configuration_and_sends_on() {
    let (old, new) = (MailServer::accepting().await.unwrap(), MailServer::accepting().await.unwrap());
    let site = Site::new(old.addr().port());
    let store = site.store().await;
    let mut daemon = site.run();
    let before = daemon.ready().await;
    notices(&store, &["a"]).await;
    soon("a mail by the old relay", old.wait_for(1)).await;
    site.configure(&configuration(new.addr().port(), "listen = \"localhost:0\"", "tls = \"none\"", ""));
    daemon.signal(Signal::HUP);
    daemon.says("the configuration was read again").await;
    let after = daemon.ready().await;
    assert_eq!(get(&format!("{after}/healthz")).await.0, 200);
    assert_ne!(before, after);
    assert!(
        tokio::net::TcpStream::connect(before.trim_start_matches("http://")).await.is_err(),
        "it has left {before}"
    );
    notices(&store, &["b"]).await;
    soon("a mail by the new relay", new.wait_for(1)).await;
    assert!(errors(&daemon.stop().await).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hears_a_stop_that_comes_while_it_drains_for_a_reload() {
    let (gate, script) = Gate::at(Stage::Dot);
    let relay = MailServer::start(script, Options::default()).await.unwrap();
    let site = Site::new(relay.addr().port());
    notices(&site.store().await, &["a"]).await;
    let mut daemon = site.run();
    gate.reached().await;
    daemon.signal(Signal::HUP);
    daemon.says("the configuration was read again").await;
    daemon.signal(Signal::TERM);
    gate.open();
    let (code, said) = daemon.ended().await;
    assert_eq!(code, Some(0), "{}", said.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refuses_a_second_daemon_and_starts_at_once_after_a_kill() {
    let relay = MailServer::accepting().await.unwrap();
    let site = Site::new(relay.addr().port());
    let mut first = site.run();
    first.ready().await;
    let said = site.refused(&["run"]).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("outreachd: a daemon (process ") && said[0].ends_with("stop it first"), "{said:?}");
    first.signal(Signal::KILL);
    assert_eq!(first.ended().await.0, None);
    let mut second = site.run();
    second.ready().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn is_unready_without_its_database_and_ready_without_a_mailbox() {
    let relay = MailServer::accepting().await.unwrap();
    let mailbox = "[[mailbox]]\nid = \"ut\"\nmaildir = \"absent\"";
    let site = Site::with(&configuration(relay.addr().port(), ANY_PORT, "tls = \"none\"", mailbox));
    let mut daemon = site.run();
    let pages = daemon.ready().await;
    daemon.says("stage respond/ut: ").await;
    assert_eq!(get(&format!("{pages}/healthz")).await, (200, "ok\n".into()));
    assert_eq!(get(&format!("{pages}/readyz")).await, (200, "ready\n".into()));
    let (status, metrics) = get(&format!("{pages}/metrics")).await;
    assert_eq!(status, 200);
    assert!(metrics.contains("outreachd_stage_failing{stage=\"respond/ut\"} 1"), "{metrics}");
    assert!(metrics.contains("outreachd_stage_failing{stage=\"relay/main\"} 0"), "{metrics}");

    std::fs::rename(site.path("test.db"), site.path("elsewhere.db")).unwrap();
    daemon.says("nothing is begun until the database is there again: cannot find ").await;
    let (status, why) = get(&format!("{pages}/readyz")).await;
    assert_eq!(status, 503);
    assert!(why.starts_with("database: cannot find") && why.lines().count() == 1, "{why}");
    assert_eq!(get(&format!("{pages}/healthz")).await.0, 200, "the process lives");
    std::fs::rename(site.path("elsewhere.db"), site.path("test.db")).unwrap();
    daemon.says("the database answers again").await;
    assert_eq!(get(&format!("{pages}/readyz")).await.0, 200);
    assert_eq!(errors(&daemon.stop().await).len(), 2, "each trouble is said once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stops_a_campaign_that_another_process_pauses() {
    let (gate, script) = Gate::at(Stage::Dot);
    let relay = MailServer::start(script, Options::default()).await.unwrap();
    let site = Site::new(relay.addr().port());
    let store = site.store().await;
    plans(&store, 20).await;
    let daemon = site.run();
    gate.reached().await;
    site.well(&["pause", "led", "--reason", "wrong subject"]).await;
    // No pause holds a notice back, and it is due after all the letters.
    notices(&store, &["drift"]).await;
    gate.open();
    let came = soon("the notice", relay.wait_for(2)).await;
    assert_eq!(came[1].to, ["drift@fyrljus.example"], "the letter that was under way, and no other");
    site.well(&["resume", "led"]).await;
    soon("the other letters", relay.wait_for(21)).await;
    daemon.stop().await;
    assert_eq!(count(&store, DeliveryState::Accepted).await, 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn starts_paused_on_a_restored_database() {
    let relay = MailServer::accepting().await.unwrap();
    let site = Site::new(relay.addr().port());
    let store = site.store().await;
    plans(&store, 1).await;
    store.close().await;
    site.well(&["backup", "copy.db"]).await;
    site.well(&["restore", "copy.db", "--yes"]).await;
    let mut daemon = site.run();
    let line = daemon.says("nothing is sent: paused since ").await;
    assert!(line.contains("restored from copy.db") && line.contains("`outreachd resume`"), "{line}");
    daemon.ready().await;
    assert_eq!(relay.received().len(), 0, "nothing before a person's word");
    site.well(&["resume"]).await;
    soon("the letter", relay.wait_for(1)).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_the_heartbeat_only_while_the_database_is_there() {
    let (called, mut calls) = tokio::sync::mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/outreachd", listener.local_addr().unwrap());
    let answer = move || {
        called.send(()).unwrap();
        std::future::ready("heard")
    };
    tokio::spawn(async move {
        axum::serve(listener, axum::Router::new().route("/outreachd", axum::routing::get(answer))).await.unwrap();
    });
    let relay = MailServer::accepting().await.unwrap();
    let heartbeat = format!("[daemon]\nheartbeat_url = \"{url}\"");
    let site = Site::with(&configuration(relay.addr().port(), ANY_PORT, "tls = \"none\"", &heartbeat));
    let mut daemon = site.run();
    daemon.until("the first heartbeat", calls.recv()).await.unwrap();
    // A reload begins with a heartbeat, so that no minute must pass here.
    std::fs::rename(site.path("test.db"), site.path("elsewhere.db")).unwrap();
    daemon.signal(Signal::HUP);
    let line = daemon.says("no heartbeat: ").await;
    assert!(line.contains("cannot find"), "{line}");
    std::fs::rename(site.path("elsewhere.db"), site.path("test.db")).unwrap();
    assert!(calls.try_recv().is_err(), "it was silent");
    daemon.signal(Signal::HUP);
    daemon.until("the heartbeat again", calls.recv()).await.unwrap();
    daemon.stop().await;
}
