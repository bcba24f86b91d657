//! A fax gateway of Sinch's shape inside this process, for the demo and the tests.
//!
//! A script says how each call ends, and a clock that the caller moves says when:
//! a fax that is submitted at T is queued, and at T plus the length of its call it
//! has ended. That is worked out when somebody asks, so nothing here ticks, and
//! the same story runs on a virtual clock. It listens on loopback only, dials
//! nobody, and sends no callbacks: the daemon polls it as it polls a real one.

mod sent;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clock::Clock;

use sent::Sent;

/// The key the gateway knows.
pub const KEY: &str = "demo";
/// Its secret, worth nothing outside this process.
pub const SECRET: &str = "demo-fax-secret";

const BODY_BYTES: usize = 32 << 20;

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every page arrives.
    Delivered,
    /// The number is busy.
    Busy,
    /// It rings and nobody answers.
    NoAnswer,
    /// A person or an answering machine picks up.
    Voice,
    /// The call drops after the first page.
    Dropped,
    /// The number does not exist.
    BadNumber,
    /// The gateway may not call the number.
    Blocked,
    /// Our account is empty.
    OutOfCredit,
    /// The gateway cannot read the document.
    BadDocument,
}

impl Ending {
    /// Seconds from submission to the end of the call.
    fn seconds(self) -> i64 {
        match self {
            Self::BadDocument | Self::OutOfCredit | Self::Blocked => 2,
            Self::Busy | Self::BadNumber => 12,
            Self::Delivered | Self::Dropped => 40,
            Self::NoAnswer | Self::Voice => 70,
        }
    }

    /// The gateway's error type, code and words.
    fn error(self) -> Option<(&'static str, i64, &'static str)> {
        Some(match self {
            Self::Delivered => return None,
            Self::Busy => ("CALL_ERROR", 17, "Busy"),
            Self::NoAnswer => ("CALL_ERROR", 30, "No answer"),
            Self::Voice => ("FAX_ERROR", 132, "No fax tone"),
            Self::Dropped => ("CALL_ERROR", 11, "The call dropped"),
            Self::BadNumber => ("CALL_ERROR", 34, "Number out of service"),
            Self::Blocked => ("FAX_ERROR", 133, "Number not permitted"),
            Self::OutOfCredit => ("FAX_ERROR", 46, "Insufficient funds"),
            Self::BadDocument => ("DOCUMENT_CONVERSION_ERROR", 4, "Conversion failed"),
        })
    }
}

/// How the gateway misbehaves at one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It answers 429 and takes nothing.
    TooMany,
    /// It answers 500.
    Broken {
        /// And yet has taken the fax.
        taken: bool,
    },
    /// It never answers.
    Stall {
        /// And yet has taken the fax.
        taken: bool,
    },
    /// It breaks the connection in the middle of its answer, before the fax's id.
    Cut {
        /// And yet has taken the fax.
        taken: bool,
    },
}

impl Fault {
    fn takes(self) -> bool {
        match self {
            Self::TooMany => false,
            Self::Broken { taken } | Self::Stall { taken } | Self::Cut { taken } => taken,
        }
    }
}

/// A fax that the gateway has taken.
#[derive(Clone)]
pub struct TakenFax {
    /// The gateway's name for it.
    pub id: String,
    /// The number it goes to, in E.164 form.
    pub to: String,
    /// Every field of the submission but the document.
    pub fields: Map<String, Value>,
    /// The document.
    pub pdf: Bytes,
    /// When it was submitted.
    pub at: Timestamp,
    /// How its call ends.
    pub ending: Ending,
}

impl TakenFax {
    /// When its call ends.
    pub fn ends_at(&self) -> Timestamp {
        self.at + SignedDuration::from_secs(self.ending.seconds())
    }

    /// Our own name for it, out of `labels.ref`.
    pub fn reference(&self) -> Option<&str> {
        self.fields.get("labels")?.get("ref")?.as_str()
    }

    /// The fax as the gateway tells it at `now`.
    fn told(&self, now: Timestamp) -> Value {
        let mut fax = Value::Object(self.fields.clone());
        let pages = count_pages(&self.pdf);
        fax["id"] = self.id.as_str().into();
        fax["direction"] = "OUTBOUND".into();
        fax["createTime"] = self.at.to_string().into();
        fax["numberOfPages"] = pages.into();
        fax["retryCount"] = 0.into();
        if now < self.ends_at() {
            let dialling = now > self.at;
            fax["status"] = if dialling { "IN_PROGRESS" } else { "QUEUED" }.into();
            return fax;
        }
        fax["completedTime"] = self.ends_at().to_string().into();
        let Some((error_type, code, message)) = self.ending.error() else {
            fax["status"] = "COMPLETED".into();
            fax["pagesSentSuccessfully"] = pages.into();
            fax["price"] = json!({ "amount": format!("{:.2}", 0.07 * pages as f64), "currencyCode": "USD" });
            return fax;
        };
        fax["status"] = "FAILURE".into();
        fax["pagesSentSuccessfully"] = 0.into();
        fax["errorType"] = error_type.into();
        fax["errorCode"] = code.into();
        fax["errorMessage"] = message.into();
        fax
    }
}

impl fmt::Debug for TakenFax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakenFax").field("id", &self.id).field("ending", &self.ending).finish_non_exhaustive()
    }
}

/// The running gateway; it stops when dropped.
pub struct FaxGateway {
    base_url: String,
    world: Arc<World>,
    server: JoinHandle<()>,
}

type Script = dyn Fn(&str, u32) -> Ending + Send + Sync;

struct World {
    clock: Clock,
    script: Box<Script>,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    faxes: Vec<TakenFax>,
    faults: VecDeque<Fault>,
}

