//! Limits and failover, against a real SMTP peer on a clock that is set: what is over a
//! limit waits, nothing else waits for it, and nobody forgets what has gone.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::tz::TimeZone;
use outreachd::clock::ManualClock;
use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options, Stage};
use outreachd::model::delivery::DeliveryState;
use outreachd::model::limit::Limit;
use outreachd::mx::Exchangers;
use outreachd::policy::places::Holder;
use outreachd::policy::throttle::Ask;
use outreachd::store::{ClientRecord, Migration, PlaceAsk, Store, Unused};
use support::app::{BEFORE, DURING, TestApp, at, campaign, client};
use support::databases::{databases, sqlite};
use support::names::{MxZone, mx_server};

/// The last moment of Monday's window.
const MONDAY: &str = "2027-03-01T10:29:59Z";

fn accept(_: &Facts<'_>) -> Answer {
    Answer::Accept
}

/// `count` companies whose mail goes to `domain`.
fn at_domain(domain: &str, count: usize) -> Vec<ClientRecord> {
    let one = |number| {
        let name = format!("{} {number}", domain.split('.').next().unwrap());
        ClientRecord { email: Some(format!("info{number}@{domain}")), ..client(&name) }
    };
    (0..count).map(one).collect()
}

async fn app(store: &Store, more: &str) -> TestApp {
    TestApp::with(store.clone(), accept, more, ManualClock::new(at(BEFORE))).await
}

/// How many letters each domain got.
fn by_domain(app: &TestApp) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for mail in app.relay.received() {
        *counts.entry(mail.to[0].rsplit_once('@').unwrap().1.to_owned()).or_default() += 1;
    }
    counts
}

const STOR: &str = "[[provider]]\nid = \"stor\"\ndomains = [\"stor.example\"]\n";

#[tokio::test]
async fn a_full_provider_never_blocks_others() {
    for database in databases("limits_provider").await {
        let app = app(&database.store, &format!("{STOR}[[limit]]\nprovider = \"stor\"\nper_day = 2")).await;
        app.import(&at_domain("stor.example", 260)).await;
        app.import(&at_domain("granvik.example", 5)).await;
        app.apply(campaign("send")).await;
        let turn = app.run_until_quiet(MONDAY).await;
        assert_eq!(by_domain(&app), BTreeMap::from([("granvik.example".into(), 5), ("stor.example".into(), 2)]));
        assert_eq!(turn.next_at, Some(at("2027-03-01T23:00:00Z")), "the next goes after the company's midnight");
        let left = app.deliveries().await;
        let left = left.iter().filter(|row| row.state == DeliveryState::Scheduled).count();
        assert_eq!(left, 258, "what waits is not even claimed");
    }
}

#[tokio::test]
async fn a_full_domain_is_put_off_and_never_blocks_others() {
    for database in databases("limits_domain").await {
        let app = app(&database.store, "[[limit]]\ndomain = \"*\"\nrate = \"600/hour\"\nper_day = 3").await;
        app.import(&at_domain("dalkarra.example", 230)).await;
        app.import(&[client("Anna Lind"), client("Bo Ek")]).await;
        app.apply(campaign("send")).await;
        app.run_until_quiet(MONDAY).await;
        let counts = by_domain(&app);
        // Six seconds' worth of 600 an hour is one.
        assert_eq!(counts["dalkarra.example"], 1);
        assert_eq!((counts["anna-lind.example"], counts["bo-ek.example"]), (1, 1));
        let rows = app.deliveries().await;
        let waits = |row: &&outreachd::store::DeliveryRow| row.reason.as_deref() == Some("limit") && row.tries == 0;
        assert_eq!(rows.iter().filter(waits).count(), 229);
        assert!(rows.iter().filter(waits).all(|row| row.due_at > at(MONDAY) && row.state == DeliveryState::Scheduled));
        assert_eq!(
            app.store.gone().await.unwrap()["domain/dalkarra.example"].today,
            1,
            "what did not go is given back"
        );
    }
}

