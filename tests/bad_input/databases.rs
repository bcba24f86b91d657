//! Databases and ports that the daemon and the commands cannot use.

use std::io::Write;
use std::process::Command;

use sqlx::{ConnectOptions, Connection, Executor};

use crate::one_line;
use crate::support::daemon::{ANY_PORT, Site, configuration};

fn site() -> Site {
    Site::new(25)
}

async fn connection(site: &Site) -> sqlx::SqliteConnection {
    sqlx::sqlite::SqliteConnectOptions::new().filename(site.path("test.db")).connect().await.unwrap()
}

#[tokio::test]
async fn a_locked_database_is_waited_for_and_then_named() {
    let site = site();
    site.store().await.close().await;
    let mut other = connection(&site).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let (run, pause) =
        tokio::join!(one_line(&site, &["run"]), one_line(&site, &["pause", "--reason", "wrong price list"]));
    assert_eq!(run, "the database is locked by another program; stop it or wait");
    assert_eq!(pause, "cannot pause: the database is locked by another program; stop it or wait");
    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    assert_eq!(site.well(&["resume"]).await, "Nothing is paused.\n", "nothing was half done");
}

#[tokio::test]
async fn a_transaction_that_the_database_took_back_by_itself_does_not_spoil_the_next() {
    let site = site();
    let store = site.store().await;
    let act = outreachd::model::act::Act::stage("test", outreachd::clock::Clock::System.now());
    let scope = outreachd::store::PauseScope::All;
    // As a full disk does it, which is hard to come by.
    let mut other = connection(&site).await;
    other
        .execute("CREATE TRIGGER broken BEFORE INSERT ON pause BEGIN SELECT RAISE(ROLLBACK, 'the disk broke'); END")
        .await
        .unwrap();
    let failed = store.pause(&act, &scope, "first", None).await.unwrap_err().to_string();
    assert!(failed.contains("the disk broke"), "{failed}");
    other.execute("DROP TRIGGER broken").await.unwrap();
    other.close().await.unwrap();
    store.pause(&act, &scope, "second", None).await.unwrap();
    assert_eq!(store.pauses(act.at).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let site = site();
    site.store().await.close().await;
    let mut other = connection(&site).await;
    let newer =
        "UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
    other.execute(newer).await.unwrap();
    other.close().await.unwrap();
    let before = std::fs::read(site.path("test.db")).unwrap();
    for args in [&["run"][..], &["status"], &["pause", "--reason", "x"]] {
        let said = one_line(&site, args).await;
        assert!(said.starts_with("the database has schema 9999, this program knows up to "), "{said}");
        assert!(said.ends_with("; install the newer outreachd again"), "{said}");
    }
    assert_eq!(std::fs::read(site.path("test.db")).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let site = site();
    let text = "Hej Anna, tack för senast! ".repeat(100);
    std::fs::write(site.path("test.db"), &text).unwrap();
    let said = one_line(&site, &["run"]).await;
    assert!(said.ends_with("test.db`: the file is no SQLite database; look at url in [database]"), "{said}");
    assert_eq!(std::fs::read_to_string(site.path("test.db")).unwrap(), text);
}

#[tokio::test]
async fn a_port_in_use_is_named_before_anything_is_made() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let site = Site::with(&configuration(25, &format!("listen = \"{address}\""), "tls = \"none\"", ""));
    let said = one_line(&site, &["run"]).await;
    let why =
        "Address already in use (os error 98); stop the program that has the port, or set another listen in [web]";
    assert_eq!(said, format!("cannot listen on {address}: {why}"));
    assert!(!site.path("test.db").exists() && !site.path("token.key").exists());
}

/// Runs the program in a mount namespace of its own, in which `script` changes the disk
/// first; what it prints on stderr. `None` where only root could do that.
fn on_another_disk(site: &Site, script: &str, args: &[&str]) -> Option<(Option<i32>, String)> {
    let script = format!("{{ {script}; }} 2>/dev/null || exit 77; exec \"$@\"");
    let ran = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_outreachd"), "--config", "outreachd.toml"])
        .args(args)
        .current_dir(site.path(""))
        .env_remove("OUTREACHD_CONFIG")
        .output();
    match ran {
        Ok(output) if output.status.code() != Some(77) && !output.stderr.starts_with(b"unshare: ") => {
            Some((output.status.code(), String::from_utf8(output.stderr).unwrap()))
        }
        _ => {
            let _ = writeln!(std::io::stderr(), "skipped: a read-only or full disk needs root, to mount one");
            None
        }
    }
}

#[tokio::test]
async fn a_read_only_disk_says_so() {
    let site = site();
    site.store().await.close().await;
    // The folder was entered before it was mounted over.
    let script = "mount --bind . . && mount -o remount,bind,ro . && cd \"$PWD\" && ! touch probe";
    for (args, why) in [
        (&["run"][..], "test.db.lock`: its file system is read-only; mount it for writing"),
        (
            &["pause", "--reason", "x"],
            "its log cannot be written beside it; look who owns the folder, and whether the disk is read-only",
        ),
    ] {
        let Some((code, said)) = on_another_disk(&site, script, args) else { return };
        assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

const APPOINT: [&str; 9] = [
    "--as",
    "mira.holm@fyrljus.example",
    "manager",
    "appoint",
    "karin.ek@fyrljus.example",
    "--name",
    "Karin Ek",
    "--reason",
    "hired",
];

#[tokio::test]
async fn a_full_disk_says_so_and_leaves_nothing_behind() {
    let site = Site::with(&configuration(25, ANY_PORT, "tls = \"none\"", "").replace("test.db", "disk/test.db"));
    std::fs::create_dir(site.path("disk")).unwrap();
    let script = "mount -t tmpfs -o size=64k tmpfs disk";
    for args in [&["run"][..], &APPOINT] {
        let Some((code, said)) = on_another_disk(&site, script, args) else { return };
        assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains("the disk is full; make room"), "{said}");
    }
}