impl FaxGateway {
    /// Starts on a free loopback port. `script` is told the number and which
    /// fax to it this is, counted from 1, and says how the call ends.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(
        clock: Clock,
        script: impl Fn(&str, u32) -> Ending + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base_url = format!("http://{}/v3/projects/demo", listener.local_addr()?);
        let world = Arc::new(World { clock, script: Box::new(script), rows: Mutex::default() });
        let app = routes(Arc::clone(&world));
        let server = tokio::spawn(async move {
            // It returns only if accepting fails for good; then every request fails visibly.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { base_url, world, server })
    }

    /// What `[fax] base_url` is to be.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Misbehaves at the next submission that has no fault yet.
    pub fn fail_next(&self, fault: Fault) {
        self.world.rows().faults.push_back(fault);
    }

    /// Every fax taken so far, in order.
    pub fn faxes(&self) -> Vec<TakenFax> {
        self.world.rows().faxes.clone()
    }

    /// When the next call ends; `None` while no call is under way.
    pub fn next_at(&self) -> Option<Timestamp> {
        let now = self.world.clock.now();
        self.world.rows().faxes.iter().map(TakenFax::ends_at).filter(|at| *at > now).min()
    }
}

impl fmt::Debug for FaxGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaxGateway").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Drop for FaxGateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl World {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a fax, or as much of it as the next fault says.
    fn take(&self, sent: Sent) -> (Option<Fault>, Option<TakenFax>) {
        let at = self.clock.now();
        let mut rows = self.rows();
        let fault = rows.faults.pop_front();
        if fault.is_some_and(|fault| !fault.takes()) {
            return (fault, None);
        }
        let nth = 1 + rows.faxes.iter().filter(|fax| fax.to == sent.to).count() as u32;
        let ending = (self.script)(&sent.to, nth);
        let id = format!("DEMOFAX{:08}", rows.faxes.len() + 1);
        let fax = TakenFax { id, to: sent.to, fields: sent.fields, pdf: sent.pdf, at, ending };
        rows.faxes.push(fax.clone());
        (fault, Some(fax))
    }

    fn find(&self, id: &str) -> Option<TakenFax> {
        self.rows().faxes.iter().find(|fax| fax.id == id).cloned()
    }
}

fn routes(world: Arc<World>) -> Router {
    Router::new()
        .route("/v3/projects/demo/faxes", get(list).post(submit))
        .route("/v3/projects/demo/faxes/{id}", get(show))
        .route("/v3/projects/demo/faxes/{id}/file.pdf", get(document))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn(only_with_key))
        .with_state(world)
}

async fn only_with_key(request: Request, next: Next) -> Response {
    let expected = format!("Basic {}", BASE64.encode(format!("{KEY}:{SECRET}").as_bytes()));
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(expected.as_str()) {
        return refuse(StatusCode::UNAUTHORIZED, "unauthorized");
    }
    next.run(request).await
}

async fn submit(State(world): State<Arc<World>>, request: Request) -> Response {
    let sent = match Sent::read(request).await {
        Ok(sent) => sent,
        Err(refusal) => return refusal,
    };
    match world.take(sent) {
        (Some(Fault::TooMany), _) => refuse(StatusCode::TOO_MANY_REQUESTS, "too many requests"),
        (Some(Fault::Broken { .. }), _) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
        (Some(Fault::Stall { .. }), _) => std::future::pending().await,
        (Some(Fault::Cut { .. }), _) => cut(),
        (None, Some(fax)) => axum::Json(fax.told(fax.at)).into_response(),
        (None, None) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "no fault, and yet no fax"),
    }
}

async fn show(State(world): State<Arc<World>>, Path(id): Path<String>) -> Response {
    match world.find(&id) {
        Some(fax) => axum::Json(fax.told(world.clock.now())).into_response(),
        None => refuse(StatusCode::NOT_FOUND, "no such fax"),
    }
}

async fn document(State(world): State<Arc<World>>, Path(id): Path<String>) -> Response {
    match world.find(&id) {
        Some(fax) => ([(header::CONTENT_TYPE, "application/pdf")], fax.pdf).into_response(),
        None => refuse(StatusCode::NOT_FOUND, "no such fax"),
    }
}

#[derive(Deserialize)]
struct Filter {
    #[serde(default)]
    to: String,
    #[serde(rename = "createTime>")]
    since: Option<Timestamp>,
}

/// The newest first; like the real one it filters by the beginning of the number.
async fn list(State(world): State<Arc<World>>, Query(filter): Query<Filter>) -> Response {
    let now = world.clock.now();
    let rows = world.rows();
    let since = |fax: &&TakenFax| filter.since.is_none_or(|since| fax.at >= since);
    let wanted = rows.faxes.iter().rev().filter(|fax| fax.to.starts_with(&filter.to)).filter(since);
    let faxes: Vec<Value> = wanted.map(|fax| fax.told(now)).collect();
    axum::Json(json!({ "totalItems": faxes.len(), "totalPages": 1, "pageNumber": 1, "faxes": faxes })).into_response()
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({ "code": status.as_u16(), "message": message }))).into_response()
}

fn refuse_field(field: &str, description: &str) -> Response {
    let violation = json!({ "fieldViolations": [{ "field": field, "description": description }] });
    let body = json!({ "code": 400, "message": description, "details": [violation] });
    (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
}

/// An answer that promises more than it brings.
fn cut() -> Response {
    let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut off")) });
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, 512)
        .body(Body::from_stream(broken))
        .unwrap_or_default()
}

/// Page objects of a PDF whose objects are not packed into streams; at least one.
fn count_pages(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    let count = |mark: &str| text.split(mark).skip(1).filter(|rest| ends(rest)).count();
    (count("/Type /Page") + count("/Type/Page")).max(1)
}
