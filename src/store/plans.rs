//! Plans: which step is next and when, and how a plan moves on or ends.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use super::words::{instant, maybe, maybe_instant, micros, parse, rows, word};
use super::{Consequence, Result, Store, StoreError, reading, transaction};
use crate::model::act::Act;
use crate::model::delivery::{DeliveryState, Outcome};
use crate::model::id::{AccountId, ContactId, DeliveryId, PlanId, RevisionId};
use crate::model::plan::{Enrolment, PlanState, StopReason};

/// One enrolment decision as it is written.
#[derive(Serialize)]
pub(super) struct EnrolmentRow<'a> {
    contact: ContactId,
    account: AccountId,
    left_out: Option<String>,
    facts: &'a serde_json::Value,
    step: &'a str,
    next_at: Option<i64>,
    closes_at: Option<i64>,
}

impl<'a> From<&'a Enrolment> for EnrolmentRow<'a> {
    fn from(enrolment: &'a Enrolment) -> Self {
        Self {
            contact: enrolment.contact,
            account: enrolment.account,
            left_out: enrolment.left_out.map(|reason| word(&reason)),
            facts: &enrolment.facts,
            step: &enrolment.step,
            next_at: enrolment.next_at.map(micros),
            closes_at: enrolment.closes_at.map(micros),
        }
    }
}

/// One plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanRow {
    /// Its id.
    pub id: PlanId,
    /// Its campaign.
    pub campaign: String,
    /// The run of a cron campaign, else empty.
    pub run: String,
    /// The version it runs by.
    pub revision: RevisionId,
    /// Whose.
    pub contact: ContactId,
    /// Their company.
    pub account: AccountId,
    /// Where it stands.
    pub state: PlanState,
    /// The step it waits for or is in.
    pub step: Option<String>,
    /// When that step is due.
    pub next_at: Option<Timestamp>,
    /// When that step's window closes.
    pub closes_at: Option<Timestamp>,
    /// That step's delivery, once there is one.
    pub delivery: Option<DeliveryId>,
    /// Why it was stopped.
    pub stop_reason: Option<StopReason>,
    /// Since when.
    pub started_at: Timestamp,
    /// Until when.
    pub ended_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
pub(super) struct PlanSql {
    id: i64,
    campaign: String,
    run: String,
    revision_id: i64,
    contact_id: i64,
    account_id: i64,
    state: String,
    step: Option<String>,
    next_at: Option<i64>,
    closes_at: Option<i64>,
    delivery_id: Option<i64>,
    stop_reason: Option<String>,
    started_at: i64,
    ended_at: Option<i64>,
}

impl TryFrom<PlanSql> for PlanRow {
    type Error = StoreError;

    fn try_from(row: PlanSql) -> Result<Self> {
        Ok(Self {
            id: PlanId(row.id),
            campaign: row.campaign,
            run: row.run,
            revision: RevisionId(row.revision_id),
            contact: ContactId(row.contact_id),
            account: AccountId(row.account_id),
            state: parse(&row.state, "a plan's state")?,
            step: row.step,
            next_at: maybe_instant(row.next_at)?,
            closes_at: maybe_instant(row.closes_at)?,
            delivery: row.delivery_id.map(DeliveryId),
            stop_reason: maybe(row.stop_reason.as_deref(), "why a plan stopped")?,
            started_at: instant(row.started_at)?,
            ended_at: maybe_instant(row.ended_at)?,
        })
    }
}

/// A step's delivery that has ended, and whose plan has not heard of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedStep {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The plan that waited for it; none if it was stopped meanwhile.
    pub plan: Option<PlanRow>,
    /// How the delivery ended.
    pub state: DeliveryState,
    /// What became known since.
    pub outcome: Option<Outcome>,
    /// Why, for a rejected or skipped one.
    pub reason: Option<String>,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// Where a plan goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanMove {
    /// To a step that is due at an instant.
    Next {
        /// The plan.
        plan: PlanId,
        /// The step.
        step: String,
        /// When it is due.
        next_at: Timestamp,
        /// When its window closes.
        closes_at: Option<Timestamp>,
    },
    /// To its end: no step is left.
    Done(PlanId),
    /// It is stopped.
    Stop(PlanId, StopReason),
}

#[derive(Serialize)]
struct MoveRow {
    plan: i64,
    state: &'static str,
    step: Option<String>,
    next_at: Option<i64>,
    closes_at: Option<i64>,
    stop_reason: Option<String>,
}

pub(super) const COLUMNS: &str =
    "p.id, p.campaign, p.run, p.revision_id, p.contact_id, p.account_id, p.state, p.step, p.next_at, p.closes_at,
    p.delivery_id, p.stop_reason, p.started_at, p.ended_at";

const MOVE: &str = "
    UPDATE plan SET state = n.state, step = COALESCE(n.step, plan.step), next_at = n.next_at, closes_at = n.closes_at,
        delivery_id = NULL, stop_reason = n.stop_reason, ended_at = CASE WHEN n.state = 'active' THEN NULL ELSE $2 END
    FROM (SELECT CAST(r.value->>'plan' AS BIGINT) AS plan, r.value->>'state' AS state, r.value->>'step' AS step,
                 CAST(r.value->>'next_at' AS BIGINT) AS next_at, CAST(r.value->>'closes_at' AS BIGINT) AS closes_at,
                 r.value->>'stop_reason' AS stop_reason
          FROM json_each($1) AS r) AS n
    WHERE plan.id = n.plan AND plan.state = 'active'";