#[tokio::test]
async fn per_day_holds_over_a_restart() {
    for database in databases("limits_restart").await {
        let more = "[[limit]]\nrelay = \"main\"\nper_day = 3";
        let first = app(&database.store, more).await;
        first.import(&at_domain("granvik.example", 8)).await;
        first.apply(campaign("send")).await;
        first.run_until_quiet(MONDAY).await;
        assert_eq!(first.relay.received().len(), 3);
        let store = Store::open(&database.url, Migration::Refuse).await.unwrap();
        let second = app(&store, more).await;
        second.run_until_quiet(MONDAY).await;
        assert_eq!(second.relay.received().len(), 0);
        assert_eq!(a_day(&second, 2).await, 3);
        assert_eq!(store.gone().await.unwrap()["relay/main"].days, 1);
    }
}

/// Turns through the window of a day of March; how many letters arrived.
async fn a_day(app: &TestApp, day: u32) -> usize {
    let before = app.relay.received().len();
    for time in ["07:30:00", "08:30:00", "09:30:00", "10:00:00", "10:20:00", "10:29:59"] {
        app.run_until_quiet(&format!("2027-03-{day:02}T{time}Z")).await;
    }
    app.relay.received().len() - before
}

#[tokio::test]
async fn warms_a_relay_up_over_days() {
    let database = sqlite().await;
    let more = "[[limit]]\nrelay = \"main\"\nper_day = 10\nwarm_up = { first_day = 2, growth = 2 }";
    let app = app(&database.store, more).await;
    app.import(&at_domain("granvik.example", 60)).await;
    app.apply(campaign("send")).await;
    // The campaign rests from Friday to Sunday, which makes no leap.
    let mut counts = Vec::new();
    for day in [1, 2, 3, 8, 9] {
        counts.push(a_day(&app, day).await);
    }
    assert_eq!(counts, [2, 4, 8, 10, 10]);
}

#[tokio::test]
async fn two_daemons_on_one_database_keep_a_limit_together() {
    for database in databases("limits_two").await {
        let more = "[[limit]]\nrelay = \"main\"\nper_day = 7\n[[limit]]\nsender = \"fyrljus\"\nrate = \"100/minute\"";
        let other = Store::open(&database.url, Migration::Refuse).await.unwrap();
        let (one, two) = (app(&database.store, more).await, app(&other, more).await);
        one.import(&at_domain("granvik.example", 40)).await;
        one.import(&at_domain("gmail.com", 40)).await;
        one.apply(campaign("send")).await;
        one.clock.set(at(MONDAY));
        two.clock.set(at(MONDAY));
        outreachd::schedule::turn(&one.store, &one.config, at(MONDAY)).await.unwrap();
        for _ in 0..4 {
            let (a, b) = tokio::join!(one.deliver.turn(at(MONDAY)), two.deliver.turn(at(MONDAY)));
            a.and(b).unwrap();
        }
        assert_eq!(one.relay.received().len() + two.relay.received().len(), 7);
        assert_eq!(one.store.gone().await.unwrap()["relay/main"].today, 7);
    }
}

#[tokio::test]
async fn a_campaign_limits_itself_and_what_a_person_waits_for_goes_first() {
    let database = sqlite().await;
    let app = app(&database.store, "[[limit]]\nrelay = \"main\"\nper_day = 3").await;
    app.import(&at_domain("granvik.example", 9)).await;
    let mut slow = campaign("send");
    slow.limit.per_day = Some(2);
    app.apply(slow).await;
    app.run_until_quiet(MONDAY).await;
    assert_eq!(app.relay.received().len(), 2);
    let karin = app.store.users().await.unwrap().remove(0);
    let digest = outreachd::store::NewDelivery {
        key: "digest/1".into(),
        purpose: outreachd::model::delivery::Purpose::Digest,
        address: outreachd::model::address::Address::Email(karin.email.clone()),
        contact: None,
        user: Some(karin.id),
        plan: None,
        campaign: None,
        step: None,
        variant: None,
        revision: None,
        fallback: None,
        needs_consent: false,
        sender: "fyrljus".into(),
        lane: "email/main/fyrljus/@digest/other".into(),
        payload: Some(serde_json::json!({ "subject": "Inget", "text": "Hej!", "html": null })),
        due_at: at(MONDAY),
        not_after: None,
    };
    app.store.create_deliveries(&app.act(), &[digest]).await.unwrap();
    app.run_until_quiet(MONDAY).await;
    assert_eq!(by_domain(&app)["fyrljus.example"], 1);
}

