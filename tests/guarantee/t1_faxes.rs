//! T1, by fax: a submission that a kill cut off is looked up, and never made again.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use outreachd::clock::{Clock, ManualClock};
use outreachd::demo::fax_gateway::{Ending, FaxGateway, KEY, SECRET};
use outreachd::demo::mail_server::Stage;
use outreachd::model::address::Channel;
use outreachd::model::delivery::DeliveryState;
use outreachd::model::id::DaemonId;
use rustix::process::Signal;

use crate::bench::deliver_from;
use crate::support::app::faxed;
use crate::support::daemon::{ANY_PORT, Site, configuration, count, deliveries, plans_for, soon};
use crate::trap::{Chance, Trap};

/// One for each number that stands for fiction.
const FAXES: usize = 90;
const KILLS: u64 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t1_killed_while_it_faxes_it_faxes_nothing_twice_and_loses_nothing() {
    let clock = ManualClock::new(Clock::System.now());
    let (mut trap, script) = Trap::new();
    // The gateway asks its script when it has taken a fax and not yet said so.
    let taken = Mutex::new(script);
    let gateway = FaxGateway::start(Clock::Manual(clock.clone()), move |_, _| {
        let facts = outreachd::demo::mail_server::Facts {
            stage: Stage::Dot,
            session: 0,
            from: "",
            to: "",
            named_before: 0,
            message: b"",
        };
        taken.lock().unwrap()(&facts);
        Ending::Delivered
    })
    .await
    .unwrap();
    let fax = format!(
        "[fax]\nbase_url = \"{}\"\nkey = \"{KEY}\"\nsecret = {{ file = \"fax\" }}\npoll_s = 1",
        gateway.base_url()
    );
    let site = Site::with(&configuration(9, ANY_PORT, "tls = \"none\"", &fax));
    std::fs::write(site.path("fax"), SECRET).unwrap();
    std::fs::set_permissions(site.path("fax"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let store = site.store().await;
    let clients: Vec<_> =
        (0..FAXES).map(|n| faxed(&format!("Klient {n}"), &format!("+467017406{:02}", n + 5))).collect();
    plans_for(&store, &clients, Channel::Fax).await;

    let mut chance = Chance(u64::from(std::process::id()));
    println!("seed {}", chance.0);
    for _ in 0..KILLS {
        trap.arm(Stage::Dot, chance.below(4), chance.below(2) == 0);
        let mut daemon = site.run_with(&[("OUTREACHD_LOG", "warn")]);
        daemon.until("a fax", trap.sprung()).await;
        daemon.signal(Signal::KILL);
        daemon.ended().await;
        trap.release();
        let under_way = count(&store, DeliveryState::Handoff).await;
        assert!(under_way <= 1, "one fax at a time, and {under_way} are under way");
    }

    // The rest goes without being killed, on a clock that lets the calls end.
    let daemon: DaemonId = store.register_daemon(clock.now()).await.unwrap();
    store.recover(daemon, clock.now()).await.unwrap();
    let deliver = deliver_from(&site.path("outreachd.toml"), &store, Clock::Manual(clock.clone()), daemon);
    for _ in 0..60 {
        clock.set(clock.now() + jiff::SignedDuration::from_mins(2));
        outreachd::schedule::turn(&store, &config_of(&site), clock.now()).await.unwrap();
        soon("a turn", deliver.turn(clock.now())).await.unwrap();
    }
    deliver.close().await;

    let rows = deliveries(&store).await;
    assert_eq!(rows.len(), FAXES, "none is missing");
    for row in &rows {
        let copies = gateway.faxes().iter().filter(|fax| fax.to == row.address).count();
        match row.state {
            DeliveryState::Accepted => assert_eq!(copies, 1, "accepted: {row:?}"),
            DeliveryState::Uncertain => {
                assert_eq!(copies, 0, "what the gateway has is found by its reference: {row:?}")
            }
            _ => panic!("neither accepted nor uncertain: {row:?}"),
        }
    }
}

fn config_of(site: &Site) -> Arc<outreachd::config::Config> {
    crate::bench::config_from(&site.path("outreachd.toml"))
}
