//! Puts a backup in the place of the embedded database.
//!
//! The copy is made ready beside the old one (looked at, brought up to date, begun
//! anew, paused) and takes its place by one rename, so that whatever fails before
//! leaves everything as it was, and no daemon ever sees a copy that is not paused.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::backup::{create_private, sync_folder, unwritable};
use super::lock::{DaemonLock, beside};
use super::words::maybe_instant;
use super::{Migration, Result, SQLITE, Store, StoreError, describe, reading};
use crate::model::act::Act;

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the database that stood there is now.
    pub moved_to: Option<PathBuf>,
    /// The last change that the backup knows of.
    pub newest: Option<Timestamp>,
}

/// The file that a database's URL names, unless it is PostgreSQL's.
pub fn database_file(url: &str) -> Option<PathBuf> {
    url.strip_prefix("sqlite:").map(|path| path.trim_start_matches("//").into())
}

/// Puts `file` in the place of the database at `database`, which is moved aside.
/// What is restored begins a new incarnation and is paused, for `reason`.
///
/// # Errors
/// A daemon runs, the file is no whole outreachd database of a known schema, or it
/// cannot be copied; then nothing has changed.
pub async fn restore(database: &Path, file: &Path, act: &Act, reason: &str) -> Result<Restored> {
    look_at_source(database, file)?;
    let _lock = DaemonLock::take(database)?;
    let copy = beside(database, ".restoring");
    let ready = make_ready(database, file, &copy, act, reason).await;
    let done = ready.and_then(|newest| {
        let moved_to = swap(database, &copy, act.at).map_err(|error| unwritable(database, &error))?;
        Ok(Restored { moved_to, newest })
    });
    if done.is_err() {
        remove_database(&copy);
    }
    done
}

/// Copies the backup, looks at the copy and begins it anew; says what its last change is.
async fn make_ready(database: &Path, file: &Path, copy: &Path, act: &Act, reason: &str) -> Result<Option<Timestamp>> {
    remove_database(copy);
    let written = create_private(copy).and_then(|mut new| {
        let copied = File::open(file).and_then(|mut old| io::copy(&mut old, &mut new));
        copied.and_then(|_| new.sync_all()).map_err(|error| unwritable(copy, &error))
    });
    written?;
    examine(copy).await.map_err(|reason| refused(file, reason))?;
    let used = fold_old(database).await.unwrap_or(0);
    let url = copy.to_str().map(|path| format!("sqlite:{path}"));
    let url = url.ok_or_else(|| StoreError::Refused("the database's name is not UTF-8".into()))?;
    let store = Store::open(&url, Migration::Apply).await?;
    let newest = store.newest_change().await?;
    store.begin_incarnation_after(act, reason, used).await?;
    store.close().await;
    if beside(copy, "-wal").metadata().is_ok_and(|log| log.len() > 0) {
        return Err(refused(file, "its write-ahead log could not be folded in".into()));
    }
    File::open(copy).and_then(|file| file.sync_all()).map_err(|error| unwritable(copy, &error))?;
    Ok(newest)
}

/// Refuses at once what is plainly no backup.
fn look_at_source(database: &Path, file: &Path) -> Result<()> {
    let mut head = [0; MAGIC.len()];
    let read = File::open(file).and_then(|mut opened| opened.read_exact(&mut head));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(refused(file, "there is no such file".into()));
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(refused(file, error.to_string())),
        Ok(()) => {}
    }
    if &head != MAGIC {
        return Err(refused(file, "it is no SQLite database".into()));
    }
    if let (Ok(a), Ok(b)) = (file.canonicalize(), database.canonicalize())
        && a == b
    {
        return Err(refused(file, "it is the database itself".into()));
    }
    // A database that was copied while it lived: without its log it is half of itself.
    if beside(file, "-wal").metadata().is_ok_and(|log| log.len() > 0) {
        return Err(refused(
            file,
            "a `-wal` file lies beside it, so it is no backup; make one with `outreachd backup`".into(),
        ));
    }
    Ok(())
}

