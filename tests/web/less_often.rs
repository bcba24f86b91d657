//! Letters less often, chosen on a letter's page: what waits, what goes, and the way back.

use super::*;
use crate::support::ledger::handoff;

/// Three business days behind the first letter: its second step.
const THURSDAY: &str = "2027-03-04T09:00:00Z";
/// The first window behind 90 days; the ninetieth is a Sunday.
const LATER: &str = "2027-05-31T09:00:00Z";

async fn gap_days(store: &Store, contact: ContactId) -> Option<i64> {
    record::load(store, contact).await.unwrap().letter_gap.map(|gap| gap.days)
}

async fn chosen(store: &Store, contact: ContactId) -> usize {
    let changes = store.changes("contact", &contact.to_string()).await.unwrap();
    changes.iter().filter(|change| change.diff.get("letter_gap_days").is_some()).count()
}

#[tokio::test]
async fn offers_it_beside_nothing_more_in_both_languages() {
    let database = sqlite().await;
    let english = ClientRecord { language: Some("en".into()), ..client("Tom Reed") };
    let app = TestApp::new(database.store.clone(), accept).await;
    app.import(&[english, client("Sara Wik")]).await;
    app.apply(campaign("send")).await;
    app.run_until_quiet(DURING).await;
    let pages = Pages::open(&app).await;
    for row in app.deliveries().await {
        let page = pages.client.get(pages.opt_out_url(row.id)).send().await.unwrap().text().await.unwrap();
        let english = row.address.contains("tom-reed");
        let expected = if english { "at most one letter in 90 days" } else { "högst ett brev på 90 dagar" };
        assert!(page.contains(expected), "{page}");
        assert!(page.contains("name=\"page\"") && page.contains("name=\"less\""), "{page}");
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("http"), "{page}");
    }
}

#[tokio::test]
async fn writes_the_next_letter_ninety_days_behind_the_last() {
    for database in databases("web_less_often").await {
        let store = &database.store;
        let (app, delivery, contact) = one_letter(store, client("Sara Wik")).await;
        let pages = Pages::open(&app).await;
        let url = pages.opt_out_url(delivery);
        for _ in 0..2 {
            let (status, page) = pages.form(&url, "less=1").await;
            assert_eq!(status, 200);
            assert!(page.contains("Klart, vi skriver mer sällan") && page.contains("name=\"before\""), "{page}");
        }
        assert!(!is_suppressed(store, contact).await);
        assert_eq!((gap_days(store, contact).await, chosen(store, contact).await), (Some(90), 1));
        let changes = store.changes("contact", &contact.to_string()).await.unwrap();
        let diff = serde_json::json!({ "letter_gap_days": [null, 90] });
        assert!(changes.iter().any(|change| change.diff == diff && change.actor == "client"), "{changes:?}");
        let kinds: Vec<_> = store.timeline(contact).await.unwrap().into_iter().map(|touch| touch.kind).collect();
        assert_eq!(kinds.iter().filter(|kind| *kind == "less_often").count(), 1, "{kinds:?}");

        app.run_until_quiet(THURSDAY).await;
        assert_eq!(app.relay.received().len(), 1, "the second letter comes too soon");
        let plan = store.plans_of(contact).await.unwrap().remove(0);
        assert_eq!((plan.state, plan.step.as_deref()), (PlanState::Active, Some("referens")));
        assert!(plan.next_at.unwrap() >= at(DURING) + (90 * 24).hours(), "{plan:?}");
        app.run_until_quiet(LATER).await;
        assert_eq!(app.relay.received().len(), 2, "then it goes");
        store.close().await;
    }
}

#[tokio::test]
async fn holds_what_waits_already_at_once_and_gives_it_a_later_date() {
    for database in databases("web_less_waits").await {
        let store = &database.store;
        let (app, delivery, contact) = one_letter(store, client("Sara Wik")).await;
        app.run_until_quiet("2027-03-03T09:00:00Z").await;
        let waiting = app.deliveries().await.remove(1);
        assert_eq!(waiting.state, DeliveryState::Scheduled);
        let pages = Pages::open(&app).await;
        pages.form(&pages.opt_out_url(delivery), "less=1").await;
        let lane = "email/main/fyrljus/led/other";
        let claimed = store.claim(app.daemon, lane, at(THURSDAY), 10).await.unwrap();
        assert!(claimed.is_empty(), "even before the schedule has turned");

        app.run_until_quiet(THURSDAY).await;
        assert_eq!(app.relay.received().len(), 1);
        let put_off = store.get_delivery(waiting.id).await.unwrap();
        assert_eq!(put_off.state, DeliveryState::Scheduled);
        assert!(put_off.due_at >= at(DURING) + (90 * 24).hours(), "{put_off:?}");
        assert_eq!(store.plans_of(contact).await.unwrap()[0].next_at, Some(put_off.due_at));
        app.run_until_quiet(LATER).await;
        assert_eq!(app.relay.received().len(), 2);
        store.close().await;
    }
}

