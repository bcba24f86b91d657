//! The only room that knows SQL, over SQLite or PostgreSQL.
//!
//! One SQL text serves both engines: the PostgreSQL migration defines the few
//! functions that make it so. A small macro compiles a method's body once for
//! each typed pool. No transaction crosses this face, so nothing slow can happen
//! inside one; a mutating method takes a slice, is set-based and is one transaction.
//!
//! Rows go in and out as the types of [`crate::model`] and the plain records
//! declared beside each method.

mod audience;
mod backup;
mod batches;
mod changes;
mod claims;
mod clients;
mod consequences;
mod daemons;
mod deliveries;
mod digests;
mod due;
mod evidence;
mod exchange;
mod files;
mod foreign;
mod guards;
mod health;
mod home;
mod ids;
mod lanes;
mod leases;
mod letter_gaps;
mod limits;
mod lock;
mod mail_domains;
mod opt_outs;
mod pages;
mod pauses;
mod people;
mod places;
mod placing;
mod plans;
mod records;
mod responses;
mod restore;
mod revisions;
mod sets;
mod status;
mod tasks;
mod ties;
mod timeline;
mod under_way;
mod words;

pub use audience::{CandidatePlace, MembershipRow};
pub use changes::ChangeRow;
pub use claims::{Claimed, Release, Released};
pub use clients::{ClientRecord, ConsentRecord, SavedClients};
pub use consequences::Consequence;
pub use deliveries::{DeliveryFilter, DeliveryRow, NewDelivery};
pub use digests::{RunLeftOut, UpcomingLetter};
pub use due::DuePlace;
pub use evidence::{Doubt, Witness};
pub use exchange::{AttemptRow, AttemptState, Exchanged, Finish, Handoff, Refused};
pub use foreign::ForeignWrites;
pub use guards::{CampaignTally, Finding, GuardFinding};
pub use leases::{Heart, Hold};
pub use letter_gaps::{GapLetter, LetterGap, PutOff};
pub use limits::Unused;
pub use lock::DaemonLock;
pub use mail_domains::MailDomain;
pub use opt_outs::OptOutStanding;
pub use pages::AttemptCount;
pub use pauses::{PauseRow, PauseScope};
pub use people::Appointment;
pub use places::PlaceAsk;
pub use plans::{EndedStep, PlanMove, PlanRow};
pub use records::{Client, PointRow, SuppressionRow};
pub use responses::{LoggedResponse, ResponseRow};
pub use restore::{Restored, database_file, restore};
pub use revisions::{AppliedRevision, NewRevision};
pub use status::{StateCount, Status};
pub use tasks::TaskRow;
pub use ties::TieCandidate;
pub use timeline::TimelineRow;
pub use under_way::{PlanCount, PlanPlace, UnderWayRow};

use std::fs::OpenOptions;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::Connection;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is neither `sqlite:PATH` nor `postgres://...`.
    #[error("`{0}` is no database URL; write sqlite:PATH or postgres://user@host/name")]
    Url(String),
    /// The database file cannot be opened.
    #[error("cannot open database `{path}`: {reason}")]
    Open {
        /// The file or the host.
        path: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A newer program made this database.
    #[error("the database has schema {found}, this program knows up to {known}; install the newer outreachd again")]
    Newer {
        /// The version in the database.
        found: i64,
        /// The newest version this program has.
        known: i64,
    },
    /// A migration failed.
    #[error("cannot migrate the database: {0}")]
    Migrate(String),
    /// A statement failed.
    #[error("{}", describe(.0))]
    Sql(sqlx::Error),
    /// A stored value is not one that this program writes.
    #[error("the database holds `{value}` where {expected} should stand")]
    Word {
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
    /// A stored JSON text cannot be read.
    #[error("the database holds JSON that cannot be read: {0}")]
    Json(serde_json::Error),
    /// A file beside the database cannot be read or written.
    #[error("cannot {act} `{path}`: {reason}")]
    File {
        /// What was to be done with it.
        act: &'static str,
        /// The file.
        path: String,
        /// Why it failed, and what to do.
        reason: String,
    },
    /// What was asked for is not there.
    #[error("there is no {what} `{key}`")]
    Absent {
        /// The kind of thing.
        what: &'static str,
        /// Its name or id.
        key: String,
    },
    /// The act is not allowed as things stand.
    #[error("{0}")]
    Refused(String),
}

// Both say all of their cause in their own words; as a source it would be printed twice.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

/// The answer of a store method.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A connection to the database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
    ids: ids::IdSource,
}

#[derive(Clone, Debug)]
enum Engine {
    Sqlite { path: PathBuf, file: Option<FileId>, writer: SqlitePool, readers: SqlitePool },
    Postgres(PgPool),
}

/// Which file a name led to when it was opened: device and inode.
type FileId = (u64, u64);

fn file_id(path: &Path) -> Option<FileId> {
    path.metadata().ok().map(|file| (file.dev(), file.ino()))
}

