//! Places for sessions that daemons on one database share: which of them holds how many
//! under each limit.
//!
//! How many is decided by [`places`], inside the transaction. What is held lasts as long as
//! its daemon: one that was killed or froze loses it when its lease is found to have run
//! out. A daemon holds a block and deals it out in its memory, so that a letter costs no
//! statement. On SQLite there is one daemon, which has all of them and need not ask.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::words::{micros, rows};
use super::{Engine, Result, Store, transaction};
use crate::model::id::DaemonId;
use crate::policy::places::{self, Holder};

/// How long it is one's turn to hold a place that cannot be shared, in microseconds.
const ROUND_MICROS: i64 = 5_000_000;

/// One who looks while another one writes could give a place twice.
const ONE_AT_A_TIME: &str = "LOCK TABLE session_place IN SHARE ROW EXCLUSIVE MODE";

const DROP_OF_ENDED: &str = "
    DELETE FROM session_place
    WHERE daemon_id IN (SELECT m.id FROM daemon m WHERE m.ended_at IS NOT NULL)";

/// Of those alone who live: `daemon_id = $2` is who asks.
const HOLDERS: &str = "
    SELECT p.scope, p.daemon_id, p.held, p.wanted, p.most FROM session_place p
    WHERE p.scope IN (SELECT r.value->>'scope' FROM json_each($1) AS r) AND p.daemon_id <> $2
    ORDER BY p.scope, p.daemon_id";

const LIVES: &str = "SELECT COUNT(*) FROM daemon WHERE id = $1 AND ended_at IS NULL";

/// By the clock that they share; a file's daemon has its own.
const SHARED_CLOCK: &str = "SELECT COALESCE(database_micros(), $1)";

const WRITE: &str = "
    INSERT INTO session_place (scope, daemon_id, held, wanted, most)
    SELECT r.value->>'scope', $2, CAST(r.value->>'held' AS BIGINT), CAST(r.value->>'wanted' AS BIGINT),
           CAST(r.value->>'most' AS BIGINT)
    FROM json_each($1) AS r WHERE CAST(r.value->>'held' AS BIGINT) + CAST(r.value->>'wanted' AS BIGINT) > 0
    ON CONFLICT (scope, daemon_id) DO UPDATE SET held = excluded.held, wanted = excluded.wanted, most = excluded.most";

/// What a daemon no longer holds nor wants.
const DROP_EMPTY: &str = "
    DELETE FROM session_place WHERE daemon_id = $2 AND scope IN (
        SELECT r.value->>'scope' FROM json_each($1) AS r
        WHERE CAST(r.value->>'held' AS BIGINT) + CAST(r.value->>'wanted' AS BIGINT) = 0)";

/// What a daemon says of its places under one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceAsk {
    /// The limit's key.
    pub key: String,
    /// What it holds and wants.
    pub own: Holder,
}

#[derive(sqlx::FromRow)]
struct HolderSql {
    scope: String,
    daemon_id: i64,
    held: i64,
    wanted: i64,
    most: i64,
}

impl Store {
    /// Whether several daemons may share this database.
    pub fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Says what `daemon` holds and wants, and how many places it may hold under each limit
    /// from now on, in the order of `asks`. More than it holds are its own at once; fewer
    /// mean that it shall give some back: it says so the next time. One that has ended may
    /// hold none.
    ///
    /// # Errors
    /// The database does not answer; then all is as before.
    pub async fn share_places(&self, daemon: DaemonId, asks: &[PlaceAsk], now: Timestamp) -> Result<Vec<u32>> {
        let keys = rows(&asks.iter().map(|ask| json!({ "scope": ask.key })).collect::<Vec<_>>())?;
        let clock = if self.is_shared() { SHARED_CLOCK } else { "SELECT $1" };
        let is_shared = self.is_shared();
        Ok(transaction!(self, tx => {
            if is_shared {
                sqlx::query(ONE_AT_A_TIME).execute(&mut *tx).await?;
            }
            sqlx::query(DROP_OF_ENDED).execute(&mut *tx).await?;
            let lives: i64 = sqlx::query_scalar(LIVES).bind(daemon.0).fetch_one(&mut *tx).await?;
            if lives == 0 {
                return Ok(vec![0; asks.len()]);
            }
            let at: i64 = sqlx::query_scalar(clock).bind(micros(now)).fetch_one(&mut *tx).await?;
            let found = sqlx::query_as::<_, HolderSql>(HOLDERS).bind(&keys).bind(daemon.0).fetch_all(&mut *tx).await?;
            let shares = decide(daemon, asks, &found, at);
            let written = rows(&asks.iter().zip(&shares).map(|(ask, share)| held_row(ask, *share)).collect::<Vec<_>>())?;
            sqlx::query(WRITE).bind(&written).bind(daemon.0).execute(&mut *tx).await?;
            sqlx::query(DROP_EMPTY).bind(&written).bind(daemon.0).execute(&mut *tx).await?;
            shares
        }))
    }

    /// How many places each daemon that lives holds, by the limits' keys.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn places(&self) -> Result<BTreeMap<String, u32>> {
        let held = "SELECT p.scope, CAST(SUM(p.held) AS BIGINT) FROM session_place p
                    JOIN daemon m ON m.id = p.daemon_id WHERE m.ended_at IS NULL GROUP BY p.scope";
        let found = super::reading!(self, conn => {
            sqlx::query_as::<_, (String, i64)>(held).fetch_all(&mut *conn).await?
        });
        Ok(found.into_iter().map(|(key, held)| (key, count(held))).collect())
    }
}

/// The share of `daemon` under each limit, among those found there.
fn decide(daemon: DaemonId, asks: &[PlaceAsk], found: &[HolderSql], at_micros: i64) -> Vec<u32> {
    let round = u64::try_from(at_micros / ROUND_MICROS).unwrap_or(0);
    let share = |ask: &PlaceAsk| {
        let others = found.iter().filter(|row| row.scope == ask.key);
        let mut holders: Vec<_> = others.map(|row| (row.daemon_id, holder(row))).collect();
        // In an order that is the same whoever asks.
        let me = holders.partition_point(|(id, _)| *id < daemon.0);
        holders.insert(me, (daemon.0, ask.own));
        let holders: Vec<_> = holders.into_iter().map(|(_, holder)| holder).collect();
        places::share(&holders, me, round)
    };
    asks.iter().map(share).collect()
}

/// What it holds until it says that it holds less.
fn held_row(ask: &PlaceAsk, share: u32) -> serde_json::Value {
    let Holder { held, wanted, most } = ask.own;
    json!({ "scope": ask.key, "held": held.max(share), "wanted": wanted, "most": most })
}

fn holder(row: &HolderSql) -> Holder {
    Holder { held: count(row.held), wanted: count(row.wanted), most: count(row.most) }
}

fn count(stored: i64) -> u32 {
    u32::try_from(stored).unwrap_or(0)
}
