//! Opt-outs: how they stand for one letter, and taking one back.

use jiff::Timestamp;
use serde_json::json;

use super::changes::{Change, log_changes};
use super::consequences::apply_consequences;
use super::words::{instant, micros};
use super::{Consequence, Result, Store, reading, transaction};
use crate::model::act::Act;
use crate::model::id::{ContactId, DeliveryId, ResponseId};

/// How a contact's opt-out stands, seen from one of the letters they got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOutStanding {
    /// How many opt-outs were logged under this prefix of source keys.
    pub logged: i64,
    /// The contact is suppressed because they asked for it.
    pub suppressed: bool,
    /// The letter's page made the suppression that is in force: by which response, and when.
    pub by_page: Option<(ResponseId, Timestamp)>,
}

impl Store {
    /// How a contact's opt-out stands, seen from a letter whose opt-outs have source keys
    /// that begin with `prefix`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn opt_out_standing(
        &self,
        contact: ContactId,
        delivery: DeliveryId,
        prefix: &str,
    ) -> Result<OptOutStanding> {
        let (logged, suppressed, by_page) = reading!(self, conn => {
            let logged = sqlx::query_scalar::<_, i64>(
                "SELECT COUNT(*) FROM response WHERE contact_id = $1 AND source_key LIKE $2 || '%'",
            ).bind(contact.0).bind(prefix).fetch_one(&mut *conn).await?;
            let suppressed = sqlx::query_scalar::<_, i64>(
                "SELECT COUNT(*) FROM suppression WHERE scope = 'contact' AND value = $1 AND reason = 'opt_out' AND lifted_at IS NULL",
            ).bind(contact.to_string()).fetch_one(&mut *conn).await?;
            let by_page = sqlx::query_as::<_, (i64, i64)>(
                "SELECT r.id, r.received_at FROM suppression s JOIN response r ON r.id = s.response_id
                 WHERE s.scope = 'contact' AND s.value = $1 AND s.reason = 'opt_out' AND s.lifted_at IS NULL
                   AND r.delivery_id = $2 AND r.kind = 'opt_out.page'",
            ).bind(contact.to_string()).bind(delivery.0).fetch_optional(&mut *conn).await?;
            (logged, suppressed, by_page)
        });
        let by_page = by_page.map(|(id, at)| Ok::<_, super::StoreError>((ResponseId(id), instant(at)?))).transpose()?;
        Ok(OptOutStanding { logged, suppressed: suppressed > 0, by_page })
    }

    /// Lifts the suppressions that one response made, and no other; their consequences follow
    /// only if there was one to lift. Says how many were lifted.
    ///
    /// # Errors
    /// The database does not answer; then nothing was lifted.
    pub async fn lift_suppressions(
        &self,
        act: &Act,
        response: ResponseId,
        consequences: &[Consequence],
    ) -> Result<usize> {
        // A response suppresses a contact and an address at most: two changes.
        let ids = self.reserve(Consequence::ids_needed(consequences) + 3).await?;
        let lifted = transaction!(self, tx => {
            let lifted = sqlx::query_as::<_, (String, String, String)>(
                "UPDATE suppression SET lifted_at = $2 WHERE response_id = $1 AND lifted_at IS NULL RETURNING scope, value, reason",
            )
            .bind(response.0)
            .bind(micros(act.at))
            .fetch_all(&mut *tx)
            .await?;
            if !lifted.is_empty() {
                let changes: Vec<_> = lifted.iter().filter(|(scope, ..)| scope == "contact").take(2)
                    .map(|(_, value, reason)| Change::new("contact", value, json!({ "suppressed": [reason, null] })))
                    .collect();
                log_changes!(tx, act, ids.start, None, &changes);
                let mut rest = ids.start + 2..ids.end;
                apply_consequences!(tx, act, &mut rest, consequences);
            }
            lifted.len()
        });
        Ok(lifted)
    }
}
