//! Counts that reconcile: deliveries by state, plans by state, what is oldest.

use jiff::Timestamp;
use serde::Serialize;

use super::words::{maybe_instant, micros, parse};
use super::{Result, Store, reading};
use crate::model::address::Channel;
use crate::model::delivery::DeliveryState;
use crate::model::plan::PlanState;

/// Deliveries of one campaign, channel and state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateCount {
    /// The campaign; none for digests and notices.
    pub campaign: Option<String>,
    /// The channel.
    pub channel: Channel,
    /// The state.
    pub state: DeliveryState,
    /// How many.
    pub count: i64,
}

/// How everything stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Deliveries by campaign, channel and state.
    pub deliveries: Vec<StateCount>,
    /// Plans by campaign and state.
    pub plans: Vec<(String, PlanState, i64)>,
    /// Matched and left out by campaign.
    pub matched: Vec<(String, i64, i64)>,
    /// Since when the oldest unpaused delivery is due.
    pub oldest_due: Option<Timestamp>,
    /// Responses a person must look at.
    pub to_review: i64,
    /// Open tasks.
    pub open_tasks: i64,
}

impl Store {
    /// How everything stands at `now`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn status(&self, now: Timestamp) -> Result<Status> {
        let (deliveries, plans, matched, oldest, review, tasks) = reading!(self, conn => {
            let deliveries = sqlx::query_as::<_, (Option<String>, String, String, i64)>(
                "SELECT campaign, channel, state, COUNT(*) FROM delivery GROUP BY campaign, channel, state ORDER BY campaign, channel, state",
            ).fetch_all(&mut *conn).await?;
            let plans = sqlx::query_as::<_, (String, String, i64)>(
                "SELECT campaign, state, COUNT(*) FROM plan GROUP BY campaign, state ORDER BY campaign, state",
            ).fetch_all(&mut *conn).await?;
            let matched = sqlx::query_as::<_, (String, i64, i64)>(
                "SELECT campaign, COUNT(*), COUNT(left_out) FROM membership GROUP BY campaign ORDER BY campaign",
            ).fetch_all(&mut *conn).await?;
            let oldest = sqlx::query_scalar::<_, Option<i64>>(
                "SELECT MIN(due_at) FROM delivery d WHERE state IN ('scheduled', 'retry') AND due_at <= $1
                   AND NOT EXISTS (SELECT 1 FROM pause u WHERE u.ended_at IS NULL AND (u.until IS NULL OR u.until > $1)
                        AND d.purpose = 'campaign' AND (u.scope = 'all' OR (u.scope = 'campaign' AND u.value = d.campaign)
                          OR (u.scope = 'domain' AND u.value = d.domain) OR (u.scope = 'contact' AND u.value = CAST(d.contact_id AS TEXT))))",
            ).bind(micros(now)).fetch_one(&mut *conn).await?;
            let review = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM response WHERE review = 1").fetch_one(&mut *conn).await?;
            let tasks = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM task WHERE done_at IS NULL").fetch_one(&mut *conn).await?;
            (deliveries, plans, matched, oldest, review, tasks)
        });
        Ok(Status {
            deliveries: deliveries
                .into_iter()
                .map(|(campaign, channel, state, count)| {
                    Ok(StateCount {
                        campaign,
                        channel: parse(&channel, "a channel")?,
                        state: parse(&state, "a state")?,
                        count,
                    })
                })
                .collect::<Result<_>>()?,
            plans: plans
                .into_iter()
                .map(|(campaign, state, count)| Ok((campaign, parse(&state, "a plan's state")?, count)))
                .collect::<Result<_>>()?,
            matched,
            oldest_due: maybe_instant(oldest)?,
            to_review: review,
            open_tasks: tasks,
        })
    }
}
