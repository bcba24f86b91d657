//! `/metrics`: the counts of the store and the age of the stages, for Prometheus.
//!
//! Everything is counted when it is asked for and kept nowhere: two daemons over one
//! database say the same, and a restart loses nothing. No label names a person.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use serde::Serialize;

use super::Site;
use super::health::StageTurn;
use crate::model::address::Channel;
use crate::model::delivery::DeliveryState;
use crate::model::plan::PlanState;
use crate::store::{AttemptCount, Result, Status, Store};

type Labels = Vec<(&'static str, String)>;

const TEXT: (HeaderName, &str) = (header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8");

const STATES: [DeliveryState; 11] = [
    DeliveryState::Scheduled,
    DeliveryState::Claimed,
    DeliveryState::Handoff,
    DeliveryState::Submitted,
    DeliveryState::Accepted,
    DeliveryState::Retry,
    DeliveryState::Rejected,
    DeliveryState::Uncertain,
    DeliveryState::Held,
    DeliveryState::Skipped,
    DeliveryState::Cancelled,
];

/// What one scrape shows.
struct Scrape {
    now: Timestamp,
    status: Status,
    attempts: Vec<AttemptCount>,
    oldest_step: Option<Timestamp>,
    turns: Vec<StageTurn>,
}

/// `GET /metrics`.
pub(super) async fn show(State(site): State<Arc<Site>>) -> Response {
    let _one = site.scrape.lock().await;
    let now = site.state.clock.now();
    match read(&site.state.store, now, site.state.health.turns()).await {
        Ok(scrape) => ([TEXT], write(&scrape)).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("database: {error}\n")).into_response(),
    }
}

async fn read(store: &Store, now: Timestamp, turns: Vec<StageTurn>) -> Result<Scrape> {
    let oldest_step = store.due_plans(now, now, 1).await?.into_iter().find_map(|plan| plan.next_at);
    Ok(Scrape { now, status: store.status(now).await?, attempts: store.attempt_counts().await?, oldest_step, turns })
}

fn write(scrape: &Scrape) -> String {
    let mut registry = Registry::with_prefix("outreachd");
    registry.register("build", "The program", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
    register_status(&mut registry, &scrape.status);
    register_ages(&mut registry, scrape);
    let attempts = Family::<Labels, Counter>::default();
    for count in &scrape.attempts {
        let labels = vec![("relay", count.relay.clone()), ("state", word(count.state))];
        attempts.get_or_create(&labels).inc_by(u64::try_from(count.count).unwrap_or(0));
    }
    registry.register("attempts", "Tries by relay or gateway and how they ended", attempts);
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes everything");
    text
}

fn register_status(registry: &mut Registry, status: &Status) {
    let deliveries = Family::<Labels, Gauge>::default();
    // Each state is always there: a rule that watches `uncertain` must see its zero.
    for channel in [Channel::Email, Channel::Fax] {
        for state in STATES {
            deliveries.get_or_create(&vec![("channel", word(channel)), ("state", word(state))]).set(0);
        }
    }
    for count in &status.deliveries {
        let labels = vec![("channel", word(count.channel)), ("state", word(count.state))];
        deliveries.get_or_create(&labels).inc_by(count.count);
    }
    registry.register("deliveries", "Deliveries by channel and state", deliveries);
    let plans = Family::<Labels, Gauge>::default();
    for state in [PlanState::Active, PlanState::Done, PlanState::Stopped] {
        plans.get_or_create(&vec![("state", word(state))]).set(0);
    }
    for (_, state, count) in &status.plans {
        plans.get_or_create(&vec![("state", word(*state))]).inc_by(*count);
    }
    registry.register("plans", "Plans by state", plans);
    registry.register("tasks_open", "Tasks that nobody has done", gauge(status.open_tasks));
    registry.register("responses_to_review", "Responses that a person must look at", gauge(status.to_review));
}

fn register_ages(registry: &mut Registry, scrape: &Scrape) {
    let age = |at: Option<Timestamp>| at.map_or(0, |at| scrape.now.duration_since(at).as_secs().max(0));
    registry.register(
        "oldest_due_seconds",
        "How long the oldest unpaused delivery has been due; 0 if none is",
        gauge(age(scrape.status.oldest_due)),
    );
    registry.register(
        "schedule_lag_seconds",
        "How long the oldest due step has waited to become a delivery; 0 if none does",
        gauge(age(scrape.oldest_step)),
    );
    let ages = Family::<Labels, Gauge>::default();
    let failing = Family::<Labels, Gauge>::default();
    for turn in &scrape.turns {
        let labels = vec![("stage", turn.stage.clone())];
        if turn.turned_at.is_some() {
            ages.get_or_create(&labels).set(age(turn.turned_at));
        }
        failing.get_or_create(&labels).set(i64::from(turn.failing));
    }
    registry.register("stage_last_turn_age_seconds", "How long ago each stage turned", ages);
    registry.register("stage_failing", "1 if the stage's last turn ended in an error", failing);
}

fn gauge(value: i64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(value);
    gauge
}

/// What serde calls a plain word.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
