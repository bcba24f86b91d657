//! Responses: what came back, tied to what caused it, once.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::consequences::apply_consequences;
use super::words::{instant, micros, rows};
use super::{Consequence, Result, Store, StoreError, reading, transaction};
use crate::model::act::Act;
use crate::model::id::{ContactId, DeliveryId, PlanId, ResponseId, UserId};
use crate::model::response::ResponseKind;

/// A response about to be logged with all its consequences.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedResponse {
    /// Its id, from [`Store::new_response_id`], so that consequences can name it.
    pub id: ResponseId,
    /// `mail`, `smtp`, `web`, `fax`.
    pub source: &'static str,
    /// What makes it the only one: reading a mailbox again changes nothing.
    pub source_key: String,
    /// What it is.
    pub kind: ResponseKind,
    /// The delivery that caused it.
    pub delivery: Option<DeliveryId>,
    /// That delivery's plan.
    pub plan: Option<PlanId>,
    /// Whose record it belongs to.
    pub contact: Option<ContactId>,
    /// The recipient it speaks of.
    pub recipient: Option<String>,
    /// By what it was tied: `token`, `message_id`, `recipient`, ...
    pub tie: Option<String>,
    /// 0 to 1.
    pub confidence: f64,
    /// The enhanced status of a bounce.
    pub enhanced: Option<String>,
    /// The diagnostic text of a bounce.
    pub reason: Option<String>,
    /// Part, line, rule and words, as JSON.
    pub evidence: Value,
    /// What a person newly wrote.
    pub new_text: Option<String>,
    /// A date it names: back on, write again on.
    pub until: Option<jiff::civil::Date>,
    /// The raw mail: its SHA-256 and its bytes.
    pub raw: Option<(String, Vec<u8>)>,
    /// A person must look: it conflicts or cannot be tied.
    pub review: bool,
    /// When it came in.
    pub received_at: Timestamp,
    /// What else changes.
    pub consequences: Vec<Consequence>,
}

/// One response as it is read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResponseRow {
    /// Its id.
    pub id: ResponseId,
    /// Where it came from.
    pub source: String,
    /// What it is.
    pub kind: ResponseKind,
    /// The delivery that caused it.
    pub delivery: Option<DeliveryId>,
    /// Whose.
    pub contact: Option<ContactId>,
    /// The recipient it speaks of.
    pub recipient: Option<String>,
    /// By what it was tied.
    pub tie: Option<String>,
    /// 0 to 1.
    pub confidence: f64,
    /// The enhanced status.
    pub enhanced: Option<String>,
    /// The diagnostic text.
    pub reason: Option<String>,
    /// Part, line, rule and words.
    pub evidence: Value,
    /// What a person newly wrote.
    pub new_text: Option<String>,
    /// A date it names.
    pub until: Option<jiff::civil::Date>,
    /// The raw mail's hash.
    pub raw_hash: Option<String>,
    /// A person must look.
    pub review: bool,
    /// When it came in.
    pub received_at: Timestamp,
    /// When it was logged.
    pub logged_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct ResponseSql {
    id: i64,
    source: String,
    kind: String,
    delivery_id: Option<i64>,
    contact_id: Option<i64>,
    recipient: Option<String>,
    tie: Option<String>,
    confidence: f64,
    enhanced: Option<String>,
    reason: Option<String>,
    evidence: String,
    new_text: Option<String>,
    until: Option<String>,
    raw_hash: Option<String>,
    review: i64,
    received_at: i64,
    logged_at: i64,
}

const COLUMNS: &str =
    "r.id, r.source, r.kind, r.delivery_id, r.contact_id, r.recipient, r.tie, r.confidence, r.enhanced, r.reason,
    r.evidence, r.new_text, r.until, r.raw_hash, r.review, r.received_at, r.logged_at";

impl TryFrom<ResponseSql> for ResponseRow {
    type Error = StoreError;

    fn try_from(row: ResponseSql) -> Result<Self> {
        let kind = ResponseKind::find(&row.kind);
        let date = |text: String| text.parse().map_err(|_| StoreError::Word { value: text, expected: "a date" });
        Ok(Self {
            id: ResponseId(row.id),
            source: row.source,
            kind: kind.ok_or(StoreError::Word { value: row.kind, expected: "a response's kind" })?,
            delivery: row.delivery_id.map(DeliveryId),
            contact: row.contact_id.map(ContactId),
            recipient: row.recipient,
            tie: row.tie,
            confidence: row.confidence,
            enhanced: row.enhanced,
            reason: row.reason,
            evidence: serde_json::from_str(&row.evidence)?,
            new_text: row.new_text,
            until: row.until.map(date).transpose()?,
            raw_hash: row.raw_hash,
            review: row.review == 1,
            received_at: instant(row.received_at)?,
            logged_at: instant(row.logged_at)?,
        })
    }
}

