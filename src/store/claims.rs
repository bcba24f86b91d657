//! Claims: a daemon takes what is due, and gives back what it could not begin.

use jiff::Timestamp;
use serde_json::json;

use super::daemons::has_ended;
use super::deliveries::{COLUMNS, DeliverySql};
use super::lanes::slot;
use super::words::{micros, rows, word};
use super::{DeliveryRow, Engine, Result, Store, reading, transaction};
use crate::model::act::Act;
use crate::model::delivery::DeliveryState;
use crate::model::id::{DaemonId, DeliveryId};

/// A delivery that this daemon holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The delivery.
    pub row: DeliveryRow,
    /// The sender's slug.
    pub sender: String,
    /// What was composed beforehand, as JSON.
    pub payload: Option<String>,
    /// The hash of the bytes that were handed off before, if they were.
    pub sha256: Option<String>,
    /// The rule that forbids it now: `late`, `plan_ended`, `suppressed`, `no_consent`, `paused`, `invalid_address`.
    pub blocked: Option<String>,
}

#[derive(sqlx::FromRow)]
struct ClaimedSql {
    #[sqlx(flatten)]
    row: DeliverySql,
    sender: String,
    payload: Option<String>,
    sha256: Option<String>,
    blocked: Option<String>,
}

/// Where a claimed delivery that was not begun goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Scheduled, held, skipped, cancelled or rejected.
    pub to: DeliveryState,
    /// When it is due again, for a scheduled one.
    pub due_at: Option<Timestamp>,
    /// The new end of its window, for a scheduled one.
    pub not_after: Option<Timestamp>,
    /// By which rule.
    pub reason: Option<String>,
}

/// How many rows [`Store::release`] moved.
pub type Released = u64;

/// Whether a pause covers delivery `d` at `$now`, or its contact wants no letter so soon.
macro_rules! paused {
    ($now:literal) => {
        concat!(
            "(EXISTS (SELECT 1 FROM pause u WHERE u.ended_at IS NULL AND (u.until IS NULL OR u.until > ",
            $now,
            ") AND (u.scope = 'all' OR (u.scope = 'campaign' AND u.value = d.campaign)
                              OR (u.scope = 'domain' AND u.value = d.domain)
                              OR (u.scope = 'contact' AND u.value = CAST(d.contact_id AS TEXT))))
             OR ",
            $crate::store::letter_gaps::too_soon!($now),
            ")"
        )
    };
}

/// The rule that forbids delivery `d` at `$now`, or NULL: the one text behind claim and handoff.
macro_rules! blocked {
    ($now:literal) => {
        concat!(
            "CASE
             WHEN EXISTS (SELECT 1 FROM suppression s WHERE s.lifted_at IS NULL AND s.reason = 'invalid'
                            AND s.scope = 'address' AND s.value = d.folded) THEN 'invalid_address'
             WHEN EXISTS (SELECT 1 FROM pause u WHERE u.scope = 'all' AND u.value = 'restored' AND u.ended_at IS NULL) THEN 'paused'
             WHEN d.purpose <> 'campaign' THEN NULL
             WHEN NOT EXISTS (SELECT 1 FROM plan p WHERE p.id = d.plan_id AND p.state = 'active') THEN 'plan_ended'
             WHEN EXISTS (SELECT 1 FROM suppression s WHERE s.lifted_at IS NULL
                            AND ((s.scope = 'address' AND s.value = d.folded)
                              OR (s.scope = 'domain' AND s.value = d.domain)
                              OR (s.scope = 'contact' AND s.value = CAST(d.contact_id AS TEXT)))) THEN 'suppressed'
             WHEN d.needs_consent = 1 AND NOT EXISTS (SELECT 1 FROM consent k WHERE k.contact_id = d.contact_id
                            AND k.channel = d.channel AND k.withdrawn_at IS NULL) THEN 'no_consent'
             WHEN ",
            $crate::store::claims::paused!($now),
            " THEN 'paused'
             WHEN d.not_after <= ",
            $now,
            " THEN 'late' END"
        )
    };
}

