//! From plans to deliveries: calls, runs of a cron, consents that went, summer time.

mod support;

use outreachd::demo::mail_server::{Answer, Facts};
use outreachd::model::campaign::{Campaign, Start, Step, Wait};
use outreachd::model::plan::{PlanState, StopReason};
use outreachd::model::task::TaskKind;
use outreachd::render::TemplateSet;
use outreachd::schedule;
use outreachd::store::{ClientRecord, Consequence, NewRevision};
use support::app::{BEFORE, DURING, TestApp, at, client, faxed};
use support::databases::{databases, sqlite};
use support::house::campaign;

fn accept(_: &Facts<'_>) -> Answer {
    Answer::Accept
}

/// The campaign with a call between its two letters.
fn with_a_call() -> Campaign {
    let mut campaign = campaign("send");
    let call = Step {
        id: "samtal".into(),
        channel: outreachd::model::address::Channel::Call,
        wait: Wait::BusinessDays(1),
        template: None,
        subject: None,
        fallback: None,
        variants: vec![],
        note: Some("Ring {{contact.name}}".into()),
        late: None,
        send: None,
        attachments: Vec::new(),
    };
    campaign.steps.insert(1, call);
    campaign
}

#[tokio::test]
async fn a_call_becomes_a_task_on_its_day_and_the_plan_goes_on() {
    let database = sqlite().await;
    let app = TestApp::new(database.store.clone(), accept).await;
    app.import(&[client("Anna Lind")]).await;
    app.apply(with_a_call()).await;
    app.run_until_quiet(DURING).await;
    app.run_until_quiet("2027-03-02T07:00:00Z").await;
    assert_eq!(app.store.tasks(None, None).await.unwrap().len(), 0, "not before its hour");
    app.run_until_quiet("2027-03-02T09:00:00Z").await;
    app.run_until_quiet("2027-03-02T09:10:00Z").await;
    let tasks = app.store.tasks(None, None).await.unwrap();
    assert_eq!(tasks.len(), 1);
    assert_eq!((tasks[0].kind, tasks[0].note.as_str()), (TaskKind::Call, "Ring Anna Lind"));
    assert_eq!(app.store.plans_in("led").await.unwrap()[0].step.as_deref(), Some("referens"));
}

#[tokio::test]
async fn a_cron_campaign_draws_again_at_each_run_and_once_after_an_outage() {
    for database in databases("cron_runs").await {
        let app = TestApp::new(database.store.clone(), accept).await;
        app.import(&[client("Anna Lind")]).await;
        let mut newsletter = campaign("send");
        newsletter.steps.truncate(1);
        newsletter.start = Start::Cron("0 8 * * Mon".into());
        let templates = TemplateSet::starter().iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let next_run_at = Some(at("2027-03-01T07:00:00Z"));
        let new = NewRevision { campaign: newsletter, source: String::new(), templates, next_run_at };
        app.store.apply(&app.act(), &new).await.unwrap();
        app.run_until_quiet(DURING).await;
        app.run_until_quiet("2027-03-01T10:25:00Z").await;
        assert_eq!(app.relay.received().len(), 1);
        // Two Mondays passed while nothing ran: one letter, not two.
        app.run_until_quiet("2027-03-16T09:00:00Z").await;
        let turn = app.run_until_quiet("2027-03-16T10:25:00Z").await;
        assert_eq!(app.relay.received().len(), 2);
        assert!(turn.next_at.unwrap() <= at("2027-03-22T07:00:00Z"), "{turn:?}");
        assert_eq!(app.store.plans_in("led").await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_withdrawn_consent_ends_the_way_that_needed_it() {
    let database = sqlite().await;
    let app = TestApp::new(database.store.clone(), accept).await;
    let no_mail = ClientRecord { email: None, ..faxed("Oskar Nyman", "+46701740620") };
    app.import(&[no_mail]).await;
    assert_eq!(app.apply(campaign("send")).await, 1);
    let contact = app.store.plans_in("led").await.unwrap()[0].contact;
    app.store.carry_out(&app.act(), &[Consequence::WithdrawConsents { contact }]).await.unwrap();
    app.run_until_quiet(BEFORE).await;
    let plan = app.store.plans_in("led").await.unwrap().remove(0);
    assert_eq!((plan.state, plan.stop_reason), (PlanState::Stopped, Some(StopReason::Unreachable)));
    assert!(app.deliveries().await.is_empty());
}

#[tokio::test]
async fn keeps_the_clients_hour_when_summer_time_begins() {
    let database = sqlite().await;
    let app = TestApp::new(database.store.clone(), accept).await;
    app.import(&[client("Anna Lind")]).await;
    let mut spring = campaign("send");
    spring.start = Start::Date("2027-03-24".parse().unwrap());
    app.apply(spring).await;
    app.run_until_quiet("2027-03-24T09:00:00Z").await;
    // Three business days on, over Good Friday, Easter and the change of the clocks.
    let plan = app.store.plans_in("led").await.unwrap().remove(0);
    let due = plan.next_at.unwrap();
    assert!(
        due >= at("2027-03-31T06:30:00Z") && due < at("2027-03-31T07:00:00Z"),
        "08:30 in summer is 06:30 UTC: {due}"
    );
}

#[tokio::test]
async fn a_turn_that_is_repeated_schedules_nothing_twice() {
    for database in databases("twice").await {
        let app = TestApp::new(database.store.clone(), accept).await;
        app.import(&[client("Anna Lind"), client("Bo Ek")]).await;
        app.apply(campaign("send")).await;
        for _ in 0..3 {
            schedule::turn(&app.store, &app.config, at(BEFORE)).await.unwrap();
        }
        assert_eq!(app.deliveries().await.len(), 2);
        let due: Vec<_> = app.deliveries().await.iter().map(|row| row.due_at).collect();
        schedule::turn(&app.store, &app.config, at("2027-03-01T07:20:00Z")).await.unwrap();
        assert_eq!(
            app.deliveries().await.iter().map(|row| row.due_at).collect::<Vec<_>>(),
            due,
            "no time moves by being read"
        );
    }
}
