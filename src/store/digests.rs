//! What a manager's digest is made of: their clients' letters, results and exclusions.

use jiff::Timestamp;
use serde::Serialize;

use super::deliveries::{COLUMNS, DeliverySql};
use super::words::{instant, maybe_instant, micros, parse};
use super::{DeliveryRow, Result, Store, reading};
use crate::model::id::{ContactId, UserId};
use crate::model::plan::LeftOut;

/// A letter that goes to one client next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpcomingLetter {
    /// To whom.
    pub contact: ContactId,
    /// The campaign.
    pub campaign: String,
    /// The step.
    pub step: String,
    /// When it is due.
    pub at: Timestamp,
    /// When its window closes.
    pub closes_at: Option<Timestamp>,
    /// There is a valid mail address.
    pub has_email: bool,
    /// It waits: `all`, `campaign`, `contact` or `domain`.
    pub paused: Option<String>,
    /// Since when the client is in the campaign.
    pub since: Timestamp,
}

/// Who gets nothing of one run of a campaign, by rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunLeftOut {
    /// The campaign.
    pub campaign: String,
    /// The run of a cron campaign, else empty.
    pub run: String,
    /// How many matched.
    pub total: i64,
    /// The rule, the country and how many.
    pub reasons: Vec<(LeftOut, Option<String>, i64)>,
}

