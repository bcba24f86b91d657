//! The opt-out link: one click, one change, for the right contact, and the way back.

use super::*;
use crate::support::ledger::handoff;

#[tokio::test]
async fn stops_everything_at_the_link_that_the_letter_carries() {
    let database = sqlite().await;
    let (app, _, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let pages = Pages::open(&app).await;
    let mail = String::from_utf8(app.relay.received()[0].message.clone()).unwrap().replace("\r\n ", " ");
    let header = mail.lines().find_map(|line| line.strip_prefix("List-Unsubscribe: <")).unwrap();
    let path = header.split('>').next().unwrap().trim_start_matches(&app.config.web.public_url);
    let (status, _) = pages.form(&format!("{}{path}", pages.base), ONE_CLICK).await;
    assert_eq!(status, 200);
    assert!(is_suppressed(&database.store, contact).await);
    app.run_until_quiet("2027-03-04T09:00:00Z").await;
    assert_eq!(app.relay.received().len(), 1, "the second letter must not go");
}

#[tokio::test]
async fn takes_one_click_urlencoded_and_changes_everything_once() {
    for database in databases("web_one_click").await {
        let store = &database.store;
        let (app, delivery, contact) = one_letter(store, faxed("Sara Wik", "+46701740620")).await;
        let pages = Pages::open(&app).await;
        let url = pages.opt_out_url(delivery);
        for _ in 0..2 {
            // As a mail program sends it: from anywhere, without a cookie, with a foreign origin.
            let request = pages.client.post(&url).header(CONTENT_TYPE, FORM).header("origin", "https://mail.example");
            let response = request.body(ONE_CLICK).send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert!(!response.headers().contains_key(SET_COOKIE));
        }
        let suppressions = store.suppressions(contact).await.unwrap();
        let scopes: Vec<_> = suppressions.iter().map(|row| (row.scope, row.reason)).collect();
        assert_eq!(scopes, [(Scope::Contact, Reason::OptOut), (Scope::Address, Reason::OptOut)]);
        let plan = store.plans_of(contact).await.unwrap().remove(0);
        assert_eq!((plan.state, plan.stop_reason), (PlanState::Stopped, Some(StopReason::OptOut)));
        assert!(store.consents(contact).await.unwrap().iter().all(|consent| consent.withdrawn_at == Some(at(DURING))));
        let responses = store.responses(Some(contact), None, 10).await.unwrap();
        assert_eq!(responses.len(), 1, "a repeat logs nothing");
        assert_eq!(responses[0].kind, ResponseKind::OptOut(OptOut::OneClick));
        assert_eq!((responses[0].delivery, responses[0].received_at), (Some(delivery), at(DURING)));
        let kinds: Vec<_> = store.timeline(contact).await.unwrap().into_iter().map(|touch| touch.kind).collect();
        assert_eq!(kinds.iter().filter(|kind| *kind == "opt_out.one_click").count(), 1, "{kinds:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn takes_one_click_as_multipart() {
    let database = sqlite().await;
    let (app, delivery, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let pages = Pages::open(&app).await;
    let form = reqwest::multipart::Form::new().text("List-Unsubscribe", "One-Click");
    let response = pages.client.post(pages.opt_out_url(delivery)).multipart(form).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(is_suppressed(&database.store, contact).await);
    let kind = database.store.responses(None, None, 10).await.unwrap()[0].kind;
    assert_eq!(kind, ResponseKind::OptOut(OptOut::OneClick));
}

#[tokio::test]
async fn logs_one_opt_out_when_two_clicks_arrive_together() {
    for database in databases("web_two_clicks").await {
        let (app, delivery, contact) = one_letter(&database.store, client("Sara Wik")).await;
        let pages = Pages::open(&app).await;
        let url = pages.opt_out_url(delivery);
        let (one, other) = tokio::join!(pages.form(&url, ONE_CLICK), pages.form(&url, "page=1"));
        assert_eq!((one.0, other.0), (StatusCode::OK, StatusCode::OK));
        assert_eq!(database.store.responses(Some(contact), None, 10).await.unwrap().len(), 1);
        database.store.close().await;
    }
}

#[tokio::test]
async fn changes_nothing_by_get_and_head() {
    let database = sqlite().await;
    let (app, delivery, contact) = one_letter(&database.store, faxed("Sara Wik", "+46701740620")).await;
    let pages = Pages::open(&app).await;
    let url = pages.opt_out_url(delivery);
    let head = pages.client.head(&url).send().await.unwrap();
    assert_eq!(head.status(), 200);
    // A link scanner asks with a query of its own, and more than once.
    let get = pages.client.get(format!("{url}?undo=1&page=1&{ONE_CLICK}")).send().await.unwrap();
    assert_eq!(get.status(), 200);
    assert_eq!(head.headers()[CONTENT_TYPE], get.headers()[CONTENT_TYPE]);
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("cache-control", "no-store")]
    {
        assert_eq!(get.headers()[name], value);
    }
    let policy = get.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let page = get.text().await.unwrap();
    assert!(page.contains("i***@sara-wik.example") && !page.contains("info@"), "{page}");
    assert_eq!(page.matches("<form method=\"post\">").count(), 1, "{page}");
    assert_untouched(&database.store, contact).await;
}

#[tokio::test]
async fn speaks_the_language_of_the_contact_else_of_the_campaign() {
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
        let expected = if english { "Yes, stop writing to me" } else { "Ja, sluta skriva till mig" };
        assert!(
            page.contains(expected) && page.contains(if english { "lang=\"en\"" } else { "lang=\"sv\"" }),
            "{page}"
        );
    }
}

#[tokio::test]
async fn takes_back_only_what_the_page_did() {
    for database in databases("web_undo").await {
        let store = &database.store;
        let (app, delivery, contact) = one_letter(store, client("Sara Wik")).await;
        let pages = Pages::open(&app).await;
        let url = pages.opt_out_url(delivery);
        let (_, done) = pages.form(&url, "page=1").await;
        assert!(done.contains("name=\"undo\""), "{done}");
        let (status, undone) = pages.form(&url, "undo=1").await;
        assert_eq!(status, 200);
        assert!(undone.contains("Avanmälan är ångrad"), "{undone}");
        assert!(!is_suppressed(store, contact).await);
        assert!(store.suppressions(contact).await.unwrap().iter().all(|row| row.lifted_at.is_some()));
        let plan = store.plans_of(contact).await.unwrap().remove(0);
        assert_eq!(plan.state, PlanState::Stopped, "what was stopped does not begin again");
        let changes = store.changes("contact", &contact.to_string()).await.unwrap();
        let lifted = serde_json::json!({ "suppressed": ["opt_out", null] });
        assert!(changes.iter().any(|change| change.diff == lifted && change.actor == "client"), "{changes:?}");
        let timeline = store.timeline(contact).await.unwrap();
        assert_eq!(timeline.last().unwrap().kind, "opt_out.undone");

        // The same link stops them again, and what a mail program did no page takes back.
        let (_, done) = pages.form(&url, ONE_CLICK).await;
        assert!(is_suppressed(store, contact).await);
        assert!(!done.contains("name=\"undo\""), "{done}");
        let (_, refused) = pages.form(&url, "undo=1").await;
        assert!(refused.contains("Du är fortfarande avanmäld"), "{refused}");
        assert!(is_suppressed(store, contact).await);
        store.close().await;
    }
}

#[tokio::test]
async fn lets_nobody_take_an_opt_out_of_last_week_back() {
    let database = sqlite().await;
    let (app, delivery, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let pages = Pages::open(&app).await;
    let url = pages.opt_out_url(delivery);
    pages.form(&url, "page=1").await;
    app.clock.set(at(DURING) + (7 * 24).hours());
    assert!(pages.get(url.trim_start_matches(&pages.base)).await.text().await.unwrap().contains("name=\"undo\""));
    app.clock.set(at(DURING) + (7 * 24 + 1).hours());
    pages.form(&url, "undo=1").await;
    assert!(is_suppressed(&database.store, contact).await);
    let page = pages.client.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Du får redan inget mer") && !page.contains("<form"), "{page}");
}

#[tokio::test]
async fn begins_no_handoff_after_the_opt_out() {
    for database in databases("web_handoff").await {
        let store = &database.store;
        let app = TestApp::new(store.clone(), accept).await;
        app.import(&[client("Sara Wik")]).await;
        app.apply(campaign("send")).await;
        app.clock.set(at(DURING));
        schedule::turn(store, &app.config, at(DURING)).await.unwrap();
        let claimed = store.claim(app.daemon, "email/main/fyrljus/led/other", at(DURING), 10).await.unwrap();
        assert_eq!(claimed[0].blocked, None);
        let pages = Pages::open(&app).await;
        let (status, _) = pages.form(&pages.opt_out_url(claimed[0].row.id), ONE_CLICK).await;
        assert_eq!(status, 200);
        let handoff = handoff(claimed[0].row.id);
        let exchanged = store.exchange(&app.act(), app.daemon, &[], &[handoff]).await.unwrap();
        assert!(exchanged.begun.is_empty(), "its body must not leave");
        assert_eq!(exchanged.refused.len(), 1);
        store.close().await;
    }
}

#[tokio::test]
async fn does_not_stop_a_client_by_the_link_of_a_test_letter() {
    let database = sqlite().await;
    let (app, _, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let id = create(&app, Purpose::Test, Some(contact), None, None).await;
    let pages = Pages::open(&app).await;
    let (status, page) = pages.form(&pages.opt_out_url(id), ONE_CLICK).await;
    assert_eq!(status, 200);
    assert!(page.contains("Det här var ett provbrev") || page.contains("This was a test letter"), "{page}");
    assert_untouched(&database.store, contact).await;
}
