//! What may leave, and what becomes of a delivery that began to.

use super::*;

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
