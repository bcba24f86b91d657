//! Every store case on both engines: what one text of SQL means must be the same on each.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};
use outreachd::model::act::Act;
use outreachd::model::address::{Address, Channel, EmailAddress};
use outreachd::model::campaign::{Campaign, Condition, From, Late, Rule, Start, Step, Wait, Window};
use outreachd::model::delivery::{DeliveryState, Outcome, Purpose};
use outreachd::model::id::{DaemonId, UserId};
use outreachd::model::language::Language;
use outreachd::model::plan::{Enrolment, LeftOut, PlanState, StopReason};
use outreachd::model::response::{Bounce, ResponseKind};
use outreachd::model::suppression::{Reason, Scope};
use outreachd::model::text::Line;
use outreachd::model::user::{Role, User};
use outreachd::store::{
    AppliedRevision, AttemptState, ClientRecord, ConsentRecord, Consequence, DeliveryFilter, Finish, Handoff,
    LoggedResponse, NewDelivery, NewRevision, PauseScope, PlanMove, Release, Store,
};
use support::databases::databases;

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
    let step = Step {
        id: "intro".into(),
        channel: Channel::Email,
        wait: Wait::Hours(0),
        template: Some("led/intro".into()),
        subject: Some("Hej".into()),
        fallback: Some(Channel::Fax),
        variants: vec![],
        note: None,
        late: None,
        send: None,
        attachments: Vec::new(),
    };
    Campaign {
        id: "led".into(),
        title: "LED".into(),
        language: Language::Sv,
        from: From::Owner,
        start: Start::Date("2027-03-01".parse().unwrap()),
        audience: Rule(vec![Condition::Country(vec!["SE".into()])]),
        holdout_percent: 0,
        send: Window {
            days: [jiff::civil::Weekday::Monday.into()].into(),
            from: jiff::civil::time(8, 30, 0, 0),
            until: jiff::civil::time(11, 30, 0, 0),
            zone: None,
            late: Late::Send,
        },
        limit: Default::default(),
        steps: vec![step],
        on: BTreeMap::new(),
    }
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
async fn two_claimed(store: &Store) -> (DaemonId, Vec<outreachd::store::Claimed>) {
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

fn handoff(claimed: &outreachd::store::Claimed) -> Handoff {
    Handoff {
        delivery: claimed.row.id,
        relay: "main".into(),
        frozen: "{}".into(),
        sha256: "00".into(),
        message_id: format!("{}@fyrljus.example", claimed.row.id),
    }
}

fn finish(claimed: &outreachd::store::Claimed, state: AttemptState) -> Finish {
    Finish {
        delivery: claimed.row.id,
        attempt: None,
        relay: "main".into(),
        state,
        code: Some(250),
        enhanced: None,
        reply: Some("2.0.0 queued".into()),
        reason: None,
        due_at: None,
        not_after: None,
        gateway_id: None,
        consequences: vec![],
    }
}

#[tokio::test]
async fn finds_a_client_again_and_updates_it() {
    for database in databases("again").await {
        let store = &database.store;
        let mut anna = record("Granvik AB", "Anna Lind", "anna@granvik.example");
        anna.consents = vec![ConsentRecord {
            channel: "fax".into(),
            basis: "consent".into(),
            evidence: "fair 2026".into(),
            given_at: 0,
        }];
        let bo = record("Granvik AB", "Bo Ek", "bo@granvik.example");
        let first = import(store, &[anna.clone(), bo.clone()]).await;
        assert_eq!((first.created, first.updated, first.unchanged), (2, 0, 0));
        let again = import(store, &[anna.clone(), bo.clone()]).await;
        assert_eq!((again.created, again.updated, again.unchanged), (0, 0, 2));
        anna.title = Some("VD".into());
        anna.fax = Some("+46701740612".into());
        let third = import(store, &[anna, bo]).await;
        assert_eq!((third.created, third.updated, third.unchanged), (0, 1, 1));

        let found = store.search_contacts("ANNA@granvik.example", 5).await.unwrap();
        assert_eq!(found.len(), 1);
        let client = store.get_client(found[0]).await.unwrap();
        assert_eq!(client.contact.title.as_ref().map(Line::as_str), Some("VD"));
        assert_eq!(client.account.needs, ["lighting", "sensors"]);
        assert_eq!(client.contact.fax.as_ref().map(|fax| fax.as_str()), Some("+46701740612"));
        assert_eq!(store.consents(found[0]).await.unwrap().len(), 1);
        assert_eq!(store.changes("contact", &found[0].to_string()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn hides_a_batch_until_it_is_published() {
    for database in databases("hidden").await {
        let store = &database.store;
        let batch = store.begin_batch(&act(), "clients.csv").await.unwrap();
        let saved = store
            .save_clients(&act(), batch, &[record("Granvik AB", "Anna Lind", "anna@granvik.example")])
            .await
            .unwrap();
        let audience = campaign().audience;
        assert_eq!(store.candidates(&audience, "led", "", now(), Default::default(), 10).await.unwrap(), []);
        store.publish_batch(&act(), batch, saved, 3).await.unwrap();
        assert_eq!(store.candidates(&audience, "led", "", now(), Default::default(), 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_batch_takes_over_what_a_dead_one_had_created() {
    for database in databases("takeover").await {
        let store = &database.store;
        let anna = record("Granvik AB", "Anna Lind", "anna@granvik.example");
        let dead = store.begin_batch(&act(), "clients.csv").await.unwrap();
        store.save_clients(&act(), dead, std::slice::from_ref(&anna)).await.unwrap();
        assert_eq!(store.count_known(std::slice::from_ref(&anna)).await.unwrap(), 1);
        assert_eq!(store.count_contacts().await.unwrap(), 0);
        let again = import(store, &[anna]).await;
        assert_eq!((again.created, again.updated, again.unchanged), (1, 0, 0));
        let found = store.find_contacts("anna lind", 5).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(store.changes("contact", &found[0].to_string()).await.unwrap(), []);
        assert_eq!(store.find_external_id(found[0]).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_condition_on_what_is_not_known_leaves_nobody_out_by_not() {
    for database in databases("unknown").await {
        let store = &database.store;
        let mut anna = record("Granvik AB", "Anna Lind", "anna@granvik.example");
        anna.tier = None;
        import(store, &[anna]).await;
        let not_c = Rule(vec![Condition::Not(Rule(vec![Condition::Tier(vec!["C".into()])]))]);
        assert_eq!(store.candidates(&not_c, "led", "", now(), Default::default(), 10).await.unwrap().len(), 1);
        let only_c = Rule(vec![Condition::Tier(vec!["C".into()])]);
        assert_eq!(store.candidates(&only_c, "led", "", now(), Default::default(), 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn tells_every_suppression_over_a_contact() {
    for database in databases("over").await {
        let store = &database.store;
        import(store, &[record("Granvik AB", "Anna Lind", "anna@granvik.example")]).await;
        let anna = store.find_contacts("anna lind", 1).await.unwrap()[0];
        let values = [
            (Scope::Contact, anna.to_string()),
            (Scope::Address, "anna@granvik.example".to_owned()),
            (Scope::Domain, "granvik.example".to_owned()),
            (Scope::Domain, "almby.example".to_owned()),
        ];
        let suppress = |(scope, value): (Scope, String)| Consequence::Suppress {
            scope,
            value,
            reason: Reason::Operator,
            response: None,
        };
        store.carry_out(&act(), &values.map(suppress)).await.unwrap();
        let told = store.suppressions(anna).await.unwrap();
        assert_eq!(
            told.iter().map(|one| one.scope).collect::<Vec<_>>(),
            [Scope::Contact, Scope::Address, Scope::Domain]
        );
        assert_eq!((told[2].value.as_str(), told[2].actor.as_str()), ("granvik.example", "test"));
    }
}

#[tokio::test]
async fn picks_an_audience_by_every_condition() {
    for database in databases("audience").await {
        let store = &database.store;
        let mut norwegian = record("Fjell AS", "Kari Dahl", "kari@fjell.example");
        norwegian.country = Some("NO".into());
        let mut rival = record("Rival AB", "Rut Falk", "rut@rival.example");
        rival.tags = Some(vec!["competitor".into()]);
        let mut touched = record("Nära AB", "Nils Ek", "nils@nara.example");
        touched.last_touch = Some((now() - 24.hours()).as_microsecond());
        let clean = record("Granvik AB", "Anna Lind", "anna@granvik.example");
        import(store, &[norwegian, rival, touched, clean]).await;
        let rule = Rule(vec![
            Condition::Country(vec!["SE".into(), "DE".into()]),
            Condition::Needs(vec!["lighting".into()]),
            Condition::Tier(vec!["A".into(), "B".into()]),
            Condition::NoTouch { days: 30 },
            Condition::Not(Rule(vec![Condition::Tags(vec!["competitor".into(), "it's \"quoted\"".into()])])),
        ]);
        let found = store.candidates(&rule, "led", "", now(), Default::default(), 10).await.unwrap();
        assert_eq!(found.iter().map(|person| person.name.as_str()).collect::<Vec<_>>(), ["Anna Lind"]);
    }
}

#[tokio::test]
async fn hands_off_only_what_nothing_forbids() {
    for database in databases("handoff").await {
        let store = &database.store;
        let (daemon, claimed) = two_claimed(store).await;
        let opt_out = Consequence::Suppress {
            scope: Scope::Contact,
            value: claimed[1].row.contact.unwrap().to_string(),
            reason: Reason::OptOut,
            response: None,
        };
        store.carry_out(&act(), &[opt_out]).await.unwrap();
        let answer = store.exchange(&act(), daemon, &[], &[handoff(&claimed[0]), handoff(&claimed[1])]).await.unwrap();
        assert_eq!(answer.begun.keys().copied().collect::<Vec<_>>(), [claimed[0].row.id]);
        assert_eq!(answer.refused.iter().map(|refused| refused.rule.as_str()).collect::<Vec<_>>(), ["suppressed"]);

        let attempt = answer.begun[&claimed[0].row.id];
        let done = Finish { attempt: Some(attempt), ..finish(&claimed[0], AttemptState::Accepted) };
        store.exchange(&act(), daemon, &[done], &[]).await.unwrap();
        let row = store.get_delivery(claimed[0].row.id).await.unwrap();
        assert_eq!((row.state, row.tries), (DeliveryState::Accepted, 1));
        assert_eq!(store.attempts(row.id).await.unwrap()[0].reply.as_deref(), Some("2.0.0 queued"));
        assert_eq!(store.ended_steps(10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn refuses_a_handoff_after_its_window_and_after_its_plan() {
    for database in databases("refusal").await {
        let store = &database.store;
        let (daemon, claimed) = two_claimed(store).await;
        let late = Act::stage("test", now() + 5.hours());
        let answer = store.exchange(&late, daemon, &[], &[handoff(&claimed[0])]).await.unwrap();
        assert_eq!(answer.refused[0].rule, "late");
        store
            .carry_out(
                &act(),
                &[Consequence::StopPlans { contact: claimed[1].row.contact.unwrap(), reason: StopReason::Reply }],
            )
            .await
            .unwrap();
        let answer = store.exchange(&act(), daemon, &[], &[handoff(&claimed[1])]).await.unwrap();
        assert_eq!(answer.refused[0].rule, "plan_ended");
    }
}

#[tokio::test]
async fn a_dead_daemons_handoff_is_uncertain_and_its_late_result_counts() {
    for database in databases("recover").await {
        let store = &database.store;
        let (dead, claimed) = two_claimed(store).await;
        let answer = store.exchange(&act(), dead, &[], &[handoff(&claimed[0])]).await.unwrap();
        store.end_daemon(dead, now()).await.unwrap();
        let next = store.register_daemon(now()).await.unwrap();
        assert_eq!(store.recover(next, now()).await.unwrap(), (1, 1));
        assert_eq!(store.get_delivery(claimed[0].row.id).await.unwrap().state, DeliveryState::Uncertain);
        assert_eq!(store.get_delivery(claimed[1].row.id).await.unwrap().state, DeliveryState::Scheduled);
        assert_eq!(
            store.claim(next, "email/main", now(), 10).await.unwrap().len(),
            1,
            "an uncertain one is never claimed"
        );

        let late =
            Finish { attempt: Some(answer.begun[&claimed[0].row.id]), ..finish(&claimed[0], AttemptState::Accepted) };
        store.exchange(&act(), dead, &[late], &[]).await.unwrap();
        assert_eq!(store.get_delivery(claimed[0].row.id).await.unwrap().state, DeliveryState::Accepted);
        let stale = store.exchange(&act(), dead, &[], &[handoff(&claimed[1])]).await.unwrap();
        assert_eq!(stale.refused[0].rule, "not_ours", "a stale fence starts nothing");
    }
}

#[tokio::test]
async fn of_an_earlier_try_only_that_it_was_taken_counts() {
    for database in databases("earlier_try").await {
        let store = &database.store;
        let (first, claimed) = two_claimed(store).await;
        let (one, id) = (&claimed[0], claimed[0].row.id);
        let (mut daemon, mut attempts) = (first, Vec::new());
        for _ in 0..2 {
            let answer = store.exchange(&act(), daemon, &[], &[handoff(one)]).await.unwrap();
            attempts.push(answer.begun[&id]);
            store.end_daemon(daemon, now()).await.unwrap();
            daemon = store.register_daemon(now()).await.unwrap();
            store.recover(daemon, now()).await.unwrap();
            if attempts.len() == 1 {
                // A person who looked into the relay's log tries again.
                store.resolve_delivery(&act(), id, DeliveryState::Retry, "not in the log").await.unwrap();
                store.claim(daemon, "email/main", now(), 10).await.unwrap();
            }
        }
        let late = async |attempt, state| {
            let late = Finish { attempt: Some(attempt), ..finish(one, state) };
            store.exchange(&act(), first, &[late], &[]).await.unwrap();
            store.get_delivery(id).await.unwrap().state
        };
        assert_eq!(late(attempts[0], AttemptState::Retry).await, DeliveryState::Uncertain);
        assert_eq!(late(attempts[0], AttemptState::Accepted).await, DeliveryState::Accepted);
    }
}

#[tokio::test]
async fn leaves_paused_deliveries_unclaimed() {
    for database in databases("paused").await {
        let store = &database.store;
        let (daemon, claimed) = two_claimed(store).await;
        let back: Vec<_> = claimed
            .iter()
            .map(|one| Release {
                delivery: one.row.id,
                to: DeliveryState::Scheduled,
                due_at: None,
                not_after: None,
                reason: None,
            })
            .collect();
        assert_eq!(store.release(&act(), daemon, &back).await.unwrap(), 2);
        for scope in [PauseScope::All, PauseScope::Campaign("led".into()), PauseScope::Domain("granvik.example".into())]
        {
            store.pause(&act(), &scope, "a test", None).await.unwrap();
            assert_eq!(store.claim(daemon, "email/main", now(), 10).await.unwrap(), [], "{scope:?}");
            assert_eq!(store.pauses(now()).await.unwrap().len(), 1);
            assert_eq!(store.resume(&act(), &scope).await.unwrap(), 1);
        }
        let until = now() + 1.hour();
        store.pause(&act(), &PauseScope::Contact(claimed[0].row.contact.unwrap()), "away", Some(until)).await.unwrap();
        assert_eq!(store.claim(daemon, "email/main", now(), 10).await.unwrap().len(), 1);
        assert_eq!(store.next_due_at("email/main", now()).await.unwrap(), Some(until));
        assert_eq!(store.claim(daemon, "email/main", until, 10).await.unwrap().len(), 1, "a pause ends by itself");
    }
}

fn put_back(claimed: &outreachd::store::Claimed, to: DeliveryState, due_at: Option<Timestamp>) -> Release {
    Release { delivery: claimed.row.id, to, due_at, not_after: None, reason: None }
}

#[tokio::test]
async fn what_waits_is_found_to_the_minute_within_its_five_and_beyond() {
    for database in databases("five_minutes").await {
        let store = &database.store;
        let (daemon, claimed) = two_claimed(store).await;
        let minute = |count: i64| now() + count.minutes();
        // By their ids the later one comes first: both are of the same five minutes.
        let back = [
            put_back(&claimed[0], DeliveryState::Scheduled, Some(minute(3))),
            put_back(&claimed[1], DeliveryState::Scheduled, Some(minute(1))),
        ];
        assert_eq!(store.release(&act(), daemon, &back).await.unwrap(), 2);
        let waiting = || async { store.waiting_lanes().await.unwrap() };
        assert_eq!(waiting().await, [("email/main".to_owned(), minute(1))]);
        assert_eq!(store.claim(daemon, "email/main", now(), 10).await.unwrap(), []);
        assert_eq!(store.next_due_at("email/main", now()).await.unwrap(), Some(minute(1)));
        assert_eq!(store.next_due_at("email/main", now() - 1.hour()).await.unwrap(), Some(minute(1)));
        assert_eq!(store.status(minute(2)).await.unwrap().oldest_due, Some(minute(1)));
        let taken = store.claim(daemon, "email/main", minute(1), 10).await.unwrap();
        assert_eq!(taken.iter().map(|one| one.row.id).collect::<Vec<_>>(), [claimed[1].row.id]);
        let back = [put_back(&claimed[1], DeliveryState::Scheduled, Some(minute(7)))];
        store.release(&act(), daemon, &back).await.unwrap();
        assert_eq!(waiting().await, [("email/main".to_owned(), minute(3))]);
        assert_eq!(store.next_due_at("email/main", minute(3)).await.unwrap(), Some(minute(7)));
        assert_eq!(store.status(minute(2)).await.unwrap().oldest_due, None);
        assert_eq!(store.claim(daemon, "email/main", minute(7), 1).await.unwrap()[0].row.id, claimed[0].row.id);
    }
}

#[tokio::test]
async fn status_and_lists_find_each_delivery_once_whatever_its_state() {
    for database in databases("each_once").await {
        let store = &database.store;
        let (daemon, claimed) = two_claimed(store).await;
        let counts = || async {
            let status = store.status(now()).await.unwrap();
            status.deliveries.iter().map(|row| (row.state, row.count)).collect::<Vec<_>>()
        };
        assert_eq!(counts().await, [(DeliveryState::Claimed, 2)]);
        let back =
            [put_back(&claimed[0], DeliveryState::Held, None), put_back(&claimed[1], DeliveryState::Skipped, None)];
        assert_eq!(store.release(&act(), daemon, &back).await.unwrap(), 2);
        assert_eq!(counts().await, [(DeliveryState::Held, 1), (DeliveryState::Skipped, 1)]);
        let (held, skipped) = (&claimed[0].row, &claimed[1].row);
        let list = |filter: DeliveryFilter| async move {
            store.deliveries(&filter, 10).await.unwrap().iter().map(|row| row.id).collect::<Vec<_>>()
        };
        let states = vec![DeliveryState::Uncertain, DeliveryState::Held];
        assert_eq!(list(DeliveryFilter { states, ..Default::default() }).await, [held.id]);
        let (contact, campaign) = (skipped.contact, Some("led".to_owned()));
        let of_one = DeliveryFilter { contact, campaign, ..Default::default() };
        assert_eq!(list(of_one).await, [skipped.id]);
        assert_eq!(list(DeliveryFilter { id: Some(held.id), ..Default::default() }).await, [held.id]);
        assert_eq!(list(DeliveryFilter::default()).await, [skipped.id, held.id]);
        store.resolve_delivery(&act(), held.id, DeliveryState::Retry, "asked").await.unwrap();
        assert_eq!(counts().await, [(DeliveryState::Retry, 1), (DeliveryState::Skipped, 1)]);
    }
}

#[tokio::test]
async fn logs_a_response_once_with_all_it_changes() {
    for database in databases("response").await {
        let store = &database.store;
        let (daemon, claimed) = two_claimed(store).await;
        let answer = store.exchange(&act(), daemon, &[], &[handoff(&claimed[0])]).await.unwrap();
        let sent =
            Finish { attempt: Some(answer.begun[&claimed[0].row.id]), ..finish(&claimed[0], AttemptState::Accepted) };
        store.exchange(&act(), daemon, &[sent], &[]).await.unwrap();

        let tie = store.tie_by_message_id(&[format!("{}@fyrljus.example", claimed[0].row.id)]).await.unwrap();
        assert_eq!(tie[0].contact, claimed[0].row.contact);
        assert_eq!(store.tie_by_address(&["anna@granvik.example".into()], now() - 24.hours()).await.unwrap().len(), 1);
        let contact = claimed[0].row.contact.unwrap();
        let response = LoggedResponse {
            id: store.new_response_id().await.unwrap(),
            source: "mail",
            source_key: "mailbox/1".into(),
            kind: ResponseKind::Bounce(Bounce::NoMailbox),
            delivery: Some(claimed[0].row.id),
            plan: claimed[0].row.plan,
            contact: Some(contact),
            recipient: Some("anna@granvik.example".into()),
            tie: Some("message_id".into()),
            confidence: 1.0,
            enhanced: Some("5.1.1".into()),
            reason: Some("no such user".into()),
            evidence: serde_json::json!({ "rule": "dsn" }),
            new_text: None,
            until: None,
            raw: Some(("aa".into(), b"raw".to_vec())),
            review: false,
            received_at: now(),
            consequences: vec![
                Consequence::Outcome { delivery: claimed[0].row.id, outcome: Outcome::Bounced },
                Consequence::Suppress {
                    scope: Scope::Address,
                    value: "anna@granvik.example".into(),
                    reason: Reason::Invalid,
                    response: None,
                },
                Consequence::InvalidatePoint {
                    channel: Channel::Email,
                    folded: "anna@granvik.example".into(),
                    reason: "5.1.1".into(),
                },
            ],
        };
        assert_eq!(
            store.log_responses(&act(), Some(("inbox", "7")), std::slice::from_ref(&response)).await.unwrap(),
            [true]
        );
        assert_eq!(store.log_responses(&act(), Some(("inbox", "7")), &[response]).await.unwrap(), [false]);
        assert_eq!(store.mailbox_cursor("inbox").await.unwrap().as_deref(), Some("7"));
        assert_eq!(store.responses(Some(contact), None, 10).await.unwrap().len(), 1);
        assert_eq!(store.find_raw_mail("aa").await.unwrap().as_deref(), Some(&b"raw"[..]));
        assert_eq!(store.open_fallbacks(10).await.unwrap().len(), 1);
        assert_eq!(store.get_client(contact).await.unwrap().contact.email, None);
        assert_eq!(store.suppressions(contact).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn moves_plans_and_ends_them() {
    for database in databases("plans").await {
        let store = &database.store;
        let (_, claimed) = two_claimed(store).await;
        let plans = store.plans_in("led").await.unwrap();
        let next =
            PlanMove::Next { plan: plans[0].id, step: "referens".into(), next_at: now() + 72.hours(), closes_at: None };
        store.move_plans(&act(), &[next, PlanMove::Done(plans[1].id)], &[]).await.unwrap();
        let plans = store.plans_in("led").await.unwrap();
        assert_eq!(
            (plans[0].state, plans[0].step.as_deref(), plans[0].delivery),
            (PlanState::Active, Some("referens"), None)
        );
        assert_eq!(plans[1].state, PlanState::Done);
        // Plans are found by the hour: the beginning of theirs is when to look.
        let hour = "2027-03-04T07:00:00Z".parse().unwrap();
        assert_eq!(store.next_plan_at(now(), now()).await.unwrap(), Some(hour));
        let status = store.status(now()).await.unwrap();
        assert_eq!(status.matched, [("led".to_owned(), 2, 0)]);
        assert_eq!(status.deliveries[0].count, 2);
        assert_eq!(claimed.len(), 2);
        assert_eq!(
            LeftOut::Holdout,
            store.memberships(None, Some("led")).await.unwrap()[0].left_out.unwrap_or(LeftOut::Holdout)
        );
    }
}

#[tokio::test]
async fn dismisses_a_manager_and_hands_the_clients_over_at_once() {
    for database in databases("dismiss").await {
        let store = &database.store;
        let head =
            store.appoint(&act(), &manager("Vera Holm", "vera@fyrljus.example", Role::Head), "founder").await.unwrap();
        let karin =
            store.appoint(&act(), &manager("Karin Ek", "karin@fyrljus.example", Role::Manager), "hired").await.unwrap();
        let jonas = store
            .appoint(&act(), &manager("Jonas Berg", "jonas@fyrljus.example", Role::Manager), "hired")
            .await
            .unwrap();
        let mut anna = record("Granvik AB", "Anna Lind", "anna@granvik.example");
        anna.owner = Some(karin.0);
        import(store, &[anna]).await;
        assert_eq!(store.dismiss(&act(), karin, Some(jonas), "moved on").await.unwrap(), 1);
        let contact = store.search_contacts("anna lind", 1).await.unwrap()[0];
        assert_eq!(store.get_client(contact).await.unwrap().owner.unwrap().id, jonas);
        assert!(store.dismiss(&act(), head, None, "x").await.is_err(), "never the last head");
        assert_eq!(store.appointments().await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn a_person_resolves_what_is_uncertain_and_nothing_else() {
    for database in databases("resolve").await {
        let store = &database.store;
        let (daemon, claimed) = two_claimed(store).await;
        let answer = store.exchange(&act(), daemon, &[], &[handoff(&claimed[0])]).await.unwrap();
        let lost =
            Finish { attempt: Some(answer.begun[&claimed[0].row.id]), ..finish(&claimed[0], AttemptState::Uncertain) };
        store.exchange(&act(), daemon, &[lost], &[]).await.unwrap();
        let uncertain = DeliveryFilter { states: vec![DeliveryState::Uncertain], ..Default::default() };
        assert_eq!(store.deliveries(&uncertain, 10).await.unwrap().len(), 1);
        store
            .resolve_delivery(&act(), claimed[0].row.id, DeliveryState::Accepted, "it is in the relay's log")
            .await
            .unwrap();
        assert!(store.resolve_delivery(&act(), claimed[0].row.id, DeliveryState::Retry, "x").await.is_err());
        assert_eq!(store.changes("delivery", &claimed[0].row.id.to_string()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn tells_who_is_left_out_when_the_first_letters_have_gone() {
    for database in databases("left_out").await {
        let store = &database.store;
        let karin =
            store.appoint(&act(), &manager("Karin Ek", "karin@fyrljus.example", Role::Manager), "hired").await.unwrap();
        let owned = |name: &str, email: &str, country: &str| ClientRecord {
            owner: Some(karin.0),
            country: Some(country.into()),
            ..record(name, name, email)
        };
        assert!(!store.owns_clients(karin).await.unwrap());
        import(store, &[owned("Fjell", "kari@fjell.example", "SE"), owned("Licht", "uwe@licht.example", "DE")]).await;
        assert!(store.owns_clients(karin).await.unwrap());
        let decided = now() - 120.hours();
        let revision = apply(store).await;
        let everyone = Rule(vec![]);
        let people = store.candidates(&everyone, "led", "", now(), Default::default(), 10).await.unwrap();
        let enrolments: Vec<_> = people
            .iter()
            .map(|person| Enrolment {
                contact: person.contact,
                account: person.account,
                left_out: (person.name == "Licht").then_some(LeftOut::NoConsent),
                facts: serde_json::json!({}),
                step: "intro".into(),
                next_at: Some(now()),
                closes_at: None,
            })
            .collect();
        store.enrol(&Act::stage("test", decided), &revision, "", &enrolments).await.unwrap();
        let upcoming = store.upcoming_for(Some(karin), now()).await.unwrap();
        assert_eq!(upcoming.iter().map(|letter| letter.since).collect::<Vec<_>>(), [decided]);
        let hour = |store: Store| async move { store.left_out_at_start(karin, now(), now() + 1.hour()).await.unwrap() };
        assert_eq!(hour(store.clone()).await, [], "nothing has left yet");

        let plan = store.due_plans(now(), now(), 10).await.unwrap().remove(0);
        let letter = NewDelivery {
            key: "intro".into(),
            purpose: Purpose::Campaign,
            address: Address::parse(Channel::Email, "kari@fjell.example").unwrap(),
            contact: Some(plan.contact),
            user: None,
            plan: Some(plan.id),
            campaign: Some("led".into()),
            step: Some("intro".into()),
            variant: None,
            revision: Some(revision.id),
            fallback: None,
            needs_consent: false,
            sender: "fyrljus".into(),
            lane: "email/main".into(),
            payload: None,
            due_at: now(),
            not_after: None,
        };
        store.create_deliveries(&act(), &[letter]).await.unwrap();
        let daemon = store.register_daemon(now()).await.unwrap();
        let claimed = store.claim(daemon, "email/main", now(), 1).await.unwrap().remove(0);
        let held = Release {
            delivery: claimed.row.id,
            to: DeliveryState::Held,
            due_at: None,
            not_after: None,
            reason: Some("late".into()),
        };
        store.release(&act(), daemon, &[held]).await.unwrap();
        assert_eq!(store.held_for(karin).await.unwrap().len(), 1);
        store.resolve_delivery(&act(), claimed.row.id, DeliveryState::Accepted, "it went").await.unwrap();
        assert_eq!(store.held_for(karin).await.unwrap(), []);
        let runs = hour(store.clone()).await;
        assert_eq!(runs[0].total, 2);
        assert_eq!(runs[0].reasons, [(LeftOut::NoConsent, Some("DE".into()), 1)]);
        assert_eq!(store.left_out_at_start(karin, now() + 1.hour(), now() + 2.hours()).await.unwrap(), []);
    }
}

#[tokio::test]
async fn tells_of_a_run_in_which_everybody_is_left_out() {
    for database in databases("all_left_out").await {
        let store = &database.store;
        let karin =
            store.appoint(&act(), &manager("Karin Ek", "karin@fyrljus.example", Role::Manager), "hired").await.unwrap();
        import(store, &[ClientRecord { owner: Some(karin.0), ..record("Fjell", "Kari", "kari@fjell.example") }]).await;
        let revision = apply(store).await;
        let people = store.candidates(&Rule(vec![]), "led", "", now(), Default::default(), 10).await.unwrap();
        let enrolment = Enrolment {
            contact: people[0].contact,
            account: people[0].account,
            left_out: Some(LeftOut::Holdout),
            facts: serde_json::json!({}),
            step: "intro".into(),
            next_at: None,
            closes_at: None,
        };
        store.enrol(&act(), &revision, "", &[enrolment]).await.unwrap();
        let runs = store.left_out_at_start(karin, now(), now() + 1.hour()).await.unwrap();
        assert_eq!(runs[0].reasons, [(LeftOut::Holdout, Some("SE".into()), 1)]);
        assert_eq!(store.left_out_at_start(karin, now() - 1.hour(), now()).await.unwrap(), []);
    }
}

#[tokio::test]
async fn an_answer_proves_that_an_uncertain_delivery_left_and_moves_no_other() {
    for database in databases("arrived").await {
        let store = &database.store;
        let (daemon, claimed) = two_claimed(store).await;
        let answer = store.exchange(&act(), daemon, &[], &[handoff(&claimed[0])]).await.unwrap();
        let lost =
            Finish { attempt: Some(answer.begun[&claimed[0].row.id]), ..finish(&claimed[0], AttemptState::Uncertain) };
        store.exchange(&act(), daemon, &[lost], &[]).await.unwrap();
        let arrived = |at: usize| Consequence::Arrived { delivery: claimed[at].row.id };
        store.carry_out(&act(), &[arrived(0), arrived(1), arrived(0)]).await.unwrap();
        let row = store.get_delivery(claimed[0].row.id).await.unwrap();
        assert_eq!((row.state, row.reason.as_deref()), (DeliveryState::Accepted, Some("answered")));
        assert_eq!(row.finished_at, Some(now()));
        assert_eq!(store.changes("delivery", &row.id.to_string()).await.unwrap().len(), 1);
        assert_eq!(store.get_delivery(claimed[1].row.id).await.unwrap().state, DeliveryState::Claimed);
    }
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
