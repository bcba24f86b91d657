//! One daemon a database file: a lock of the operating system, gone with its process.
//!
//! PostgreSQL needs none: there several daemons share the work by leases.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::backup::unwritable;
use super::{Result, Store, StoreError, database_file};

/// The right to be the one daemon (or the one restore) of a database; ends when dropped.
#[derive(Debug)]
pub struct DaemonLock {
    _file: Option<File>,
}

impl DaemonLock {
    /// Takes the right to run as the daemon of the database that `url` names, before it is
    /// opened: nobody may bring a schema up to date under a daemon that runs.
    ///
    /// # Errors
    /// Another daemon runs, or the lock's file cannot be made.
    pub fn of(url: &str) -> Result<Self> {
        database_file(url).map_or(Ok(Self { _file: None }), |database| Self::take(&database))
    }
}

impl Store {
    /// Takes the right to run as the daemon of this database.
    ///
    /// # Errors
    /// Another daemon runs, or the lock's file cannot be made.
    pub fn lock(&self) -> Result<DaemonLock> {
        self.path().map_or(Ok(DaemonLock { _file: None }), DaemonLock::take)
    }
}

impl DaemonLock {
    /// Takes the lock of the database file at `database`, which need not exist yet.
    ///
    /// The file stays when the lock is given back: to remove it would let two daemons
    /// lock two files of one name.
    ///
    /// # Errors
    /// Another daemon runs, or the lock's file cannot be made.
    pub fn take(database: &Path) -> Result<Self> {
        let path = beside(database, ".lock");
        let fail = |error: std::io::Error| unwritable(&path, &error);
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(&mut file, database)),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        // Only for people: whoever is refused is told which process it was.
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(fail)?;
        Ok(Self { _file: Some(file) })
    }
}

fn held(file: &mut File, database: &Path) -> StoreError {
    let mut text = String::new();
    let process = file.take(20).read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok());
    let process = process.map(|id| format!(" (process {id})")).unwrap_or_default();
    StoreError::Refused(format!("a daemon{process} runs on `{}`; stop it first", database.display()))
}

/// `path` with `ending` added to its whole name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_one_in_at_a_time_and_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");
        let first = DaemonLock::take(&database).unwrap();
        let refused = DaemonLock::take(&database).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        DaemonLock::take(&database).unwrap();
    }
}
