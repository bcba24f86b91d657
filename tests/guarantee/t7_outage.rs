//! T7: four hours without a relay: what expired meanwhile is left out and says so, the
//! rest goes when the relay is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use outreachd::demo::mail_server::{Answer, Facts, Stage};
use outreachd::model::delivery::DeliveryState;
use outreachd::store::ClientRecord;

use crate::support::app::{TestApp, client};
use crate::support::daemon::Site;
use crate::support::house::campaign;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t7_after_an_outage_what_expired_is_left_out_visibly_and_the_rest_goes() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let script = move |facts: &Facts<'_>| {
        let refuses = facts.stage == Stage::Greeting && is_down.load(Ordering::SeqCst);
        if refuses { Answer::Drop } else { Answer::Accept }
    };
    let site = Site::new(9);
    let app = TestApp::new(site.store().await, script).await;
    // Hers are over when the relay is back; his begin two hours later.
    let anna = client("Anna Lind");
    let bo = ClientRecord { zone: "Atlantic/Azores".into(), ..client("Bo Ek") };
    app.import(&[anna, bo]).await;
    assert_eq!(app.apply(campaign("skip")).await, 2);

    for now in ["07:35", "08:00", "08:40", "09:20", "10:00", "10:29", "10:45", "11:30"] {
        app.run_until_quiet(&format!("2027-03-01T{now}:00Z")).await;
    }
    assert_eq!(app.relay.received().len(), 0, "nothing left for four hours");
    down.store(false, Ordering::SeqCst);
    app.run_until_quiet("2027-03-01T11:35:00Z").await;

    let received = app.relay.received();
    assert_eq!(received.len(), 1, "his goes as soon as the relay is back");
    assert_eq!(received[0].to, ["info@bo-ek.example"]);
    let rows = app.deliveries().await;
    let of = |address: &str| rows.iter().find(|row| row.address == address).unwrap();
    let (hers, his) = (of("info@anna-lind.example"), of("info@bo-ek.example"));
    assert_eq!((hers.state, hers.reason.as_deref(), hers.tries), (DeliveryState::Skipped, Some("late"), 0));
    assert_eq!((his.state, his.tries), (DeliveryState::Accepted, 1), "an outage burns no try");
    let plans = app.store.plans_in("led").await.unwrap();
    assert!(plans.iter().all(|plan| plan.step.as_deref() == Some("referens")), "both go on: {plans:?}");

    let why = site.well(&["why", "info@anna-lind.example"]).await;
    assert!(why.contains("its window had passed"), "{why}");
    let status = site.well(&["status"]).await;
    assert!(status.contains("1 accepted + 0 rejected + 0 uncertain + 0 open + 1 not sent"), "{status}");
}
