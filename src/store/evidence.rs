//! Uncertain mails: which there are, what was seen of them elsewhere, and how they are
//! settled by it or by the company's own word.

use jiff::Timestamp;
use serde_json::json;

use super::changes::{Change, log_changes};
use super::consequences::apply_consequences;
use super::words::{instant, micros, parse, rows, word};
use super::{Consequence, Result, Store, reading, transaction};
use crate::model::act::Act;
use crate::model::address::Channel;
use crate::model::delivery::DeliveryState;
use crate::model::id::{ContactId, DeliveryId};
use crate::model::touchpoint::Direction;

/// An uncertain mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its Message-ID.
    pub message_id: Option<String>,
    /// When its body was about to leave, the last time.
    pub left_at: Timestamp,
    /// Since when it is uncertain.
    pub since: Timestamp,
    /// How many of its tries nobody answered.
    pub tries_unanswered: i64,
}

/// A sign that a mail was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Where it was seen: `log/RELAY`, `sent/MAILBOX`.
    pub source: String,
    /// What was seen, for people; without an address.
    pub words: String,
}

/// A delivery that is settled, as far as its client's timeline tells of it.
type Settled = (i64, Option<i64>, String, Option<String>, String, String);

const INSERT: &str = "
    INSERT INTO evidence (delivery_id, source, words, seen_at)
    SELECT d.id, r.value->>'source', r.value->>'words', $2
    FROM json_each($1) AS r JOIN delivery d ON d.id = CAST(r.value->>'delivery' AS BIGINT)
    WHERE d.state IN ('handoff', 'uncertain') ON CONFLICT DO NOTHING";

const SETTLE: &str = "
    UPDATE delivery SET state = 'accepted', finished_at = $1, claimed_by = NULL,
        reason = (SELECT MIN(e.words) FROM evidence e WHERE e.delivery_id = delivery.id)
    WHERE id IN (SELECT d.id FROM delivery d WHERE d.state = 'uncertain'
                   AND EXISTS (SELECT 1 FROM evidence e WHERE e.delivery_id = d.id) ORDER BY d.id LIMIT $2)
    RETURNING id, contact_id, channel, step, purpose, reason";

/// What has ended needs no evidence; what is under way may yet turn uncertain.
const FORGET: &str = "
    DELETE FROM evidence WHERE NOT EXISTS
        (SELECT 1 FROM delivery d WHERE d.id = evidence.delivery_id AND d.state IN ('handoff', 'uncertain'))";

const CURSOR: &str = "
    INSERT INTO mailbox_cursor (mailbox, cursor, at) VALUES ($1, $2, $3)
    ON CONFLICT (mailbox) DO UPDATE SET cursor = excluded.cursor, at = excluded.at";

const BY_POLICY: &str = "
    UPDATE delivery SET state = n.state, reason = n.reason,
        due_at = CASE WHEN n.state = 'retry' THEN $2 ELSE delivery.due_at END,
        finished_at = CASE WHEN n.state = 'retry' THEN NULL ELSE $2 END
    FROM (SELECT CAST(r.value->>'delivery' AS BIGINT) AS id, r.value->>'state' AS state, r.value->>'reason' AS reason
          FROM json_each($1) AS r) AS n
    WHERE delivery.id = n.id AND delivery.state = 'uncertain' RETURNING delivery.id";

/// Deliveries that one call settles.
const MOST: i64 = 500;

