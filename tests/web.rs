//! The pages and hooks through real HTTP: what a mail program, a link scanner, a
//! gateway, a hostile visitor and an operator send, and what it changes.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, ToSpan};
use outreachd::clock::Clock;
use outreachd::config::Config;
use outreachd::demo::mail_server::{Answer, Facts};
use outreachd::model::address::{Address, Channel};
use outreachd::model::delivery::{DeliveryState, Purpose};
use outreachd::model::id::{ContactId, DeliveryId, UserId};
use outreachd::model::plan::{PlanState, StopReason};
use outreachd::model::response::{OptOut, ResponseKind};
use outreachd::model::suppression::{Reason, Scope};
use outreachd::model::text::Line;
use outreachd::model::token::TokenPurpose;
use outreachd::schedule;
use outreachd::store::{ClientRecord, Handoff, NewDelivery, Store};
use outreachd::web::{FaxCalls, Health, WebState, router, serve};
use reqwest::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, SET_COOKIE};
use reqwest::{Client, Response, StatusCode};
use support::app::{DURING, TestApp, at, campaign, client, faxed};
use support::databases::{databases, sqlite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

const ONE_CLICK: &str = "List-Unsubscribe=One-Click";
const FORM: &str = "application/x-www-form-urlencoded";

/// A server over an app's store, gone with it.
struct Pages {
    base: String,
    client: Client,
    state: WebState,
    _stop: DropGuard,
}

impl Pages {
    async fn open(app: &TestApp) -> Self {
        Self::with(app, (*app.config).clone()).await
    }

    async fn with(app: &TestApp, config: Config) -> Self {
        let state = WebState {
            store: app.store.clone(),
            config: Arc::new(config),
            keys: app.keys.clone(),
            clock: Clock::Manual(app.clock.clone()),
            nudge: Arc::new(Notify::new()),
            health: Arc::new(Health::default()),
            fax_calls: Arc::new(FaxCalls::default()),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let cancel = CancellationToken::new();
        tokio::spawn(serve(listener, router(state.clone()), cancel.clone()));
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { base, client, state, _stop: cancel.drop_guard() }
    }

    fn token(&self, purpose: TokenPurpose, id: i64) -> String {
        self.state.keys.sign(purpose, id)
    }

    fn opt_out_url(&self, delivery: DeliveryId) -> String {
        format!("{}/u/{}", self.base, self.token(TokenPurpose::OptOut, delivery.0))
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap()
    }

    async fn post(&self, url: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Response {
        self.client.post(url).header(CONTENT_TYPE, content_type).body(body).send().await.unwrap()
    }

    async fn form(&self, url: &str, body: &'static str) -> (StatusCode, String) {
        let response = self.post(url, FORM, body).await;
        (response.status(), response.text().await.unwrap())
    }
}

fn accept(_: &Facts<'_>) -> Answer {
    Answer::Accept
}

/// An app whose one client has got the first letter; its delivery and its contact.
async fn one_letter(store: &Store, client: ClientRecord) -> (TestApp, DeliveryId, ContactId) {
    let app = TestApp::new(store.clone(), accept).await;
    app.import(&[client]).await;
    assert_eq!(app.apply(campaign("send")).await, 1);
    app.run_until_quiet(DURING).await;
    let row = app.deliveries().await.remove(0);
    assert_eq!(row.state, DeliveryState::Accepted);
    (app, row.id, row.contact.unwrap())
}

async fn is_suppressed(store: &Store, contact: ContactId) -> bool {
    let rows = store.suppressions(contact).await.unwrap();
    rows.iter().any(|row| row.scope == Scope::Contact && row.reason == Reason::OptOut && row.lifted_at.is_none())
}

async fn assert_untouched(store: &Store, contact: ContactId) {
    assert_eq!(store.suppressions(contact).await.unwrap(), []);
    assert_eq!(store.responses(None, None, 10).await.unwrap(), []);
    assert!(store.plans_of(contact).await.unwrap().iter().all(|plan| plan.state == PlanState::Active));
    assert!(store.consents(contact).await.unwrap().iter().all(|consent| consent.withdrawn_at.is_none()));
}

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
async fn takes_back_only_what_the_page_did_and_only_for_a_day() {
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
        assert!(changes.iter().any(|change| change.diff == lifted && change.actor == "opt_out_page"), "{changes:?}");
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
async fn lets_nobody_take_an_old_opt_out_back() {
    let database = sqlite().await;
    let (app, delivery, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let pages = Pages::open(&app).await;
    let url = pages.opt_out_url(delivery);
    pages.form(&url, "page=1").await;
    app.clock.set(at(DURING) + 25.hours());
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
        let handoff = Handoff {
            delivery: claimed[0].row.id,
            relay: "main".into(),
            frozen: "{}".into(),
            sha256: "00".into(),
            message_id: "1@fyrljus.example".into(),
        };
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

/// A delivery of another kind than a campaign's letter.
async fn create(
    app: &TestApp,
    purpose: Purpose,
    contact: Option<ContactId>,
    user: Option<UserId>,
    html: Option<&str>,
) -> DeliveryId {
    let number = app.deliveries().await.len();
    let new = NewDelivery {
        key: format!("test/{number}"),
        purpose,
        address: Address::parse(Channel::Email, "karin.ek@fyrljus.example").unwrap(),
        contact,
        user,
        plan: None,
        campaign: None,
        step: None,
        variant: None,
        revision: None,
        fallback: None,
        needs_consent: false,
        sender: "fyrljus".into(),
        lane: "email/main".into(),
        payload: html.map(|html| serde_json::json!({ "subject": "s", "text": "t", "html": html })),
        due_at: app.clock.now(),
        not_after: None,
    };
    app.store.create_deliveries(&app.act(), &[new]).await.unwrap();
    app.deliveries().await.last().unwrap().id
}

#[tokio::test]
async fn answers_every_wrong_token_with_the_same_404_until_there_are_too_many() {
    let database = sqlite().await;
    let (app, delivery, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let pages = Pages::open(&app).await;
    let good = pages.token(TokenPurpose::OptOut, delivery.0);
    let mut forged = good.clone();
    forged.replace_range(20..21, if good.as_bytes()[20] == b'a' { "b" } else { "a" });
    let wrong = [
        format!("/u/{forged}"),
        format!("/u/{}", &good[..good.len() - 1]),
        format!("/u/{good}a"),
        "/u/%ff%fe".to_owned(),
        "/u/..%2f..%2fetc%2fpasswd".to_owned(),
        format!("/u/{}", pages.token(TokenPurpose::Digest, delivery.0)),
        format!("/u/{}", pages.token(TokenPurpose::OptOut, delivery.0 + 99)),
        format!("/d/{good}"),
        format!("/d/{}", pages.token(TokenPurpose::Digest, 7)),
    ];
    let mut answers = Vec::new();
    for path in &wrong {
        let response = pages.get(path).await;
        answers.push((response.status(), response.text().await.unwrap()));
    }
    for path in [format!("/u/{forged}"), format!("/hooks/fax/{good}"), "/hooks/fax/x".to_owned()] {
        answers.push(pages.form(&format!("{}{path}", pages.base), ONE_CLICK).await);
    }
    for (answer, path) in answers.iter().zip(&wrong) {
        assert_eq!(answer.0, 404, "{path}");
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one of them tells more: {answers:#?}");
    assert_untouched(&database.store, contact).await;

    let mut last = StatusCode::NOT_FOUND;
    for _ in 0..60 {
        last = pages.get(&format!("/u/{forged}")).await.status();
    }
    assert_eq!(last, 429);
    assert_eq!(pages.get(&format!("/u/{good}")).await.status(), 200, "a genuine token is never in the way");
    assert_eq!(pages.get(&format!("/u/{}", good.to_uppercase())).await.status(), 200, "mail servers fold case");
}

#[tokio::test]
async fn escapes_hostile_names() {
    let database = sqlite().await;
    let hostile =
        ClientRecord { email: Some("&#39;<x>@granvik.example".replace(['<', '>', ';'], "'")), ..client("Sara Wik") };
    let (app, delivery, _) = one_letter(&database.store, hostile).await;
    let mut config = (*app.config).clone();
    config.company.name = Line::parse("Ljus & <script>alert('1')</script>\"><b>").unwrap();
    let pages = Pages::with(&app, config).await;
    let url = pages.opt_out_url(delivery);
    let asked = pages.client.get(&url).send().await.unwrap().text().await.unwrap();
    for page in [asked, pages.form(&url, "page=1").await.1, pages.form(&url, "undo=1").await.1] {
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("Ljus &amp; &lt;script&gt;"), "{page}");
        assert!(page.contains("&amp;***@granvik.example"), "{page}");
    }
}

#[tokio::test]
async fn refuses_a_body_that_is_too_large() {
    let database = sqlite().await;
    let (app, delivery, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let pages = Pages::open(&app).await;
    let url = pages.opt_out_url(delivery);
    let response = pages.post(&url, FORM, "x".repeat(20_000)).await;
    assert_eq!(response.status(), 413);
    // Without a length in front it is counted as it comes.
    let host = pages.base.trim_start_matches("http://");
    let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
    let path = url.trim_start_matches(&pages.base);
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let body = format!("4e20\r\n{}\r\n0\r\n\r\n", "x".repeat(20_000));
    socket.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert_untouched(&database.store, contact).await;
}

#[tokio::test]
async fn wakes_the_poll_of_the_fax_that_the_gateway_calls_about_and_believes_no_more() {
    let database = sqlite().await;
    let (app, delivery, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let pages = Pages::open(&app).await;
    let url = format!("{}/hooks/fax/{}", pages.base, pages.token(TokenPurpose::FaxCallback, delivery.0));
    let fax = r#"{"id":"01AB","status":"FAILURE","errorCode":34,"errorType":"CALL_ERROR"}"#;
    let json = format!(r#"{{"event":"FAX_COMPLETED","fax":{fax}}}"#);
    for _ in 0..2 {
        assert_eq!(pages.post(&url, "application/json", json.clone()).await.status(), 200);
    }
    pages.state.nudge.notified().await;
    assert_eq!(pages.state.fax_calls.take().into_iter().collect::<Vec<_>>(), [delivery]);

    let form = reqwest::multipart::Form::new().text("event", "FAX_COMPLETED").text("fax", fax);
    assert_eq!(pages.client.post(&url).multipart(form).send().await.unwrap().status(), 200);
    assert_eq!(pages.post(&url, "application/json", "{").await.status(), 200, "it is time to ask all the same");
    assert_eq!(pages.state.fax_calls.take().len(), 1);

    let incoming = r#"{"event":"INCOMING_FAX","fax":{"id":"01AC"}}"#;
    assert_eq!(pages.post(&url, "application/json", incoming).await.status(), 200);
    let wrong = format!("{}/hooks/fax/{}", pages.base, pages.token(TokenPurpose::OptOut, delivery.0));
    assert_eq!(pages.post(&wrong, "application/json", json).await.status(), 404);
    assert!(pages.state.fax_calls.take().is_empty());
    assert_untouched(&database.store, contact).await;
}

#[tokio::test]
async fn shows_a_manager_the_newest_digest_as_it_was_sent_and_a_dismissed_one_nothing() {
    for database in databases("web_digest").await {
        let app = TestApp::new(database.store.clone(), accept).await;
        let karin = app.appoint_karin().await;
        let pages = Pages::open(&app).await;
        let path = format!("/d/{}", pages.token(TokenPurpose::Digest, karin.0));
        assert_eq!(pages.get(&path).await.status(), 404, "there is none yet");
        create(&app, Purpose::Digest, None, Some(karin), Some("<!DOCTYPE html><p>old</p>")).await;
        app.clock.set(at(DURING));
        let html = "<!DOCTYPE html><style>p{color:red}</style><p>1 att ringa</p>";
        create(&app, Purpose::Digest, None, Some(karin), Some(html)).await;
        let response = pages.get(&path).await;
        assert_eq!(response.status(), 200);
        assert!(response.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline';"), "{policy}");
        assert!(policy.contains("sandbox ") && !policy.contains("script"), "{policy}");
        assert_eq!(response.text().await.unwrap(), html);
        app.store.dismiss(&app.act(), karin, None, "left").await.unwrap();
        assert_eq!(pages.get(&path).await.status(), 404);
        database.store.close().await;
    }
}

#[tokio::test]
async fn counts_for_prometheus() {
    for database in databases("web_metrics").await {
        let (app, _, _) = one_letter(&database.store, client("Sara Wik")).await;
        let pages = Pages::open(&app).await;
        pages.state.health.turned("deliver", at(DURING), None);
        app.clock.set(at(DURING) + 90.seconds());
        create(&app, Purpose::Notice, None, None, None).await;
        app.clock.set(at(DURING) + 100.seconds());
        let response = pages.get("/metrics").await;
        assert_eq!(response.status(), 200);
        assert!(response.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("application/openmetrics-text"));
        let text = response.text().await.unwrap();
        assert!(text.ends_with("# EOF\n"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("outreachd_") && value.parse::<f64>().is_ok(), "{line}");
        }
        for line in [
            "outreachd_oldest_due_seconds 10",
            "outreachd_schedule_lag_seconds 0",
            "outreachd_deliveries{channel=\"email\",state=\"accepted\"} 1",
            "outreachd_deliveries{channel=\"email\",state=\"scheduled\"} 1",
            "outreachd_deliveries{channel=\"fax\",state=\"uncertain\"} 0",
            "outreachd_deliveries{channel=\"email\",state=\"held\"} 0",
            "outreachd_attempts_total{relay=\"main\",state=\"accepted\"} 1",
            "outreachd_plans{state=\"active\"} 1",
            "outreachd_tasks_open 0",
            "outreachd_responses_to_review 0",
            "outreachd_stage_last_turn_age_seconds{stage=\"deliver\"} 100",
            "outreachd_stage_failing{stage=\"deliver\"} 0",
            concat!("outreachd_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
        }
        database.store.close().await;
    }
}

#[tokio::test]
async fn says_why_it_is_not_ready() {
    for database in databases("web_ready").await {
        let (app, delivery, _) = one_letter(&database.store, client("Sara Wik")).await;
        let pages = Pages::open(&app).await;
        pages.state.health.expect("deliver", SignedDuration::from_mins(1), at(DURING));
        let ready = pages.get("/readyz").await;
        assert_eq!((ready.status(), ready.text().await.unwrap().as_str()), (StatusCode::OK, "ready\n"));

        app.clock.set(at(DURING) + 2.minutes());
        let late = pages.get("/readyz").await;
        assert_eq!(late.status(), 503);
        assert_eq!(late.text().await.unwrap(), "stage deliver has not turned since 2027-03-01T09:00:00Z\n");
        pages.state.health.turned("deliver", app.clock.now(), None);
        assert_eq!(pages.get("/readyz").await.status(), 200);

        database.store.close().await;
        let gone = pages.get("/readyz").await;
        assert_eq!(gone.status(), 503);
        let reason = gone.text().await.unwrap();
        assert!(reason.starts_with("database: ") && reason.lines().count() == 1, "{reason}");
        assert_eq!(pages.get("/metrics").await.status(), 503);
        assert_eq!(pages.get("/healthz").await.status(), 200, "the process lives");
        let (status, page) = pages.form(&pages.opt_out_url(delivery), ONE_CLICK).await;
        assert_eq!(status, 503, "an opt-out that was not written must not look like one");
        assert!(page.contains("Ingenting har ändrats") || page.contains("Nothing has changed"), "{page}");
    }
}

#[tokio::test]
async fn finishes_when_it_is_told_to() {
    let database = sqlite().await;
    let app = TestApp::new(database.store.clone(), accept).await;
    let state = Pages::open(&app).await.state;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, router(state), cancel.clone()));
    assert_eq!(reqwest::get(format!("http://{address}/healthz")).await.unwrap().status(), 200);
    cancel.cancel();
    tokio::time::timeout(Duration::from_secs(30), serving).await.unwrap().unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