#[tokio::test]
async fn spaces_the_letters_of_two_campaigns() {
    let database = sqlite().await;
    let store = &database.store;
    let (app, delivery, contact) = one_letter(store, client("Sara Wik")).await;
    let pages = Pages::open(&app).await;
    pages.form(&pages.opt_out_url(delivery), "less=1").await;
    app.apply(outreachd::model::campaign::Campaign { id: "varen".into(), ..campaign("send") }).await;
    app.run_until_quiet(THURSDAY).await;
    assert_eq!(app.relay.received().len(), 1, "the other campaign's first letter comes too soon");
    app.run_until_quiet(LATER).await;
    assert_eq!(app.relay.received().len(), 2, "one of them goes");
    app.run_until_quiet("2027-06-07T09:00:00Z").await;
    assert_eq!(app.relay.received().len(), 2, "the other waits for its own turn");
    assert_eq!(store.plans_of(contact).await.unwrap().len(), 2);
}

#[tokio::test]
async fn refuses_the_handoff_of_what_was_claimed_before_the_choice() {
    for database in databases("web_less_handoff").await {
        let store = &database.store;
        let (app, delivery, _) = one_letter(store, client("Sara Wik")).await;
        app.run_until_quiet("2027-03-03T09:00:00Z").await;
        let claimed = store.claim(app.daemon, "email/main/fyrljus/led/other", at(THURSDAY), 10).await.unwrap();
        assert_eq!(claimed.len(), 1);
        let pages = Pages::open(&app).await;
        app.clock.set(at(THURSDAY));
        pages.form(&pages.opt_out_url(delivery), "less=1").await;
        let exchanged = store.exchange(&app.act(), app.daemon, &[], &[handoff(claimed[0].row.id)]).await.unwrap();
        assert!(exchanged.begun.is_empty(), "its body must not leave");
        assert_eq!(exchanged.refused[0].rule, "paused");
        store.close().await;
    }
}

#[tokio::test]
async fn begins_one_of_two_letters_that_are_claimed_together() {
    for database in databases("web_less_both").await {
        let store = &database.store;
        let (app, delivery, contact) = one_letter(store, client("Sara Wik")).await;
        app.clock.set(at("2027-03-03T12:00:00Z"));
        app.apply(outreachd::model::campaign::Campaign { id: "varen".into(), ..campaign("send") }).await;
        schedule::turn(store, &app.config, app.clock.now()).await.unwrap();
        store.keep_letter_gap(&app.act(), (contact, delivery), 1, &[]).await.unwrap();
        let mut handoffs = Vec::new();
        // The later one first: the claims of two lanes know nothing of each other.
        for campaign in ["varen", "led"] {
            let lane = format!("email/main/fyrljus/{campaign}/other");
            let claimed = store.claim(app.daemon, &lane, at(THURSDAY), 10).await.unwrap();
            handoffs.extend(claimed.iter().map(|claimed| handoff(claimed.row.id)));
        }
        assert_eq!(handoffs.len(), 2);
        app.clock.set(at(THURSDAY));
        let exchanged = store.exchange(&app.act(), app.daemon, &[], &handoffs).await.unwrap();
        assert_eq!((exchanged.begun.len(), exchanged.refused.len()), (1, 1), "{exchanged:?}");
        assert_eq!(exchanged.refused[0].rule, "paused");
        store.close().await;
    }
}

#[tokio::test]
async fn takes_the_choice_back_by_the_same_letter_and_only_for_a_week() {
    for database in databases("web_less_back").await {
        let store = &database.store;
        let (app, delivery, contact) = one_letter(store, client("Sara Wik")).await;
        let other = create(&app, Purpose::Campaign, Some(contact), None, None).await;
        let pages = Pages::open(&app).await;
        let (own, other) = (pages.opt_out_url(delivery), pages.opt_out_url(other));
        pages.form(&own, "less=1").await;
        let (_, page) = pages.form(&other, "before=1").await;
        assert!(page.contains("You chose to get at most one letter") && !page.contains("name=\"before\""), "{page}");
        assert_eq!(gap_days(store, contact).await, Some(90), "another letter's page takes nothing back");
        for _ in 0..2 {
            let (_, page) = pages.form(&own, "before=1").await;
            assert!(page.contains("Du får brev som förut"), "{page}");
        }
        assert_eq!((gap_days(store, contact).await, chosen(store, contact).await), (None, 2));
        assert_eq!(store.timeline(contact).await.unwrap().last().unwrap().kind, "less_often.undone");
        pages.form(&own, "less=1").await;
        app.clock.set(at(DURING) + (7 * 24 + 1).hours());
        pages.form(&own, "before=1").await;
        assert_eq!(gap_days(store, contact).await, Some(90), "it is too late to take it back");
        store.close().await;
    }
}