impl Store {
    /// The uncertain mails, the newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn doubts(&self, limit: i64) -> Result<Vec<Doubt>> {
        let found = reading!(self, conn => {
            sqlx::query_as::<_, (i64, Option<String>, i64, i64, i64)>(
                "SELECT d.id, d.message_id, a.started_at, COALESCE(a.ended_at, a.started_at),
                    (SELECT COUNT(*) FROM attempt u WHERE u.delivery_id = d.id AND u.state = 'uncertain')
                 FROM delivery d JOIN attempt a ON a.delivery_id = d.id AND a.number = d.tries
                 WHERE d.state = 'uncertain' AND d.channel = 'email' ORDER BY a.started_at DESC, d.id DESC LIMIT $1",
            )
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?
        });
        found
            .into_iter()
            .map(|(id, message_id, left_at, since, tries_unanswered)| {
                let (left_at, since) = (instant(left_at)?, instant(since)?);
                Ok(Doubt { delivery: DeliveryId(id), message_id, left_at, since, tries_unanswered })
            })
            .collect()
    }

    /// Notes what was seen of mails that are under way or uncertain, and how far a source was
    /// read; then uncertain ones that were seen, now or before, are accepted. Says which.
    ///
    /// A mail is often seen before it is uncertain: the answer to it may be awaited for
    /// minutes, or the daemon may have died.
    ///
    /// # Errors
    /// The database does not answer; then nothing was written.
    pub async fn witness(&self, act: &Act, cursor: Option<(&str, &str)>, seen: &[Witness]) -> Result<Vec<DeliveryId>> {
        if seen.is_empty() && cursor.is_none() && !self.has_evidence().await? {
            return Ok(Vec::new());
        }
        // A change, a touchpoint and its change each.
        let ids = self.reserve(usize::try_from(MOST).unwrap_or(0) * 3 + 1).await?;
        let list: Vec<_> = seen
            .iter()
            .map(|one| json!({ "delivery": one.delivery, "source": one.source, "words": one.words }))
            .collect();
        let list = rows(&list)?;
        let settled = transaction!(self, tx => {
            sqlx::query(INSERT).bind(list).bind(micros(act.at)).execute(&mut *tx).await?;
            if let Some((source, cursor)) = cursor {
                sqlx::query(CURSOR).bind(source).bind(cursor).bind(micros(act.at)).execute(&mut *tx).await?;
            }
            let settled = sqlx::query_as::<_, Settled>(SETTLE).bind(micros(act.at)).bind(MOST).fetch_all(&mut *tx).await?;
            let changes: Vec<_> = settled.iter().map(change).collect();
            log_changes!(tx, act, ids.start, None, &changes);
            let touches: Vec<_> = settled.iter().filter_map(|one| touch(one).transpose()).collect::<Result<_>>()?;
            let mut free = ids.start + MOST..ids.end;
            apply_consequences!(tx, act, &mut free, &touches);
            sqlx::query(FORGET).execute(&mut *tx).await?;
            settled
        });
        Ok(settled.into_iter().map(|(id, ..)| DeliveryId(id)).collect())
    }

    async fn has_evidence(&self) -> Result<bool> {
        let some = reading!(self, conn => {
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM (SELECT 1 AS one FROM evidence LIMIT 1) AS t").fetch_one(&mut *conn).await?
        });
        Ok(some > 0)
    }

    /// Moves uncertain mails by the company's own word: to retry, within their window, or to
    /// rejected. One that is uncertain no more stays as it is. Says which were moved.
    ///
    /// # Errors
    /// The database does not answer; then none was moved.
    pub async fn settle_by_policy(
        &self,
        act: &Act,
        moves: &[(DeliveryId, DeliveryState, &'static str)],
    ) -> Result<Vec<DeliveryId>> {
        let base = self.reserve(moves.len()).await?.start;
        let list: Vec<_> = moves
            .iter()
            .map(|(id, to, reason)| json!({ "delivery": id, "state": word(to), "reason": reason }))
            .collect();
        let list = rows(&list)?;
        let moved = transaction!(self, tx => {
            let moved = sqlx::query_scalar::<_, i64>(BY_POLICY).bind(list).bind(micros(act.at)).fetch_all(&mut *tx).await?;
            let of = moves.iter().filter(|(id, ..)| moved.contains(&id.0));
            let changes: Vec<_> = of
                .map(|(id, to, reason)| Change::new("delivery", id, json!({ "state": ["uncertain", to], "reason": reason })))
                .collect();
            log_changes!(tx, act, base, None, &changes);
            moved
        });
        Ok(moved.into_iter().map(DeliveryId).collect())
    }
}

fn change((id, _, _, _, _, reason): &Settled) -> Change {
    Change::new("delivery", id, json!({ "state": ["uncertain", "accepted"], "reason": reason }))
}

/// The line that its acceptance would have written on the client's timeline.
fn touch((id, contact, channel, step, purpose, _): &Settled) -> Result<Option<Consequence>> {
    let Some(contact) = contact.filter(|_| purpose == "campaign") else { return Ok(None) };
    let channel: Channel = parse(channel, "a channel")?;
    Ok(Some(Consequence::Touch {
        contact: ContactId(contact),
        direction: Direction::Out,
        channel,
        kind: "accepted".into(),
        summary: step.clone().unwrap_or_default(),
        delivery: Some(DeliveryId(*id)),
        response: None,
    }))
}
