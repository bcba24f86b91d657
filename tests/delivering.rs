//! From plans to the wire and back, against a real SMTP peer that answers by a script.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

#[path = "delivering/message.rs"]
mod message;
mod support;

use outreachd::clock::{Clock, ManualClock};
use outreachd::demo::fax_gateway::{Ending, Fault, FaxGateway, KEY, SECRET};
use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options, Stage};
use outreachd::model::delivery::{DeliveryState, Outcome};
use outreachd::model::plan::{PlanState, StopReason};
use outreachd::model::suppression::{Reason, Scope};
use outreachd::store::{ClientRecord, Consequence, PauseScope};
use support::app::{AFTER, BEFORE, DURING, TestApp, at, campaign, client, config, faxed};
use support::databases::{databases, sqlite};

fn accept(_: &Facts<'_>) -> Answer {
    Answer::Accept
}

/// An answer at one stage, acceptance everywhere else.
fn at_stage(stage: Stage, answer: Answer) -> impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static {
    move |facts| if facts.stage == stage { answer.clone() } else { Answer::Accept }
}

#[tokio::test]
async fn sends_each_letter_once_and_nothing_before_its_window() {
    for database in databases("deliver_once").await {
        let app = TestApp::new(database.store.clone(), accept).await;
        app.import(&[client("Anna Lind"), client("Bo Ek")]).await;
        assert_eq!(app.apply(campaign("send")).await, 2);
        let turn = app.run_until_quiet(BEFORE).await;
        assert_eq!(app.relay.received().len(), 0);
        assert!(turn.next_at.unwrap() >= at("2027-03-01T07:30:00Z"));
        app.run_until_quiet(DURING).await;
        app.run_until_quiet(DURING).await;
        let received = app.relay.received();
        assert_eq!(received.len(), 2);
        let mail = String::from_utf8_lossy(&received[0].message).into_owned();
        assert!(
            mail.contains("From: \"Karin Ek\" <hej@fyrljus.example>")
                || mail.contains("From: Karin Ek <hej@fyrljus.example>"),
            "{mail}"
        );
        assert!(mail.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{mail}");
        assert!(received[0].from.starts_with("ut+"), "the return path names the delivery: {}", received[0].from);
        let rows = app.deliveries().await;
        assert!(rows.iter().all(|row| row.state == DeliveryState::Accepted && row.tries == 1), "{rows:?}");
        let plans = app.store.plans_in("led").await.unwrap();
        assert!(plans.iter().all(|plan| plan.step.as_deref() == Some("referens")));
        assert_eq!(plans[0].next_at.unwrap().to_string().split('T').next(), Some("2027-03-04"));
    }
}

/// Åsa Ek, whose own name stands before the @.
fn asa() -> ClientRecord {
    ClientRecord { email: Some("åsa.ek@asa-ek.example".into()), ..client("Åsa Ek") }
}

#[tokio::test]
async fn a_letter_to_a_name_beyond_ascii_goes_by_a_relay_that_takes_it() {
    for database in databases("deliver_smtputf8").await {
        let relay = MailServer::start(accept, Options { smtputf8: true, ..Options::default() }).await.unwrap();
        let app = TestApp::new(database.store.clone(), accept).await.configured(config(relay.addr().port(), ""));
        app.import(&[asa(), client("Bo Ek")]).await;
        app.apply(campaign("send")).await;
        app.run_until_quiet(DURING).await;
        app.run_until_quiet(DURING).await;
        let received = relay.received();
        let of = |to: &str| received.iter().find(|mail| mail.to == [to]).unwrap();
        let (mail, plain) = (of("åsa.ek@asa-ek.example"), of("info@bo-ek.example"));
        assert!(mail.from_parameters.contains("BODY=8BITMIME") && mail.from_parameters.contains("SMTPUTF8"));
        assert!(mail.to_parameters.contains("ORCPT=utf-8;åsa.ek@asa-ek.example"), "{}", mail.to_parameters);
        assert!(mail.from.starts_with("ut+") && mail.from.is_ascii(), "the way back is our own: {}", mail.from);
        let text = std::str::from_utf8(&mail.message).unwrap();
        let beyond: Vec<_> = text.lines().filter(|line| !line.is_ascii()).collect();
        assert_eq!(beyond.len(), 1, "RFC 6532: the address alone stands as it is: {beyond:?}");
        assert!(beyond[0].contains("<åsa.ek@asa-ek.example>"), "{beyond:?}");
        assert!(!plain.from_parameters.contains("SMTPUTF8") && plain.message.is_ascii(), "{}", plain.from_parameters);
        assert!(app.deliveries().await.iter().all(|row| row.state == DeliveryState::Accepted));
    }
}

#[tokio::test]
async fn a_letter_to_a_name_beyond_ascii_is_refused_at_once_where_the_relay_does_not_take_it() {
    for database in databases("deliver_no_smtputf8").await {
        let app = TestApp::new(database.store.clone(), accept).await;
        app.import(&[asa(), client("Bo Ek")]).await;
        app.apply(campaign("send")).await;
        app.run_until_quiet(DURING).await;
        app.run_until_quiet(DURING).await;
        assert_eq!(app.relay.received().len(), 1, "the other letter leaves");
        let rows = app.deliveries().await;
        let row = rows.iter().find(|row| row.address == "åsa.ek@asa-ek.example").unwrap();
        assert_eq!((row.state, row.tries), (DeliveryState::Rejected, 1));
        let why = "its address has letters before the @ that relay main does not take (no SMTPUTF8)";
        assert_eq!(row.reason.as_deref(), Some(why));
        let attempt = app.store.attempts(row.id).await.unwrap().remove(0);
        assert_eq!((attempt.code, attempt.enhanced.as_deref()), (Some(553), Some("5.6.7")), "nobody was asked");
        assert!(app.store.suppressions(row.contact.unwrap()).await.unwrap().is_empty(), "the address lives");
        let tasks = app.store.tasks(None, row.contact).await.unwrap();
        assert!(tasks.iter().any(|task| task.note.contains("send by a relay with SMTPUTF8")), "{tasks:?}");
    }
}

#[tokio::test]
async fn follows_up_in_the_same_thread_and_ends() {
    let database = sqlite().await;
    let app = TestApp::new(database.store.clone(), accept).await;
    app.import(&[client("Anna Lind")]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    app.run_until_quiet("2027-03-04T09:00:00Z").await;
    let received = app.relay.received();
    assert_eq!(received.len(), 2);
    let (first, second) = (text(&received[0].message), text(&received[1].message));
    let id = header(&first, "Message-ID");
    assert_eq!(header(&second, "In-Reply-To"), id);
    assert_eq!(header(&second, "Subject"), format!("Re: {}", header(&first, "Subject")));
    assert_eq!(app.store.plans_in("led").await.unwrap()[0].state, PlanState::Done);
}

fn text(message: &[u8]) -> String {
    String::from_utf8_lossy(message).into_owned()
}

fn header(mail: &str, name: &str) -> String {
    let line = mail.lines().find(|line| line.starts_with(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name} in {mail}"))[name.len() + 2..].trim().to_owned()
}

#[tokio::test]
async fn tries_again_what_was_refused_for_now() {
    let database = sqlite().await;
    let refused = std::sync::atomic::AtomicBool::new(false);
    let script = move |facts: &Facts<'_>| {
        let first = facts.stage == Stage::Recipient && !refused.swap(true, std::sync::atomic::Ordering::SeqCst);
        if first { Answer::greylisted() } else { Answer::Accept }
    };
    let app = TestApp::new(database.store.clone(), script).await;
    app.import(&[client("Anna Lind")]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    let row = &app.deliveries().await[0];
    assert_eq!((row.state, row.tries), (DeliveryState::Retry, 1));
    assert_eq!(app.relay.received().len(), 0);
    let again = row.due_at.to_string();
    app.run_until_quiet(&again).await;
    let row = &app.deliveries().await[0];
    assert_eq!((row.state, row.tries), (DeliveryState::Accepted, 2));
    assert_eq!(app.store.attempts(row.id).await.unwrap().len(), 2);
}

/// A gateway whose calls end as `script` says, and an outreachd whose every mail address is dead.
async fn by_fax_only(
    script: impl Fn(&str, u32) -> Ending + Send + Sync + 'static,
) -> (TestApp, FaxGateway, Vec<tempfile::NamedTempFile>) {
    let clock = ManualClock::new(at(BEFORE));
    let gateway = FaxGateway::start(Clock::Manual(clock.clone()), script).await.unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SECRET).unwrap();
    let base = gateway.base_url();
    let more = format!(
        "[fax]\nbase_url = \"{base}\"\nkey = \"{KEY}\"\nsecret = {{ file = {:?} }}\npoll_s = 60",
        secret.path()
    );
    let database = sqlite().await;
    let refusal = at_stage(Stage::Recipient, Answer::no_such_user());
    let app = TestApp::with(database.store.clone(), refusal, &more, clock).await;
    app.import(&[faxed("Oskar Nyman", "+46701740620")]).await;
    app.apply(campaign("send")).await;
    app.keep(database);
    (app, gateway, vec![secret])
}

#[tokio::test]
async fn suppresses_an_address_that_does_not_exist_and_writes_by_fax() {
    let (app, gateway, _secrets) = by_fax_only(|_, nth| if nth == 1 { Ending::Busy } else { Ending::Delivered }).await;
    app.run_until_quiet(DURING).await;
    let rows = app.deliveries().await;
    assert_eq!((rows[0].state, rows[0].outcome), (DeliveryState::Rejected, Some(Outcome::Bounced)));
    assert_eq!(rows.len(), 2, "the same letter goes by fax");
    // The call is over, and it was busy; five minutes later it is not.
    for now in ["2027-03-01T09:35:00Z", "2027-03-01T09:37:00Z", "2027-03-01T09:45:00Z", "2027-03-01T09:47:00Z"] {
        app.run_until_quiet(now).await;
    }
    let rows = app.deliveries().await;
    assert_eq!(
        (rows[1].state, rows[1].outcome, rows[1].tries),
        (DeliveryState::Accepted, Some(Outcome::Delivered), 2),
        "{rows:?}"
    );
    assert_eq!(gateway.faxes().len(), 2);
    let contact = rows[0].contact.unwrap();
    assert_eq!(app.store.suppressions(contact).await.unwrap()[0].reason, Reason::Invalid);
    assert_eq!(app.store.tasks(None, Some(contact)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn never_repeats_a_fax_whose_answer_was_lost() {
    let (app, gateway, _secrets) = by_fax_only(|_, _| Ending::Delivered).await;
    gateway.fail_next(Fault::Broken { taken: true });
    app.run_until_quiet(DURING).await;
    app.run_until_quiet("2027-03-01T09:35:00Z").await;
    assert_eq!(app.deliveries().await[1].state, DeliveryState::Uncertain);
    for now in ["2027-03-01T09:40:00Z", "2027-03-01T09:45:00Z", "2027-03-01T09:50:00Z"] {
        app.run_until_quiet(now).await;
    }
    assert_eq!(app.deliveries().await[1].state, DeliveryState::Accepted, "it was found by its reference");
    assert_eq!(gateway.faxes().len(), 1);
}

#[tokio::test]
async fn pauses_the_domain_of_a_server_that_refuses_us() {
    let database = sqlite().await;
    let app = TestApp::new(database.store.clone(), at_stage(Stage::Recipient, Answer::policy())).await;
    app.import(&[client("Maria Falk")]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    let row = &app.deliveries().await[0];
    assert_eq!((row.state, row.outcome), (DeliveryState::Rejected, None));
    let pauses = app.store.pauses(at(DURING)).await.unwrap();
    assert_eq!(pauses[0].scope, PauseScope::Domain("maria-falk.example".into()));
    assert_eq!(app.store.suppressions(row.contact.unwrap()).await.unwrap(), []);
    app.run_until_quiet("2027-03-04T09:00:00Z").await;
    assert_eq!(app.relay.received().len(), 0);
}

#[tokio::test]
async fn is_uncertain_when_the_answer_to_the_dot_is_lost() {
    let database = sqlite().await;
    let app = TestApp::new(database.store.clone(), at_stage(Stage::Dot, Answer::KeepAndDrop)).await;
    app.import(&[client("Anna Lind")]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    app.run_until_quiet("2027-03-01T10:00:00Z").await;
    assert_eq!(app.deliveries().await[0].state, DeliveryState::Uncertain);
    assert_eq!(app.relay.received().len(), 1, "it is not sent a second time");
}

#[tokio::test]
async fn loses_nothing_when_the_relay_goes_away_before_the_body() {
    let database = sqlite().await;
    let app = TestApp::new(database.store.clone(), at_stage(Stage::Data, Answer::Drop)).await;
    app.import(&[client("Anna Lind")]).await;
    app.apply(campaign("send")).await;
    app.clock.set(at(DURING));
    outreachd::schedule::turn(&app.store, &app.config, app.clock.now()).await.unwrap();
    let turn = app.deliver.turn(app.clock.now()).await.unwrap();
    let row = &app.deliveries().await[0];
    assert_eq!((row.state, row.tries), (DeliveryState::Retry, 1), "a letter that ends a session counts a try");
    assert!(turn.next_at.unwrap() > at(DURING), "the relay is left alone for a while");
}

/// The relay answers while a thread is held up, so another one must write the handoff.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_opt_out_between_claim_and_body_stops_the_body() {
    let database = sqlite().await;
    let (ask, asked) = std::sync::mpsc::channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let script = move |facts: &Facts<'_>| {
        if facts.stage == Stage::Recipient {
            ask.send(()).unwrap();
            gone.lock().unwrap().recv().unwrap();
        }
        Answer::Accept
    };
    let app = TestApp::new(database.store.clone(), script).await;
    app.import(&[client("Sara Wik")]).await;
    app.apply(campaign("send")).await;
    app.clock.set(at(DURING));
    outreachd::schedule::turn(&app.store, &app.config, app.clock.now()).await.unwrap();
    let contact = app.deliveries().await[0].contact.unwrap();
    let store = app.store.clone();
    let opt_out = tokio::task::spawn_blocking(move || {
        asked.recv().unwrap();
        let suppress = Consequence::Suppress {
            scope: Scope::Contact,
            value: contact.to_string(),
            reason: Reason::OptOut,
            response: None,
        };
        let stop = Consequence::StopPlans { contact, reason: StopReason::OptOut };
        let act = outreachd::model::act::Act::stage("test", at(DURING));
        tokio::runtime::Handle::current().block_on(store.carry_out(&act, &[suppress, stop])).unwrap();
        go.send(()).unwrap();
    });
    let (turn, opted) = tokio::join!(app.deliver.turn(app.clock.now()), opt_out);
    turn.unwrap();
    opted.unwrap();
    assert_eq!(app.relay.received().len(), 0);
    assert_eq!(app.deliveries().await[0].state, DeliveryState::Cancelled);
}

#[tokio::test]
async fn a_three_day_stop_sends_skips_or_asks_by_the_late_policy() {
    for (late, state) in
        [("send", DeliveryState::Scheduled), ("skip", DeliveryState::Skipped), ("ask", DeliveryState::Held)]
    {
        let database = sqlite().await;
        let app = TestApp::new(database.store.clone(), accept).await;
        app.import(&[client("Anna Lind")]).await;
        app.apply(campaign(late)).await;
        // Nothing ran from Monday to Thursday afternoon.
        app.run_until_quiet("2027-03-04T12:00:00Z").await;
        assert_eq!(app.relay.received().len(), 0, "{late}");
        let row = app.deliveries().await.remove(0);
        assert_eq!((row.state, row.step.as_deref()), (state, Some("intro")), "{late}");
        if late == "send" {
            assert!(
                row.due_at > at("2027-03-08T07:30:00Z") && row.due_at < at("2027-03-08T10:30:00Z"),
                "{}",
                row.due_at
            );
            app.run_until_quiet("2027-03-08T09:00:00Z").await;
            assert_eq!(app.relay.received().len(), 1);
        }
    }
}

#[tokio::test]
async fn sends_nothing_after_the_window_closed() {
    let database = sqlite().await;
    let app = TestApp::new(database.store.clone(), accept).await;
    app.import(&[client("Anna Lind")]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(AFTER).await;
    assert_eq!(app.relay.received().len(), 0);
    assert!(app.deliveries().await[0].due_at > at("2027-03-02T07:30:00Z"));
}
