//! What a person decides about a delivery stands in the change log: who, when, from what
//! to what, and why.

use outreachd::clock::Clock;
use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options, Stage};
use outreachd::model::act::Act;
use outreachd::model::delivery::DeliveryState;
use outreachd::store::AttemptState;

use crate::bench::Bench;
use crate::support::daemon::{Site, deliveries, notices, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_decision_is_on_record_with_who_and_why() {
    let script = |facts: &Facts<'_>| if facts.stage == Stage::Dot { Answer::KeepAndDrop } else { Answer::Accept };
    let relay = MailServer::start(script, Options::default()).await.unwrap();
    let site = Site::new(relay.addr().port());
    let store = site.store().await;
    notices(&store, &["a", "b"]).await;
    let mut daemon = site.run();
    soon("both mails", relay.wait_for(2)).await;
    daemon.says("nobody knows whether it arrived").await;
    daemon.stop().await;
    let ids: Vec<_> = deliveries(&store).await.iter().map(|row| row.id.to_string()).collect();

    let before = Clock::System.now();
    let who = ["--as", "mira.holm@fyrljus.example"];
    let resolve = ["deliveries", "resolve", &ids[0], "accepted", "--reason", "250 in the relay's log"];
    site.well(&[&resolve[..], &who].concat()).await;
    let retry = ["deliveries", "retry", &ids[1], "--reason", "not in the relay's log", "--yes"];
    site.well(&[&retry[..], &who].concat()).await;

    for (id, to, why) in [(&ids[0], "accepted", "250 in the relay's log"), (&ids[1], "retry", "not in the relay's log")]
    {
        let changes = store.changes("delivery", id).await.unwrap();
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!(changes[0].actor, "mira.holm@fyrljus.example");
        assert_eq!(changes[0].diff, serde_json::json!({ "state": ["uncertain", to], "reason": why }));
        assert!(changes[0].at >= before);
    }
    let states: Vec<_> = deliveries(&store).await.iter().map(|row| row.state).collect();
    assert_eq!(states, [DeliveryState::Accepted, DeliveryState::Retry]);
}

#[tokio::test]
async fn a_late_result_of_an_earlier_try_starts_nothing() {
    let bench = Bench::new(9, 1).await;
    bench.notices(&["a".to_owned()], 100).await;
    let (store, now) = (&bench.store, bench.clock.now());
    let act = Act::stage("test", now);
    let first = bench.hand_off("a").await;
    bench.finish("a", first, AttemptState::Uncertain).await;
    let id = bench.row("a").await.id;
    store.resolve_delivery(&act, id, DeliveryState::Retry, "not in the relay's log").await.unwrap();
    let second = bench.hand_off("a").await;
    bench.finish("a", second, AttemptState::Uncertain).await;

    bench.finish("a", first, AttemptState::Retry).await;
    assert_eq!(bench.row("a").await.state, DeliveryState::Uncertain, "the second may have gone");
    assert_eq!(store.attempts(id).await.unwrap()[0].state, AttemptState::Retry, "and yet it is on record");
    bench.finish("a", first, AttemptState::Accepted).await;
    assert_eq!(bench.row("a").await.state, DeliveryState::Accepted, "one of them was taken");
}