#[tokio::test]
async fn never_weakens_an_opt_out() {
    for database in databases("web_less_out").await {
        let store = &database.store;
        let (app, delivery, contact) = one_letter(store, client("Sara Wik")).await;
        let pages = Pages::open(&app).await;
        let url = pages.opt_out_url(delivery);
        pages.form(&url, "page=1").await;
        // A tab that was open before.
        let (_, page) = pages.form(&url, "less=1").await;
        assert!(page.contains("Du får redan inget mer"), "{page}");
        assert!(is_suppressed(store, contact).await);
        assert_eq!(gap_days(store, contact).await, None);
        let (_, page) = pages.form(&url, "before=1").await;
        assert!(page.contains("Du får redan inget mer"), "{page}");
        assert!(is_suppressed(store, contact).await);
        store.close().await;
    }
}

#[tokio::test]
async fn keeps_one_choice_when_two_presses_arrive_together_and_an_opt_out_wins() {
    for database in databases("web_less_two").await {
        let store = &database.store;
        let (app, delivery, contact) = one_letter(store, client("Sara Wik")).await;
        let pages = Pages::open(&app).await;
        let url = pages.opt_out_url(delivery);
        let (one, other) = tokio::join!(pages.form(&url, "less=1"), pages.form(&url, "less=1"));
        assert_eq!((one.0, other.0), (StatusCode::OK, StatusCode::OK));
        assert_eq!(chosen(store, contact).await, 1);
        let (one, other) = tokio::join!(pages.form(&url, "before=1"), pages.form(&url, ONE_CLICK));
        assert_eq!((one.0, other.0), (StatusCode::OK, StatusCode::OK));
        assert!(is_suppressed(store, contact).await);
        store.close().await;
    }
}

#[tokio::test]
async fn lifts_no_opt_out_by_another_letters_page() {
    for database in databases("web_foreign_undo").await {
        let store = &database.store;
        let (app, delivery, contact) = one_letter(store, client("Sara Wik")).await;
        let other = create(&app, Purpose::Campaign, Some(contact), None, None).await;
        let pages = Pages::open(&app).await;
        pages.form(&pages.opt_out_url(delivery), "page=1").await;
        let (_, page) = pages.form(&pages.opt_out_url(other), "undo=1").await;
        assert!(page.contains("You are still opted out") && !page.contains("name=\"undo\""), "{page}");
        assert!(is_suppressed(store, contact).await);
        store.close().await;
    }
}

#[tokio::test]
async fn changes_nothing_by_get_or_by_the_link_of_a_test_letter() {
    let database = sqlite().await;
    let (app, delivery, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let test = create(&app, Purpose::Test, Some(contact), None, None).await;
    let pages = Pages::open(&app).await;
    pages.client.get(format!("{}?less=1", pages.opt_out_url(delivery))).send().await.unwrap();
    pages.form(&pages.opt_out_url(test), "less=1").await;
    assert_eq!(gap_days(&database.store, contact).await, None);
    assert_untouched(&database.store, contact).await;
}

#[tokio::test]
async fn stands_on_the_record_and_in_why() {
    let database = sqlite().await;
    let (app, delivery, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let pages = Pages::open(&app).await;
    pages.form(&pages.opt_out_url(delivery), "less=1").await;
    let record = record::load(&database.store, contact).await.unwrap();
    let card = outreachd::client::card::text(&record, at(DURING));
    assert!(card.contains("letters   at most one in 90 days, by their own choice of Mon 1 Mar"), "{card}");
    assert!(card.contains("chose at most one letter in 90 days, on the letter's page"), "{card}");
    let facts = outreachd::client::why::load(&database.store, contact, at(DURING)).await.unwrap();
    let why = outreachd::client::why::tell(&facts).to_string();
    assert!(why.contains("letters less often, one in 90 days"), "{why}");
    assert!(why.contains("letters at most one in 90 days, by their own choice"), "{why}");
}