impl Store {
    /// An id for a response that is about to be logged.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn new_response_id(&self) -> Result<ResponseId> {
        Ok(ResponseId(self.reserve(1).await?.start))
    }

    /// Logs responses with their consequences, and how far a mailbox was read, in one transaction.
    /// Says for each whether it is new; an old one changes nothing.
    ///
    /// # Errors
    /// The database does not answer; then nothing was logged.
    pub async fn log_responses(
        &self,
        act: &Act,
        cursor: Option<(&str, &str)>,
        responses: &[LoggedResponse],
    ) -> Result<Vec<bool>> {
        let needed: usize = responses.iter().map(|response| Consequence::ids_needed(&response.consequences)).sum();
        let ids = self.reserve(needed + 1).await?;
        let news = transaction!(self, tx => {
            let mut free = ids.clone();
            let mut news = Vec::with_capacity(responses.len());
            for response in responses {
                if let Some((hash, bytes)) = &response.raw {
                    sqlx::query("INSERT INTO raw_mail (hash, bytes) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                        .bind(hash.clone())
                        .bind(bytes.clone())
                        .execute(&mut *tx)
                        .await?;
                }
                let inserted = sqlx::query(
                    "INSERT INTO response (id, source, source_key, kind, delivery_id, plan_id, contact_id, recipient, tie, confidence,
                        enhanced, reason, evidence, new_text, until, raw_hash, review, received_at, logged_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
                     ON CONFLICT (source_key) DO NOTHING",
                )
                .bind(response.id.0)
                .bind(response.source)
                .bind(response.source_key.clone())
                .bind(response.kind.name())
                .bind(response.delivery.map(|id| id.0))
                .bind(response.plan.map(|id| id.0))
                .bind(response.contact.map(|id| id.0))
                .bind(response.recipient.clone())
                .bind(response.tie.clone())
                .bind(response.confidence)
                .bind(response.enhanced.clone())
                .bind(response.reason.clone())
                .bind(response.evidence.to_string())
                .bind(response.new_text.clone())
                .bind(response.until.map(|date| date.to_string()))
                .bind(response.raw.as_ref().map(|(hash, _)| hash.clone()))
                .bind(i64::from(response.review))
                .bind(micros(response.received_at))
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?
                .rows_affected();
                if inserted > 0 {
                    apply_consequences!(tx, act, &mut free, &response.consequences);
                }
                news.push(inserted > 0);
            }
            if let Some((mailbox, cursor)) = cursor {
                sqlx::query("INSERT INTO mailbox_cursor (mailbox, cursor, at) VALUES ($1, $2, $3)
                             ON CONFLICT (mailbox) DO UPDATE SET cursor = excluded.cursor, at = excluded.at")
                    .bind(mailbox)
                    .bind(cursor)
                    .bind(micros(act.at))
                    .execute(&mut *tx)
                    .await?;
            }
            news
        });
        Ok(news)
    }

    /// How far a mailbox was read.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mailbox_cursor(&self, mailbox: &str) -> Result<Option<String>> {
        let cursor = reading!(self, conn => {
            sqlx::query_scalar::<_, String>("SELECT cursor FROM mailbox_cursor WHERE mailbox = $1")
                .bind(mailbox)
                .fetch_optional(&mut *conn)
                .await?
        });
        Ok(cursor)
    }

    /// Which of these source keys are logged already.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn known_sources(&self, keys: &[String]) -> Result<Vec<String>> {
        let list: Vec<_> = keys.iter().map(|key| json!({ "key": key })).collect();
        let list = rows(&list)?;
        let known = reading!(self, conn => {
            sqlx::query_scalar::<_, String>(
                "SELECT source_key FROM response WHERE source_key IN (SELECT r.value->>'key' FROM json_each($1) AS r)",
            )
            .bind(list)
            .fetch_all(&mut *conn)
            .await?
        });
        Ok(known)
    }

    /// The responses on one contact's record, or all since an instant, oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn responses(
        &self,
        contact: Option<ContactId>,
        since: Option<Timestamp>,
        limit: i64,
    ) -> Result<Vec<ResponseRow>> {
        let text = format!(
            "SELECT {COLUMNS} FROM response r WHERE ($1 IS NULL OR r.contact_id = $1) AND ($2 IS NULL OR r.logged_at >= $2)
             ORDER BY r.received_at, r.id LIMIT $3"
        );
        let found = reading!(self, conn => {
            sqlx::query_as::<_, ResponseSql>(sqlx::AssertSqlSafe(text))
                .bind(contact.map(|id| id.0))
                .bind(since.map(micros))
                .bind(limit)
                .fetch_all(&mut *conn)
                .await?
        });
        found.into_iter().map(ResponseRow::try_from).collect()
    }

    /// The last responses, or the last that a person must look at, newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn latest_responses(&self, only_review: bool, limit: i64) -> Result<Vec<ResponseRow>> {
        let text = format!(
            "SELECT {COLUMNS} FROM response r WHERE ($1 = 0 OR r.review = 1) ORDER BY r.received_at DESC, r.id DESC LIMIT $2"
        );
        let found = reading!(self, conn => {
            sqlx::query_as::<_, ResponseSql>(sqlx::AssertSqlSafe(text))
                .bind(i64::from(only_review))
                .bind(limit)
                .fetch_all(&mut *conn)
                .await?
        });
        found.into_iter().map(ResponseRow::try_from).collect()
    }

    /// The responses of an owner's clients that were logged in a span of time, oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn responses_for(&self, owner: UserId, from: Timestamp, until: Timestamp) -> Result<Vec<ResponseRow>> {
        let text = format!(
            "SELECT {COLUMNS} FROM response r JOIN contact c ON c.id = r.contact_id JOIN account a ON a.id = c.account_id
             WHERE a.owner_id = $1 AND r.logged_at >= $2 AND r.logged_at < $3 ORDER BY r.received_at, r.id"
        );
        let found = reading!(self, conn => {
            sqlx::query_as::<_, ResponseSql>(sqlx::AssertSqlSafe(text))
                .bind(owner.0)
                .bind(micros(from))
                .bind(micros(until))
                .fetch_all(&mut *conn)
                .await?
        });
        found.into_iter().map(ResponseRow::try_from).collect()
    }

    /// The bytes of a raw mail.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find_raw_mail(&self, hash: &str) -> Result<Option<Vec<u8>>> {
        let bytes = reading!(self, conn => {
            sqlx::query_scalar::<_, Vec<u8>>("SELECT bytes FROM raw_mail WHERE hash = $1").bind(hash).fetch_optional(&mut *conn).await?
        });
        Ok(bytes)
    }
}
