//! Backups of the embedded database, and what a restored one must remember.

use std::path::Path;

use serde_json::json;

use super::changes::{Change, log_changes};
use super::words::micros;
use super::{Engine, Result, Store, StoreError, transaction};
use crate::model::act::Act;

impl Store {
    /// Writes a consistent copy of the database to `file`, while others read and write.
    ///
    /// # Errors
    /// The file exists, the disk is full, or the database is PostgreSQL, which has its own tools.
    pub async fn backup(&self, file: &Path) -> Result<()> {
        let Engine::Sqlite { writer, .. } = &self.engine else {
            return Err(StoreError::Refused("a PostgreSQL database is backed up with pg_dump".into()));
        };
        if file.exists() {
            return Err(StoreError::Refused(format!("`{}` exists already; choose another name", file.display())));
        }
        let target = file.to_str().ok_or_else(|| StoreError::Refused("the file's name is not UTF-8".into()))?;
        sqlx::query("VACUUM INTO $1").bind(target).execute(writer).await?;
        Ok(())
    }

    /// Begins a new incarnation, so that no id that went out is given again, and pauses
    /// everything until a person has looked: what the copy calls due may have been sent.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin_incarnation(&self, act: &Act, reason: &str) -> Result<()> {
        transaction!(self, tx => {
            sqlx::query("UPDATE id_source SET incarnation = incarnation + 1, next = 1").execute(&mut *tx).await?;
        });
        let base = self.reserve(2).await?;
        transaction!(self, tx => {
            sqlx::query("INSERT INTO pause (id, scope, value, reason, actor, at) VALUES ($1, 'all', '', $2, $3, $4)")
                .bind(base.start)
                .bind(reason)
                .bind(act.actor.clone())
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?;
            log_changes!(tx, act, base.start + 1, None, &[Change::new("database", "restored", json!({ "reason": reason }))]);
        });
        Ok(())
    }
}
