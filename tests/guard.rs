//! Guard-rails from the wire to the digest: sixty letters, a relay that refuses some, and
//! what becomes of the campaign.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

use jiff::ToSpan;
use outreachd::demo::mail_server::{Answer, Facts, Stage};
use outreachd::digest::{self, Stop};
use outreachd::guard::{self, Guard};
use outreachd::model::act::Act;
use outreachd::model::delivery::{DeliveryState, Outcome};
use outreachd::model::id::UserId;
use outreachd::model::language::Language;
use outreachd::model::task::TaskKind;
use outreachd::model::user::{Role, User};
use outreachd::policy::guard::Rate;
use outreachd::store::{Consequence, Finding, PauseScope, Store, TaskRow};
use support::app::{DURING, TestApp, at, client};
use support::databases::databases;
use support::house::campaign;

const CLIENTS: usize = 60;
/// The second letters are due.
const THURSDAY: &str = "2027-03-04T09:00:00Z";

/// Sixty clients have got their first letter; the first `dead` addresses do not exist.
async fn sent(store: Store, dead: usize) -> TestApp {
    let script = move |facts: &Facts<'_>| {
        let number = facts.to.strip_prefix("info@klient-").and_then(|rest| rest[..2].parse::<usize>().ok());
        let is_dead = facts.stage == Stage::Recipient && number.is_some_and(|number| number < dead);
        if is_dead { Answer::no_such_user() } else { Answer::Accept }
    };
    let app = TestApp::new(store, script).await;
    let clients: Vec<_> = (0..CLIENTS).map(|number| client(&format!("Klient {number:02}"))).collect();
    app.import(&clients).await;
    let head = User {
        id: UserId(0),
        role: Role::Head,
        language: Language::Sv,
        name: "Mira Holm".to_owned().try_into().unwrap(),
        email: "mira.holm@fyrljus.example".to_owned().try_into().unwrap(),
        ..app.store.users().await.unwrap().remove(0)
    };
    app.store.appoint(&app.act(), &head, "head").await.unwrap();
    assert_eq!(app.apply(campaign("send")).await, CLIENTS as u64);
    app.run_until_quiet(DURING).await;
    app
}

async fn look(app: &TestApp) -> usize {
    guard::look(&app.store, &app.config, app.clock.now()).await.unwrap()
}

async fn operate(app: &TestApp) -> Vec<TaskRow> {
    let tasks = app.store.tasks(None, None).await.unwrap();
    tasks.into_iter().filter(|task| task.kind == TaskKind::Operate).collect()
}

#[tokio::test]
async fn pauses_a_campaign_once_and_tells_operator_and_head() {
    for database in databases("guard_pause").await {
        let app = sent(database.store.clone(), 4).await;
        assert_eq!(app.store.campaign_tallies(at(DURING)).await.unwrap()[0].tally.bounced, 4);
        assert_eq!((look(&app).await, look(&app).await), (1, 0));
        let pauses = app.store.pauses(at(DURING)).await.unwrap();
        assert_eq!(pauses.len(), 1);
        assert_eq!((&pauses[0].scope, pauses[0].actor.as_str()), (&PauseScope::Campaign("led".into()), "guard"));
        assert_eq!(pauses[0].reason, "4 of 60 letters bounced (6.7 %; the limit is 5 %)");
        assert_eq!(pauses[0].until, None);
        let tasks = operate(&app).await;
        let notes: Vec<_> = tasks.iter().map(|task| (task.user.is_some(), task.note.as_str())).collect();
        assert_eq!(
            notes,
            [
                (
                    false,
                    "Campaign LED i lagret was paused: 4 of 60 letters bounced (6.7 %; the limit is 5 %). \
                     See why, then: outreachd resume led"
                ),
                (
                    true,
                    "Kampanjen LED i lagret pausades: 4 av 60 brev studsade (6,7 %, gränsen är 5 %). \
                     Se varför, sedan: outreachd resume led"
                ),
            ]
        );
        let before = app.relay.received().len();
        app.run_until_quiet(THURSDAY).await;
        assert_eq!(app.relay.received().len(), before, "nothing leaves");
    }
}

#[tokio::test]
async fn begins_anew_after_a_person_resumed_it() {
    for database in databases("guard_resume").await {
        let app = sent(database.store.clone(), 4).await;
        assert_eq!(look(&app).await, 1);
        app.clock.set(at(DURING) + 1.hour());
        let person = Act::person("mira.holm@fyrljus.example", app.clock.now());
        app.store.resume(&person, &PauseScope::Campaign("led".into())).await.unwrap();
        assert_eq!(look(&app).await, 0, "what was before is not held against it");
        app.run_until_quiet(THURSDAY).await;
        assert_eq!(app.relay.received().len(), 2 * (CLIENTS - 4));
        assert_eq!(look(&app).await, 0);
        // And what leaves from now on is: two reports among the second letters.
        let second = app.deliveries().await.into_iter().filter(|row| row.step.as_deref() == Some("referens"));
        let sent = second.filter(|row| row.state == DeliveryState::Accepted);
        let reported: Vec<_> =
            sent.take(2).map(|row| Consequence::Outcome { delivery: row.id, outcome: Outcome::Complained }).collect();
        app.store.carry_out(&app.act(), &reported).await.unwrap();
        assert_eq!(look(&app).await, 1);
        let findings = app.store.guard_findings(at(DURING)).await.unwrap();
        let told: Vec<_> = findings.iter().map(|one| (one.verdict, one.excess.rate, one.excess.count)).collect();
        assert_eq!(told, [(Finding::Pause, Rate::Bounces, 4), (Finding::Pause, Rate::Complaints, 2)]);
    }
}

