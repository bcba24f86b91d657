//! The change log: what a row was and what it became, in the transaction that changed it.

use serde::Serialize;
use serde_json::Value;

use super::{Result, Store, reading, words};
use crate::model::act::Act;

/// One change as it is written.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Change {
    pub(super) entity: &'static str,
    pub(super) entity_id: String,
    pub(super) diff: Value,
}

impl Change {
    pub(super) fn new(entity: &'static str, id: impl ToString, diff: Value) -> Self {
        Self { entity, entity_id: id.to_string(), diff }
    }
}

/// One change as it is read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangeRow {
    /// When.
    pub at: jiff::Timestamp,
    /// Who.
    pub actor: String,
    /// Which kind of row.
    pub entity: String,
    /// What changed.
    pub diff: Value,
}

pub(super) const INSERT_CHANGES: &str = "
    INSERT INTO change_log (id, entity, entity_id, at, actor, on_behalf_of, mandate, source, batch_id, diff)
    SELECT $2 + r.key, r.value->>'entity', r.value->>'entity_id', $3, $4, $5, $6, $7, $8, r.value->>'diff'
    FROM json_each($1) AS r";

/// Writes changes inside a transaction; `$base` is the first of as many reserved ids.
macro_rules! log_changes {
    ($tx:ident, $act:expr, $base:expr, $batch:expr, $changes:expr) => {{
        let (act, changes): (&$crate::model::act::Act, &[$crate::store::changes::Change]) = ($act, $changes);
        let batch: Option<i64> = $batch;
        if !changes.is_empty() {
            sqlx::query($crate::store::changes::INSERT_CHANGES)
                .bind($crate::store::words::rows(changes)?)
                .bind($base)
                .bind($crate::store::words::micros(act.at))
                .bind(act.actor.clone())
                .bind(act.on_behalf_of.map(|user| user.0))
                .bind(act.mandate.clone())
                .bind($crate::store::words::word(&act.source))
                .bind(batch)
                .execute(&mut *$tx)
                .await?;
        }
    }};
}

pub(super) use log_changes;

impl Store {
    /// The changes of one row, oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn changes(&self, entity: &str, id: &str) -> Result<Vec<ChangeRow>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (i64, String, String, String)>(
                "SELECT at, actor, entity, diff FROM change_log WHERE entity = $1 AND entity_id = $2 ORDER BY at, id",
            )
            .bind(entity)
            .bind(id)
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .map(|(at, actor, entity, diff)| {
                Ok(ChangeRow { at: words::instant(at)?, actor, entity, diff: serde_json::from_str(&diff)? })
            })
            .collect()
    }

    /// Writes one change that has no row of its own (a backup, a reload).
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn note(&self, act: &Act, entity: &'static str, id: &str, diff: Value) -> Result<()> {
        let base = self.reserve(1).await?.start;
        let changes = [Change::new(entity, id, diff)];
        super::transaction!(self, tx => { log_changes!(tx, act, base, None, &changes); });
        Ok(())
    }
}
