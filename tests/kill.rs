//! The daemon killed at random while it sends: nothing twice, nothing lost.
//!
//! `OUTREACHD_TEST_KILLS=1000 cargo test --test kill` kills more often.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};

use outreachd::clock::Clock;
use outreachd::demo::mail_server::MailServer;
use outreachd::model::act::Act;
use outreachd::model::campaign::Campaign;
use outreachd::model::delivery::DeliveryState;
use outreachd::model::plan::Enrolment;
use outreachd::render::TemplateSet;
use outreachd::store::{ClientRecord, ConsentRecord, DeliveryFilter, Migration, NewRevision, Store};
use support::app::{campaign, client};

const MAILS: usize = 2000;
const SESSIONS: usize = 4;

/// A folder with a configuration, a database and a relay that counts.
struct Site {
    folder: tempfile::TempDir,
    store: Store,
    relay: MailServer,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let relay = MailServer::accepting().await.unwrap();
        let text = format!(
            r#"
            [company]
            name = "Fyrljus AB"
            head = "mira.holm@fyrljus.example"
            [database]
            url = "sqlite:test.db"
            [web]
            listen = "127.0.0.1:0"
            [[sender]]
            id = "fyrljus"
            legal_name = "Fyrljus AB"
            postal_address = "Lyktgatan 4, 791 70 Falun"
            from = "hej@fyrljus.example"
            bounces = "ut@fyrljus.example"
            [[relay]]
            id = "main"
            host = "127.0.0.1"
            port = {}
            tls = "none"
            sessions = {SESSIONS}
            "#,
            relay.addr().port()
        );
        std::fs::write(folder.path().join("outreachd.toml"), text).unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let store = Store::open(&url, Migration::Apply).await.unwrap();
        Self { folder, store, relay }
    }

    /// Starts a plan for each of [`MAILS`] clients, whose only letter is due at once.
    async fn plan(&self) {
        let now = Clock::System.now();
        let act = Act::stage("test", now);
        let yes =
            ConsentRecord { channel: "email".into(), basis: "consent".into(), evidence: "fair".into(), given_at: 0 };
        let clients: Vec<_> = (0..MAILS)
            .map(|number| ClientRecord { consents: vec![yes.clone()], ..client(&format!("Klient {number}")) })
            .collect();
        let batch = self.store.begin_batch(&act, "test").await.unwrap();
        for chunk in clients.chunks(500) {
            self.store.save_clients(&act, batch, chunk).await.unwrap();
        }
        self.store.publish_batch(&act, batch, Default::default(), 0).await.unwrap();
        let mut campaign: Campaign = campaign("send");
        campaign.steps.truncate(1);
        campaign.from = outreachd::model::campaign::From::Sender("fyrljus".into());
        let templates = TemplateSet::starter().iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let new = NewRevision { campaign, source: String::new(), templates, next_run_at: None };
        let revision = self.store.apply(&act, &new).await.unwrap();
        let people =
            self.store.candidates(&new.campaign.audience, "led", "", now, Default::default(), 10_000).await.unwrap();
        assert_eq!(people.len(), MAILS);
        let starts: Vec<_> = people
            .iter()
            .map(|person| Enrolment {
                contact: person.contact,
                account: person.account,
                left_out: None,
                facts: serde_json::json!({}),
                step: "intro".into(),
                next_at: Some(now),
                closes_at: None,
            })
            .collect();
        self.store.enrol(&act, &revision, "", &starts).await.unwrap();
    }

    fn start(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_outreachd"))
            .args(["--config", "outreachd.toml", "run"])
            .current_dir(self.folder.path())
            .env("OUTREACHD_LOG", "warn")
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    async fn count(&self, states: &[DeliveryState]) -> usize {
        let filter = DeliveryFilter { states: states.to_vec(), ..Default::default() };
        self.store.deliveries(&filter, 100_000).await.unwrap().len()
    }
}

/// A small generator; the seed is printed, so that a run can be told again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_it_sends_nothing_twice_and_loses_nothing() {
    let kills: usize = std::env::var("OUTREACHD_TEST_KILLS").map_or(30, |text| text.parse().unwrap());
    let seed = u64::from(std::process::id());
    println!("seed {seed}, {kills} kills");
    let mut chance = Chance(seed);
    let site = Site::new().await;
    site.plan().await;
    let mut arrivals = site.relay.arrivals();
    let step = (MAILS / kills.max(1)).max(2) as u64;
    for _ in 0..kills {
        let mut daemon = site.start();
        // Somewhere in the middle of a few letters; with none left to send, at any time.
        let seen = *arrivals.borrow_and_update();
        let goal = (seen + 1 + usize::try_from(chance.below(step)).unwrap()).min(MAILS - kills * SESSIONS);
        if goal > seen {
            arrivals.wait_for(|count| *count >= goal).await.unwrap();
        }
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }
    // The last one runs to the end and is asked to stop: it drains.
    let open = [DeliveryState::Scheduled, DeliveryState::Claimed, DeliveryState::Retry];
    let mut rounds = 0;
    loop {
        let mut daemon = site.start();
        let mut settled =
            site.count(&[DeliveryState::Accepted, DeliveryState::Uncertain, DeliveryState::Handoff]).await;
        while settled < MAILS {
            arrivals.changed().await.unwrap();
            settled = site.count(&[DeliveryState::Accepted, DeliveryState::Uncertain, DeliveryState::Handoff]).await;
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&daemon), rustix::process::Signal::TERM)
            .unwrap();
        assert!(daemon.wait().unwrap().success(), "it drains and says so");
        rounds += 1;
        if site.count(&open).await == 0 && site.count(&[DeliveryState::Handoff]).await == 0 {
            break;
        }
        assert!(rounds < 5, "it never ends");
    }

    let mut received: HashMap<String, usize> = HashMap::new();
    for recipient in site.relay.received().iter().flat_map(|mail| mail.to.clone()) {
        *received.entry(recipient).or_default() += 1;
    }
    let rows = site.store.deliveries(&DeliveryFilter::default(), 100_000).await.unwrap();
    assert_eq!(rows.len(), MAILS, "none is missing");
    let mut uncertain = 0;
    for row in &rows {
        let count = received.get(&row.address).copied().unwrap_or(0);
        match row.state {
            DeliveryState::Accepted => assert_eq!(count, 1, "accepted and received {count} times: {row:?}"),
            DeliveryState::Uncertain => {
                assert!(count <= 1, "received {count} times: {row:?}");
                uncertain += 1;
            }
            _ => panic!("neither accepted nor uncertain: {row:?}"),
        }
    }
    assert!(uncertain <= kills * SESSIONS, "{uncertain} uncertain after {kills} kills of {SESSIONS} sessions");
    println!("{MAILS} mails, {kills} kills: {} received, {uncertain} uncertain, none twice, none lost", received.len());
}
