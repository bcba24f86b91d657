//! What `doctor` asks of the database: is it whole, can it be written, what time is it there.

use jiff::Timestamp;

use super::words::instant;
use super::{Engine, Result, Store};

impl Store {
    /// Looks through the file for damage (SQLite's `quick_check`) and gives what is wrong, one
    /// line each; an engine that watches over itself has nothing to say.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn check_integrity(&self) -> Result<Vec<String>> {
        let Engine::Sqlite { readers, .. } = &self.engine else { return Ok(Vec::new()) };
        let lines: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(10)").fetch_all(readers).await?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// Takes the right to write, changes a row to what it is and takes that back.
    ///
    /// # Errors
    /// The database is read-only, full or locked, or does not answer.
    pub async fn check_writable(&self) -> Result<()> {
        const SAME: &str = "UPDATE id_source SET next = next";
        match &self.engine {
            Engine::Sqlite { writer, .. } => {
                let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                sqlx::query(SAME).execute(&mut *tx).await?;
                tx.rollback().await?;
            }
            Engine::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                sqlx::query(SAME).execute(&mut *tx).await?;
                tx.rollback().await?;
            }
        }
        Ok(())
    }

    /// The schema's version.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn schema(&self) -> Result<i64> {
        Ok(self.schema_version().await?.unwrap_or(0))
    }

    /// The clock of the database's server; none for a database inside this program.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn server_time(&self) -> Result<Option<Timestamp>> {
        let Engine::Postgres(pool) = &self.engine else { return Ok(None) };
        let micros = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
        let micros: i64 = sqlx::query_scalar(micros).fetch_one(pool).await?;
        Ok(Some(instant(micros)?))
    }
}