#[tokio::test]
async fn one_relay_has_no_more_sessions_than_it_may_whatever_the_lanes() {
    let (active, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&active), Arc::clone(&most));
    let script = move |facts: &Facts<'_>| {
        match facts.stage {
            Stage::Mail => drop(peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst)),
            Stage::Dot => drop(now.fetch_sub(1, Ordering::SeqCst)),
            _ => {}
        }
        Answer::Accept
    };
    let database = sqlite().await;
    let app = TestApp::with(database.store.clone(), script, "sessions = 2", ManualClock::new(at(BEFORE))).await;
    for domain in ["gmail.com", "yahoo.com", "hotmail.se", "granvik.example"] {
        app.import(&at_domain(domain, 30)).await;
    }
    app.apply(campaign("send")).await;
    app.run_until_quiet(MONDAY).await;
    assert_eq!((app.relay.received().len(), most.load(Ordering::SeqCst)), (120, 2));
    let sessions: BTreeSet<_> = app.relay.received().iter().map(|mail| mail.session).collect();
    assert!(sessions.len() <= 4, "lanes pass their sessions on: {sessions:?}");
}

#[tokio::test]
async fn a_provider_has_its_own_sessions_and_letters_a_session() {
    let database = sqlite().await;
    let more = format!("sessions = 4\n{STOR}[[limit]]\nprovider = \"stor\"\nsessions = 1\nmessages_per_session = 3");
    let app = app(&database.store, &more).await;
    app.import(&at_domain("stor.example", 7)).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(MONDAY).await;
    let sessions: Vec<_> = app.relay.received().iter().map(|mail| mail.session).collect();
    assert_eq!(sessions, [1, 1, 1, 2, 2, 2, 3]);
    assert!(app.store.places().await.unwrap().is_empty(), "who is alone on a file asks for none");
}

#[tokio::test]
async fn a_provider_that_is_new_in_the_configuration_holds_for_what_waits() {
    let database = sqlite().await;
    let before = app(&database.store, "").await;
    before.import(&at_domain("stor.example", 9)).await;
    before.apply(campaign("send")).await;
    before.run_until_quiet(BEFORE).await;
    let more = format!("{STOR}[[limit]]\nprovider = \"stor\"\nper_day = 2");
    let after = app(&database.store, &more).await;
    after.run_until_quiet(MONDAY).await;
    assert_eq!(after.relay.received().len(), 2);
}

/// A provider that is known by its hosts, and takes two letters a day; asks `resolver`.
fn by_hosts(resolver: SocketAddr) -> String {
    format!(
        "[[provider]]\nid = \"molnet\"\nmx = [\"*.molnet.example\"]\n[[limit]]\nprovider = \"molnet\"\nper_day = 2\n\
         [daemon]\nresolver = \"{resolver}\""
    )
}

async fn ask_the_dns(app: &TestApp) -> usize {
    let mut exchangers = Exchangers::new(&app.config);
    exchangers.turn(&app.store, &app.config, app.daemon, app.clock.now()).await.unwrap().done
}

#[tokio::test]
async fn a_domain_goes_by_the_provider_whose_hosts_take_its_mail() {
    const ZONE: MxZone = &[
        ("granvik.example.", &[(10, "granvik-example.molnet.example."), (20, "mx.annat.example.")]),
        ("bo.example.", &[]),
    ];
    for database in databases("limits_mx").await {
        let resolver = mx_server(ZONE).await;
        let first = app(&database.store, &by_hosts(resolver)).await;
        first.import(&at_domain("granvik.example", 5)).await;
        first.import(&at_domain("bo.example", 2)).await;
        first.apply(campaign("send")).await;
        first.run_until_quiet(BEFORE).await;
        let lanes = async || -> Vec<_> {
            let lanes = first.store.waiting_lanes().await.unwrap();
            lanes.into_iter().map(|(lane, _)| lane.rsplit('/').next().unwrap().to_owned()).collect()
        };
        assert_eq!(lanes().await, ["other"], "nobody has asked yet");
        assert_eq!(ask_the_dns(&first).await, 2);
        assert_eq!(lanes().await, ["molnet", "other"]);
        assert_eq!(ask_the_dns(&first).await, 0, "that holds for days");

        // After a restart it is known without the DNS.
        let gone: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let second = app(&database.store, &by_hosts(gone)).await;
        assert_eq!(second.config.pace.provider("granvik.example"), "other");
        ask_the_dns(&second).await;
        assert_eq!(second.config.pace.provider("granvik.example"), "molnet");
        second.run_until_quiet(MONDAY).await;
        assert_eq!(by_domain(&second), BTreeMap::from([("granvik.example".into(), 2), ("bo.example".into(), 2)]));

        first.clock.set(at("2027-03-05T09:00:00Z"));
        assert_eq!(first.config.pace.provider("granvik.example"), "molnet");
        ask_the_dns(&first).await;
        first.config.pace.provider("granvik.example");
        assert_eq!(ask_the_dns(&first).await, 1, "what is old is asked again when it is wanted");
    }
}

