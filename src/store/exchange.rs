//! The one coalesced write: the last results and the next handoffs of all waiting
//! sessions in one commit, so that one fsync serves many mails and the uncertain
//! set is never larger than the sessions in flight.
//!
//! A handoff is refused here, in the transaction, if anything that may have been
//! withdrawn was: the plan, a suppression, a consent, a pause, the window.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::claims::blocked;
use super::consequences::apply_consequences;
use super::daemons::has_ended;
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

const FINISH_ATTEMPTS: &str = "
    UPDATE attempt SET state = n.state, code = n.code, enhanced = n.enhanced, reply = n.reply, ended_at = $2
    FROM (SELECT CAST(r.value->>'attempt' AS BIGINT) AS attempt, r.value->>'state' AS state, CAST(r.value->>'code' AS BIGINT) AS code,
                 r.value->>'enhanced' AS enhanced, r.value->>'reply' AS reply
          FROM json_each($1) AS r WHERE r.value->>'attempt' IS NOT NULL) AS n
    WHERE attempt.id = n.attempt";

/// Tries that ended before a handoff: the relay answered MAIL or RCPT with a refusal.
const INSERT_ENDED_ATTEMPTS: &str = "
    INSERT INTO attempt (id, delivery_id, number, daemon_id, relay, state, code, enhanced, reply, started_at, ended_at)
    SELECT $4 + r.key, d.id, d.tries + 1, $3, r.value->>'relay', r.value->>'state', CAST(r.value->>'code' AS BIGINT),
           r.value->>'enhanced', r.value->>'reply', $2, $2
    FROM json_each($1) AS r JOIN delivery d ON d.id = CAST(r.value->>'delivery' AS BIGINT)
    WHERE r.value->>'attempt' IS NULL AND d.state = 'claimed' AND d.claimed_by = $3";

/// A late result resolves an uncertain delivery that nobody has resolved; a stale fence moves
/// nothing else. Of an earlier try only that it was taken counts: a refusal of it says nothing
/// about the later one.
const FINISH_DELIVERIES: &str = "
    UPDATE delivery SET state = n.state, reason = n.reason, due_at = COALESCE(n.due_at, delivery.due_at),
        not_after = CASE WHEN n.due_at IS NULL THEN delivery.not_after ELSE n.not_after END,
        tries = delivery.tries + CASE WHEN n.attempt IS NULL THEN 1 ELSE 0 END,
        gateway_id = COALESCE(n.gateway_id, delivery.gateway_id), claimed_by = NULL,
        finished_at = CASE WHEN n.final = 1 THEN $2 ELSE NULL END
    FROM (SELECT CAST(r.value->>'delivery' AS BIGINT) AS delivery, CAST(r.value->>'attempt' AS BIGINT) AS attempt,
                 r.value->>'state' AS state, r.value->>'reason' AS reason, CAST(r.value->>'due_at' AS BIGINT) AS due_at,
                 CAST(r.value->>'not_after' AS BIGINT) AS not_after, r.value->>'gateway_id' AS gateway_id, CAST(r.value->>'final' AS BIGINT) AS final
          FROM json_each($1) AS r) AS n
    WHERE delivery.id = n.delivery AND (
        (n.attempt IS NULL AND delivery.state = 'claimed' AND delivery.claimed_by = $3)
        OR (n.attempt IS NOT NULL AND delivery.state = 'handoff' AND delivery.claimed_by = $3)
        OR (n.attempt IS NOT NULL AND delivery.state IN ('submitted', 'uncertain')
            AND (n.state = 'accepted' OR delivery.tries = (SELECT a.number FROM attempt a WHERE a.id = n.attempt))))
    RETURNING delivery.id";

