//! The plans of one campaign as they stand: page by page, and counted.

use std::collections::HashMap;

use jiff::Timestamp;

use super::plans::{COLUMNS, PlanSql};
use super::words::{instant, maybe, maybe_instant, parse};
use super::{PlanRow, Result, Store, reading};
use crate::model::delivery::DeliveryState;
use crate::model::id::{ContactId, RevisionId};
use crate::model::plan::{PlanState, StopReason};

/// How many plans of a campaign stand alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanCount {
    /// The run.
    pub run: String,
    /// The version they run by.
    pub revision: RevisionId,
    /// Where they stand.
    pub state: PlanState,
    /// Why they were stopped.
    pub stop_reason: Option<StopReason>,
    /// How many.
    pub count: u64,
}

/// An active plan, and how the delivery of its step stands: its state, when it is due and
/// until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWayRow {
    /// The plan.
    pub plan: PlanRow,
    /// Its delivery, once there is one.
    pub delivery: Option<(DeliveryState, Timestamp, Option<Timestamp>)>,
}

/// Where a page of a campaign's plans ended: the run and the contact. The default is before
/// the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanPlace(String, i64);

impl PlanPlace {
    /// Behind this one.
    pub fn behind(plan: &PlanRow) -> Self {
        Self(plan.run.clone(), plan.contact.0)
    }
}

impl Store {
    /// The active plans of one campaign behind a place, run by run, by contact.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn under_way(&self, campaign: &str, after: &PlanPlace, limit: i64) -> Result<Vec<UnderWayRow>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            #[sqlx(flatten)]
            plan: PlanSql,
            delivery_state: Option<String>,
            due_at: Option<i64>,
            not_after: Option<i64>,
        }
        let text = format!(
            "SELECT {COLUMNS}, d.state AS delivery_state, d.due_at, d.not_after FROM plan p
             LEFT JOIN delivery d ON d.id = p.delivery_id
             WHERE p.campaign = $1 AND (p.run, p.contact_id) > ($2, $3) AND p.state = 'active'
             ORDER BY p.run, p.contact_id LIMIT $4"
        );
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(text))
                .bind(campaign)
                .bind(after.0.clone())
                .bind(after.1)
                .bind(limit)
                .fetch_all(&mut *conn)
                .await?
        });
        let row = |row: Row| {
            let delivery = match (row.delivery_state, row.due_at) {
                (Some(state), Some(due_at)) => {
                    let (due_at, not_after) = (instant(due_at)?, maybe_instant(row.not_after)?);
                    Some((parse(&state, "a delivery's state")?, due_at, not_after))
                }
                _ => None,
            };
            Ok(UnderWayRow { plan: row.plan.try_into()?, delivery })
        };
        rows.into_iter().map(row).collect()
    }

    /// Which of these contacts have an active plan of a campaign, and of which run first.
    /// CROSS JOIN keeps SQLite from looking through the list for each plan of the campaign.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn first_runs(&self, campaign: &str, contacts: &[ContactId]) -> Result<HashMap<ContactId, String>> {
        let list = super::words::id_list(contacts.iter().map(|id| id.0));
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (i64, String)>(
                "SELECT p.contact_id, MIN(p.run) FROM json_each($2) AS r CROSS JOIN plan p
                 WHERE p.contact_id = CAST(CAST(r.value AS TEXT) AS BIGINT) AND p.campaign = $1 AND p.state = 'active'
                 GROUP BY p.contact_id",
            )
            .bind(campaign)
            .bind(list)
            .fetch_all(&mut *conn)
            .await?
        });
        Ok(rows.into_iter().map(|(contact, run)| (ContactId(contact), run)).collect())
    }

    /// How many plans of one campaign there are, by run, version and state.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn count_plans(&self, campaign: &str) -> Result<Vec<PlanCount>> {
        // All campaigns at once, in the order of the index: one alone would be looked up row by row.
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (String, String, i64, String, Option<String>, i64)>(
                "SELECT campaign, run, revision_id, state, stop_reason, COUNT(*) FROM plan
                 GROUP BY run, revision_id, state, stop_reason, campaign",
            )
            .fetch_all(&mut *conn)
            .await?
        });
        let row =
            |(_, run, revision, state, stop_reason, count): (String, String, i64, String, Option<String>, i64)| {
                Ok(PlanCount {
                    run,
                    revision: RevisionId(revision),
                    state: parse(&state, "a plan's state")?,
                    stop_reason: maybe(stop_reason.as_deref(), "why a plan stopped")?,
                    count: count.unsigned_abs(),
                })
            };
        rows.into_iter().filter(|(of, ..)| of == campaign).map(row).collect()
    }
}
