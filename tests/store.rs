//! Every store case on both engines: what one text of SQL means must be the same on each.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

#[path = "store/clients.rs"]
mod clients;
#[path = "store/files.rs"]
mod files;
#[path = "store/handoffs.rs"]
mod handoffs;
#[path = "store/plans.rs"]
mod plans;
#[path = "store/waiting.rs"]
mod waiting;

use jiff::{Timestamp, ToSpan};
use outreachd::model::act::Act;
use outreachd::model::address::{Address, Channel, EmailAddress};
use outreachd::model::campaign::{Campaign, Condition, Rule};
use outreachd::model::delivery::{DeliveryState, Outcome, Purpose};
use outreachd::model::id::{AttemptId, DaemonId, UserId};
use outreachd::model::language::Language;
use outreachd::model::plan::{Enrolment, LeftOut, PlanState, StopReason};
use outreachd::model::response::{Bounce, ResponseKind};
use outreachd::model::suppression::{Reason, Scope};
use outreachd::model::text::Line;
use outreachd::model::user::{Role, User};
use outreachd::store::{
    AppliedRevision, AttemptState, Claimed, ClientRecord, ConsentRecord, Consequence, DeliveryFilter, Finish, Handoff,
    LoggedResponse, NewDelivery, NewRevision, PauseScope, PlanMove, Release, Store,
};
use support::databases::databases;
use support::house;
use support::ledger;

fn now() -> Timestamp {
    "2027-03-01T07:30:00Z".parse().unwrap()
}

fn act() -> Act {
    Act::stage("test", now())
}

fn manager(name: &str, email: &str, role: Role) -> User {
    User {
        id: UserId(0),
        name: Line::parse(name).unwrap(),
        email: EmailAddress::parse(email).unwrap(),
        phone: None,
        title: None,
        role,
        language: Language::Sv,
        zone: "Europe/Stockholm".into(),
        digest_at: jiff::civil::time(7, 30, 0, 0),
        active: true,
    }
}

fn record(company: &str, name: &str, email: &str) -> ClientRecord {
    ClientRecord {
        company: company.into(),
        name: name.into(),
        email: Some(email.into()),
        country: Some("SE".into()),
        tier: Some("A".into()),
        person_type: Some("company".into()),
        needs: Some(vec!["lighting".into(), "sensors".into()]),
        tags: Some(vec![]),
        zone: "Europe/Stockholm".into(),
        zone_source: "country".into(),
        ..Default::default()
    }
}

fn campaign() -> Campaign {
    let mut campaign = house::campaign("send");
    campaign.steps.truncate(1);
    campaign
}

async fn import(store: &Store, records: &[ClientRecord]) -> outreachd::store::SavedClients {
    let batch = store.begin_batch(&act(), "clients.csv").await.unwrap();
    let saved = store.save_clients(&act(), batch, records).await.unwrap();
    store.publish_batch(&act(), batch, saved, 0).await.unwrap();
    saved
}

async fn apply(store: &Store) -> AppliedRevision {
    let new = NewRevision {
        campaign: campaign(),
        source: "id = 'led'".into(),
        templates: [("led/intro.md".to_owned(), "Hej".to_owned())].into(),
        next_run_at: None,
    };
    store.apply(&act(), &new).await.unwrap()
}

/// A store with two clients of one company, each with a plan and a claimed delivery.
async fn two_claimed(store: &Store) -> (DaemonId, Vec<Claimed>) {
    import(
        store,
        &[
            record("Granvik AB", "Anna Lind", "anna@granvik.example"),
            record("Granvik AB", "Bo Ek", "bo@granvik.example"),
        ],
    )
    .await;
    let revision = apply(store).await;
    let people = store.candidates(&campaign().audience, "led", "", now(), Default::default(), 10).await.unwrap();
    let enrolments: Vec<_> = people
        .iter()
        .map(|person| Enrolment {
            contact: person.contact,
            account: person.account,
            left_out: None,
            facts: serde_json::json!({ "tier": "A" }),
            step: "intro".into(),
            next_at: Some(now()),
            closes_at: Some(now() + 4.hours()),
        })
        .collect();
    assert_eq!(store.enrol(&act(), &revision, "", &enrolments).await.unwrap(), 2);
    let plans = store.due_plans(now(), now(), 10).await.unwrap();
    let new: Vec<_> = plans
        .iter()
        .zip(["anna@granvik.example", "bo@granvik.example"])
        .map(|(plan, address)| NewDelivery {
            key: format!("plan/{}/intro", plan.id),
            purpose: Purpose::Campaign,
            address: Address::parse(Channel::Email, address).unwrap(),
            contact: Some(plan.contact),
            user: None,
            plan: Some(plan.id),
            campaign: Some("led".into()),
            step: Some("intro".into()),
            variant: None,
            revision: Some(revision.id),
            fallback: Some(Channel::Fax),
            needs_consent: false,
            sender: "fyrljus".into(),
            lane: "email/main".into(),
            payload: None,
            due_at: now(),
            not_after: Some(now() + 4.hours()),
        })
        .collect();
    assert_eq!(store.create_deliveries(&act(), &new).await.unwrap(), 2);
    assert_eq!(store.create_deliveries(&act(), &new).await.unwrap(), 0, "a key is created once");
    let daemon = store.register_daemon(now()).await.unwrap();
    let claimed = store.claim(daemon, "email/main", now(), 10).await.unwrap();
    assert_eq!(claimed.len(), 2);
    (daemon, claimed)
}

fn handoff(claimed: &Claimed) -> Handoff {
    ledger::handoff(claimed.row.id)
}

/// A result of no try that is known.
fn finish(claimed: &Claimed, state: AttemptState) -> Finish {
    let (code, reply) = (Some(250), Some("2.0.0 queued".into()));
    Finish { attempt: None, code, reply, ..ledger::finish(claimed.row.id, AttemptId(0), state) }
}

#[tokio::test]
async fn opens_no_new_file_where_its_database_was_moved_away() {
    let database = support::databases::sqlite().await;
    let (store, path) = (&database.store, std::path::PathBuf::from(database.url.strip_prefix("sqlite:").unwrap()));
    let elsewhere = path.with_extension("elsewhere");
    std::fs::rename(&path, &elsewhere).unwrap();
    // More readers at once than there are connections: the pool must open some.
    let reads = futures_util::future::join_all((0..8).map(|_| store.users())).await;
    assert!(reads.iter().any(Result::is_err), "a pool that opens nothing proves nothing");
    assert!(!path.exists());
    std::fs::rename(&elsewhere, &path).unwrap();
    for read in futures_util::future::join_all((0..8).map(|_| store.users())).await {
        read.unwrap();
    }
}
