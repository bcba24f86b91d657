//! B2 to B5, B8 and B10 by their names: what becomes of a letter, through the whole stage.

use outreachd::config::Limits;
use outreachd::demo::mail_server::{Answer, Facts, Stage};
use outreachd::model::delivery::{DeliveryState, Outcome};
use outreachd::model::id::DeliveryId;
use outreachd::model::task::TaskKind;
use outreachd::policy::retry::{self, Retry};

use crate::app_support::app::{BEFORE, DURING, TestApp, at, client};
use crate::app_support::databases::{databases, sqlite};
use crate::app_support::house::campaign;

use jiff::{SignedDuration, Timestamp};
use outreachd::clock::ManualClock;

#[test]
fn b2_tries_twice_in_the_first_hour_and_then_every_two_or_three_for_four_to_five_days() {
    let hours = |span: SignedDuration| span.as_secs_f64() / 3600.0;
    for delivery in (1..50).map(DeliveryId) {
        let mut tries = vec![Timestamp::UNIX_EPOCH];
        let most = Limits::default().attempts;
        loop {
            let made = u32::try_from(tries.len()).unwrap();
            let next = retry::next(made, most, tries[tries.len() - 1], None, retry::jitter(delivery, made));
            let Retry::At(next) = next else { break };
            tries.push(next);
        }
        let since = |at: &Timestamp| hours(at.duration_since(tries[0]));
        assert_eq!(tries.iter().filter(|at| since(at) < 1.0).count(), 2);
        assert!(tries[1..].windows(2).all(|two| (2.0..=3.0).contains(&hours(two[1].duration_since(two[0])))));
        let days = since(&tries[tries.len() - 1]) / 24.0;
        assert!((4.0..=5.0).contains(&days), "{days} days");
    }
    let end = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(15);
    assert!(matches!(retry::next(1, 45, Timestamp::UNIX_EPOCH, Some(end), 0.5), Retry::GiveUp { .. }));
}

/// What one answer at RCPT did to a letter, its client and the office.
struct Effect {
    state: DeliveryState,
    outcome: Option<Outcome>,
    suppressed: bool,
    paused: bool,
    operate: bool,
}

