//! `/readyz`: whether the program does its work, and if not, why, in one line.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use tokio::time::timeout;

use super::Site;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// `GET /readyz`: 200, or 503 and the reason.
pub(super) async fn show(State(site): State<Arc<Site>>) -> (StatusCode, String) {
    let mut complaints = site.state.health.complaints(site.state.clock.now());
    match timeout(PATIENCE, site.state.store.ping()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => complaints.insert(0, format!("database: {error}")),
        Err(_) => complaints.insert(0, "database: it does not answer".to_owned()),
    }
    if complaints.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", complaints.join("; ").replace(['\r', '\n'], " ")))
}
