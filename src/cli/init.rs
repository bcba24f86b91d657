//! `outreachd init DIR`: write a starter to DIR: configuration, campaigns, templates, sample clients.
//!
//! It writes over nothing: a folder that holds anything is refused, and each file
//! is made new. What fails halfway is taken away again.

mod dates;
mod starter;

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{CommandError, Session};
use crate::config::keys;

/// Where the token key stands, below the folder.
const KEY_FILE: &str = "config/token.key";
/// Where the configuration looks for passwords, below the folder.
const SECRETS: &str = "config/secrets";
/// Names in the way that are named; the others are counted.
const MOST_NAMED: usize = 5;

/// The arguments of `outreachd init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
DIR must be new or empty. The starter is that of an invented company: it passes `outreachd check`
as it is, and every line says what to put in its place.")]
pub struct Args {
    /// The folder to write to
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let dir = args.dir.as_path();
    refuse_what_is_there(dir)?;
    let mut made = Vec::new();
    let today = TimeZone::system().to_datetime(session.now()).date();
    let written = write_all(dir, today, &mut made);
    if let Err(error) = written {
        take_away(&made);
        return Err(error.into());
    }
    let files = made.iter().filter(|path| path.is_file()).count();
    let said = print(dir, files, &mut io::stdout().lock());
    Ok(said.map(|()| ExitCode::SUCCESS).map_err(anyhow::Error::from)?)
}

fn refuse_what_is_there(dir: &Path) -> anyhow::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot look into `{}`", dir.display())),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot look into `{}`", dir.display()))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    match in_the_way(&names) {
        Some(what) => anyhow::bail!("`{}` is not empty: {what}; name a new folder", dir.display()),
        None => Ok(()),
    }
}

fn in_the_way(names: &[String]) -> Option<String> {
    let (named, others) = names.split_at(names.len().min(MOST_NAMED));
    let is_or_are = if names.len() == 1 { "is" } else { "are" };
    match (named, others.len()) {
        ([], _) => None,
        (named, 0) => Some(format!("{} {is_or_are} in the way", named.join(", "))),
        (named, more) => Some(format!("{} and {more} more are in the way", named.join(", "))),
    }
}

/// Writes everything and notes what it made, folders before what is in them.
fn write_all(dir: &Path, today: Date, made: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    make_folder(dir, 0o777, made)?;
    for (name, text) in starter::files(today) {
        let path = dir.join(&name);
        make_folder(path.parent().expect("a file below `dir` has a parent"), 0o777, made)?;
        write_new(&path, &text).with_context(|| format!("cannot write `{}`", path.display()))?;
        made.push(path);
    }
    make_folder(&dir.join(SECRETS), 0o700, made)?;
    let key_file = dir.join(KEY_FILE);
    keys::load_or_create(&key_file)?;
    made.push(key_file);
    Ok(())
}

fn make_folder(path: &Path, mode: u32, made: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_folder(above, 0o777, made)?;
    }
    let builder = DirBuilder::new().mode(mode).create(path);
    builder.with_context(|| format!("cannot make the folder `{}`", path.display()))?;
    made.push(path.to_owned());
    Ok(())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// Removes what was made, the last first; what cannot be removed stays.
fn take_away(made: &[PathBuf]) {
    for path in made.iter().rev() {
        let removed = if path.is_dir() { std::fs::remove_dir(path) } else { std::fs::remove_file(path) };
        drop(removed);
    }
}

fn print(dir: &Path, files: usize, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Wrote {files} files to {}. The company in them is invented: put yours in its", dir.display())?;
    writeln!(out, "place, first in config/outreachd.toml. Then:")?;
    writeln!(out)?;
    writeln!(out, "  cd {}", quoted(dir))?;
    for command in starter::NEXT {
        writeln!(out, "  {command}")?;
    }
    Ok(())
}

/// As a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("f{number}")).collect()
    }

    #[test]
    fn names_what_is_in_the_way_and_counts_the_rest() {
        assert_eq!(in_the_way(&names(0)), None);
        assert_eq!(in_the_way(&names(1)).as_deref(), Some("f0 is in the way"));
        assert_eq!(in_the_way(&names(2)).as_deref(), Some("f0, f1 are in the way"));
        assert_eq!(in_the_way(&names(8)).as_deref(), Some("f0, f1, f2, f3, f4 and 3 more are in the way"));
    }

    #[test]
    fn takes_everything_away_that_it_made() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("a/b");
        let mut made = Vec::new();
        write_all(&dir, date(2027, 2, 24), &mut made).unwrap();
        assert!(dir.join(KEY_FILE).is_file() && dir.join(SECRETS).is_dir());
        take_away(&made);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn writes_over_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("clients.csv"), "mine").unwrap();
        assert!(write_all(folder.path(), date(2027, 2, 24), &mut Vec::new()).is_err());
        assert_eq!(std::fs::read_to_string(folder.path().join("clients.csv")).unwrap(), "mine");
    }

    #[test]
    fn quotes_a_folder_for_the_shell() {
        assert_eq!(quoted(Path::new("lab/ett-två")), "lab/ett-två");
        assert_eq!(quoted(Path::new("my lab's")), r"'my lab'\''s'");
    }
}
