//! The pages and hooks through real HTTP: what a mail program, a link scanner, a
//! gateway, a hostile visitor and an operator send, and what it changes.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

#[path = "web/less_often.rs"]
mod less_often;
#[path = "web/operation.rs"]
mod operation;
#[path = "web/opt_outs.rs"]
mod opt_outs;
#[path = "web/strangers.rs"]
mod strangers;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, ToSpan};
use outreachd::client::record;
use outreachd::clock::Clock;
use outreachd::config::Config;
use outreachd::demo::mail_server::{Answer, Facts};
use outreachd::model::delivery::{DeliveryState, Purpose};
use outreachd::model::id::{ContactId, DeliveryId, UserId};
use outreachd::model::plan::{PlanState, StopReason};
use outreachd::model::response::{OptOut, ResponseKind};
use outreachd::model::suppression::{Reason, Scope};
use outreachd::model::text::Line;
use outreachd::model::token::TokenPurpose;
use outreachd::schedule;
use outreachd::store::{ClientRecord, NewDelivery, Store};
use outreachd::web::{FaxCalls, Health, WebState, router, serve};
use reqwest::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, SET_COOKIE};
use reqwest::{Client, Response, StatusCode};
use support::app::{DURING, TestApp, at, client, faxed};
use support::databases::{databases, sqlite};
use support::house::campaign;
use support::notice::notice;
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
        contact,
        user,
        payload: html.map(|html| serde_json::json!({ "subject": "s", "text": "t", "html": html })),
        ..notice("karin.ek", app.clock.now())
    };
    app.store.create_deliveries(&app.act(), &[new]).await.unwrap();
    app.deliveries().await.last().unwrap().id
}
