//! The one coalesced write: the last results and the next handoffs of all waiting
//! sessions in one commit, so that one fsync serves many mails and the uncertain
//! set is never larger than the sessions in flight.
//!
//! A handoff is refused here, in the transaction, if anything that may have been
//! withdrawn was: the plan, a suppression, a consent, a pause, the window.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::claims::blocked;
use super::consequences::apply_consequences;
use super::daemons::has_ended;
use super::sets::Column::{Integer, Text};
use super::sets::{MOST_ROWS, Sets, padded};
use super::words::{instant, maybe_instant, micros, parse, rows, word};
use super::{Consequence, Result, Store, reading, transaction};
use crate::model::act::Act;
use crate::model::delivery::DeliveryState;
use crate::model::id::{AttemptId, DaemonId, DeliveryId};

/// How a try ended, or that it has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Its body may leave.
    Handoff,
    /// The fax gateway has it.
    Submitted,
    /// It was taken.
    Accepted,
    /// It failed for now.
    Retry,
    /// It was refused.
    Rejected,
    /// Nobody knows.
    Uncertain,
}

impl AttemptState {
    /// The state its delivery gets.
    pub fn delivery(self) -> DeliveryState {
        match self {
            Self::Handoff => DeliveryState::Handoff,
            Self::Submitted => DeliveryState::Submitted,
            Self::Accepted => DeliveryState::Accepted,
            Self::Retry => DeliveryState::Retry,
            Self::Rejected => DeliveryState::Rejected,
            Self::Uncertain => DeliveryState::Uncertain,
        }
    }
}

/// A body that is about to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// The delivery, claimed by this daemon.
    pub delivery: DeliveryId,
    /// The relay or gateway.
    pub relay: String,
    /// The inputs of rendering, as JSON; kept from the first handoff on.
    pub frozen: String,
    /// The hash of the bytes.
    pub sha256: String,
    /// The Message-ID, or the fax's reference.
    pub message_id: String,
}

/// A handoff that the database refused, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The rule, as in [`super::Claimed::blocked`]; `not_ours` if another daemon has it.
    pub rule: String,
}

/// The result of one try.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The try that [`Store::exchange`] began; none where it ended before a handoff.
    pub attempt: Option<AttemptId>,
    /// The relay or gateway.
    pub relay: String,
    /// How it ended.
    pub state: AttemptState,
    /// The reply's code, or the gateway's error code.
    pub code: Option<i64>,
    /// The enhanced status.
    pub enhanced: Option<String>,
    /// The whole reply; it carries the relay's queue id.
    pub reply: Option<String>,
    /// Why, in a word, for `why` and `status`.
    pub reason: Option<String>,
    /// When it is due again, for a retry.
    pub due_at: Option<Timestamp>,
    /// The end of the window in which it is due again.
    pub not_after: Option<Timestamp>,
    /// The id at the fax gateway, for a submitted one.
    pub gateway_id: Option<String>,
    /// What else changes with it.
    pub consequences: Vec<Consequence>,
}

/// What [`Store::exchange`] answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exchanged {
    /// The attempt of each handoff that may go.
    pub begun: BTreeMap<DeliveryId, AttemptId>,
    /// The handoffs that may not.
    pub refused: Vec<Refused>,
}

/// One try as it is read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttemptRow {
    /// Its id.
    pub id: AttemptId,
    /// Its delivery.
    pub delivery: DeliveryId,
    /// 1, 2, 3, ...
    pub number: i64,
    /// The relay or gateway.
    pub relay: String,
    /// How it ended.
    pub state: AttemptState,
    /// The reply's code.
    pub code: Option<i64>,
    /// The enhanced status.
    pub enhanced: Option<String>,
    /// The whole reply.
    pub reply: Option<String>,
    /// When its body was about to leave.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

static FINISH_ATTEMPTS: LazyLock<Sets> = LazyLock::new(|| {
    Sets::new(
        1,
        &[Integer, Text, Integer, Text, Text],
        "WITH n(attempt, state, code, enhanced, reply) AS (VALUES {rows})
         UPDATE attempt SET state = n.state, code = n.code, enhanced = n.enhanced, reply = n.reply, ended_at = $1
         FROM n WHERE attempt.id = n.attempt",
    )
});

