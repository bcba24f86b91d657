//! `demo --once` tells the story that README.md shows, on every machine alike.

use std::path::Path;
use std::process::{Command, Output};

const COMMAND: &str = "$ cargo run --release -- demo --once\n";

/// The demo in a temporary folder of its own, so that what it leaves there shows.
fn once(temporary: &Path) -> Output {
    let program = assert_cmd::cargo::cargo_bin!("outreachd");
    // In some other zone: the story is told by the company's clock.
    let mut demo = Command::new(program);
    demo.args(["demo", "--once"]).env("TMPDIR", temporary).env("TZ", "Pacific/Auckland");
    demo.output().expect("the program starts")
}

fn promised() -> String {
    let readme = include_str!("../README.md");
    let (_, behind) = readme.split_once(&format!("```\n{COMMAND}")).expect("README.md shows demo --once");
    behind.split("```").next().expect("the block ends").to_owned()
}

#[test]
fn tells_byte_for_byte_what_the_readme_shows_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().expect("a folder");
    let told = once(temporary.path());
    assert_eq!(String::from_utf8_lossy(&told.stderr), "");
    assert_eq!(String::from_utf8_lossy(&told.stdout), promised());
    assert!(told.status.success());
    assert_eq!(std::fs::read_dir(temporary.path()).expect("it is there").count(), 0);
}