async fn effect_of(reply: &str) -> Effect {
    let database = sqlite().await;
    let answer = Answer::Reply(reply.to_owned());
    let script = move |facts: &Facts<'_>| if facts.stage == Stage::Recipient { answer.clone() } else { Answer::Accept };
    let app = TestApp::new(database.store.clone(), script).await;
    app.import(&[client("Maria Falk")]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    let row = app.deliveries().await.remove(0);
    let contact = row.contact.unwrap();
    let tasks = app.store.tasks(None, Some(contact)).await.unwrap();
    Effect {
        state: row.state,
        outcome: row.outcome,
        suppressed: !app.store.suppressions(contact).await.unwrap().is_empty(),
        paused: !app.store.pauses(at(DURING)).await.unwrap().is_empty(),
        operate: tasks.iter().any(|task| task.kind == TaskKind::Operate),
    }
}

#[tokio::test]
async fn b3_a_5_1_x_suppresses_the_address() {
    for reply in ["550 5.1.1 no", "550 5.1.2 no", "550 5.1.10 no", "550 5.1.0 no", "553 5.1.3 no"] {
        let effect = effect_of(reply).await;
        assert_eq!((effect.state, effect.outcome), (DeliveryState::Rejected, Some(Outcome::Bounced)), "{reply}");
        assert!(effect.suppressed && !effect.paused, "{reply}");
    }
}

#[tokio::test]
async fn b3_a_5_2_2_is_soft_and_tried_again() {
    let effect = effect_of("552 5.2.2 mailbox full").await;
    assert_eq!(effect.state, DeliveryState::Retry);
    assert!(!effect.suppressed && !effect.paused);
}

#[tokio::test]
async fn b3_a_5_7_x_pauses_and_never_suppresses() {
    for reply in ["554 5.7.1 refused", "550 5.7.1 user unknown", "550 5.7.26 not authenticated"] {
        let effect = effect_of(reply).await;
        assert!(effect.paused && effect.operate && !effect.suppressed, "{reply}");
    }
}

#[tokio::test]
async fn b3_a_5_3_4_and_a_5_5_x_are_the_operators_and_nobody_elses() {
    for reply in ["552 5.3.4 too large", "501 5.5.4 bad parameters", "554 5.6.0 bad content"] {
        let effect = effect_of(reply).await;
        assert_eq!(effect.state, DeliveryState::Rejected, "{reply}");
        assert!(effect.operate && !effect.suppressed && !effect.paused, "{reply}");
    }
}

#[tokio::test]
async fn b3_an_unknown_5xx_does_not_suppress() {
    let effect = effect_of("550 5.0.0 no").await;
    assert_eq!((effect.state, effect.outcome), (DeliveryState::Rejected, None));
    assert!(!effect.suppressed && !effect.paused);
}

#[tokio::test]
async fn b4_a_421_discards_the_connection_and_cools_the_relay() {
    let database = sqlite().await;
    let script = |facts: &Facts<'_>| match (facts.stage, facts.session) {
        (Stage::Mail, 1) => Answer::Reply("421 4.3.2 closing".into()),
        _ => Answer::Accept,
    };
    let app = TestApp::with(database.store.clone(), script, "sessions = 1", ManualClock::new(at(BEFORE))).await;
    app.import(&[client("Anna Lind"), client("Bo Ek")]).await;
    app.apply(campaign("send")).await;
    let turn = app.run_until_quiet(DURING).await;
    let begun = app.relay.received().len();
    assert!(begun <= 1, "the relay asked for quiet");
    assert!(turn.next_at.unwrap() > at(DURING));
    app.run_until_quiet("2027-03-01T09:50:00Z").await;
    let received = app.relay.received();
    assert_eq!(received.len(), 2, "nothing was lost by it");
    assert!(received.iter().all(|letter| letter.session != 1), "that connection was not used again");
}

#[tokio::test]
async fn b5_a_connection_carries_no_more_letters_than_the_relay_takes() {
    let database = sqlite().await;
    let more = "sessions = 1\nmessages_per_session = 2";
    let app = TestApp::with(database.store.clone(), |_| Answer::Accept, more, ManualClock::new(at(BEFORE))).await;
    app.import(&["Anna Lind", "Bo Ek", "Eva Ek", "Lars Dal", "Maria Falk"].map(client)).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    let received = app.relay.received();
    assert_eq!(received.len(), 5);
    for session in received.iter().map(|letter| letter.session) {
        assert!(received.iter().filter(|letter| letter.session == session).count() <= 2);
    }
}

#[tokio::test]
async fn b8_each_letter_has_a_return_path_and_an_envelope_id_of_its_own() {
    for database in databases("smtp_verp").await {
        let app = TestApp::new(database.store.clone(), |_| Answer::Accept).await;
        app.import(&[client("Anna Lind"), client("Bo Ek")]).await;
        app.apply(campaign("send")).await;
        app.run_until_quiet(DURING).await;
        let received = app.relay.received();
        assert_eq!(received.len(), 2);
        for letter in &received {
            assert!(letter.from.starts_with("ut+") && letter.from.ends_with("@fyrljus.example"), "{}", letter.from);
            assert!(letter.from_parameters.contains("ENVID="), "{}", letter.from_parameters);
        }
        assert_ne!(received[0].from, received[1].from);
        assert_ne!(received[0].from_parameters, received[1].from_parameters);
    }
}

#[tokio::test]
async fn b10_hands_every_domain_to_the_one_relay() {
    let database = sqlite().await;
    let app = TestApp::new(database.store.clone(), |_| Answer::Accept).await;
    let names = ["Anna Lind", "Bo Ek", "Lars Dal"];
    app.import(&names.map(client)).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    let domains: std::collections::BTreeSet<_> =
        app.relay.received().iter().map(|letter| letter.to[0].rsplit_once('@').unwrap().1.to_owned()).collect();
    assert_eq!(domains.len(), names.len(), "no MX of theirs was looked up: none exists");
}
