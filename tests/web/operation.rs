//! What a gateway, a manager and an operator see and set going.

use super::*;

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
