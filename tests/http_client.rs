//! The guarded HTTP client against servers that mislead it.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use axum::Router;
use axum::http::HeaderMap;
use axum::response::Redirect;
use axum::routing::get;
use outreachd::transport::http::{HttpClient, HttpError, Limits, parse_url};
use url::Url;

/// Serves `app` on a free loopback port for the rest of the test.
async fn serve(app: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = parse_url(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn follows_no_redirect_to_a_private_address() {
    let inner = serve(Router::new().route("/", get(|| async { "secret" }))).await;
    let target = inner.to_string();
    let outer = serve(Router::new().route("/", get(move || async move { Redirect::temporary(&target) }))).await;
    let client = HttpClient::new(&outer, Limits::default()).unwrap();
    let error = client.get(outer).await.unwrap_err();
    assert!(matches!(error, HttpError::Redirect(_)), "{error}");
    assert!(error.to_string().contains("`127.0.0.1` is a private address"), "{error}");
}

#[tokio::test]
async fn follows_a_redirect_on_the_configured_host_but_not_for_ever() {
    let app = Router::new()
        .route("/old", get(|| async { Redirect::permanent("/new") }))
        .route("/new", get(|| async { "here" }))
        .route("/loop", get(|| async { Redirect::temporary("/loop") }));
    let base = serve(app).await;
    let client = HttpClient::new(&base, Limits::default()).unwrap();
    assert_eq!(client.get(base.join("old").unwrap()).await.unwrap().body, b"here");
    assert!(matches!(client.get(base.join("loop").unwrap()).await, Err(HttpError::Redirect(_))));
    let strict = HttpClient::new(&base, Limits { redirects: 0, ..Limits::default() }).unwrap();
    assert_eq!(strict.get(base.join("old").unwrap()).await.unwrap().status, 308);
}

#[tokio::test]
async fn reads_no_more_than_its_limit() {
    let base = serve(Router::new().route("/", get(|| async { "x".repeat(65) }))).await;
    let roomy = HttpClient::new(&base, Limits { body_bytes: 65, ..Limits::default() }).unwrap();
    assert_eq!(roomy.get(base.clone()).await.unwrap().body.len(), 65);
    let tight = HttpClient::new(&base, Limits { body_bytes: 64, ..Limits::default() }).unwrap();
    assert!(matches!(tight.get(base).await, Err(HttpError::TooLong(64))));
}

#[tokio::test]
async fn says_who_it_is() {
    let echo = |headers: HeaderMap| async move { headers["user-agent"].to_str().unwrap().to_owned() };
    let base = serve(Router::new().route("/", get(echo))).await;
    let answer = HttpClient::new(&base, Limits::default()).unwrap().get(base).await.unwrap();
    assert_eq!(answer.body, format!("outreachd/{}", env!("CARGO_PKG_VERSION")).as_bytes());
}
