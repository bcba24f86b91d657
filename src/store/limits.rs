//! What has gone under the limits: tokens are leased from rows, so that daemons on one
//! database hold a limit together and a restart forgets nothing.
//!
//! How many may go is decided by [`throttle`], inside the transaction. A daemon leases a
//! block at a time and gives back what it did not use; one that is killed has spent at
//! most the block it held.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use super::words::{instant, rows};
use super::{Engine, Result, Store, StoreError, reading, transaction};
use crate::model::limit::Limit;
use crate::policy::throttle::{self, Ask, Gone, Grant};

/// Tokens that were leased and not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// The limit's key.
    pub key: String,
    /// The limit.
    pub limit: Limit,
    /// How many.
    pub count: u32,
    /// The day on which they were leased.
    pub day: Date,
}

#[derive(sqlx::FromRow)]
struct GoneSql {
    scope: String,
    full_at: i64,
    day: Option<String>,
    today: i64,
    days: i64,
}

impl TryFrom<GoneSql> for Gone {
    type Error = StoreError;

    fn try_from(row: GoneSql) -> Result<Self> {
        let day = row.day.map(|day| day.parse().map_err(|_| StoreError::Word { value: day, expected: "a day" }));
        let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Self { full_at_us: row.full_at, day: day.transpose()?, today: count(row.today), days: count(row.days) })
    }
}

/// Makes the rows that are not there, so that there is something to lock.
const MAKE: &str = "
    INSERT INTO limit_state (scope, full_at, day, today, days)
    SELECT r.value->>'scope', 0, NULL, 0, 0 FROM json_each($1) AS r WHERE 1 = 1
    ON CONFLICT (scope) DO NOTHING";

const SELECT: &str = "
    SELECT scope, full_at, day, today, days FROM limit_state
    WHERE scope IN (SELECT r.value->>'scope' FROM json_each($1) AS r) ORDER BY scope";

/// In order, so that two daemons never wait for each other.
const SELECT_LOCKED: &str = "
    SELECT scope, full_at, day, today, days FROM limit_state
    WHERE scope IN (SELECT r.value->>'scope' FROM json_each($1) AS r) ORDER BY scope FOR UPDATE";

const WRITE: &str = "
    UPDATE limit_state SET full_at = n.full_at, day = n.day, today = n.today, days = n.days
    FROM (SELECT r.value->>'scope' AS scope, CAST(r.value->>'full_at' AS BIGINT) AS full_at, r.value->>'day' AS day,
                 CAST(r.value->>'today' AS BIGINT) AS today, CAST(r.value->>'days' AS BIGINT) AS days
          FROM json_each($1) AS r) AS n
    WHERE limit_state.scope = n.scope";

const CAMPAIGNS: &str = "
    SELECT c.id, j.value->>'limit' FROM campaign c JOIN revision r ON r.id = c.revision_id,
        json_each('[' || r.compiled || ']') AS j
    WHERE j.value->>'limit' IS NOT NULL ORDER BY c.id";

/// Runs `change` over the rows of `keys` in one transaction, and writes what it changed.
macro_rules! changing {
    ($store:expr, $keys:expr, $rows:ident => $change:expr) => {{
        let locked = match $store.engine {
            Engine::Sqlite { .. } => SELECT,
            Engine::Postgres(_) => SELECT_LOCKED,
        };
        let wanted = key_list(&$keys)?;
        transaction!($store, tx => {
            sqlx::query(MAKE).bind(wanted.clone()).execute(&mut *tx).await?;
            let found = sqlx::query_as::<_, GoneSql>(locked).bind(wanted).fetch_all(&mut *tx).await?;
            let before = read(found)?;
            let mut $rows = before.clone();
            let out = $change;
            let changed: Vec<_> = $rows.iter().filter(|(key, row)| before.get(*key) != Some(row)).map(gone_row).collect();
            sqlx::query(WRITE).bind(rows(&changed)?).execute(&mut *tx).await?;
            out
        })
    }};
}

impl Store {
    /// Leases tokens for each ask, under all of its limits at once; see [`throttle::share`].
    ///
    /// # Errors
    /// The database does not answer; then none are leased.
    pub async fn lease_tokens(
        &self,
        asks: &[Ask],
        first: usize,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<Vec<Grant>> {
        let keys: BTreeSet<_> = asks.iter().flat_map(|ask| &ask.limits).map(|(key, _)| key.as_str()).collect();
        if keys.is_empty() {
            return Ok(throttle::share(&mut BTreeMap::new(), asks, first, now, zone));
        }
        Ok(changing!(self, keys, rows => throttle::share(&mut rows, asks, first, now, zone)))
    }

    /// Gives leased tokens back that were not used.
    ///
    /// # Errors
    /// The database does not answer; then they count as used.
    pub async fn return_tokens(&self, unused: &[Unused]) -> Result<()> {
        let keys: BTreeSet<_> = unused.iter().filter(|one| one.count > 0).map(|one| one.key.as_str()).collect();
        if keys.is_empty() {
            return Ok(());
        }
        changing!(self, keys, rows => {
            for one in unused {
                rows.entry(one.key.clone()).or_default().give_back(&one.limit, one.count, one.day);
            }
        });
        Ok(())
    }

    /// What has gone, by the limits' keys.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn gone(&self) -> Result<BTreeMap<String, Gone>> {
        let found = reading!(self, conn => {
            sqlx::query_as::<_, GoneSql>("SELECT scope, full_at, day, today, days FROM limit_state ORDER BY scope")
                .fetch_all(&mut *conn)
                .await?
        });
        read(found)
    }

    /// What the running campaigns say of themselves, those that say something.
    ///
    /// # Errors
    /// The database does not answer, or holds a campaign that cannot be read.
    pub async fn campaign_limits(&self) -> Result<BTreeMap<String, Limit>> {
        let found = reading!(self, conn => {
            sqlx::query_as::<_, (String, String)>(CAMPAIGNS).fetch_all(&mut *conn).await?
        });
        found.into_iter().map(|(id, limit)| Ok((id, serde_json::from_str(&limit)?))).collect()
    }

    /// Drops what is known of recipient domains that got nothing since `day`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_domains(&self, day: Date) -> Result<u64> {
        let dropped = transaction!(self, tx => {
            sqlx::query("DELETE FROM limit_state WHERE scope LIKE 'domain/%' AND day < $1")
                .bind(day.to_string())
                .execute(&mut *tx)
                .await?
                .rows_affected()
        });
        Ok(dropped)
    }

    /// The present instant by the clock that all daemons on this database share: the
    /// server's, or for a file `here`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn shared_now(&self, here: Timestamp) -> Result<Timestamp> {
        match &self.engine {
            Engine::Sqlite { .. } => Ok(here),
            Engine::Postgres(pool) => {
                let text = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
                instant(sqlx::query_scalar::<_, i64>(text).fetch_one(pool).await?)
            }
        }
    }
}

fn read(found: Vec<GoneSql>) -> Result<BTreeMap<String, Gone>> {
    found.into_iter().map(|row| Ok((row.scope.clone(), row.try_into()?))).collect()
}

fn key_list(keys: &BTreeSet<&str>) -> Result<String> {
    rows(&keys.iter().map(|key| json!({ "scope": key })).collect::<Vec<_>>())
}

fn gone_row((key, gone): (&String, &Gone)) -> serde_json::Value {
    json!({
        "scope": key, "full_at": gone.full_at_us, "day": gone.day.map(|day| day.to_string()),
        "today": gone.today, "days": gone.days,
    })
}