#[tokio::test]
async fn nobody_waits_for_a_name_server_that_is_away() {
    for database in databases("limits_no_dns").await {
        let app = app(&database.store, &by_hosts("127.0.0.1:1".parse().unwrap())).await;
        app.import(&at_domain("granvik.example", 5)).await;
        app.apply(campaign("send")).await;
        app.run_until_quiet(BEFORE).await;
        assert_eq!(ask_the_dns(&app).await, 0);
        app.run_until_quiet(MONDAY).await;
        assert_eq!(by_domain(&app)["granvik.example"], 5, "the domain stands for itself");
        assert_eq!(app.store.wanted_mail_domains("", 9).await.unwrap(), ["granvik.example"], "it is asked again");
    }
}

/// An outreachd whose relay answers by `script`, and the relay that stands in for it.
async fn with_backup(script: impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static) -> (TestApp, MailServer) {
    let backup = MailServer::start(accept, Options::default()).await.unwrap();
    let more = format!(
        "backup = \"other\"\n[[relay]]\nid = \"other\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"",
        backup.addr().port()
    );
    let database = sqlite().await;
    let app = TestApp::with(database.store.clone(), script, &more, ManualClock::new(at(BEFORE))).await;
    app.import(&at_domain("granvik.example", 3)).await;
    app.apply(campaign("send")).await;
    app.keep(database);
    (app, backup)
}

#[tokio::test]
async fn b11_fails_over_before_data_only() {
    let at_stage = |stage, answer: Answer| {
        move |facts: &Facts<'_>| if facts.stage == stage { answer.clone() } else { Answer::Accept }
    };
    for (stage, answer, own, by_backup, state) in [
        (Stage::Greeting, Answer::Drop, 0, 3, DeliveryState::Accepted),
        (Stage::Greeting, Answer::Reply("554 5.3.2 no service".into()), 0, 3, DeliveryState::Accepted),
        (Stage::Recipient, Answer::greylisted(), 0, 0, DeliveryState::Retry),
        (Stage::Dot, Answer::KeepAndDrop, 3, 0, DeliveryState::Uncertain),
    ] {
        let (app, backup) = with_backup(at_stage(stage, answer)).await;
        app.run_until_quiet(DURING).await;
        app.run_until_quiet(DURING).await;
        let rows = app.deliveries().await;
        assert!(rows.iter().all(|row| row.state == state && row.tries == 1), "{stage:?}: {rows:?}");
        assert_eq!((app.relay.received().len(), backup.received().len()), (own, by_backup), "{stage:?}");
        for row in rows {
            let attempt = app.store.attempts(row.id).await.unwrap().remove(0);
            assert_eq!(attempt.relay, if by_backup > 0 { "other" } else { "main" }, "{stage:?}");
        }
    }
}

#[tokio::test]
async fn a_relay_that_is_back_takes_its_letters_again() {
    let down = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let seen = Arc::clone(&down);
    let script = move |facts: &Facts<'_>| {
        if facts.stage == Stage::Greeting && seen.load(Ordering::SeqCst) { Answer::Drop } else { Answer::Accept }
    };
    let (app, backup) = with_backup(script).await;
    app.run_until_quiet(DURING).await;
    assert_eq!((app.relay.received().len(), backup.received().len()), (0, 3));
    down.store(false, Ordering::SeqCst);
    // The second letters, three business days later.
    assert_eq!(a_day(&app, 4).await, 3);
    assert_eq!(backup.received().len(), 3);
}