/// Looks whether a copy is whole and one of ours; it is only read.
async fn examine(copy: &Path) -> std::result::Result<(), String> {
    let options = SqliteConnectOptions::new().filename(copy).read_only(true).immutable(true);
    let mut conn = options.connect().await.map_err(|error| describe(&error))?;
    let found = examine_with(&mut conn).await;
    drop(conn.close().await);
    found
}

async fn examine_with(conn: &mut SqliteConnection) -> std::result::Result<(), String> {
    let damage = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(&mut *conn).await;
    match damage {
        Ok(answer) if answer == "ok" => {}
        Ok(_) => return Err("it is damaged; take another backup".into()),
        Err(error) => return Err(format!("it is damaged ({}); take another backup", describe(&error))),
    }
    let tables = sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('_sqlx_migrations', 'id_source', 'delivery', 'change_log')",
    )
    .fetch_one(&mut *conn)
    .await
    .map_err(|error| describe(&error))?;
    if tables != 4 {
        return Err("it is a SQLite database, but not one of outreachd".into());
    }
    let found = sqlx::query_scalar::<_, Option<i64>>("SELECT MAX(version) FROM _sqlx_migrations")
        .fetch_one(&mut *conn)
        .await
        .map_err(|error| describe(&error))?
        .unwrap_or(0);
    let known = SQLITE.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found > known {
        return Err(format!(
            "it has schema {found}, this program knows up to {known}; install the newer outreachd again"
        ));
    }
    Ok(())
}

/// Folds the old database's log into its file, and says which incarnation it has reached.
/// It may be broken, which is why it is replaced: then this says nothing.
async fn fold_old(database: &Path) -> Option<i64> {
    let options = SqliteConnectOptions::new().filename(database).busy_timeout(Duration::from_secs(2));
    let mut conn = options.connect().await.ok()?;
    let used = sqlx::query_scalar::<_, i64>("SELECT incarnation FROM id_source").fetch_one(&mut conn).await.ok();
    drop(sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut conn).await);
    drop(conn.close().await);
    used
}

/// Lets the copy take the database's place, and says where the old one went.
fn swap(database: &Path, copy: &Path, at: Timestamp) -> io::Result<Option<PathBuf>> {
    let aside = database.exists().then(|| free_name(database, at));
    if let Some(aside) = &aside {
        // By a link, so that there is a database of this name at every moment.
        fs::hard_link(database, aside).or_else(|_| fs::rename(database, aside))?;
    }
    // A log that stayed would be played into the new database and break it.
    let log = beside(database, "-wal");
    match &aside {
        Some(aside) if log.metadata().is_ok_and(|log| log.len() > 0) => fs::rename(&log, beside(aside, "-wal"))?,
        _ => remove_if_there(&log)?,
    }
    remove_if_there(&beside(database, "-shm"))?;
    fs::rename(copy, database)?;
    remove_database(copy);
    sync_folder(database)?;
    Ok(aside)
}

fn free_name(database: &Path, at: Timestamp) -> PathBuf {
    let first = beside(database, &format!(".before-restore-{}", at.strftime("%Y%m%dT%H%M%SZ")));
    let others = (2..).map(|number| beside(&first, &format!("-{number}")));
    std::iter::once(first.clone()).chain(others).find(|name| !name.exists()).unwrap_or(first)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Removes a copy that was made here, and what SQLite put beside it.
fn remove_database(path: &Path) {
    for ending in ["", "-wal", "-shm", "-journal"] {
        drop(fs::remove_file(beside(path, ending)));
    }
}

fn refused(file: &Path, reason: String) -> StoreError {
    StoreError::File { act: "restore", path: file.display().to_string(), reason }
}

impl Store {
    /// The last thing that this database knows of.
    async fn newest_change(&self) -> Result<Option<Timestamp>> {
        let at = reading!(self, conn => {
            sqlx::query_scalar::<_, Option<i64>>(
                "SELECT MAX(at) FROM (SELECT MAX(at) AS at FROM change_log UNION ALL SELECT MAX(started_at) FROM attempt) AS t",
            )
            .fetch_one(&mut *conn)
            .await?
        });
        maybe_instant(at)
    }
}
