//! T9: told to stop, it drains: it waits for the answer that is owed, writes it, and
//! begins nothing. The service manager leaves it the time for that.

use std::path::Path;

use outreachd::config::{Relay, Tls};
use outreachd::demo::mail_server::{MailServer, Options, Stage};
use outreachd::model::delivery::DeliveryState;
use rustix::process::Signal;

use crate::support::daemon::{Site, deliveries, notices, soon};
use crate::support::gate::Gate;
use crate::trouble::{Refusing, Trouble};

#[test]
fn t9_the_unit_waits_longer_than_the_final_dot_may_take() {
    let unit = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/outreachd.service")).unwrap();
    let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap();
    let stop_s: u64 = stop.parse().unwrap();
    let dot_s = Relay::new("main", "127.0.0.1", 25, Tls::None).timeouts.dot_s;
    assert!(stop_s >= dot_s + 60, "TimeoutStopSec={stop_s}, and an answer to the dot may take {dot_s} s");
    assert!(unit.lines().any(|line| line == "KillMode=mixed"), "SIGTERM goes to the daemon");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t9_an_answer_that_comes_late_is_awaited_and_written_however_often_it_is_told() {
    let (gate, script) = Gate::at(Stage::Dot);
    let relay = MailServer::start(script, Options::default()).await.unwrap();
    let site = Site::new(relay.addr().port());
    let store = site.store().await;
    notices(&store, &["a", "b"]).await;
    let mut daemon = site.run();
    gate.reached().await;
    for signal in [Signal::TERM, Signal::TERM, Signal::INT, Signal::HUP] {
        daemon.signal(signal);
    }
    daemon.says("stopping: nothing new begins").await;
    daemon.signal(Signal::TERM);
    gate.open();
    let (code, said) = daemon.ended().await;
    assert_eq!(code, Some(0), "{}", said.join("\n"));
    let rows = deliveries(&store).await;
    let states: Vec<_> = rows.iter().map(|row| row.state).collect();
    assert_eq!(states, [DeliveryState::Accepted, DeliveryState::Scheduled]);
    let attempts = store.attempts(rows[0].id).await.unwrap();
    assert!(attempts[0].reply.as_deref().is_some_and(|reply| reply.contains("queued as")), "{attempts:?}");
    assert_eq!(relay.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t9_a_stop_does_not_wait_for_ever_for_a_result_that_cannot_be_written() {
    let (gate, script) = Gate::at(Stage::Dot);
    let relay = MailServer::start(script, Options::default()).await.unwrap();
    let site = Site::new(relay.addr().port());
    let store = site.store().await;
    notices(&store, &["a", "b"]).await;
    let mut trouble = Refusing { into: DeliveryState::Accepted, by: None };
    let mut daemon = trouble.run(&site);
    gate.reached().await;
    trouble.begin(&site, &daemon).await;
    gate.open();
    daemon.says("nothing leaves until they are written: ").await;
    daemon.signal(Signal::TERM);
    let id = deliveries(&store).await[0].id;
    let line = daemon.says("could not be written").await;
    assert!(line.contains(&format!("delivery {id}")) && line.contains("250"), "it says what it knew: {line}");
    let (code, said) = daemon.ended().await;
    assert_eq!(code, Some(1), "{}", said.join("\n"));
    assert!(!said.iter().any(|line| line.contains("everything that left is written")), "{said:?}");
    assert_eq!(deliveries(&store).await[0].state, DeliveryState::Handoff);

    let mut next = site.run();
    trouble.end(&next).await;
    next.says("1 uncertain").await;
    soon("the other mail", relay.wait_for(2)).await;
    next.stop().await;
    let rows = deliveries(&store).await;
    assert_eq!((rows[0].state, rows[1].state), (DeliveryState::Uncertain, DeliveryState::Accepted));
    assert_eq!(relay.received().len(), 2, "it is not sent again");
}