#[tokio::test]
async fn leases_are_shared_survive_and_can_be_given_back() {
    for database in databases("limits_leases").await {
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        let limit = Limit { per_day: Some(10), ..Limit::default() };
        let ask = |want| [Ask { limits: vec![("relay/main".into(), limit)], want, direct: false }];
        let two = Store::open(&database.url, Migration::Refuse).await.unwrap();
        let (one, now) = (&database.store, at(DURING));
        assert_eq!(one.lease_tokens(&ask(6), 0, now, &zone).await.unwrap()[0].tokens, 6);
        let rest = &two.lease_tokens(&ask(6), 0, now, &zone).await.unwrap()[0];
        assert_eq!((rest.tokens, rest.binding.as_deref()), (4, Some("relay/main")));
        assert_eq!(rest.next_at, Some(at("2027-03-01T23:00:00Z")));
        let day = jiff::civil::date(2027, 3, 1);
        let unused = Unused { key: "relay/main".into(), limit, count: 3, day };
        two.return_tokens(&[unused]).await.unwrap();
        let (a, b) = (ask(2), ask(2));
        let (a, b) = tokio::join!(one.lease_tokens(&a, 0, now, &zone), two.lease_tokens(&b, 0, now, &zone));
        assert_eq!(a.unwrap()[0].tokens + b.unwrap()[0].tokens, 3);
        let gone = &two.gone().await.unwrap()["relay/main"];
        assert_eq!((gone.today, gone.days, gone.day), (10, 0, Some(day)));
    }
}

#[tokio::test]
async fn places_are_shared_and_come_back_when_their_daemon_ends() {
    for database in databases("limits_places").await {
        let two = Store::open(&database.url, Migration::Refuse).await.unwrap();
        let (one, now) = (&database.store, at(DURING));
        let (first, second) = (one.register_daemon(now).await.unwrap(), two.register_daemon(now).await.unwrap());
        let ask = |held, wanted| PlaceAsk { key: "relay/main".into(), own: Holder { held, wanted, most: 4 } };
        let share = async |store: &Store, daemon, ask| store.share_places(daemon, &[ask], now).await.unwrap().remove(0);
        assert_eq!(share(one, first, ask(0, 1)).await, 4, "all of them, for it is alone");
        assert_eq!(share(&two, second, ask(0, 9)).await, 0);
        assert_eq!(share(one, first, ask(4, 9)).await, 2, "it hears that another wants some");
        assert_eq!(share(&two, second, ask(0, 9)).await, 0, "but they are not free yet");
        assert_eq!(share(one, first, ask(2, 9)).await, 2);
        let (a, b) = tokio::join!(share(&two, second, ask(0, 9)), share(one, first, ask(2, 9)));
        assert_eq!((a, b), (2, 2));
        assert_eq!(one.places().await.unwrap()["relay/main"], 4);
        one.end_daemon(first, now).await.unwrap();
        assert_eq!(share(&two, second, ask(2, 9)).await, 4);
        assert_eq!(share(one, first, ask(2, 9)).await, 0, "who was taken for dead holds none");
        assert_eq!(share(&two, second, ask(0, 0)).await, 0);
        assert!(two.places().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn finds_each_lane_once_and_forgets_domains_that_rest() {
    for database in databases("limits_lanes").await {
        let app = app(&database.store, "[[limit]]\ndomain = \"*\"\nper_day = 3").await;
        for domain in ["gmail.com", "hotmail.se", "granvik.example"] {
            app.import(&at_domain(domain, 3)).await;
        }
        app.apply(campaign("send")).await;
        app.run_until_quiet(BEFORE).await;
        let lanes = app.store.waiting_lanes().await.unwrap();
        let names: Vec<_> = lanes.iter().map(|(lane, _)| lane.as_str()).collect();
        let lane = |provider| format!("email/main/fyrljus/led/{provider}");
        assert_eq!(names, [lane("google"), lane("microsoft"), lane("other")]);
        let first = app.deliveries().await.iter().map(|row| row.due_at).min();
        assert_eq!(lanes.iter().map(|(_, at)| *at).min(), first);
        app.run_until_quiet(MONDAY).await;
        assert_eq!(app.store.forget_domains(jiff::civil::date(2027, 3, 1)).await.unwrap(), 0);
        assert_eq!(app.store.forget_domains(jiff::civil::date(2027, 3, 2)).await.unwrap(), 1);
    }
}