/// Whether a database may be made and its schema brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migration {
    /// Make it and bring it up to date.
    Apply,
    /// The same, but an older one is copied to a file beside it first.
    BackUpFirst,
    /// Take it as it is; refuse one that is behind.
    Refuse,
}

/// Runs a body in one transaction, compiled for each engine.
macro_rules! transaction {
    ($store:expr, $tx:ident => $body:block) => {
        match &$store.engine {
            $crate::store::Engine::Sqlite { writer, .. } => {
                let mut $tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                let out = $body;
                $tx.commit().await?;
                out
            }
            $crate::store::Engine::Postgres(pool) => {
                let mut $tx = pool.begin().await?;
                let out = $body;
                $tx.commit().await?;
                out
            }
        }
    };
}

/// Runs a body that only reads, compiled for each engine.
macro_rules! reading {
    ($store:expr, $conn:ident => $body:block) => {
        match &$store.engine {
            $crate::store::Engine::Sqlite { readers, .. } => {
                let mut $conn = readers.acquire().await?;
                $body
            }
            $crate::store::Engine::Postgres(pool) => {
                let mut $conn = pool.acquire().await?;
                $body
            }
        }
    };
}

pub(crate) use {reading, transaction};

impl Store {
    /// Opens the database that `url` names.
    ///
    /// # Errors
    /// The URL is malformed, the database cannot be reached, is behind and
    /// `migration` refuses, or is newer than this program.
    pub async fn open(url: &str, migration: Migration) -> Result<Self> {
        let engine = match url.split_once(':') {
            Some(("sqlite", path)) => open_sqlite(Path::new(path.trim_start_matches("//")), migration).await?,
            Some(("postgres" | "postgresql", _)) => open_postgres(url).await?,
            _ => return Err(StoreError::Url(mask(url))),
        };
        let store = Self { engine, ids: ids::IdSource::default() };
        let behind = store.behind().await?;
        if let (true, Migration::BackUpFirst, Some(path), Some(version)) =
            (behind, migration, store.path(), store.schema_version().await?)
        {
            let copy = lock::beside(path, &format!(".schema-{version}.backup"));
            store.backup(&copy).await?;
            tracing::warn!("the database is brought to a newer schema; as it was, it is in {}", copy.display());
        }
        if behind && migration == Migration::Refuse {
            return Err(StoreError::Migrate(
                "its schema is older than this program; `outreachd run` brings it up to date".into(),
            ));
        }
        if behind {
            store.migrate().await?;
        }
        Ok(store)
    }

    /// The database's file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.engine {
            Engine::Sqlite { path, .. } => Some(path),
            Engine::Postgres(_) => None,
        }
    }

    /// Whether the schema is older than this program's; an empty database counts.
    ///
    /// # Errors
    /// The database is newer than this program, or does not answer.
    pub async fn behind(&self) -> Result<bool> {
        let known = SQLITE.iter().map(|migration| migration.version).max().unwrap_or(0);
        let found = self.schema_version().await?;
        match found {
            Some(found) if found > known => Err(StoreError::Newer { found, known }),
            found => Ok(found.unwrap_or(0) < known),
        }
    }

    async fn schema_version(&self) -> Result<Option<i64>> {
        let version = reading!(self, conn => {
            sqlx::query_scalar::<_, Option<i64>>("SELECT MAX(version) FROM _sqlx_migrations")
                .fetch_one(&mut *conn)
                .await
        });
        match version {
            Ok(version) => Ok(version),
            // The table of migrations is not there: nothing was ever applied.
            Err(sqlx::Error::Database(error)) if error.message().contains("_sqlx_migrations") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn migrate(&self) -> Result<()> {
        let done = match &self.engine {
            Engine::Sqlite { writer, .. } => SQLITE.run(writer).await,
            Engine::Postgres(pool) => POSTGRES.run(pool).await,
        };
        done.map_err(|error| match error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => {
                StoreError::Migrate(describe(&cause))
            }
            other => StoreError::Migrate(other.to_string()),
        })
    }

    /// Asks the database for a sign of life: reads a row, and looks whether its file is
    /// still the one under its name. SQLite would write on into a file that was moved or
    /// deleted, and all of that would be lost.
    ///
    /// # Errors
    /// It does not answer, or is no longer where it was.
    pub async fn ping(&self) -> Result<()> {
        self.look_for_file()?;
        reading!(self, conn => { sqlx::query("SELECT next FROM id_source").fetch_one(&mut *conn).await?; });
        Ok(())
    }

    /// Looks whether the database's file is still the one under its name.
    fn look_for_file(&self) -> Result<()> {
        if let Engine::Sqlite { path, file: Some(opened), .. } = &self.engine
            && file_id(path) != Some(*opened)
        {
            return Err(StoreError::File {
                act: "find",
                path: path.display().to_string(),
                reason: "it was moved or replaced while this program runs; put it back, or stop the program first"
                    .into(),
            });
        }
        Ok(())
    }

    /// Closes every connection; SQLite then folds its write-ahead log into the file.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}

async fn open_sqlite(path: &Path, migration: Migration) -> Result<Engine> {
    let fail = |reason: String| StoreError::Open { path: path.display().to_string(), reason };
    if migration == Migration::Refuse && !path.exists() {
        return Err(fail("it does not exist yet; `outreachd apply` or `outreachd import` makes it".into()));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(fail(format!("there is no folder `{}`; make it first", folder.display())));
    }
    if migration != Migration::Refuse {
        // Clients' addresses are nobody else's to read; the log beside it gets the same
        // rights. Where this fails, opening fails next, and says why.
        drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path));
    }
    let file = file_id(path);
    // A pool opens connections whenever it likes: never a new, empty file where ours was moved away.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        // 16 MB of log between checkpoints: a page that many commits touch is copied once.
        .pragma("wal_autocheckpoint", "4000");
    let same_file = {
        let path = path.to_owned();
        move || if file_id(&path) == file { Ok(()) } else { Err(sqlx::Error::Io(std::io::ErrorKind::NotFound.into())) }
    };
    let pool = |size| {
        let same_file = same_file.clone();
        SqlitePoolOptions::new()
            .max_connections(size)
            .after_connect(move |_, _| Box::pin(std::future::ready(same_file())))
    };
    let writer = pool(1)
        .after_release(|conn, _| Box::pin(is_outside_transactions(conn)))
        // What a statement over some hundreds of rows may have to take back stays in memory.
        .connect_with(options.clone().pragma("cache_size", "-16384").pragma("temp_store", "MEMORY"))
        .await
        .map_err(|error| fail(unopened(path, &error)))?;
    // A page of 500 rows in one go: with fewer places each row wakes its reader.
    let readers =
        pool(4).connect_with(options.row_buffer_size(512)).await.map_err(|error| fail(unopened(path, &error)))?;
    Ok(Engine::Sqlite { path: path.to_owned(), file, writer, readers })
}

