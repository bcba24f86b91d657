//! `outreachd import`: read clients from a CSV file into the database.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::session::block_on;
use super::{CommandError, Session, mistakes, output};
use crate::client::import::{self, ImportError, ImportReport, Mapping, Request, RunError};
use crate::config::Config;
use crate::model::text::tame;

/// The arguments of `outreachd import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "A client that is known already (by the file's id, e-mail address, or company and
name) is updated, never doubled. Bad rows are listed and left out; the good ones are
imported, and the exit code is 1. An import that was killed shows nothing: run it again.
The owners that the file names must be appointed first: outreachd manager appoint

Examples:
  outreachd import clients.csv --dry-run
  outreachd import clients.csv --mapping crm.toml

A mapping names our fields and their headers, one a line:
  company = \"Kundens namn\"
  email   = \"Mejl 2\"
  phone   = \"\"                # not to be read")]
pub struct Args {
    /// The CSV file: comma, semicolon or tab; the first line names the columns
    file: PathBuf,

    /// A TOML file that says which column is which: company = "Kundens namn"
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,

    /// Only list what is wrong with the file; write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read `{}`", args.file.display()))?;
    let mapping = args.mapping.as_deref().map(read_mapping).transpose()?;
    let request = Request { mapping, dry_run: args.dry_run };
    let report = block_on(import_file(session, &config, &args.file, &bytes, request))?;
    if session.json {
        output::json(&report)?;
    } else {
        mistakes::list(&report.mistakes).context("cannot print the mistakes")?;
        print(&report, &mut io::stdout().lock()).context("cannot print the summary")?;
    }
    Ok(if report.mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read_mapping(path: &Path) -> Result<Mapping, CommandError> {
    let source = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Mapping::parse(path, &source).map_err(|error| named(path, error))
}

async fn import_file(
    session: &Session,
    config: &Config,
    file: &Path,
    bytes: &[u8],
    request: Request,
) -> Result<ImportReport, CommandError> {
    // A dry run makes no database; without one it still tells what is wrong with the file.
    if request.dry_run && is_absent(config) {
        let reading = import::publish::check(&[], config, &session.act(), file, bytes, request.mapping);
        let reading = reading.map_err(|error| named(file, error))?;
        let created = reading.rows.len();
        return Ok(ImportReport { created, ..ImportReport::of(file, true, &reading) });
    }
    let store = if request.dry_run { session.existing_store(config).await? } else { session.store(config).await? };
    let bar = ProgressBar::no_length();
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos} of {len} rows").expect("the template is well formed"));
    let on_progress = |done: usize, total: usize| {
        bar.set_length(u64::try_from(total).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    };
    let report = import::run(&store, config, &session.act(), file, bytes, request, on_progress).await;
    bar.finish_and_clear();
    store.close().await;
    report.map_err(|error| match error {
        RunError::Read(error) => named(file, error),
        other => CommandError::Failed(other.into()),
    })
}

/// Whether the database is a file that nothing has made yet.
fn is_absent(config: &Config) -> bool {
    let path = config.database.url.as_deref().and_then(|url| url.strip_prefix("sqlite:"));
    path.is_some_and(|path| !Path::new(path.trim_start_matches("//")).exists())
}

fn named(file: &Path, error: ImportError) -> CommandError {
    match error {
        ImportError::Mapping { mistakes, .. } => CommandError::Mistakes(mistakes),
        other => {
            CommandError::Failed(anyhow::Error::from(other).context(format!("cannot import `{}`", file.display())))
        }
    }
}

fn print(report: &ImportReport, out: &mut dyn Write) -> io::Result<()> {
    let ImportReport { rows, created, updated, unchanged, refused, .. } = report;
    let of_rows = if *rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
    let known =
        if report.dry_run { format!("{updated} known") } else { format!("{updated} changed, {unchanged} as before") };
    writeln!(out, "{of_rows}: {created} new, {known}; {refused} refused")?;
    if !report.unmapped_headers.is_empty() && rows + refused > 0 {
        let headers: Vec<_> = report.unmapped_headers.iter().map(|header| format!("`{}`", tame(header))).collect();
        writeln!(out, "Not read, since no field has such a name: {}. A --mapping can name it.", headers.join(", "))?;
    }
    let last = match (report.dry_run, rows, report.mistakes.len()) {
        (true, ..) => "A dry run: nothing was written.",
        (false, 0, 0) => "There are no rows in it.",
        (false, 0, _) => "Nothing was imported.",
        (false, _, 0) => return Ok(()),
        (false, ..) => "The good rows are imported. Mend the others and import the file again: nothing is doubled.",
    };
    writeln!(out, "{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ImportReport {
        ImportReport {
            file: "clients.csv".into(),
            dry_run: false,
            rows: 950,
            created: 940,
            updated: 8,
            unchanged: 2,
            refused: 50,
            mistakes: vec![crate::model::mistake::Mistake::at("clients.csv", "x", 0..1, "is wrong")],
            unmapped_headers: vec!["Skostorlek".into()],
        }
    }

    fn printed(report: &ImportReport) -> String {
        let mut out = Vec::new();
        print(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn says_that_the_good_rows_are_in() {
        insta::assert_snapshot!(printed(&report()), @r"
        950 rows: 940 new, 8 changed, 2 as before; 50 refused
        Not read, since no field has such a name: `Skostorlek`. A --mapping can name it.
        The good rows are imported. Mend the others and import the file again: nothing is doubled.
        ");
    }

    #[test]
    fn says_that_a_dry_run_wrote_nothing() {
        let dry = ImportReport { dry_run: true, updated: 10, unmapped_headers: vec![], ..report() };
        insta::assert_snapshot!(printed(&dry), @r"
        950 rows: 940 new, 10 known; 50 refused
        A dry run: nothing was written.
        ");
    }
}
