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

/// Where a page of due plans ended: the hour and the plan. The default is before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuePlace {
    hour: i64,
    plan: PlanId,
}

impl Default for DuePlace {
    fn default() -> Self {
        Self { hour: -1, plan: PlanId(0) }
    }
}

impl DuePlace {
    /// Behind this one.
    pub fn behind(plan: &PlanRow) -> Self {
        Self { hour: plan.next_at.map_or(-1, hour_of), plan: plan.id }
    }
}

/// The hour since 1970 that an instant lies in, as the index counts it.
fn hour_of(at: Timestamp) -> i64 {
    micros(at) / 3_600_000_000
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

/// Campaigns that no pause holds at `$1`; plans are looked for campaign by campaign, so that
/// a million of a paused one cost nothing.
const OPEN_CAMPAIGNS: &str = "
    SELECT c.id FROM campaign c WHERE NOT EXISTS (SELECT 1 FROM pause u WHERE u.ended_at IS NULL
        AND (u.until IS NULL OR u.until > $1) AND (u.scope = 'all' OR (u.scope = 'campaign' AND u.value = c.id)))
    ORDER BY c.id";

/// A plan of campaign `$1` that is due by `$2` and whose contact is not paused at `$3`.
///
/// The index knows the hour and then the id: a million plans are due within some hours, and
/// what is written for neighbours lands in the same pages, which by the second it does not.
const IS_DUE: &str = "p.campaign = $1 AND p.state = 'active' AND p.delivery_id IS NULL AND p.next_at <= $2
    AND NOT EXISTS (SELECT 1 FROM pause u WHERE u.ended_at IS NULL AND (u.until IS NULL OR u.until > $3)
        AND u.scope = 'contact' AND u.value = CAST(p.contact_id AS TEXT))";

impl Store {
    /// The campaigns that no pause holds.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn open_campaigns(&self, now: Timestamp) -> Result<Vec<String>> {
        Ok(reading!(self, conn => {
            sqlx::query_scalar::<_, String>(OPEN_CAMPAIGNS).bind(micros(now)).fetch_all(&mut *conn).await?
        }))
    }

    /// Active plans whose step is due before `until`, has no delivery and is not paused, oldest
    /// first; where there are more than `limit`, some of the oldest hour.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due_plans(&self, now: Timestamp, until: Timestamp, limit: i64) -> Result<Vec<PlanRow>> {
        let mut due = Vec::new();
        for campaign in self.open_campaigns(now).await? {
            let mut place = DuePlace::default();
            let wanted = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(due.len());
            while due.len() < wanted {
                let page = self.due_page(&campaign, now, until, place, limit).await?;
                let Some(last) = page.last() else { break };
                place = DuePlace::behind(last);
                due.extend(page);
            }
        }
        due.sort_by_key(|plan| (plan.next_at, plan.id));
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(due)
    }

    /// The same of one campaign behind a place, of one hour, by id; empty at the end.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due_page(
        &self,
        campaign: &str,
        now: Timestamp,
        until: Timestamp,
        after: DuePlace,
        limit: i64,
    ) -> Result<Vec<PlanRow>> {
        let mut place = Some(after);
        while let Some(DuePlace { hour, plan }) = place {
            let text = format!(
                "SELECT {COLUMNS} FROM plan p WHERE {IS_DUE} AND p.next_at / 3600000000 = $4 AND p.id > $5 ORDER BY p.id LIMIT $6"
            );
            let rows = reading!(self, conn => {
                sqlx::query_as::<_, PlanSql>(sqlx::AssertSqlSafe(text))
                    .bind(campaign)
                    .bind(micros(until))
                    .bind(micros(now))
                    .bind(hour)
                    .bind(plan.0)
                    .bind(limit)
                    .fetch_all(&mut *conn)
                    .await?
            });
            if !rows.is_empty() {
                return rows.into_iter().map(PlanRow::try_from).collect();
            }
            place = self.next_due_hour(campaign, hour, until).await?;
        }
        Ok(Vec::new())
    }

    async fn next_due_hour(&self, campaign: &str, after: i64, until: Timestamp) -> Result<Option<DuePlace>> {
        let hour = reading!(self, conn => {
            sqlx::query_scalar::<_, i64>(
                "SELECT p.next_at / 3600000000 FROM plan p WHERE p.campaign = $1 AND p.state = 'active' AND p.delivery_id IS NULL
                   AND p.next_at / 3600000000 > $2 AND p.next_at / 3600000000 <= $3
                 ORDER BY p.next_at / 3600000000 LIMIT 1",
            )
            .bind(campaign)
            .bind(after)
            .bind(hour_of(until))
            .fetch_optional(&mut *conn)
            .await?
        });
        Ok(hour.map(|hour| DuePlace { hour, plan: PlanId(0) }))
    }

    /// When the first plan that is not yet due will be, or a pause ends. Of a later hour it is
    /// the beginning: a million of one hour are not looked through for the first of them.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_plan_at(&self, now: Timestamp, after: Timestamp) -> Result<Option<Timestamp>> {
        let at = reading!(self, conn => {
            sqlx::query_scalar::<_, Option<i64>>(
                "SELECT MIN(at) FROM (
                    SELECT COALESCE(
                        (SELECT MIN(p.next_at) FROM plan p WHERE p.campaign = c.id AND p.state = 'active' AND p.delivery_id IS NULL
                           AND p.next_at > $2 AND p.next_at / 3600000000 = $2 / 3600000000),
                        (SELECT p.next_at / 3600000000 * 3600000000 FROM plan p
                         WHERE p.campaign = c.id AND p.state = 'active' AND p.delivery_id IS NULL
                           AND p.next_at / 3600000000 > $2 / 3600000000 ORDER BY p.next_at / 3600000000 LIMIT 1)) AS at
                    FROM campaign c WHERE NOT EXISTS (SELECT 1 FROM pause u WHERE u.ended_at IS NULL
                        AND (u.until IS NULL OR u.until > $1) AND (u.scope = 'all' OR (u.scope = 'campaign' AND u.value = c.id)))
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
