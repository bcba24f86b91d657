//! Holds the sources against the map of the house at the head of `src/lib.rs`:
//! which room imports which, who knows SQL, who reads the clock, who builds mail.

#[path = "architecture/source.rs"]
mod source;

use std::path::{Path, PathBuf};

use source::{Reference, Source, words};

const PURE: &[&str] = &["model", "policy", "clock"];
const ADAPTERS: &[&str] = &["config", "dns", "http", "oauth", "store", "transport", "inbox", "telemetry"];
const STAGES: &[&str] =
    &["campaign", "schedule", "render", "deliver", "respond", "client", "digest", "doctor", "evidence", "guard", "mx"];

/// What each room may import, besides itself: lists of rooms, from the bottom up.
const TABLE: &[(&str, &[&[&str]])] = &[
    ("model", &[]),
    ("policy", &[&["model"]]),
    ("clock", &[]),
    ("config", &[PURE]),
    ("telemetry", &[PURE, &["config"]]),
    ("store", &[PURE, &["config"]]),
    ("dns", &[PURE]),
    ("http", &[PURE]),
    ("oauth", &[PURE, &["config", "http"]]),
    ("transport", &[PURE, &["config", "dns", "http", "oauth"]]),
    ("inbox", &[PURE, &["config", "oauth"]]),
    ("campaign", &[PURE, ADAPTERS, &["render"]]),
    ("schedule", &[PURE, ADAPTERS]),
    ("render", &[PURE, ADAPTERS]),
    ("deliver", &[PURE, ADAPTERS, &["render"]]),
    ("respond", &[PURE, ADAPTERS, &["client"]]),
    ("client", &[PURE, ADAPTERS]),
    ("digest", &[PURE, ADAPTERS, &["client"]]),
    ("doctor", &[PURE, ADAPTERS]),
    ("evidence", &[PURE, ADAPTERS]),
    ("guard", &[PURE, ADAPTERS]),
    ("mx", &[PURE, ADAPTERS]),
    ("web", &[PURE, ADAPTERS, STAGES]),
    ("demo", &[PURE, ADAPTERS, STAGES]),
    ("app", &[PURE, ADAPTERS, STAGES, &["web", "demo"]]),
    ("cli", &[PURE, ADAPTERS, STAGES, &["web", "demo", "app"]]),
    ("main", &[&["cli"]]),
];

/// Paths that one room alone may use.
const OWNED: &[(&str, &str, &str)] = &[
    ("sqlx", "store", "only store knows SQL"),
    ("lettre", "render", "only render builds mail"),
    ("Timestamp::now", "clock", "only clock reads a clock; take `now` as a parameter"),
    ("Zoned::now", "clock", "only clock reads a clock; take `now` as a parameter"),
    ("SystemTime::now", "clock", "only clock reads a clock; take `now` as a parameter"),
];

/// Words that make a literal SQL when they stand in it in this order. `SELECT`
/// alone is IMAP's as well.
const SQL: &[&[&str]] =
    &[&["SELECT ", "FROM "], &["INSERT ", "INTO "], &["UPDATE ", "SET "], &["DELETE ", "FROM "], &["CREATE TABLE "]];

/// What breaks a rule in the file at `path`, counted from `src`: the line and the rule.
fn violations(path: &str, text: &str) -> Vec<(usize, String)> {
    let source = Source::read(text);
    let room = room_of(path);
    if room == "lib" {
        return Vec::new();
    }
    let Some((_, lists)) = TABLE.iter().find(|(name, _)| *name == room) else {
        return vec![(1, format!("`{room}` is no room of the table; give it a row in src/lib.rs and here"))];
    };
    let mut found = Vec::new();
    for Reference { line, name } in source.references("outreachd", depth_of(path)) {
        let known = TABLE.iter().any(|(name_of_row, _)| *name_of_row == name);
        if !known {
            found.push((line, format!("`{name}` is no room of the table; name what you use by its room")));
        } else if name != room && !lists.iter().any(|list| list.contains(&name.as_str())) {
            found.push((
                line,
                format!("`{room}` must not import `{name}`; it may import {}", lists.concat().join(", ")),
            ));
        }
    }
    for (owned, owner, rule) in OWNED.iter().filter(|(_, owner, _)| *owner != room) {
        let uses = words(&source.code, owned);
        found.extend(uses.map(|at| (source.line_of(at), format!("`{owned}` outside {owner}: {rule}"))));
    }
    if room != "store" {
        let sql = source.literals.iter().filter(|(_, literal)| is_sql(literal));
        found.extend(sql.map(|(line, _)| (*line, "SQL in a literal: only store knows SQL".to_owned())));
    }
    found.sort();
    found
}

fn is_sql(literal: &str) -> bool {
    let literal = literal.split_whitespace().collect::<Vec<_>>().join(" ") + " ";
    SQL.iter().any(|words| {
        let behind = words.iter().try_fold(literal.as_str(), |rest, word| Some(rest.split_once(word)?.1));
        behind.is_some()
    })
}

/// The room of a file: its first folder, or its own name at the top.
fn room_of(path: &str) -> &str {
    let first = path.split('/').next().expect("split gives at least one part");
    first.strip_suffix(".rs").unwrap_or(first)
}