const HANDOFF: &str = concat!(
    "UPDATE delivery SET state = 'handoff', tries = delivery.tries + 1, frozen = COALESCE(delivery.frozen, n.frozen),
        sha256 = COALESCE(delivery.sha256, n.sha256), message_id = COALESCE(delivery.message_id, n.message_id)
     FROM (SELECT CAST(r.value->>'delivery' AS BIGINT) AS delivery, r.value->>'frozen' AS frozen, r.value->>'sha256' AS sha256,
                  r.value->>'message_id' AS message_id FROM json_each($1) AS r) AS n
     WHERE delivery.id = n.delivery AND delivery.id IN (
        SELECT d.id FROM delivery d WHERE d.id IN (SELECT CAST(CAST(q.value AS TEXT) AS BIGINT) FROM json_each($4) AS q)
           AND d.state = 'claimed' AND d.claimed_by = $3 AND NOT ",
    has_ended!("$3"),
    " AND (",
    blocked!("$2"),
    ") IS NULL)
     RETURNING delivery.id"
);

const INSERT_ATTEMPTS: &str = "
    INSERT INTO attempt (id, delivery_id, number, daemon_id, relay, state, started_at)
    SELECT CAST(r.value->>'attempt' AS BIGINT), d.id, d.tries, $3, r.value->>'relay', 'handoff', $2
    FROM json_each($1) AS r JOIN delivery d ON d.id = CAST(r.value->>'delivery' AS BIGINT)";

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

        let finish_list = rows(&results.iter().map(finish_row).collect::<Vec<_>>())?;
        let handoff_list = rows(&handoffs.iter().map(handoff_row).collect::<Vec<_>>())?;
        let handoff_ids = super::words::id_list(handoffs.iter().map(|handoff| handoff.delivery.0));
        // Most results end a try that has begun, and most handoffs are not refused: what would
        // touch no row is not asked.
        let have_begun = results.iter().any(|finish| finish.attempt.is_some());
        let have_not_begun = results.iter().any(|finish| finish.attempt.is_none());
        let (begun, refused) = transaction!(self, tx => {
            if have_begun {
                sqlx::query(FINISH_ATTEMPTS).bind(finish_list.clone()).bind(micros(act.at)).execute(&mut *tx).await?;
            }
            if have_not_begun {
                sqlx::query(INSERT_ENDED_ATTEMPTS)
                    .bind(finish_list.clone())
                    .bind(micros(act.at))
                    .bind(daemon.0)
                    .bind(first_ended)
                    .execute(&mut *tx)
                    .await?;
            }
            if !results.is_empty() {
                let finished = sqlx::query_scalar::<_, i64>(FINISH_DELIVERIES)
                    .bind(finish_list)
                    .bind(micros(act.at))
                    .bind(daemon.0)
                    .fetch_all(&mut *tx)
                    .await?;
                let took_effect = results.iter().filter(|finish| finished.contains(&finish.delivery.0));
                let consequences: Vec<_> = took_effect.flat_map(|finish| finish.consequences.iter().cloned()).collect();
                apply_consequences!(tx, act, &mut rest, &consequences);
            }
            let mut begun = Vec::new();
            let mut refused = Vec::new();
            if !handoffs.is_empty() {
                begun = sqlx::query_scalar::<_, i64>(HANDOFF)
                    .bind(handoff_list)
                    .bind(micros(act.at))
                    .bind(daemon.0)
                    .bind(handoff_ids)
                    .fetch_all(&mut *tx)
                    .await?;
                let going: Vec<_> = handoffs.iter().filter(|handoff| begun.contains(&handoff.delivery.0))
                    .map(|handoff| json!({ "delivery": handoff.delivery, "attempt": attempts[&handoff.delivery.0], "relay": handoff.relay }))
                    .collect();
                sqlx::query(INSERT_ATTEMPTS).bind(rows(&going)?).bind(micros(act.at)).bind(daemon.0).execute(&mut *tx).await?;
            }
            if begun.len() < handoffs.len() {
                let staying = handoffs.iter().map(|handoff| handoff.delivery.0).filter(|id| !begun.contains(id));
                refused = sqlx::query_as::<_, (i64, String)>(WHY_REFUSED)
                    .bind(super::words::id_list(staying))
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
        "delivery": finish.delivery, "attempt": finish.attempt, "relay": finish.relay, "state": word(&finish.state),
        "code": finish.code, "enhanced": finish.enhanced, "reply": finish.reply, "reason": finish.reason,
        "due_at": finish.due_at.map(micros), "not_after": finish.not_after.map(micros), "gateway_id": finish.gateway_id,
        "final": i64::from(finish.state.delivery().is_final()),
    })
}

fn handoff_row(handoff: &Handoff) -> serde_json::Value {
    json!({
        "delivery": handoff.delivery, "frozen": handoff.frozen, "sha256": handoff.sha256, "message_id": handoff.message_id,
    })
}