impl Store {
    /// The deliveries that have ended and whose plans have not heard of it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn ended_steps(&self, limit: i64) -> Result<Vec<EndedStep>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            ended: i64,
            ended_state: String,
            outcome: Option<String>,
            reason: Option<String>,
            finished_at: Option<i64>,
        }
        let ended = reading!(self, conn => {
            sqlx::query_as::<_, Row>(
                "SELECT d.id AS ended, d.state AS ended_state, d.outcome, d.reason, d.finished_at FROM delivery d
                 WHERE d.awaited = 1 AND d.state IN ('accepted', 'rejected', 'skipped', 'cancelled') ORDER BY d.id LIMIT $1",
            )
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?
        });
        if ended.is_empty() {
            return Ok(Vec::new());
        }
        let ids = super::words::id_list(ended.iter().map(|row| row.ended));
        let text = format!(
            "SELECT {COLUMNS} FROM json_each($1) AS r CROSS JOIN plan p
             WHERE p.delivery_id = CAST(CAST(r.value AS TEXT) AS BIGINT) AND p.state = 'active' AND p.delivery_id IS NOT NULL"
        );
        let plans = reading!(self, conn => {
            sqlx::query_as::<_, PlanSql>(sqlx::AssertSqlSafe(text)).bind(ids).fetch_all(&mut *conn).await?
        });
        let mut plans: HashMap<i64, PlanSql> =
            plans.into_iter().filter_map(|plan| Some((plan.delivery_id?, plan))).collect();
        ended
            .into_iter()
            .map(|row| {
                Ok(EndedStep {
                    delivery: DeliveryId(row.ended),
                    plan: plans.remove(&row.ended).map(PlanRow::try_from).transpose()?,
                    state: parse(&row.ended_state, "a delivery's state")?,
                    outcome: maybe(row.outcome.as_deref(), "an outcome")?,
                    reason: row.reason,
                    finished_at: instant(row.finished_at.unwrap_or_default())?,
                })
            })
            .collect()
    }

    /// Moves the plans whose steps' deliveries have ended; nobody waits for those any more.
    ///
    /// # Errors
    /// The database does not answer; then none moved.
    pub async fn follow_plans(&self, act: &Act, moves: &[PlanMove], ended: &[DeliveryId]) -> Result<u64> {
        let list = rows(&moves.iter().map(MoveRow::from).collect::<Vec<_>>())?;
        let ended = super::words::id_list(ended.iter().map(|id| id.0));
        let moved = transaction!(self, tx => {
            let moved = sqlx::query(MOVE).bind(list).bind(micros(act.at)).execute(&mut *tx).await?.rows_affected();
            sqlx::query("UPDATE delivery SET awaited = 0 WHERE id IN (SELECT CAST(CAST(r.value AS TEXT) AS BIGINT) FROM json_each($1) AS r)")
                .bind(ended)
                .execute(&mut *tx)
                .await?;
            moved
        });
        Ok(moved)
    }

    /// Moves plans on, or ends them, with what comes of it (a call step's task), in one
    /// transaction; a plan that is no longer active stays as it is.
    ///
    /// # Errors
    /// The database does not answer; then none moved.
    pub async fn move_plans(&self, act: &Act, moves: &[PlanMove], consequences: &[Consequence]) -> Result<u64> {
        let ids = self.reserve(Consequence::ids_needed(consequences) + 1).await?;
        let list: Vec<_> = moves.iter().map(MoveRow::from).collect();
        let list = rows(&list)?;
        let moved = transaction!(self, tx => {
            let moved = sqlx::query(MOVE).bind(list).bind(micros(act.at)).execute(&mut *tx).await?.rows_affected();
            let mut free = ids.clone();
            super::consequences::apply_consequences!(tx, act, &mut free, consequences);
            moved
        });
        Ok(moved)
    }

    /// The plans of one contact, oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn plans_of(&self, contact: ContactId) -> Result<Vec<PlanRow>> {
        let text = format!("SELECT {COLUMNS} FROM plan p WHERE p.contact_id = $1 ORDER BY p.started_at, p.id");
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, PlanSql>(sqlx::AssertSqlSafe(text)).bind(contact.0).fetch_all(&mut *conn).await?
        });
        rows.into_iter().map(PlanRow::try_from).collect()
    }

    /// The plans of one campaign, by id.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn plans_in(&self, campaign: &str) -> Result<Vec<PlanRow>> {
        let text = format!("SELECT {COLUMNS} FROM plan p WHERE p.campaign = $1 ORDER BY p.id");
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, PlanSql>(sqlx::AssertSqlSafe(text)).bind(campaign).fetch_all(&mut *conn).await?
        });
        rows.into_iter().map(PlanRow::try_from).collect()
    }
}

impl From<&PlanMove> for MoveRow {
    fn from(step: &PlanMove) -> Self {
        let end = |plan: PlanId, state, stop_reason| Self {
            plan: plan.0,
            state,
            step: None,
            next_at: None,
            closes_at: None,
            stop_reason,
        };
        match step {
            PlanMove::Next { plan, step, next_at, closes_at } => Self {
                plan: plan.0,
                state: "active",
                step: Some(step.clone()),
                next_at: Some(micros(*next_at)),
                closes_at: closes_at.map(micros),
                stop_reason: None,
            },
            PlanMove::Done(plan) => end(*plan, "done", None),
            PlanMove::Stop(plan, reason) => end(*plan, "stopped", Some(word(reason))),
        }
    }
}
