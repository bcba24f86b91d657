//! Plans that are due: found campaign by campaign, hour by hour, so that what is paused or
//! far away costs nothing.

use jiff::Timestamp;

use super::pauses::campaign_is_paused;
use super::plans::{COLUMNS, PlanSql};
use super::words::{maybe_instant, micros};
use super::{PlanRow, Result, Store, reading};
use crate::model::id::PlanId;

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

/// Campaigns that no pause holds at `$1`; plans are looked for campaign by campaign, so that
/// a million of a paused one cost nothing.
const OPEN_CAMPAIGNS: &str =
    concat!("SELECT c.id FROM campaign c WHERE NOT ", campaign_is_paused!("c.id", "$1"), " ORDER BY c.id");

/// A plan of campaign `$1` that is due by `$2` and whose contact is not paused at `$3`.
///
/// The index knows the hour and then the id: a million plans are due within some hours, and
/// what is written for neighbours lands in the same pages, which by the second it does not.
const IS_DUE: &str = "p.campaign = $1 AND p.state = 'active' AND p.delivery_id IS NULL AND p.next_at <= $2
    AND NOT EXISTS (SELECT 1 FROM pause u WHERE u.ended_at IS NULL AND (u.until IS NULL OR u.until > $3)
        AND u.scope = 'contact' AND u.value = CAST(p.contact_id AS TEXT))";

const NEXT_PLAN: &str = concat!(
    "SELECT MIN(at) FROM (
        SELECT COALESCE(
            (SELECT MIN(p.next_at) FROM plan p WHERE p.campaign = c.id AND p.state = 'active' AND p.delivery_id IS NULL
               AND p.next_at > $2 AND p.next_at / 3600000000 = $2 / 3600000000),
            (SELECT p.next_at / 3600000000 * 3600000000 FROM plan p
             WHERE p.campaign = c.id AND p.state = 'active' AND p.delivery_id IS NULL
               AND p.next_at / 3600000000 > $2 / 3600000000 ORDER BY p.next_at / 3600000000 LIMIT 1)) AS at
        FROM campaign c WHERE NOT ",
    campaign_is_paused!("c.id", "$1"),
    "
        UNION ALL SELECT MIN(until) FROM pause WHERE ended_at IS NULL AND until > $1
        UNION ALL SELECT MIN(next_run_at) FROM campaign WHERE next_run_at > $2) AS t"
);

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
                NEXT_PLAN,
            )
            .bind(micros(now))
            .bind(micros(after))
            .fetch_one(&mut *conn)
            .await?
        });
        maybe_instant(at)
    }
}
