//! Databases that cannot be used: one clear line, and nothing half done.

use sqlx::{ConnectOptions, Connection, Executor};

use crate::office::{HEAD, Office};

const APPOINT: [&str; 7] =
    ["manager", "appoint", "karin.ek@fyrljus.example", "--name", "Karin Ek", "--reason", "hired"];

#[tokio::test]
async fn says_that_the_database_is_locked_and_changes_nothing() {
    let office = Office::new();
    office.run_as(HEAD, &APPOINT).well();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(office.database());
    let mut other = options.connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = office.run(&["pause", "--reason", "x"]).refused();
    assert_eq!(refused, "outreachd: cannot pause: the database is locked by another program; stop it or wait");
    // To read is still allowed, and the copy too.
    office.run(&["status"]).well();
    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    assert_eq!(office.run(&["resume"]).well(), "Nothing is paused.\n");
}

#[tokio::test]
async fn refuses_a_database_of_a_newer_program() {
    let office = Office::new();
    office.run_as(HEAD, &APPOINT).well();
    let mut conn = sqlx::sqlite::SqliteConnectOptions::new().filename(office.database()).connect().await.unwrap();
    conn.execute(
        "UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)",
    )
    .await
    .unwrap();
    conn.close().await.unwrap();
    for args in [&["status"][..], &["backup", "copy.db"], &["pause", "--reason", "x"], &["responses", "list"]] {
        let refused = office.run(args).refused();
        assert!(refused.contains("the database has schema 9999, this program knows up to"), "{refused}");
    }
    assert_eq!(office.files(), ["outreachd.db"]);
}

#[test]
fn refuses_a_file_that_is_no_database() {
    let office = Office::new();
    std::fs::write(office.database(), "Hej Anna, tack för senast! ".repeat(100)).unwrap();
    let before = std::fs::read(office.database()).unwrap();
    for args in [&["status"][..], &["backup", "copy.db"], &["manager", "list"]] {
        let refused = office.run(args).refused();
        assert!(
            refused.ends_with("outreachd.db`: the file is no SQLite database; look at url in [database]"),
            "{refused}"
        );
    }
    assert_eq!(std::fs::read(office.database()).unwrap(), before);
    assert_eq!(office.files(), ["outreachd.db"]);
}

#[test]
fn refuses_a_folder_in_the_place_of_the_database() {
    let office = Office::new();
    std::fs::create_dir(office.database()).unwrap();
    let refused = office.run(&["manager", "list"]).refused();
    assert!(refused.ends_with("the database file cannot be opened; check its path and rights"), "{refused}");
}

#[test]
fn names_a_folder_that_is_missing() {
    let office = Office::over("sqlite:/absent/outreachd.db");
    let refused = office.run_as(HEAD, &APPOINT).refused();
    assert!(refused.ends_with("there is no folder `/absent`; make it first"), "{refused}");
}

#[test]
fn says_that_a_folder_takes_no_files() {
    // Not even root can make a file here, so this holds whoever runs the tests.
    let office = Office::over("sqlite:/sys/outreachd.db");
    let refused = office.run_as(HEAD, &APPOINT).refused();
    assert!(refused.ends_with("the database file cannot be opened; check its path and rights"), "{refused}");
    let office = Office::new();
    office.run_as(HEAD, &APPOINT).well();
    let refused = office.run(&["backup", "/sys/copy.db"]).refused();
    assert!(refused.starts_with("outreachd: cannot write `/sys/copy.db.partial`: "), "{refused}");
    let refused = office.run(&["restore", "/sys/absent.db", "--yes"]).refused();
    assert!(refused.ends_with("there is no such file"), "{refused}");
}

#[test]
fn names_a_postgres_that_does_not_answer_without_its_password() {
    let office = Office::over("postgres://outreachd:hunter2@127.0.0.1:1/outreachd");
    let refused = office.run(&["status"]).refused();
    assert!(refused.contains("127.0.0.1:1") && !refused.contains("hunter2"), "{refused}");
}
