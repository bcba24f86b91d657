//! `backup` and `restore`: whole or not at all.

use std::os::unix::fs::PermissionsExt;

use outreachd::model::id::COUNTER_BITS;
use outreachd::store::{DaemonLock, PauseScope};
use serde_json::Value;

use crate::office::{HEAD, Office, act, now, one_of_each, program, ran};
use crate::support::databases::databases;

fn appoint(office: &Office) {
    office
        .run_as(HEAD, &["manager", "appoint", "karin.ek@fyrljus.example", "--name", "Karin Ek", "--reason", "x"])
        .well();
}

#[tokio::test]
async fn backs_up_while_a_daemon_runs_and_only_its_owner_reads_it() {
    let office = Office::new();
    appoint(&office);
    let store = office.store().await;
    let _daemon = store.lock().unwrap();
    office.run(&["backup", "copy.db"]).well();
    for name in ["copy.db", "outreachd.db"] {
        assert_eq!(std::fs::metadata(office.path(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let noted = store.changes("database", "backup").await.unwrap();
    assert_eq!(noted[0].diff["file"], "copy.db");
    let again = office.run(&["backup", "copy.db"]).refused();
    assert_eq!(again, "outreachd: `copy.db` exists already; choose another name");
    store.close().await;
    assert_eq!(office.files(), ["copy.db", "outreachd.db"]);
}

#[tokio::test]
async fn a_restored_database_is_paused_and_gives_no_id_twice() {
    let office = Office::new();
    let store = office.store().await;
    let ids = one_of_each(&store).await;
    office.run(&["backup", "copy.db"]).well();
    // After the backup something more goes out, which the backup knows nothing of.
    let later = store.new_response_id().await.unwrap();
    store.close().await;
    let asked = office.run(&["restore", "copy.db"]).refused();
    assert!(asked.ends_with("say --yes if that is meant"), "{asked}");
    let said: Value = serde_json::from_str(&office.run(&["restore", "copy.db", "--yes", "--json"]).well()).unwrap();
    assert!(said["moved_to"].as_str().unwrap().contains("outreachd.db.before-restore-"), "{said}");

    let store = office.store().await;
    let pauses = store.pauses(now()).await.unwrap();
    assert_eq!(pauses[0].scope, PauseScope::All);
    assert_eq!(pauses[0].reason, "restored from copy.db; `outreachd resume` after looking");
    assert_eq!(store.get_delivery(ids[0]).await.unwrap().id, ids[0]);
    let first = store.new_response_id().await.unwrap();
    assert!(first.0 >> COUNTER_BITS > later.0 >> COUNTER_BITS, "{first} {later}");
    store.close().await;

    // The same backup once more, and the copy that counted the first restore is lost.
    std::fs::remove_file(office.database()).unwrap();
    office.run(&["restore", "copy.db", "--yes"]).well();
    let store = office.store().await;
    let second = store.new_response_id().await.unwrap();
    assert!(second.0 < 1 << 53, "an id is exact as a double");
    store.close().await;
    office.run(&["restore", "copy.db", "--yes"]).well();
    let store = office.store().await;
    assert!(store.new_response_id().await.unwrap().0 >> COUNTER_BITS > second.0 >> COUNTER_BITS);
    assert!(office.run(&["resume"]).well().starts_with("Goes on: everything."));
    store.close().await;
}

#[tokio::test]
async fn restores_onto_a_machine_that_has_no_database() {
    let (old, new) = (Office::new(), Office::new());
    appoint(&old);
    let copy = new.path("copy.db");
    old.run(&["backup", copy.to_str().unwrap()]).well();
    let said = new.run(&["restore", "copy.db"]).well();
    assert!(said.contains("everything is paused"), "{said}");
    assert_eq!(new.files(), ["copy.db", "outreachd.db"]);
    assert!(new.run(&["manager", "list"]).well().contains("Karin Ek, manager"));
}

#[tokio::test]
async fn the_database_that_was_there_is_whole_where_it_was_moved() {
    let office = Office::new();
    appoint(&office);
    office.run(&["backup", "copy.db"]).well();
    let store = office.store().await;
    // An open connection keeps the last commits in the log beside the file.
    store.note(&act(), "database", "after", serde_json::json!({})).await.unwrap();
    office.run(&["restore", "copy.db", "--yes"]).well();
    drop(store);
    let aside = office.files().into_iter().find(|name| name.contains("before-restore")).unwrap();
    let old = Office::over(&format!("sqlite:{}", office.path(&aside).display()));
    let old = old.store().await;
    assert_eq!(old.changes("database", "after").await.unwrap().len(), 1);
    assert_eq!(old.pauses(now()).await.unwrap(), []);
    assert_eq!(office.store().await.changes("database", "after").await.unwrap(), []);
}

#[tokio::test]
async fn refuses_to_restore_below_a_running_daemon() {
    let office = Office::new();
    appoint(&office);
    office.run(&["backup", "copy.db"]).well();
    let before = std::fs::read(office.database()).unwrap();
    let daemon = DaemonLock::take(&office.database()).unwrap();
    let refused = office.run(&["restore", "copy.db", "--yes"]).refused();
    assert!(refused.contains(&format!("a daemon (process {}) runs on", std::process::id())), "{refused}");
    assert_eq!(std::fs::read(office.database()).unwrap(), before);
    drop(daemon);
    office.run(&["restore", "copy.db", "--yes"]).well();
}

#[tokio::test]
async fn restores_nothing_that_is_no_whole_backup() {
    let office = Office::new();
    appoint(&office);
    office.run(&["backup", "copy.db"]).well();
    let whole = std::fs::read(office.path("copy.db")).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..].fill(0xa5);
    std::fs::write(office.path("damaged.db"), damaged).unwrap();
    std::fs::write(office.path("short.db"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(office.path("letter.txt"), "Hej Anna, tack för senast!").unwrap();
    std::fs::write(office.path("empty"), "").unwrap();
    std::fs::create_dir(office.path("folder")).unwrap();
    std::fs::write(office.path("living.db"), &whole).unwrap();
    std::fs::write(office.path("living.db-wal"), "x").unwrap();
    stranger(&office.path("stranger.db")).await;
    newer(&office.path("newer.db"), &whole).await;
    let before = std::fs::read(office.database()).unwrap();
    let files = office.files();
    for (file, said) in [
        ("absent.db", "there is no such file"),
        ("damaged.db", "it is damaged"),
        ("short.db", "it is damaged"),
        ("letter.txt", "it is no SQLite database"),
        ("empty", "it is no SQLite database"),
        ("folder", "directory"),
        ("living.db", "a `-wal` file lies beside it"),
        ("stranger.db", "not one of outreachd"),
        ("newer.db", "install the newer outreachd again"),
        ("outreachd.db", "it is the database itself"),
    ] {
        let refused = office.run(&["restore", file, "--yes"]).refused();
        assert!(refused.contains(&format!("cannot restore `{file}`: ")) && refused.contains(said), "{refused}");
        assert_eq!(std::fs::read(office.database()).unwrap(), before, "{file}");
        assert_eq!(office.files(), files, "{file} leaves nothing behind");
    }
}

/// A SQLite database of another program.
async fn stranger(path: &std::path::Path) {
    use sqlx::{ConnectOptions, Connection, Executor};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut conn = options.connect().await.unwrap();
    conn.execute("CREATE TABLE recipe (name TEXT)").await.unwrap();
    conn.close().await.unwrap();
}

/// A backup that a later program made.
async fn newer(path: &std::path::Path, whole: &[u8]) {
    use sqlx::{ConnectOptions, Connection, Executor};
    std::fs::write(path, whole).unwrap();
    let mut conn = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    conn.execute(
        "UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)",
    )
    .await
    .unwrap();
    conn.close().await.unwrap();
}

#[tokio::test]
async fn a_backup_that_finds_no_room_leaves_nothing() {
    let office = Office::new();
    appoint(&office);
    // No file may grow beyond 64 kB: what a quota does. The shell ignores the signal
    // that comes with it, so that the program is told by the error instead.
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\"";
    let mut command = office.command("sh");
    let refused = ran(command.arg("-c").arg(script).arg(program()).args(["backup", "copy.db"])).refused();
    assert!(refused.contains("look at its room, its quota and its health"), "{refused}");
    assert_eq!(office.files(), ["outreachd.db"]);
    let nowhere = office.run(&["backup", "absent/copy.db"]).refused();
    assert_eq!(nowhere, "outreachd: cannot write `absent/copy.db.partial`: there is no folder `absent`; make it first");
}

#[tokio::test]
async fn postgres_is_left_to_its_own_tools_and_then_marked() {
    for database in databases("commands_mark").await {
        let office = Office::over(&database.url);
        let before = database.store.new_response_id().await.unwrap();
        if database.store.path().is_none() {
            assert!(office.run(&["backup", "copy.db"]).refused().ends_with("backed up with pg_dump"));
            let refused = office.run(&["restore", "copy.db", "--yes"]).refused();
            assert!(refused.ends_with("then run `outreachd restore --mark`"), "{refused}");
        }
        office.run(&["restore", "--mark"]).well();
        assert_eq!(database.store.pauses(now()).await.unwrap()[0].scope, PauseScope::All);
        let store = office.store().await;
        assert!(store.new_response_id().await.unwrap().0 >> COUNTER_BITS > before.0 >> COUNTER_BITS);
        store.close().await;
    }
}