impl Store {
    /// The deliveries to an owner's clients that ended in a span of time, by when.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn finished_for(&self, owner: UserId, from: Timestamp, until: Timestamp) -> Result<Vec<DeliveryRow>> {
        let text = format!(
            "SELECT {COLUMNS} FROM delivery d JOIN contact c ON c.id = d.contact_id JOIN account a ON a.id = c.account_id
             WHERE a.owner_id = $1 AND d.purpose = 'campaign'
               AND ((d.finished_at >= $2 AND d.finished_at < $3) OR d.state = 'uncertain') ORDER BY d.finished_at, d.id"
        );
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, DeliverySql>(sqlx::AssertSqlSafe(text))
                .bind(owner.0)
                .bind(micros(from))
                .bind(micros(until))
                .fetch_all(&mut *conn)
                .await?
        });
        rows.into_iter().map(DeliveryRow::try_from).collect()
    }

    /// The letters that go to an owner's clients next: each active plan's waiting step.
    /// `None` takes every owner's.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn upcoming_for(&self, owner: Option<UserId>, now: Timestamp) -> Result<Vec<UpcomingLetter>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (i64, String, String, Option<i64>, Option<i64>, i64, Option<String>, i64)>(
                "SELECT p.contact_id, p.campaign, p.step, COALESCE(d.due_at, p.next_at), COALESCE(d.not_after, p.closes_at),
                    CAST(CASE WHEN EXISTS (SELECT 1 FROM contact_point t WHERE t.contact_id = p.contact_id AND t.channel = 'email'
                              AND t.state = 'valid') THEN 1 ELSE 0 END AS BIGINT),
                    (SELECT MIN(u.scope) FROM pause u WHERE u.ended_at IS NULL AND (u.until IS NULL OR u.until > $2)
                        AND (u.scope = 'all' OR (u.scope = 'campaign' AND u.value = p.campaign)
                          OR (u.scope = 'contact' AND u.value = CAST(p.contact_id AS TEXT))
                          OR (u.scope = 'domain' AND EXISTS (SELECT 1 FROM contact_point t WHERE t.contact_id = p.contact_id
                                AND t.channel = 'email' AND t.state = 'valid' AND t.folded LIKE '%@' || u.value)))),
                    p.started_at
                 FROM plan p JOIN account a ON a.id = p.account_id LEFT JOIN delivery d ON d.id = p.delivery_id
                 WHERE p.state = 'active' AND p.step IS NOT NULL AND ($1 IS NULL OR a.owner_id = $1)
                   AND (d.id IS NULL OR d.state IN ('scheduled', 'retry'))
                 ORDER BY 4, p.id",
            )
            .bind(owner.map(|id| id.0))
            .bind(micros(now))
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .filter_map(|(contact, campaign, step, at, closes_at, has_email, paused, since)| {
                let at = at?;
                Some((contact, campaign, step, at, closes_at, has_email, paused, since))
            })
            .map(|(contact, campaign, step, at, closes_at, has_email, paused, since)| {
                Ok(UpcomingLetter {
                    contact: ContactId(contact),
                    campaign,
                    step,
                    at: instant(at)?,
                    closes_at: maybe_instant(closes_at)?,
                    has_email: has_email == 1,
                    paused,
                    since: instant(since)?,
                })
            })
            .collect()
    }

    /// Who of an owner's clients gets nothing of the runs that began for them in a span of time:
    /// whose first letter left in it or, where nobody gets one, who were decided on in it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn left_out_at_start(&self, owner: UserId, from: Timestamp, until: Timestamp) -> Result<Vec<RunLeftOut>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (String, String, Option<String>, Option<String>, i64)>(
                "SELECT m.campaign, m.run, m.left_out, a.country, COUNT(*) FROM membership m
                 JOIN contact c ON c.id = m.contact_id JOIN account a ON a.id = c.account_id
                 JOIN (SELECT w.campaign, w.run, MIN(d.finished_at) AS began, MAX(w.at) AS decided, COUNT(p.id) AS plans
                       FROM membership w JOIN contact k ON k.id = w.contact_id JOIN account b ON b.id = k.account_id
                       LEFT JOIN plan p ON p.campaign = w.campaign AND p.run = w.run AND p.contact_id = w.contact_id
                       LEFT JOIN delivery d ON d.plan_id = p.id AND d.state IN ('accepted', 'rejected')
                       WHERE b.owner_id = $1 GROUP BY w.campaign, w.run) AS r ON r.campaign = m.campaign AND r.run = m.run
                 WHERE a.owner_id = $1 AND ((r.began >= $2 AND r.began < $3)
                     OR (r.plans = 0 AND r.decided >= $2 AND r.decided < $3))
                 GROUP BY m.campaign, m.run, m.left_out, a.country ORDER BY m.campaign, m.run, 5 DESC, m.left_out, a.country",
            )
            .bind(owner.0)
            .bind(micros(from))
            .bind(micros(until))
            .fetch_all(&mut *conn)
            .await?
        });
        let mut runs: Vec<RunLeftOut> = Vec::new();
        for (campaign, run, reason, country, count) in rows {
            if runs.last().is_none_or(|last| (&last.campaign, &last.run) != (&campaign, &run)) {
                runs.push(RunLeftOut { campaign, run, total: 0, reasons: Vec::new() });
            }
            let last = runs.last_mut().expect("one was pushed if there was none");
            last.total += count;
            if let Some(reason) = reason {
                last.reasons.push((parse(&reason, "why one is left out")?, country, count));
            }
        }
        Ok(runs)
    }

    /// The letters to an owner's clients that wait for a person, oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn held_for(&self, owner: UserId) -> Result<Vec<DeliveryRow>> {
        let text = format!(
            "SELECT {COLUMNS} FROM delivery d JOIN contact c ON c.id = d.contact_id JOIN account a ON a.id = c.account_id
             WHERE a.owner_id = $1 AND d.purpose = 'campaign' AND d.state = 'held' ORDER BY d.due_at, d.id"
        );
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, DeliverySql>(sqlx::AssertSqlSafe(text)).bind(owner.0).fetch_all(&mut *conn).await?
        });
        rows.into_iter().map(DeliveryRow::try_from).collect()
    }

    /// Whether a user owns any clients.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn owns_clients(&self, user: UserId) -> Result<bool> {
        let owned = reading!(self, conn => {
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM (SELECT 1 AS one FROM account WHERE owner_id = $1 LIMIT 1) AS t")
                .bind(user.0)
                .fetch_one(&mut *conn)
                .await?
        });
        Ok(owned > 0)
    }

    /// When the newest digest of a user was scheduled, by its key's date.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn last_digest(&self, user: UserId) -> Result<Option<Timestamp>> {
        let at = reading!(self, conn => {
            sqlx::query_scalar::<_, Option<i64>>("SELECT MAX(due_at) FROM delivery WHERE purpose = 'digest' AND user_id = $1")
                .bind(user.0)
                .fetch_one(&mut *conn)
                .await?
        });
        maybe_instant(at)
    }
}
