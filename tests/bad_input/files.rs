//! Files with a mistake: the place, what is wrong, what to do; and no database is made.

use std::path::Path;

use crate::support::daemon::{Site, soon};

const CONFIG: &str = "config/outreachd.toml";
const CAMPAIGN: &str = "config/campaigns/led-i-lagret.toml";
const LETTERS: &str = "config/campaigns/kundbrev.toml";
const INTRO: &str = "templates/led/intro.md";

/// A file of the starter, what is written in it, what instead; the command; what it says.
const MISTAKES: [(&str, &str, &str, &str, &str); 9] = [
    (CONFIG, "\n[[relay]]", "\n[[rely]]", "run", "config/outreachd.toml:35:3: unknown key `rely`"),
    (
        CONFIG,
        "port     = 587",
        "port     = \"587\"",
        "run",
        "config/outreachd.toml:38:12: `port`: expected an integer, found a string",
    ),
    (CAMPAIGN, "template = \"led/intro\"", "tempalte = \"led/intro\"", "apply", ":27:1: unknown key `tempalte`"),
    (CAMPAIGN, "holdout  = \"4 %\"", "holdout  = 4", "apply", ":17:12: `holdout`: expected a string, found an integer"),
    (
        INTRO,
        "{{> signature}}",
        "{{#if account.city}",
        "apply",
        "cannot be read from here on; each `{{` needs its `}}`, each `{{#if}}` its `{{/if}}`",
    ),
    (INTRO, "{{> signature}}", "{{account.citty}}", "apply", "there is no variable `account.citty`"),
    (
        LETTERS,
        "\"kundbrev\"",
        "\"led-i-lagret\"",
        "apply",
        "the id `led-i-lagret` is taken by `kundbrev.toml`; each campaign needs its own",
    ),
    (
        LETTERS,
        "0 9 1 * *",
        "0 9 31 2 *",
        "apply",
        "`start`: `0 9 31 2 *` never comes; no such day is in any of its months; `L` is the last day of a month",
    ),
    (CAMPAIGN, "\"led/referens\"", "\"led/referense\"", "apply", "there is no template `led/referense`"),
];

/// The starter, with a mistake.
async fn starter(folder: &Path, file: &str, written: &str, instead: &str) -> Site {
    let site = Site::at(folder);
    site.well(&["init", "."]).await;
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    assert!(text.contains(written), "{file} has no {written}");
    std::fs::write(folder.join(file), text.replacen(written, instead, 1)).unwrap();
    site
}

#[tokio::test]
async fn names_the_place_and_makes_no_database() {
    for (file, written, instead, command, said) in MISTAKES {
        let folder = tempfile::tempdir().unwrap();
        let site = soon("the starter", starter(folder.path(), file, written, instead)).await;
        let lines = site.refused(&["--config", CONFIG, command]).await;
        assert!(lines[0].contains(said), "{said}\n{lines:#?}");
        assert!(lines[0].split(": ").next().unwrap().split(':').count() == 3, "file:line:column: {lines:#?}");
        assert_eq!(lines.last().unwrap(), "1 mistake in 1 file. Nothing was changed or sent.");
        assert!(!folder.path().join("outreachd.db").exists(), "{command} made a database");
    }
}

#[tokio::test]
async fn says_how_to_get_a_configuration_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::at(folder.path());
    let said = crate::one_line(&site, &["--config", "absent.toml", "run"]).await;
    assert_eq!(
        said,
        "cannot read configuration `absent.toml`: No such file or directory (os error 2); `outreachd init DIR` writes one to start from"
    );
}

#[tokio::test]
async fn names_a_password_file_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let site = starter(folder.path(), CONFIG, "127.0.0.1:8025", "127.0.0.1:0").await;
    let said = crate::one_line(&site, &["--config", CONFIG, "run"]).await;
    assert!(said.starts_with("cannot use a relay: relay `main`: cannot read secret `"), "{said}");
    assert!(!folder.path().join("outreachd.db").exists());
    assert_eq!(said.matches("No such file").count(), 1, "the cause is told once: {said}");
}
