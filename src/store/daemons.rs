//! Daemons: one row a run, whose id fences its claims, and what a dead one left behind.

use jiff::{Timestamp, ToSpan};

use super::words::micros;
use super::{Result, Store, reading, transaction};
use crate::model::id::DaemonId;

/// How long a daemon may be silent before others take its claims for abandoned.
const LEASE_MINUTES: i64 = 15;

impl Store {
    /// Registers a daemon that begins to run.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn register_daemon(&self, now: Timestamp) -> Result<DaemonId> {
        let id = self.reserve(1).await?.start;
        transaction!(self, tx => {
            sqlx::query("INSERT INTO daemon (id, started_at, beat_at) VALUES ($1, $2, $2)")
                .bind(id)
                .bind(micros(now))
                .execute(&mut *tx)
                .await?;
        });
        Ok(DaemonId(id))
    }

    /// Says that a daemon lives.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn beat(&self, daemon: DaemonId, now: Timestamp) -> Result<()> {
        transaction!(self, tx => {
            sqlx::query("UPDATE daemon SET beat_at = $2 WHERE id = $1").bind(daemon.0).bind(micros(now)).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Says that a daemon has stopped.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn end_daemon(&self, daemon: DaemonId, now: Timestamp) -> Result<()> {
        transaction!(self, tx => {
            sqlx::query("UPDATE daemon SET ended_at = $2, beat_at = $2 WHERE id = $1").bind(daemon.0).bind(micros(now)).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// How many deliveries `daemon` has begun to hand over without a result that is written.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn under_way(&self, daemon: DaemonId) -> Result<i64> {
        let count = reading!(self, conn => {
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM delivery WHERE state = 'handoff' AND claimed_by = $1")
                .bind(daemon.0)
                .fetch_one(&mut *conn)
                .await?
        });
        Ok(count)
    }

    /// Takes over what daemons that run no more left: claimed ones are free again, those in the
    /// middle of a handoff are uncertain. On SQLite only one daemon can run, so every other is
    /// dead; on PostgreSQL one is dead that ended or has been silent for too long.
    ///
    /// Says how many were freed and how many are uncertain.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn recover(&self, daemon: DaemonId, now: Timestamp) -> Result<(u64, u64)> {
        let silent = if self.path().is_some() {
            Timestamp::MAX
        } else {
            now.checked_sub(LEASE_MINUTES.minutes()).unwrap_or(now)
        };
        let counts = transaction!(self, tx => {
            sqlx::query(
                "UPDATE attempt SET state = 'uncertain', ended_at = $3, reply = 'the daemon stopped in the middle of it'
                 WHERE state = 'handoff' AND daemon_id IN (SELECT m.id FROM daemon m WHERE m.id <> $1 AND (m.ended_at IS NOT NULL OR m.beat_at < $2))",
            )
            .bind(daemon.0)
            .bind(micros(silent))
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
            let uncertain = sqlx::query(
                "UPDATE delivery SET state = 'uncertain', reason = 'daemon_stopped', claimed_by = NULL
                 WHERE state = 'handoff' AND claimed_by IN (SELECT m.id FROM daemon m WHERE m.id <> $1 AND (m.ended_at IS NOT NULL OR m.beat_at < $2))",
            )
            .bind(daemon.0)
            .bind(micros(silent))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            let freed = sqlx::query(
                "UPDATE delivery SET state = 'scheduled', claimed_by = NULL
                 WHERE state = 'claimed' AND claimed_by IN (SELECT m.id FROM daemon m WHERE m.id <> $1 AND (m.ended_at IS NOT NULL OR m.beat_at < $2))",
            )
            .bind(daemon.0)
            .bind(micros(silent))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            (freed, uncertain)
        });
        Ok(counts)
    }
}