/// Why a file cannot be opened as a database.
fn unopened(path: &Path, error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|database| database.code());
    if path.is_file() && code.is_some_and(|code| code == "14") {
        return "its log cannot be written beside it; look who owns the folder, and whether the disk is read-only"
            .into();
    }
    describe(error)
}

/// Whether a connection that comes back may be used again. SQLite rolls a transaction back
/// by itself where the disk is full or broken; sqlx then waits for ever for a ROLLBACK that
/// succeeds, and refuses each new transaction.
async fn is_outside_transactions(conn: &mut SqliteConnection) -> std::result::Result<bool, sqlx::Error> {
    // Behind the rollback that a dropped transaction has asked for.
    conn.ping().await?;
    Ok(!conn.is_in_transaction())
}

async fn open_postgres(url: &str) -> Result<Engine> {
    let fail = |error: sqlx::Error| StoreError::Open { path: mask(url), reason: describe(&error) };
    let options = sqlx::postgres::PgConnectOptions::from_str(url).map_err(fail)?;
    let pool = PgPoolOptions::new().max_connections(8).acquire_timeout(Duration::from_secs(10));
    let pool = pool.after_connect(|conn, _| Box::pin(make_durable(conn)));
    Ok(Engine::Postgres(pool.connect_with(options).await.map_err(fail)?))
}

/// A commit that a server says it has made must outlive its crash: without that a letter
/// could leave whose handoff nobody remembers. A stronger level stays as it is.
async fn make_durable(conn: &mut PgConnection) -> std::result::Result<(), sqlx::Error> {
    let raise =
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
    sqlx::query(raise).execute(conn).await.map(drop)
}

/// A URL without its password.
fn mask(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            if parsed.set_password(Some("***")).is_err() {
                return "the database".into();
            }
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}

/// What a database error means to the person who runs the program.
fn describe(error: &sqlx::Error) -> String {
    let sqlx::Error::Database(database) = error else {
        return match error {
            sqlx::Error::PoolTimedOut => "the database does not answer".into(),
            other => other.to_string(),
        };
    };
    match database.code().as_deref() {
        Some("5" | "261" | "517") => "the database is locked by another program; stop it or wait".into(),
        Some("8" | "1032" | "1544") => "the database is read-only; check the owner of its file and folder".into(),
        Some("13") => "the disk is full; make room (nothing was half done)".into(),
        Some("266" | "522" | "778" | "1034" | "1290" | "4618") => {
            "the disk does not read or take it; look at its room, its quota and its health".into()
        }
        Some("14" | "526") => "the database file cannot be opened; check its path and rights".into(),
        Some("26") => "the file is no SQLite database; look at url in [database]".into(),
        Some("28P01") => "the database refuses the password".into(),
        _ => format!("database error: {}", database.message()),
    }
}
