//! Backups of the embedded database, and what a restored one must remember.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde_json::json;

use super::changes::{Change, log_changes};
use super::home::home_change;
use super::lock::beside;
use super::words::micros;
use super::{Engine, Result, Store, StoreError, transaction};
use crate::model::act::Act;
use crate::model::id::COUNTER_BITS;

/// Ids stay below 2^53, so that programs which read JSON numbers as doubles keep them.
const INCARNATIONS: i64 = 1 << (53 - COUNTER_BITS);

impl Store {
    /// Writes a consistent copy of the database to `file`, while others read and write.
    /// Only its owner can read it; it has its name only when it is whole and on the disk.
    ///
    /// # Errors
    /// The file exists, the disk is full, or the database is PostgreSQL, which has its own tools.
    pub async fn backup(&self, file: &Path) -> Result<()> {
        let Engine::Sqlite { readers, .. } = &self.engine else {
            return Err(StoreError::Refused("a PostgreSQL database is backed up with pg_dump".into()));
        };
        if file.symlink_metadata().is_ok() {
            return Err(StoreError::Refused(format!("`{}` exists already; choose another name", file.display())));
        }
        let partial = beside(file, ".partial");
        let target = partial.to_str().ok_or_else(|| StoreError::Refused("the file's name is not UTF-8".into()))?;
        create_private(&partial)?;
        // VACUUM INTO takes an empty file, which here is already nobody else's to read.
        let written = sqlx::query("VACUUM INTO $1").bind(target).execute(readers).await;
        let kept = match written {
            Ok(_) => publish(&partial, file),
            Err(error) => Err(error.into()),
        };
        if kept.is_err() {
            drop(fs::remove_file(&partial));
        }
        kept
    }

    /// Begins a new incarnation, so that no id that went out is given again, and pauses
    /// everything, digests and notices too, until a person has looked: what the copy calls
    /// due may have been sent.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin_incarnation(&self, act: &Act, reason: &str) -> Result<()> {
        self.begin_incarnation_after(act, reason, 0).await
    }

    /// The same, above an incarnation that another copy of this database has reached.
    pub(super) async fn begin_incarnation_after(&self, act: &Act, reason: &str, used: i64) -> Result<()> {
        let floor = used.max(days(act.at));
        let home = self.home().await?;
        self.forget_reserved();
        transaction!(self, tx => {
            let incarnation = sqlx::query_scalar::<_, i64>(
                "UPDATE id_source SET incarnation = CASE WHEN incarnation > $1 THEN incarnation ELSE $1 END + 1, next = 4
                 RETURNING incarnation",
            )
            .bind(floor)
            .fetch_one(&mut *tx)
            .await?;
            if incarnation >= INCARNATIONS {
                return Err(StoreError::Refused("the database was restored so often that its ids are used up".into()));
            }
            let base = (incarnation << COUNTER_BITS) + 1;
            sqlx::query("INSERT INTO pause (id, scope, value, reason, actor, at) VALUES ($1, 'all', 'restored', $2, $3, $4)")
                .bind(base)
                .bind(reason)
                .bind(act.actor.clone())
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?;
            let diff = json!({ "reason": reason, "incarnation": incarnation });
            let changes = [Change::new("database", "restored", diff), home_change(&home)];
            log_changes!(tx, act, base + 1, None, &changes);
        });
        Ok(())
    }
}

/// Days since 2026 began, day 20454 of the epoch. A backup may be restored twice, and the
/// copy that counted the first restore may be lost; the calendar is not, so the second
/// gets a higher incarnation.
fn days(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400) - 20_454
}

/// Makes an empty file that only its owner can read; what a crash left of that name goes.
pub(super) fn create_private(path: &Path) -> Result<File> {
    let new = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = new().or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => fs::remove_file(path).and_then(|()| new()),
        _ => Err(error),
    });
    file.map_err(|error| unwritable(path, &error))
}

/// Gives a whole file its name, which nobody took in the meantime, and waits for the disk.
fn publish(partial: &Path, file: &Path) -> Result<()> {
    let publish = || {
        File::open(partial)?.sync_all()?;
        // Not a rename at once: that would replace a file of this name.
        match fs::hard_link(partial, file) {
            Ok(()) => fs::remove_file(partial)?,
            // A file system without links (a USB stick's).
            Err(_) if file.symlink_metadata().is_err() => fs::rename(partial, file)?,
            Err(error) => return Err(error),
        }
        sync_folder(file)
    };
    publish().map_err(|error| unwritable(file, &error))
}

/// Waits until the names in a file's folder are on the disk.
pub(super) fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Why a file cannot be written, for a person.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> StoreError {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    let reason = match (folder, error.kind()) {
        (Some(folder), _) => format!("there is no folder `{}`; make it first", folder.display()),
        (None, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => "the disk is full; make room".into(),
        (None, io::ErrorKind::ReadOnlyFilesystem) => "its file system is read-only; mount it for writing".into(),
        (None, io::ErrorKind::PermissionDenied) => "this user may not write there; check who owns the folder".into(),
        (None, _) => error.to_string(),
    };
    StoreError::File { act: "write", path: path.display().to_string(), reason }
}