#[tokio::test]
async fn warns_once_below_the_pause_and_says_nothing_of_a_few() {
    for database in databases("guard_warn").await {
        let app = sent(database.store.clone(), 2).await;
        assert_eq!((look(&app).await, look(&app).await), (1, 0));
        assert_eq!(app.store.pauses(at(DURING)).await.unwrap(), []);
        let tasks = operate(&app).await;
        assert_eq!(tasks.len(), 1);
        assert!(tasks[0].note.starts_with("Campaign LED i lagret comes near a pause: 2 of 60 letters bounced (3.3 %"));
        // A week later those letters are counted no more; then there are none.
        app.clock.set(at(DURING) + 193.hours());
        assert_eq!(app.store.campaign_tallies(app.clock.now() - 168.hours()).await.unwrap(), []);
        assert_eq!(look(&app).await, 0);
    }
}

#[tokio::test]
async fn a_managers_digest_says_why_letters_wait() {
    for database in databases("guard_digest").await {
        let app = sent(database.store.clone(), 4).await;
        look(&app).await;
        let karin = app.store.users().await.unwrap().into_iter().find(|user| user.role == Role::Manager).unwrap();
        let (from, until) = (at("2027-03-01T06:30:00Z"), at("2027-03-02T06:30:00Z"));
        for (language, who, line) in [
            (
                Language::Sv,
                "Kampanjen LED i lagret är pausad",
                "4 av 60 brev studsade (6,7 %). Driften har fått ärendet;",
            ),
            (
                Language::En,
                "Campaign LED i lagret is paused",
                "4 of 60 letters bounced (6.7 %). Operations have the case;",
            ),
        ] {
            let user = User { language, ..karin.clone() };
            let data = digest::collect(&app.store, &app.config, &user, from, until, until).await.unwrap();
            assert!(matches!(data.stopped[0].why, Stop::Excess(excess) if excess.letters == 60), "{:?}", data.stopped);
            assert!(data.upcoming.is_empty(), "what waits is not announced");
            let text = digest::compose(&data, "https://x.example/d/x").text.replace('\u{a0}', " ");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(who) && words.contains(line), "{text}");
        }
    }
}

#[tokio::test]
async fn looks_once_a_minute_and_asks_for_no_turn_before() {
    for database in databases("guard_minute").await {
        let (app, mut guard) = (sent(database.store.clone(), 0).await, Guard::default());
        let now = app.clock.now();
        let turn = guard.turn(&app.store, &app.config, now).await.unwrap();
        assert_eq!((turn.done, turn.next_at), (0, Some(now + 60.seconds())));
        let early = guard.turn(&app.store, &app.config, now + 59.seconds()).await.unwrap();
        assert_eq!(early, turn);
    }
}

/// Every recipient is answered so, all else is taken.
async fn refused(store: Store, reply: &'static str) -> TestApp {
    let script = move |facts: &Facts<'_>| match facts.stage {
        Stage::Recipient => Answer::Reply(reply.to_owned()),
        _ => Answer::Accept,
    };
    let app = TestApp::new(store, script).await;
    app.import(&(0..5).map(|number| client(&format!("Klient {number:02}"))).collect::<Vec<_>>()).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    app
}

#[tokio::test]
async fn a_policy_answer_of_googles_pauses_the_campaign() {
    for (name, reply) in [
        ("guard_google_never", "550 5.7.26 Your email has been blocked because the sender is unauthenticated - gsmtp"),
        (
            "guard_google_now",
            "421 4.7.28 An unusual rate of mail comes from your domain, see https://support.google.com/mail - gsmtp",
        ),
    ] {
        for database in databases(name).await {
            let app = refused(database.store.clone(), reply).await;
            let pauses = app.store.pauses(at(DURING)).await.unwrap();
            let scopes: Vec<_> = pauses.iter().map(|pause| &pause.scope).collect();
            assert_eq!(scopes, [&PauseScope::Campaign("led".into())], "{reply}");
            let tasks = operate(&app).await;
            assert_eq!(tasks.len(), 1, "it is told once: {tasks:?}");
            assert!(tasks[0].note.ends_with("outreachd resume led"), "{}", tasks[0].note);
            for row in app.deliveries().await {
                assert_eq!(app.store.suppressions(row.contact.unwrap()).await.unwrap(), []);
            }
        }
    }
}

#[tokio::test]
async fn a_domain_that_refuses_us_is_tried_again_after_a_week() {
    for database in databases("guard_domain").await {
        let app = refused(database.store.clone(), "554 5.7.1 refused by policy").await;
        let pauses = app.store.pauses(at(DURING)).await.unwrap();
        assert_eq!(pauses.len(), 5);
        assert!(pauses.iter().all(|pause| matches!(pause.scope, PauseScope::Domain(_))));
        assert!(pauses.iter().all(|pause| pause.until == Some(at(DURING) + 168.hours())), "{pauses:?}");
        assert_eq!(app.store.pauses(at(DURING) + 169.hours()).await.unwrap(), []);
        let row = &app.deliveries().await[0];
        assert_eq!(app.store.suppressions(row.contact.unwrap()).await.unwrap(), []);
    }
}
