//! Plans: which step is next and when, and how a plan moves on or ends.

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

/// A plan whose current step's delivery has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedStep {
    /// The plan.
    pub plan: PlanRow,
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

const COLUMNS: &str =
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

/// What keeps a plan `p` from getting its next delivery for now; `$now` is a placeholder's number.
macro_rules! unpaused {
    ($now:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM pause u WHERE u.ended_at IS NULL AND (u.until IS NULL OR u.until > ",
            $now,
            ") AND (u.scope = 'all' OR (u.scope = 'campaign' AND u.value = p.campaign)
                OR (u.scope = 'contact' AND u.value = CAST(p.contact_id AS TEXT))))"
        )
    };
}

impl Store {
    /// Active plans whose step is due before `until`, has no delivery and is not paused, oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due_plans(&self, now: Timestamp, until: Timestamp, limit: i64) -> Result<Vec<PlanRow>> {
        let text = format!(
            "SELECT {COLUMNS} FROM plan p WHERE p.state = 'active' AND p.delivery_id IS NULL AND p.next_at <= $1
             AND {} ORDER BY p.next_at, p.id LIMIT $3",
            unpaused!("$2")
        );
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, PlanSql>(sqlx::AssertSqlSafe(text))
                .bind(micros(until))
                .bind(micros(now))
                .bind(limit)
                .fetch_all(&mut *conn)
                .await?
        });
        rows.into_iter().map(PlanRow::try_from).collect()
    }

    /// When the first plan that is not yet due will be, or a pause ends.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_plan_at(&self, now: Timestamp, after: Timestamp) -> Result<Option<Timestamp>> {
        let at = reading!(self, conn => {
            sqlx::query_scalar::<_, Option<i64>>(
                "SELECT MIN(at) FROM (
                    SELECT MIN(next_at) AS at FROM plan WHERE state = 'active' AND delivery_id IS NULL AND next_at > $2
                    UNION ALL SELECT MIN(until) FROM pause WHERE ended_at IS NULL AND until > $1
                    UNION ALL SELECT MIN(next_run_at) FROM campaign WHERE next_run_at > $2) AS t",
            )
            .bind(micros(now))
            .bind(micros(after))
            .fetch_one(&mut *conn)
            .await?
        });
        maybe_instant(at)
    }

    /// Active plans whose current delivery has ended.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn ended_steps(&self, limit: i64) -> Result<Vec<EndedStep>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            #[sqlx(flatten)]
            plan: PlanSql,
            delivery_state: String,
            outcome: Option<String>,
            reason: Option<String>,
            finished_at: Option<i64>,
        }
        let text = format!(
            "SELECT {COLUMNS}, d.state AS delivery_state, d.outcome, d.reason, d.finished_at FROM plan p
             JOIN delivery d ON d.id = p.delivery_id
             WHERE p.state = 'active' AND p.delivery_id IS NOT NULL AND d.state IN ('accepted', 'rejected', 'skipped', 'cancelled')
             ORDER BY p.id LIMIT $1"
        );
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(text)).bind(limit).fetch_all(&mut *conn).await?
        });
        rows.into_iter()
            .map(|row| {
                Ok(EndedStep {
                    plan: row.plan.try_into()?,
                    state: parse(&row.delivery_state, "a delivery's state")?,
                    outcome: maybe(row.outcome.as_deref(), "an outcome")?,
                    reason: row.reason,
                    finished_at: instant(row.finished_at.unwrap_or_default())?,
                })
            })
            .collect()
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
