//! The demo in the browser: each client's timeline beside what was sent to them.
//!
//! It shows rows, and what the demo's servers have captured; it changes nothing but
//! the clock, and that through an [`Order`] to whoever drives the stages. The
//! opt-out links in the letters lead to `web`, which is served beside it.

mod captured;
mod frame;
mod one;
mod overview;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use jiff::civil::{Date, time};
use tokio::sync::{mpsc, oneshot};

use super::company;
use super::world::Servers;
use crate::clock::ManualClock;
use crate::policy::calendar::Calendar;
use crate::store::{Store, StoreError};

/// Asks for everything to happen until an instant; answered when it has.
pub struct Order {
    /// The instant.
    pub until: Timestamp,
    /// Where the answer goes: what went wrong, if anything did.
    pub done: oneshot::Sender<Result<(), String>>,
}

/// What the pages show.
pub struct Site {
    /// The rows.
    pub store: Store,
    /// The demo's clock.
    pub clock: ManualClock,
    /// What was captured.
    pub servers: Servers,
    /// To whoever drives the stages.
    pub orders: mpsc::Sender<Order>,
}

/// The pages.
pub fn router(site: Site) -> Router {
    Router::new()
        .route("/", get(overview::show))
        .route("/next-day", post(next_day))
        .route("/clients/{contact}", get(one::show))
        .route("/mails/{number}", get(captured::mail))
        .route("/mails/{number}/source", get(captured::source))
        .route("/faxes/{number}", get(captured::fax))
        .with_state(Arc::new(site))
}

/// Why a page cannot be shown.
enum Trouble {
    Absent,
    Store(StoreError),
    Driver(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Absent { .. } => Self::Absent,
            other => Self::Store(other),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, words) = match self {
            Self::Absent => (StatusCode::NOT_FOUND, "There is nothing here.".to_owned()),
            Self::Store(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            Self::Driver(error) => (StatusCode::INTERNAL_SERVER_ERROR, error),
        };
        (status, frame::page("outreachd demo", &maud::html! { p { (words) } p { a href="/" { "All clients" } } }))
            .into_response()
    }
}

/// Lets the clock run to the evening of the next working day.
async fn next_day(State(site): State<Arc<Site>>) -> Result<Redirect, Trouble> {
    let (done, answer) = oneshot::channel();
    let until = company::instant(next_working_day(site.clock.now()).to_datetime(time(18, 0, 0, 0)));
    let gone = || Trouble::Driver("the demo has ended".to_owned());
    site.orders.send(Order { until, done }).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?.map_err(Trouble::Driver)?;
    Ok(Redirect::to("/"))
}

/// The working day after the one that `now` is in.
fn next_working_day(now: Timestamp) -> Date {
    Calendar::of(Some("SE")).add_business_days(company::zone().to_datetime(now).date(), 1)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn passes_over_weekends_and_holidays() {
        let day = |at: Date| next_working_day(company::instant(at.at(7, 31, 0, 0)));
        assert_eq!(day(date(2027, 3, 5)), date(2027, 3, 8));
        assert_eq!(day(date(2027, 3, 25)), date(2027, 3, 30), "Easter");
    }
}
