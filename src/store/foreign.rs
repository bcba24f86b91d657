//! Whether another process wrote: a command, or another daemon.
//!
//! On PostgreSQL triggers and [`Store::announce`] tell; on SQLite the writer's own
//! connection is asked for `PRAGMA data_version`, which moves with the commits of
//! every other connection (its readers write nothing), and costs no look at a row.

use sqlx::postgres::PgListener;
use sqlx::sqlite::SqlitePool;

use super::{Engine, Result, Store};
use crate::model::id::DaemonId;

/// What the triggers of the PostgreSQL migrations notify on.
const CHANNEL: &str = "outreachd";

/// An ear for the writes of other processes.
#[derive(Debug)]
pub struct ForeignWrites(Ear);

#[derive(Debug)]
enum Ear {
    Sqlite { store: Store, seen: i64 },
    Postgres { listener: Box<PgListener>, own: String },
}

impl Store {
    /// An ear for what others write; what `daemon` itself announces it does not hear.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn foreign_writes(&self, daemon: DaemonId) -> Result<ForeignWrites> {
        Ok(ForeignWrites(match &self.engine {
            Engine::Sqlite { writer, .. } => Ear::Sqlite { store: self.clone(), seen: data_version(writer).await? },
            Engine::Postgres(pool) => {
                let mut listener = Box::new(PgListener::connect_with(pool).await?);
                listener.listen(CHANNEL).await?;
                Ear::Postgres { listener, own: daemon.to_string() }
            }
        }))
    }

    /// Whether a look waits to be told.
    pub fn tells(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Tells other daemons that this one moved rows that may concern them.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn announce(&self, daemon: DaemonId) -> Result<()> {
        if let Engine::Postgres(pool) = &self.engine {
            sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(daemon.to_string()).execute(pool).await?;
        }
        Ok(())
    }
}

async fn data_version(writer: &SqlitePool) -> Result<i64> {
    Ok(sqlx::query_scalar("PRAGMA data_version").fetch_one(writer).await?)
}

impl ForeignWrites {
    /// On SQLite, at once: whether others wrote since the last look. On PostgreSQL it waits
    /// until they do; a lost connection counts too, for what was said meanwhile is lost.
    ///
    /// # Errors
    /// The database does not answer or is no longer where it was; a new ear may hear again.
    pub async fn look(&mut self) -> Result<bool> {
        match &mut self.0 {
            Ear::Sqlite { store, seen } => {
                store.look_for_file()?;
                let Engine::Sqlite { writer, .. } = &store.engine else { return Ok(false) };
                let version = data_version(writer).await?;
                Ok(std::mem::replace(seen, version) != version)
            }
            Ear::Postgres { listener, own } => loop {
                let heard = listener.try_recv().await?;
                if heard.is_none_or(|said| said.payload() != own) {
                    return Ok(true);
                }
            },
        }
    }
}