/// How many modules below the crate's root the file's own module is.
fn depth_of(path: &str) -> usize {
    path.split('/').filter(|part| *part != "mod.rs").count()
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).expect("a source file is readable UTF-8");
            let name = file.strip_prefix(&root).expect("it was found below the root");
            (name.to_str().expect("source files have plain names").to_owned(), text)
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a source folder is readable") {
        let path = entry.expect("a source folder is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn every_import_follows_the_map() {
    let broken: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| {
            violations(path, text).into_iter().map(move |(line, rule)| format!("src/{path}:{line}: {rule}"))
        })
        .collect();
    assert!(broken.is_empty(), "the map of the house (src/lib.rs) is broken:\n{}", broken.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| {
            format!("src/{path}:1: begin with `//!`: purpose, what it must not do, where the data goes next")
        })
        .collect();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn every_module_of_the_crate_has_a_row_and_a_file() {
    let files = sources();
    let (_, lib) = files.iter().find(|(path, _)| path == "lib.rs").expect("the crate has a root");
    for room in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(TABLE.iter().any(|(name, _)| *name == room), "src/lib.rs: `{room}` has no row in the table");
    }
    for (room, _) in TABLE {
        assert!(
            files.iter().any(|(path, _)| room_of(path) == *room),
            "the table has a row for `{room}`, src has no file"
        );
    }
}

/// One made-up file a line: path, text, and the lines that must be complained about.
const MADE_UP: &[(&str, &str, &[usize])] = &[
    ("policy/late.rs", "use crate::model::plan::Plan;\n", &[]),
    ("model/plan.rs", "use crate::policy::late;\n", &[1]),
    ("policy/late.rs", "use crate::clock::Clock;\n", &[1]),
    ("store/mod.rs", "use crate::config::Database;\nuse sqlx::Row;\nconst Q: &str = \"SELECT id FROM plan\";", &[]),
    ("transport/smtp.rs", "\nuse crate::store::Store;\n", &[2]),
    ("inbox/imap.rs", "use crate::transport::Outcome;\n", &[1]),
    ("deliver/mod.rs", "use crate::render::render;\nuse crate::schedule::turn;\n", &[2]),
    ("respond/apply.rs", "use crate::client::find;\nuse crate::deliver::turn;\n", &[2]),
    ("digest/mod.rs", "fn f() { crate::client::find(); crate::web::page() }", &[1]),
    ("schedule/mod.rs", "use crate::{\n    model::plan::{Plan, Step},\n    store::Store,\n    web::page,\n};", &[4]),
    ("schedule/mod.rs", "use super::app::run;\n", &[1]),
    ("schedule/late/mod.rs", "use super::web::x;\nuse super::super::web::x;\n", &[2]),
    ("schedule/mod.rs", "mod tests {\n    use super::app;\n    use super::super::app;\n}", &[3]),
    ("web/mod.rs", "use crate::app::App;\n", &[1]),
    ("app.rs", "use crate::web::serve;\nuse crate::cli::run;\n", &[2]),
    ("cli/status.rs", "let q = \"\n select\";\nlet p = r#\"SELECT \"a\"\n FROM plan\"#;\n", &[3]),
    ("cli/status.rs", "let pool = sqlx::query(q);\n", &[1]),
    ("inbox/imap.rs", "let c = \"SELECT INBOX\";\nlet d = \"UPDATE delivery SET x\";\n", &[2]),
    ("deliver/mod.rs", "let a = jiff::Timestamp::now();\nlet b = clock.now();\n", &[1]),
    ("deliver/mod.rs", "let a = std::time::SystemTime::now();", &[1]),
    ("clock.rs", "Self::System => Timestamp::now(),", &[]),
    ("transport/smtp.rs", "use lettre::Message;\n", &[1]),
    ("render/mime.rs", "use lettre::Message;\n", &[]),
    ("main.rs", "use outreachd::cli;\nuse outreachd::store::Store;\n", &[2]),
    ("model/id.rs", "use crate::*;\n", &[1]),
    ("utils/mod.rs", "//! What nobody found a name for.\n", &[1]),
    // What is no code breaks no rule, and what follows it is still read.
    (
        "model/id.rs",
        "//! [`crate::store`]\n/* crate::web /* sqlx */ */\nlet s = \"crate::web\";\nuse crate::web;",
        &[4],
    ),
    ("model/id.rs", "let q = '\"'; let e = '\\''; fn f<'a>(x: &'a str) {}\nuse crate::web;", &[2]),
    ("model/id.rs", "let t = \"a \\\" crate::web\"; let b = br##\"x\"# crate::web\"##;\nuse crate::web;", &[2]),
    ("model/id.rs", "use other_crate::web;\nuse subcrate::web;\npub(crate) struct Store;\n", &[]),
];

#[test]
fn complains_about_each_made_up_breach_and_nothing_else() {
    for (path, text, expected) in MADE_UP {
        let found = violations(path, text);
        let mut lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        lines.dedup();
        assert_eq!(lines, *expected, "in {path}:\n{text}\nfound: {found:?}");
    }
}
