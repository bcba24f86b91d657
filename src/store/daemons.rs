//! Daemons: one row a run, whose id fences its claims, and what a dead one left behind.
//!
//! `ended_at` is the one truth about a daemon. Whoever finds a lease that has run out
//! ends its daemon; everything else only asks whether a daemon has ended. So one that
//! was stopped or frozen for too long can begin nothing more, whatever it believes.

use jiff::Timestamp;

use super::words::micros;
use super::{Engine, Result, Store, reading, transaction};
use crate::model::id::DaemonId;

/// How long a daemon that begins is believed to live before its first beat.
const FIRST_LEASE_MICROS: i64 = 20_000_000;

/// Whether the daemon in `$id` may begin nothing more.
macro_rules! has_ended {
    ($id:literal) => {
        concat!("EXISTS (SELECT 1 FROM daemon m WHERE m.id = ", $id, " AND m.ended_at IS NOT NULL)")
    };
}

pub(super) use has_ended;

/// On SQLite one daemon runs, under a lock of the operating system: every other is dead.
const END_SQLITE: &str = "UPDATE daemon SET ended_at = $2 WHERE ended_at IS NULL AND id <> $1";

const END_POSTGRES: &str = "
    UPDATE daemon SET ended_at = $2 WHERE ended_at IS NULL AND id <> $1 AND lease_until < database_micros()";

const LAPSED_POSTGRES: &str = "
    SELECT EXISTS (SELECT 1 FROM daemon WHERE ended_at IS NULL AND id <> $1 AND lease_until < database_micros())
        OR EXISTS (SELECT 1 FROM delivery d JOIN daemon m ON m.id = d.claimed_by
                   WHERE d.state IN ('claimed', 'handoff') AND m.ended_at IS NOT NULL)";

/// By way of the deliveries, of which few are under way: tries are many.
const ATTEMPTS_UNCERTAIN: &str = "
    UPDATE attempt SET state = 'uncertain', ended_at = $1, reply = 'the daemon stopped in the middle of it'
    WHERE state = 'handoff' AND delivery_id IN (
        SELECT d.id FROM delivery d JOIN daemon m ON m.id = d.claimed_by
        WHERE d.state = 'handoff' AND m.ended_at IS NOT NULL)";

const DELIVERIES_UNCERTAIN: &str = "
    UPDATE delivery SET state = 'uncertain', reason = 'daemon_stopped', claimed_by = NULL
    WHERE state = 'handoff' AND claimed_by IN (SELECT m.id FROM daemon m WHERE m.ended_at IS NOT NULL)";

const CLAIMS_FREE: &str = "
    UPDATE delivery SET state = 'scheduled', claimed_by = NULL
    WHERE state = 'claimed' AND claimed_by IN (SELECT m.id FROM daemon m WHERE m.ended_at IS NOT NULL)";

impl Store {
    /// Registers a daemon that begins to run.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn register_daemon(&self, now: Timestamp) -> Result<DaemonId> {
        let id = self.reserve(1).await?.start;
        let text = match self.engine {
            Engine::Sqlite { .. } => "INSERT INTO daemon (id, started_at, beat_at) VALUES ($1, $2, $2)",
            Engine::Postgres(_) => {
                "INSERT INTO daemon (id, started_at, beat_at, lease_until) VALUES ($1, $2, $2, database_micros() + $3)"
            }
        };
        transaction!(self, tx => {
            let query = sqlx::query(text).bind(id).bind(micros(now));
            let query = if self.path().is_some() { query } else { query.bind(FIRST_LEASE_MICROS) };
            query.execute(&mut *tx).await?;
        });
        Ok(DaemonId(id))
    }

    /// Says that a daemon has stopped. What it still held, the others take over.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn end_daemon(&self, daemon: DaemonId, now: Timestamp) -> Result<()> {
        transaction!(self, tx => {
            sqlx::query("UPDATE daemon SET ended_at = $2, beat_at = $2 WHERE id = $1 AND ended_at IS NULL")
                .bind(daemon.0)
                .bind(micros(now))
                .execute(&mut *tx)
                .await?;
        });
        Ok(())
    }

    /// How many deliveries `daemon` has begun to hand over without a result that is written.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn unfinished(&self, daemon: DaemonId) -> Result<i64> {
        let count = reading!(self, conn => {
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM delivery WHERE state = 'handoff' AND claimed_by = $1")
                .bind(daemon.0)
                .fetch_one(&mut *conn)
                .await?
        });
        Ok(count)
    }

    /// Ends daemons that run no more and takes over what they left: claimed deliveries are
    /// free again, those in the middle of a handoff are uncertain. On SQLite every daemon but
    /// this one is dead; on PostgreSQL one whose lease has run out by the database's clock.
    ///
    /// Says how many were freed and how many are uncertain.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn recover(&self, daemon: DaemonId, now: Timestamp) -> Result<(u64, u64)> {
        let end = match &self.engine {
            Engine::Sqlite { .. } => END_SQLITE,
            Engine::Postgres(pool) => {
                if !sqlx::query_scalar::<_, bool>(LAPSED_POSTGRES).bind(daemon.0).fetch_one(pool).await? {
                    return Ok((0, 0));
                }
                END_POSTGRES
            }
        };
        let counts = transaction!(self, tx => {
            sqlx::query(end).bind(daemon.0).bind(micros(now)).execute(&mut *tx).await?;
            sqlx::query(ATTEMPTS_UNCERTAIN).bind(micros(now)).execute(&mut *tx).await?;
            let uncertain = sqlx::query(DELIVERIES_UNCERTAIN).execute(&mut *tx).await?.rows_affected();
            let freed = sqlx::query(CLAIMS_FREE).execute(&mut *tx).await?.rows_affected();
            (freed, uncertain)
        });
        Ok(counts)
    }
}
