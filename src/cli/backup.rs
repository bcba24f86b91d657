//! `outreachd backup`: write a consistent copy of the database, while the daemon runs.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::session::block_on;
use super::{CommandError, Session, output};

/// The arguments of `outreachd backup`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The daemon may run. A file that exists is never written over. Keep the key file with
the copy: without it, the links in letters that went out stop working.
PostgreSQL: use pg_dump.

Example:
  outreachd backup /var/backups/outreachd-2027-03-01.db")]
pub struct Args {
    /// The file to write; only you can read it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    block_on(async {
        let store = session.existing_store(&config).await?;
        store.backup(&args.file).await.map_err(anyhow::Error::from)?;
        let size = std::fs::metadata(&args.file).context("cannot look at the backup")?.len();
        let noted = serde_json::json!({ "file": args.file.display().to_string(), "size_bytes": size });
        // A full disk may hold the last backup and no note of it: the backup is what counts.
        if let Err(error) = store.note(&session.act(), "database", "backup", noted.clone()).await {
            writeln!(std::io::stderr(), "outreachd: the backup is whole, but the change log does not name it: {error}")
                .context("cannot print")?;
        }
        store.close().await;
        if session.json {
            output::json(&noted)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut out = std::io::stdout().lock();
        let (file, kilobytes) = (args.file.display(), size.div_ceil(1000));
        writeln!(out, "Wrote {file}, {kilobytes} kB. Keep {} with it.", config.files.key_file.display())
            .context("cannot print")?;
        Ok(ExitCode::SUCCESS)
    })
}
