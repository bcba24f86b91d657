//! Pages and hooks: opt-out, digest page, fax callbacks, health and metrics.
//!
//! It believes no visitor: a token names a row, everything shown is escaped under a
//! strict content security policy, and nothing here sends. A page's act goes
//! through `respond` into the store; a hook only wakes a stage. A proxy in front
//! passes `/u/`, `/d/` and `/hooks/` on; the other paths are the operator's.

mod digest;
mod fax_calls;
mod guesses;
pub mod health;
mod hooks;
mod metrics;
mod opt_out;
mod page;
mod ready;
mod refused;
mod words;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

pub use fax_calls::FaxCalls;
pub use health::Health;

use crate::clock::Clock;
use crate::config::Config;
use crate::model::token::TokenKeys;
use crate::store::Store;
use guesses::Guesses;
use refused::{Refusal, Refused};

/// The most a page's form may hold; a one-click POST is 26 bytes.
const FORM_BYTES: usize = 16 << 10;
/// The most a gateway's callback may hold: it may bring the document along.
const HOOK_BYTES: usize = 16 << 20;
/// How long one request may take, its body included.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long requests under way may go on after the server was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// What the pages work with.
#[derive(Clone, Debug)]
pub struct WebState {
    /// The rows.
    pub store: Store,
    /// Who we are, and in which language.
    pub config: Arc<Config>,
    /// The keys behind every token.
    pub keys: TokenKeys,
    /// Domain time.
    pub clock: Clock,
    /// Wakes the stages after a hook or an opt-out.
    pub nudge: Arc<Notify>,
    /// When each stage last turned.
    pub health: Arc<Health>,
    /// The faxes whose gateway has called since the last poll.
    pub fax_calls: Arc<FaxCalls>,
}

impl WebState {
    /// Wakes the stages.
    fn wake(&self) {
        // Those that wait now, and the next one that will: a turn too many does no harm.
        self.nudge.notify_waiters();
        self.nudge.notify_one();
    }

    fn refuse(&self, refusal: Refusal) -> Refused {
        Refused { refusal, language: self.config.company.language }
    }
}

/// One running server.
struct Site {
    state: WebState,
    guesses: Guesses,
    /// One scrape at a time: each counts whole tables.
    scrape: Mutex<()>,
}

/// Everything the server answers.
pub fn router(state: WebState) -> Router {
    let guesses = Guesses::new(state.clock.now());
    let site = Arc::new(Site { state, guesses, scrape: Mutex::new(()) });
    let pages = Router::new()
        .route("/u/{token}", get(opt_out::show).post(opt_out::act))
        .route("/d/{token}", get(digest::show))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready::show))
        .route("/metrics", get(metrics::show))
        .layer(RequestBodyLimitLayer::new(FORM_BYTES));
    let hooks =
        Router::new().route("/hooks/fax/{token}", post(hooks::fax)).layer(RequestBodyLimitLayer::new(HOOK_BYTES));
    pages
        .merge(hooks)
        .fallback(refused::nothing_here)
        .with_state(site)
        .layer(DefaultBodyLimit::disable())
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PATIENCE))
        .layer(CatchPanicLayer::new())
        .layer(map_response(secure))
}

/// Answers on `listener` until `cancel`, and then for the requests under way.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, router: Router, cancel: CancellationToken) -> std::io::Result<()> {
    let serving = axum::serve(listener, router).with_graceful_shutdown(cancel.clone().cancelled_owned());
    let out_of_patience = async {
        cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = serving.into_future() => served,
        () = out_of_patience => Ok(()),
    }
}

/// Puts on every answer what keeps a browser from doing more with it than show it.
async fn secure(mut response: Response) -> Response {
    let headers: [(HeaderName, &'static str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address holds the token: no link may take it along.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let present = response.headers_mut();
    for (name, value) in headers {
        present.insert(name, HeaderValue::from_static(value));
    }
    present.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(page::strict_policy);
    response
}
