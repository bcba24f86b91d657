//! Where this database lives: a copy that starts elsewhere is taken for a restored one.
//!
//! A copied file or a dump that was played back knows only what was so when it was made,
//! and would send again what has gone since. Nothing tells it apart from the original but
//! its place: for a file the inode and its birth, for PostgreSQL the database's own number.
//! A snapshot of a whole disk keeps both; there `outreachd restore --mark` is a person's word.

use std::time::UNIX_EPOCH;

use serde_json::json;

use super::changes::Change;
use super::{Engine, Result, Store, file_id, reading};
use crate::model::act::Act;

/// The line of the change log that says from when on a database lives where.
pub(super) fn home_change(home: &str) -> Change {
    Change::new("database", "home", json!({ "home": [null, home] }))
}

impl Store {
    /// Looks whether this database is still where a daemon last ran on it. One that is not
    /// begins a new incarnation and is paused until a person has looked; says whether it was so.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn settle(&self, act: &Act) -> Result<bool> {
        let home = self.home().await?;
        let known = self.changes("database", "home").await?.pop().map(|change| change.diff["home"][1].clone());
        match known {
            Some(known) if known == home.as_str() => Ok(false),
            Some(_) => {
                let reason = "it is a copy of a database that ran elsewhere; `outreachd resume` after looking";
                self.begin_incarnation(act, reason).await?;
                Ok(true)
            }
            None => {
                let Change { entity, entity_id, diff } = home_change(&home);
                self.note(act, entity, &entity_id, diff).await?;
                Ok(false)
            }
        }
    }

    /// The place of this database, in a form that a copy does not share.
    pub(super) async fn home(&self) -> Result<String> {
        if let Engine::Sqlite { path, .. } = &self.engine {
            // Not the device: its number may be another after a restart of the machine.
            let inode = file_id(path).map_or(0, |(_, inode)| inode);
            let born = path.metadata().and_then(|file| file.created()).ok();
            let born = born.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |age| age.as_micros());
            return Ok(format!("file {inode} of {born}"));
        }
        let number = reading!(self, conn => {
            sqlx::query_scalar::<_, i64>("SELECT CAST(oid AS BIGINT) FROM pg_database WHERE datname = current_database()")
                .fetch_one(&mut *conn)
                .await?
        });
        Ok(format!("database {number}"))
    }
}