/// Tries that ended before a handoff: the relay answered MAIL or RCPT with a refusal.
const INSERT_ENDED_ATTEMPTS: &str = "
    INSERT INTO attempt (id, delivery_id, number, daemon_id, relay, state, code, enhanced, reply, started_at, ended_at)
    SELECT $4 + r.key, d.id, d.tries + 1, $3, r.value->>'relay', r.value->>'state', CAST(r.value->>'code' AS BIGINT),
           r.value->>'enhanced', r.value->>'reply', $2, $2
    FROM json_each($1) AS r JOIN delivery d ON d.id = CAST(r.value->>'delivery' AS BIGINT)
    WHERE d.state = 'claimed' AND d.claimed_by = $3";

/// A late result resolves an uncertain delivery that nobody has resolved; a stale fence moves
/// nothing else. Of an earlier try only that it was taken counts: a refusal of it says nothing
/// about the later one.
static FINISH_DELIVERIES: LazyLock<Sets> = LazyLock::new(|| {
    Sets::new(
        2,
        &[Integer, Integer, Text, Text, Integer, Integer, Text, Integer],
        "WITH n(delivery, attempt, state, reason, due_at, not_after, gateway_id, final) AS (VALUES {rows})
         UPDATE delivery SET state = n.state, reason = n.reason, due_at = COALESCE(n.due_at, delivery.due_at),
             not_after = CASE WHEN n.due_at IS NULL THEN delivery.not_after ELSE n.not_after END,
             tries = delivery.tries + CASE WHEN n.attempt IS NULL THEN 1 ELSE 0 END,
             gateway_id = COALESCE(n.gateway_id, delivery.gateway_id), claimed_by = NULL,
             finished_at = CASE WHEN n.final = 1 THEN $1 ELSE NULL END
         FROM n WHERE delivery.id = n.delivery AND (
             (n.attempt IS NULL AND delivery.state = 'claimed' AND delivery.claimed_by = $2)
             OR (n.attempt IS NOT NULL AND delivery.state = 'handoff' AND delivery.claimed_by = $2)
             OR (n.attempt IS NOT NULL AND delivery.state IN ('submitted', 'uncertain')
                 AND (n.state = 'accepted' OR delivery.tries = (SELECT a.number FROM attempt a WHERE a.id = n.attempt))))
         RETURNING delivery.id",
    )
});

