//! Leases of several daemons on one PostgreSQL: the one that says a daemon lives, and
//! named ones for what only one of them does at a time.
//!
//! The database's clock alone is asked, so that machines whose clocks differ agree. A
//! named lease saves work and noise; that nothing is done twice is the business of
//! unique keys and of the fence, for a daemon may freeze in the middle of any turn.
//! On SQLite one daemon runs under a lock of the operating system and has them all.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::postgres::PgPool;

use super::words::micros;
use super::{Engine, Result, Store, daemons::has_ended};
use crate::model::id::DaemonId;

const BEAT: &str = "
    UPDATE daemon SET beat_at = $2, lease_until = database_micros() + $3 WHERE id = $1 AND ended_at IS NULL";

const HOLDS: &str = concat!(
    "SELECT l.daemon_id = $2 AND NOT ",
    has_ended!("$2"),
    " FROM named_lease l WHERE l.name = $1 AND (l.daemon_id = $2 OR NOT ",
    has_ended!("l.daemon_id"),
    ")"
);

/// One of two that come at once is the first; the other finds a holder that has not ended.
const TAKE: &str = concat!(
    "INSERT INTO named_lease (name, daemon_id, taken_at) SELECT $1, $2, $3 WHERE NOT ",
    has_ended!("$2"),
    " ON CONFLICT (name) DO UPDATE SET daemon_id = excluded.daemon_id, taken_at = excluded.taken_at WHERE ",
    has_ended!("named_lease.daemon_id")
);

/// How a daemon stands to a named lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It took the lease now.
    Taken,
    /// It had the lease already, or is the only daemon there can be.
    Kept,
    /// Another daemon has it.
    Elsewhere,
}

/// A daemon's heart: a connection of its own, so that no turn, however long, keeps it waiting.
#[derive(Clone, Debug)]
pub struct Heart {
    pool: PgPool,
    daemon: DaemonId,
}

impl Heart {
    /// Says that the daemon lives for another `lease`, by the database's clock. `false` if
    /// others have already taken it for dead: then it may begin nothing more.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn beat(&self, lease: Duration, now: Timestamp) -> Result<bool> {
        let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
        let beat = sqlx::query(BEAT).bind(self.daemon.0).bind(micros(now)).bind(lease).execute(&self.pool).await?;
        Ok(beat.rows_affected() == 1)
    }

    /// Closes its connection.
    pub async fn stop(self) {
        self.pool.close().await;
    }
}

impl Store {
    /// The heart of `daemon`; none where it is alone.
    pub fn heart(&self, daemon: DaemonId) -> Option<Heart> {
        let Engine::Postgres(pool) = &self.engine else { return None };
        let options = (*pool.connect_options()).clone();
        let own = pool.options().clone().min_connections(0).max_connections(1);
        Some(Heart { pool: own.connect_lazy_with(options), daemon })
    }

    /// Takes the named lease for `daemon` if nobody who lives has it; it lasts until its
    /// daemon ends. A daemon that was taken for dead gets none.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn hold_lease(&self, name: &str, daemon: DaemonId, now: Timestamp) -> Result<Hold> {
        let Engine::Postgres(pool) = &self.engine else { return Ok(Hold::Kept) };
        let held = sqlx::query_scalar::<_, bool>(HOLDS).bind(name).bind(daemon.0).fetch_optional(pool).await?;
        if let Some(mine) = held {
            return Ok(if mine { Hold::Kept } else { Hold::Elsewhere });
        }
        let taken = sqlx::query(TAKE).bind(name).bind(daemon.0).bind(micros(now)).execute(pool).await?;
        Ok(if taken.rows_affected() == 1 { Hold::Taken } else { Hold::Elsewhere })
    }
}
