//! The database: it opens, is of this program's schema, whole, writable, and has room.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::ExposeSecret;

use crate::config::Config;
use crate::store::{Migration, Store, StoreError};

use super::{Check, Finding};

const MEBI: u64 = 1 << 20;
const GIBI: u64 = 1 << 30;
/// Below this the next hours are in danger.
const LEAST_FREE: u64 = 200 * MEBI;
/// Below this somebody should make room.
const LITTLE_FREE: u64 = 2 * GIBI;

/// Opens the database and looks at it and at its disk.
pub(super) async fn examine(config: &Config) -> Vec<Check> {
    let url = match config.database.reveal_url() {
        Ok(url) => url,
        Err(error) => return vec![Finding::from_error(error).of("database")],
    };
    let file = url.expose_secret().strip_prefix("sqlite:").map(|path| Path::new(path.trim_start_matches("//")));
    if let Some(file) = file.filter(|file| !file.exists()) {
        return vec![absent(file).of("database"), examine_disk(file)];
    }
    let mut checks = vec![
        match Store::open(url.expose_secret(), Migration::Refuse).await {
            Ok(store) => {
                let finding = look_at(&store).await.unwrap_or_else(Finding::from_error);
                store.close().await;
                finding
            }
            Err(error) => judge_opening(&error),
        }
        .of("database"),
    ];
    match file {
        Some(file) => checks.push(examine_disk(file)),
        None => checks.push(Finding::skipped("the database is on a server, which has its own disk").of("disk")),
    }
    checks
}

async fn look_at(store: &Store) -> Result<Finding, StoreError> {
    let schema = store.schema().await?;
    let damage = store.check_integrity().await?;
    if let Some(first) = damage.first() {
        return Ok(Finding::failed(
            format!("the file is damaged: {first}"),
            "stop the daemon, keep a copy of the file, restore the last backup; look at the disk",
        ));
    }
    store.check_writable().await?;
    let mode = store.path().and_then(|file| file.metadata().ok()).map_or(0, |file| file.permissions().mode());
    Ok(judge_mode(format!("schema {schema}, whole, writable"), mode))
}

fn judge_mode(line: String, mode: u32) -> Finding {
    if mode & 0o004 == 0 {
        return Finding::ok(line);
    }
    Finding::warning(
        format!("{line}; everyone on this machine can read it"),
        "run chmod 600 on it: it holds your clients",
    )
}

fn absent(file: &Path) -> Finding {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => Finding::failed(
            format!("there is no folder `{}` for it", folder.display()),
            "make it, or name another place by url in [database]",
        ),
        _ => Finding::skipped("there is none yet; the first command that writes makes it"),
    }
}

fn judge_opening(error: &StoreError) -> Finding {
    match error {
        StoreError::Migrate(_) => {
            let Finding { line, advice, .. } = Finding::from_error(error);
            Finding::warning(line, advice.unwrap_or_default())
        }
        other => Finding::from_error(other),
    }
}

fn examine_disk(file: &Path) -> Check {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let size = std::fs::metadata(file).map(|file| file.len()).unwrap_or(0);
    match rustix::fs::statvfs(folder) {
        Ok(disk) => judge_space(disk.f_bavail.saturating_mul(disk.f_frsize), size),
        Err(error) => Finding::skipped(format!("cannot ask for its room: {error}")),
    }
    .of("disk")
}

/// A backup, and the copy before a migration, need the database's size once more.
fn judge_space(free_bytes: u64, database_bytes: u64) -> Finding {
    let line = format!("{} free, the database has {}", size(free_bytes), size(database_bytes));
    if free_bytes < LEAST_FREE {
        return Finding::failed(line, "make room now: on a full disk nothing is sent, for nothing can be written down");
    }
    if free_bytes < LITTLE_FREE.max(database_bytes.saturating_mul(2)) {
        return Finding::warning(line, "make room: a backup takes the database's size once more");
    }
    Finding::ok(line)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..GIBI => format!("{} MB", bytes.div_ceil(MEBI)),
        _ => format!("{} GB", bytes / GIBI),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn asks_for_room_before_it_is_too_late() {
        let state = |free, database| judge_space(free, database).state;
        assert_eq!(state(100 * MEBI, MEBI), State::Failed);
        assert_eq!(state(GIBI, MEBI), State::Warning);
        assert_eq!(state(20 * GIBI, 15 * GIBI), State::Warning);
        assert_eq!(state(20 * GIBI, GIBI), State::Ok);
        assert_eq!(judge_space(20 * GIBI, 1).line, "20 GB free, the database has 1 MB");
    }

    #[test]
    fn warns_of_a_database_that_everyone_can_read() {
        assert_eq!(judge_mode("whole".into(), 0o100_640).state, State::Ok);
        assert_eq!(judge_mode("whole".into(), 0o100_644).state, State::Warning);
    }

    #[test]
    fn takes_an_older_schema_for_no_failure() {
        let finding = judge_opening(&StoreError::Migrate("it is older; `outreachd run` brings it up to date".into()));
        assert_eq!(finding.state, State::Warning);
        assert_eq!(judge_opening(&StoreError::Newer { found: 9, known: 1 }).state, State::Failed);
    }

    #[test]
    fn tells_a_database_to_come_from_a_folder_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(absent(&folder.path().join("o.db")).state, State::Skipped);
        assert_eq!(absent(&folder.path().join("none/o.db")).state, State::Failed);
    }
}