static HANDOFF: LazyLock<Sets> = LazyLock::new(|| {
    Sets::new(
        2,
        &[Integer, Text, Text, Text],
        concat!(
            "WITH n(delivery, frozen, sha256, message_id) AS (VALUES {rows})
             UPDATE delivery SET state = 'handoff', tries = delivery.tries + 1,
                 frozen = COALESCE(delivery.frozen, n.frozen), sha256 = COALESCE(delivery.sha256, n.sha256),
                 message_id = COALESCE(delivery.message_id, n.message_id)
             FROM n WHERE delivery.id = n.delivery AND delivery.id IN (
                 SELECT d.id FROM delivery d WHERE d.id IN (SELECT q.delivery FROM n AS q)
                    AND d.state = 'claimed' AND d.claimed_by = $2 AND NOT ",
            has_ended!("$2"),
            " AND (",
            blocked!("$1"),
            ") IS NULL)
             RETURNING delivery.id"
        ),
    )
});

static INSERT_ATTEMPTS: LazyLock<Sets> = LazyLock::new(|| {
    Sets::new(
        2,
        &[Integer, Integer, Text],
        "WITH n(attempt, delivery, relay) AS (VALUES {rows})
         INSERT INTO attempt (id, delivery_id, number, daemon_id, relay, state, started_at)
         SELECT n.attempt, d.id, d.tries, $2, n.relay, 'handoff', $1 FROM n JOIN delivery d ON d.id = n.delivery",
    )
});

const WHY_REFUSED: &str = concat!(
    "SELECT d.id, COALESCE(CASE WHEN d.state <> 'claimed' OR d.claimed_by <> $3 THEN 'not_ours' END, ",
    blocked!("$2"),
    ", 'not_ours') FROM json_each($1) AS r JOIN delivery d ON d.id = CAST(CAST(r.value AS TEXT) AS BIGINT)"
);

impl Store {
    /// Commits results, then begins handoffs, in one transaction. Nobody's body may leave
    /// before this answers with its attempt.
    ///
    /// # Errors
    /// The database does not answer; then nothing is known to have been written: results
    /// must be tried again and no body may leave.
    pub async fn exchange(
        &self,
        act: &Act,
        daemon: DaemonId,
        results: &[Finish],
        handoffs: &[Handoff],
    ) -> Result<Exchanged> {
        let consequences: Vec<_> = results.iter().flat_map(|finish| finish.consequences.iter().cloned()).collect();
        let ids = self.reserve(results.len() + handoffs.len() + Consequence::ids_needed(&consequences)).await?;
        let first_ended = ids.start;
        let first_begun = first_ended + i64::try_from(results.len()).unwrap_or(0);
        let mut rest = first_begun + i64::try_from(handoffs.len()).unwrap_or(0)..ids.end;
        let attempts: HashMap<i64, i64> =
            handoffs.iter().map(|handoff| handoff.delivery.0).zip(first_begun..).collect();

        let not_begun: Vec<_> = results.iter().filter(|finish| finish.attempt.is_none()).map(finish_row).collect();
        // Most results end a try that has begun, and most handoffs are not refused: what would
        // touch no row is not asked.
        let ended: Vec<_> = results.iter().filter(|finish| finish.attempt.is_some()).collect();
        let (begun, refused) = transaction!(self, tx => {
            for ended in ended.chunks(MOST_ROWS) {
                let (text, nulls) = FINISH_ATTEMPTS.of(ended.len());
                let mut query = sqlx::query(text).bind(micros(act.at));
                for finish in padded(ended, nulls) {
                    query = query
                        .bind(finish.and_then(|finish| finish.attempt).map(|attempt| attempt.0))
                        .bind(finish.map(|finish| word(&finish.state)))
                        .bind(finish.and_then(|finish| finish.code))
                        .bind(finish.and_then(|finish| finish.enhanced.clone()))
                        .bind(finish.and_then(|finish| finish.reply.clone()));
                }
                query.execute(&mut *tx).await?;
            }
            if !not_begun.is_empty() {
                sqlx::query(INSERT_ENDED_ATTEMPTS)
                    .bind(rows(&not_begun)?)
                    .bind(micros(act.at))
                    .bind(daemon.0)
                    .bind(first_ended)
                    .execute(&mut *tx)
                    .await?;
            }
            let mut finished = Vec::new();
            for results in results.chunks(MOST_ROWS) {
                let (text, nulls) = FINISH_DELIVERIES.of(results.len());
                let mut query = sqlx::query_scalar::<_, i64>(text).bind(micros(act.at)).bind(daemon.0);
                for finish in padded(results, nulls) {
                    query = query
                        .bind(finish.map(|finish| finish.delivery.0))
                        .bind(finish.and_then(|finish| finish.attempt).map(|attempt| attempt.0))
                        .bind(finish.map(|finish| word(&finish.state)))
                        .bind(finish.and_then(|finish| finish.reason.clone()))
                        .bind(finish.and_then(|finish| finish.due_at).map(micros))
                        .bind(finish.and_then(|finish| finish.not_after).map(micros))
                        .bind(finish.and_then(|finish| finish.gateway_id.clone()))
                        .bind(finish.map(|finish| i64::from(finish.state.delivery().is_final())));
                }
                finished.extend(query.fetch_all(&mut *tx).await?);
            }
            let took_effect = results.iter().filter(|finish| finished.contains(&finish.delivery.0));
            let consequences: Vec<_> = took_effect.flat_map(|finish| finish.consequences.iter().cloned()).collect();
            apply_consequences!(tx, act, &mut rest, &consequences);
            let mut begun = Vec::new();
            for handoffs in handoffs.chunks(MOST_ROWS) {
                let (text, nulls) = HANDOFF.of(handoffs.len());
                let mut query = sqlx::query_scalar::<_, i64>(text).bind(micros(act.at)).bind(daemon.0);
                for handoff in padded(handoffs, nulls) {
                    query = query
                        .bind(handoff.map(|handoff| handoff.delivery.0))
                        .bind(handoff.map(|handoff| handoff.frozen.clone()))
                        .bind(handoff.map(|handoff| handoff.sha256.clone()))
                        .bind(handoff.map(|handoff| handoff.message_id.clone()));
                }
                begun.extend(query.fetch_all(&mut *tx).await?);
            }
            let (going, staying): (Vec<_>, Vec<_>) =
                handoffs.iter().partition(|handoff| begun.contains(&handoff.delivery.0));
            for going in going.chunks(MOST_ROWS) {
                let (text, nulls) = INSERT_ATTEMPTS.of(going.len());
                let mut query = sqlx::query(text).bind(micros(act.at)).bind(daemon.0);
                for handoff in padded(going, nulls) {
                    query = query
                        .bind(handoff.map(|handoff| attempts[&handoff.delivery.0]))
                        .bind(handoff.map(|handoff| handoff.delivery.0))
                        .bind(handoff.map(|handoff| handoff.relay.clone()));
                }
                query.execute(&mut *tx).await?;
            }
            let mut refused = Vec::new();
            if !staying.is_empty() {
                refused = sqlx::query_as::<_, (i64, String)>(WHY_REFUSED)
                    .bind(super::words::id_list(staying.iter().map(|handoff| handoff.delivery.0)))
                    .bind(micros(act.at))
                    .bind(daemon.0)
                    .fetch_all(&mut *tx)
                    .await?;
            }
            (begun, refused)
        });
        Ok(Exchanged {
            begun: begun.into_iter().map(|id| (DeliveryId(id), AttemptId(attempts[&id]))).collect(),
            refused: refused.into_iter().map(|(id, rule)| Refused { delivery: DeliveryId(id), rule }).collect(),
        })
    }

    /// The tries of one delivery, in order.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn attempts(&self, delivery: DeliveryId) -> Result<Vec<AttemptRow>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            id: i64,
            number: i64,
            relay: String,
            state: String,
            code: Option<i64>,
            enhanced: Option<String>,
            reply: Option<String>,
            started_at: i64,
            ended_at: Option<i64>,
        }
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, Row>(
                "SELECT id, number, relay, state, code, enhanced, reply, started_at, ended_at FROM attempt
                 WHERE delivery_id = $1 ORDER BY number, id",
            )
            .bind(delivery.0)
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .map(|row| {
                Ok(AttemptRow {
                    id: AttemptId(row.id),
                    delivery,
                    number: row.number,
                    relay: row.relay,
                    state: parse(&row.state, "an attempt's state")?,
                    code: row.code,
                    enhanced: row.enhanced,
                    reply: row.reply,
                    started_at: instant(row.started_at)?,
                    ended_at: maybe_instant(row.ended_at)?,
                })
            })
            .collect()
    }

    /// Faxes that the gateway has and has not finished: delivery, attempt, gateway id, since when.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn submitted_faxes(&self, limit: i64) -> Result<Vec<(DeliveryId, AttemptId, String, Timestamp)>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (i64, i64, String, i64)>(
                "SELECT d.id, a.id, d.gateway_id, a.started_at FROM delivery d
                 JOIN attempt a ON a.delivery_id = d.id AND a.number = d.tries
                 WHERE d.state = 'submitted' AND d.gateway_id IS NOT NULL ORDER BY a.started_at, d.id LIMIT $1",
            )
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .map(|(id, attempt, gateway, at)| Ok((DeliveryId(id), AttemptId(attempt), gateway, instant(at)?)))
            .collect()
    }

    /// Faxes whose submission ended unknown: delivery, attempt, number, since when.
    /// The gateway is asked whether it has them; they are never sent again by themselves.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn uncertain_faxes(&self, limit: i64) -> Result<Vec<(DeliveryId, AttemptId, String, Timestamp)>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (i64, i64, String, i64)>(
                "SELECT d.id, a.id, d.address, a.started_at FROM delivery d
                 JOIN attempt a ON a.delivery_id = d.id AND a.number = d.tries
                 WHERE d.state = 'uncertain' AND d.channel = 'fax' AND d.gateway_id IS NULL ORDER BY a.started_at, d.id LIMIT $1",
            )
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .map(|(id, attempt, to, at)| Ok((DeliveryId(id), AttemptId(attempt), to, instant(at)?)))
            .collect()
    }
}

fn finish_row(finish: &Finish) -> serde_json::Value {
    json!({
        "delivery": finish.delivery, "relay": finish.relay, "state": word(&finish.state),
        "code": finish.code, "enhanced": finish.enhanced, "reply": finish.reply,
    })
}
