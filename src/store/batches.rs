//! Imports as batches: begun, published together, counted.
//!
//! What a batch creates stays invisible to audiences until it is published.

use serde_json::json;

use super::changes::{Change, log_changes};
use super::words::micros;
use super::{Result, SavedClients, Store, reading, transaction};
use crate::model::act::Act;
use crate::model::id::{BatchId, ContactId};

impl Store {
    /// Begins an import of `file`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin_batch(&self, act: &Act, file: &str) -> Result<BatchId> {
        let id = self.reserve(1).await?.start;
        transaction!(self, tx => {
            sqlx::query("INSERT INTO batch (id, file, actor, started_at, created, updated, unchanged, refused) VALUES ($1, $2, $3, $4, 0, 0, 0, 0)")
                .bind(id)
                .bind(file)
                .bind(act.actor.clone())
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?;
        });
        Ok(BatchId(id))
    }

    /// Makes what a batch created visible, and closes it with its figures.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn publish_batch(&self, act: &Act, batch: BatchId, saved: SavedClients, refused: usize) -> Result<()> {
        let base = self.reserve(1).await?.start;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        transaction!(self, tx => {
            sqlx::query("UPDATE batch SET published_at = $2, created = $3, updated = $4, unchanged = $5, refused = $6 WHERE id = $1")
                .bind(batch.0)
                .bind(micros(act.at))
                .bind(number(saved.created))
                .bind(number(saved.updated))
                .bind(number(saved.unchanged))
                .bind(number(refused))
                .execute(&mut *tx)
                .await?;
            let diff = json!({ "created": saved.created, "updated": saved.updated, "refused": refused });
            log_changes!(tx, act, base, Some(batch.0), &[Change::new("batch", batch, diff)]);
        });
        Ok(())
    }

    /// How many contacts there are; what an unpublished import brought does not count.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn count_contacts(&self) -> Result<i64> {
        let count = reading!(self, conn => {
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM contact c
                 WHERE c.batch_id IS NULL OR EXISTS (SELECT 1 FROM batch b WHERE b.id = c.batch_id AND b.published_at IS NOT NULL)").fetch_one(&mut *conn).await?
        });
        Ok(count)
    }

    /// Every contact's id, in order, a page at a time.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn contact_page(&self, after: ContactId, limit: i64) -> Result<Vec<ContactId>> {
        let rows = reading!(self, conn => {
            sqlx::query_scalar::<_, i64>("SELECT id FROM contact WHERE id > $1 ORDER BY id LIMIT $2")
                .bind(after.0)
                .bind(limit)
                .fetch_all(&mut *conn)
                .await?
        });
        Ok(rows.into_iter().map(ContactId).collect())
    }
}