pub(super) use blocked;
pub(super) use paused;

/// What is paused is not even looked at, so that it takes no place in a batch. Most are not:
/// the whole rule is asked for those only that a pause covers. A daemon that was taken for
/// dead gets nothing.
macro_rules! due {
    () => {
        concat!(
            "d.lane = $1 AND d.state IN ('scheduled', 'retry') AND ",
            slot!("d.due_at"),
            " <= ",
            slot!("$2"),
            " AND d.due_at <= $2 AND (NOT ",
            paused!("$2"),
            " OR COALESCE(",
            blocked!("$2"),
            ", '') <> 'paused') AND NOT ",
            has_ended!("$3")
        )
    };
}

const CLAIM_SQLITE: &str = concat!(
    "UPDATE delivery SET state = 'claimed', claimed_by = $3
     WHERE id IN (SELECT d.id FROM delivery d WHERE ",
    due!(),
    " ORDER BY ",
    slot!("d.due_at"),
    ", d.id LIMIT $4) RETURNING id"
);

/// Materialised, so that the planner can't run the limited part twice and claim too many.
const CLAIM_POSTGRES: &str = concat!(
    "WITH free AS MATERIALIZED (SELECT d.id FROM delivery d WHERE ",
    due!(),
    " ORDER BY ",
    slot!("d.due_at"),
    ", d.id LIMIT $4 FOR UPDATE SKIP LOCKED)
     UPDATE delivery SET state = 'claimed', claimed_by = $3 FROM free WHERE delivery.id = free.id RETURNING delivery.id"
);

/// A try that is taken back: its session ended, or a rule came between handoff and body.
const END_TAKEN_BACK: &str = "
    UPDATE attempt SET state = 'retry', reply = 'taken back before its body', ended_at = $2
    WHERE state = 'handoff' AND daemon_id = $3 AND delivery_id IN (
        SELECT CAST(r.value->>'delivery' AS BIGINT) FROM json_each($1) AS r)";

const RELEASE: &str = "
    UPDATE delivery SET state = n.state, reason = n.reason, due_at = COALESCE(n.due_at, delivery.due_at),
        not_after = CASE WHEN n.due_at IS NULL THEN delivery.not_after ELSE n.not_after END, claimed_by = NULL,
        finished_at = CASE WHEN n.final = 1 THEN $2 ELSE NULL END
    FROM (SELECT CAST(r.value->>'delivery' AS BIGINT) AS delivery, r.value->>'state' AS state, r.value->>'reason' AS reason,
                 CAST(r.value->>'due_at' AS BIGINT) AS due_at, CAST(r.value->>'not_after' AS BIGINT) AS not_after,
                 CAST(r.value->>'final' AS BIGINT) AS final
          FROM json_each($1) AS r) AS n
    WHERE delivery.id = n.delivery AND delivery.state IN ('claimed', 'handoff') AND delivery.claimed_by = $3";

impl Store {
    /// Takes up to `limit` due deliveries of a lane for `daemon`, oldest first to five minutes.
    ///
    /// # Errors
    /// The database does not answer. What may have been taken nevertheless stays claimed until
    /// [`Store::free_claims`].
    pub async fn claim(&self, daemon: DaemonId, lane: &str, now: Timestamp, limit: i64) -> Result<Vec<Claimed>> {
        let text = match self.engine {
            Engine::Sqlite { .. } => CLAIM_SQLITE,
            Engine::Postgres(_) => CLAIM_POSTGRES,
        };
        let columns = format!(
            "SELECT {COLUMNS}, d.sender, d.payload, d.sha256, {} AS blocked FROM json_each($1) AS r
             JOIN delivery d ON d.id = CAST(CAST(r.value AS TEXT) AS BIGINT) ORDER BY d.due_at, d.id",
            blocked!("$2")
        );
        let taken = transaction!(self, tx => {
            sqlx::query_scalar::<_, i64>(text)
                .bind(lane)
                .bind(micros(now))
                .bind(daemon.0)
                .bind(limit)
                .fetch_all(&mut *tx)
                .await?
        });
        // Nobody else moves them now, and the writer is free meanwhile.
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, ClaimedSql>(sqlx::AssertSqlSafe(columns))
                .bind(super::words::id_list(taken))
                .bind(micros(now))
                .fetch_all(&mut *conn)
                .await?
        });
        rows.into_iter()
            .map(|row| {
                Ok(Claimed {
                    row: row.row.try_into()?,
                    sender: row.sender,
                    payload: row.payload,
                    sha256: row.sha256,
                    blocked: row.blocked,
                })
            })
            .collect()
    }

    /// Gives claimed deliveries back, and those handed off of whose body nothing has left; the
    /// tries of these end.
    ///
    /// # Errors
    /// The database does not answer; then they stay claimed until the daemon restarts.
    pub async fn release(&self, act: &Act, daemon: DaemonId, releases: &[Release]) -> Result<Released> {
        let list: Vec<_> = releases.iter().map(release_row).collect();
        let list = rows(&list)?;
        let moved = transaction!(self, tx => {
            sqlx::query(END_TAKEN_BACK).bind(list.clone()).bind(micros(act.at)).bind(daemon.0).execute(&mut *tx).await?;
            sqlx::query(RELEASE).bind(list).bind(micros(act.at)).bind(daemon.0).execute(&mut *tx).await?.rows_affected()
        });
        Ok(moved)
    }

    /// The rule that forbids a delivery whose handoff `daemon` began at `now`, if one does:
    /// `not_ours` if others have taken the daemon for dead.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forbidden(&self, delivery: DeliveryId, daemon: DaemonId, now: Timestamp) -> Result<Option<String>> {
        const FORBIDDEN: &str = concat!(
            "SELECT ",
            blocked!("$2"),
            " FROM delivery d WHERE d.id = $1 AND d.claimed_by = $3 AND NOT ",
            has_ended!("$3")
        );
        let rule = reading!(self, conn => {
            sqlx::query_scalar::<_, Option<String>>(FORBIDDEN)
                .bind(delivery.0)
                .bind(micros(now))
                .bind(daemon.0)
                .fetch_optional(&mut *conn)
                .await?
        });
        Ok(rule.unwrap_or_else(|| Some("not_ours".into())))
    }

    /// Sets free what `daemon` holds and has not begun. Only for a moment when it works on
    /// nothing: what a failed turn could not give back would stay claimed while it lives.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn free_claims(&self, daemon: DaemonId) -> Result<Released> {
        let freed = transaction!(self, tx => {
            sqlx::query("UPDATE delivery SET state = 'scheduled', claimed_by = NULL WHERE state = 'claimed' AND claimed_by = $1")
                .bind(daemon.0)
                .execute(&mut *tx)
                .await?
                .rows_affected()
        });
        Ok(freed)
    }

    /// Takes back what `daemon` had handed off and of which no body left, because the database
    /// failed in between. Only for a moment when that is known of all of it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn take_back(&self, daemon: DaemonId, now: Timestamp) -> Result<Released> {
        let taken = transaction!(self, tx => {
            sqlx::query(
                "UPDATE attempt SET state = 'retry', reply = 'taken back before its body', ended_at = $2
                 WHERE state = 'handoff' AND daemon_id = $1 AND delivery_id IN (
                    SELECT d.id FROM delivery d WHERE d.state = 'handoff' AND d.claimed_by = $1)",
            )
            .bind(daemon.0)
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
            sqlx::query("UPDATE delivery SET state = 'scheduled', claimed_by = NULL WHERE state = 'handoff' AND claimed_by = $1")
                .bind(daemon.0)
                .execute(&mut *tx)
                .await?
                .rows_affected()
        });
        Ok(taken)
    }
}

fn release_row(release: &Release) -> serde_json::Value {
    json!({
        "delivery": release.delivery, "state": word(&release.to), "reason": release.reason,
        "due_at": release.due_at.map(micros), "not_after": release.not_after.map(micros),
        "final": i64::from(release.to.is_final()),
    })
}
