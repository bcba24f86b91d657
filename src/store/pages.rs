//! What pages and scrapes read: a manager's newest digest, tries by relay.

use serde::Serialize;
use serde_json::Value;

use super::words::parse;
use super::{AttemptState, Result, Store, reading};
use crate::model::id::UserId;

/// Tries at one relay or gateway that stand in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttemptCount {
    /// The relay or gateway.
    pub relay: String,
    /// How they ended.
    pub state: AttemptState,
    /// How many.
    pub count: i64,
}

impl Store {
    /// What was composed for the newest digest of a user who is still active.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn latest_digest(&self, user: UserId) -> Result<Option<Value>> {
        let payload = reading!(self, conn => {
            sqlx::query_scalar::<_, String>(
                "SELECT d.payload FROM delivery d JOIN users u ON u.id = d.user_id
                 WHERE d.purpose = 'digest' AND d.user_id = $1 AND d.payload IS NOT NULL AND u.active = 1
                 ORDER BY d.due_at DESC, d.id DESC LIMIT 1",
            )
            .bind(user.0)
            .fetch_optional(&mut *conn)
            .await?
        });
        Ok(payload.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// Every try there was, by relay and how it ended.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn attempt_counts(&self) -> Result<Vec<AttemptCount>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (String, String, i64)>(
                "SELECT relay, state, COUNT(*) FROM attempt GROUP BY relay, state ORDER BY relay, state",
            )
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .map(|(relay, state, count)| Ok(AttemptCount { relay, state: parse(&state, "an attempt's state")?, count }))
            .collect()
    }
}
