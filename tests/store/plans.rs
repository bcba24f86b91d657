//! Plans begin, move and end, and managers with them.

use super::*;

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
