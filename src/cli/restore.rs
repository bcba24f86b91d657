//! `outreachd restore`: put a backup in the place of the database; sending starts paused.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use secrecy::ExposeSecret;

use super::session::block_on;
use super::{CommandError, Session, layout, output};
use crate::config::Config;
use crate::store::{self, Restored};

/// The arguments of `outreachd restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Stop the daemon first. The database that is there is moved aside, not deleted. What the
backup calls due may have gone out since it was made: look at `outreachd status` and
`outreachd deliveries list --state scheduled,retry`, then `outreachd resume`.
PostgreSQL: use pg_restore, then `outreachd restore --mark`.

Example:
  outreachd restore /var/backups/outreachd-2027-03-01.db")]
pub struct Args {
    /// The backup
    #[arg(value_name = "FILE", required_unless_present = "mark", conflicts_with = "mark")]
    file: Option<PathBuf>,

    /// Take the database as it is for a restored one: pause it, and begin new ids
    #[arg(long)]
    mark: bool,

    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    let Some(file) = args.file else { return mark(session, &config) };
    let url = config.database.reveal_url().context("cannot read the database's URL")?;
    let database = store::database_file(url.expose_secret()).ok_or_else(|| {
        anyhow!("a PostgreSQL database is restored with pg_restore; then run `outreachd restore --mark`")
    })?;
    if database.exists() {
        let question = format!("this puts `{}` in the place of `{}`", file.display(), database.display());
        layout::confirm(&question, args.yes)?;
    }
    let reason = format!("restored from {}; `outreachd resume` after looking", file.display());
    block_on(async {
        let restored = store::restore(&database, &file, &session.act(), &reason).await.map_err(anyhow::Error::from)?;
        print(session, &config, &database, &restored)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// What another tool restored is told that it is a copy.
fn mark(session: &Session, config: &Config) -> Result<ExitCode, CommandError> {
    block_on(async {
        let store = session.existing_store(config).await?;
        let _lock = store.lock().map_err(anyhow::Error::from)?;
        let reason = "marked as restored; `outreachd resume` after looking";
        store.begin_incarnation(&session.act(), reason).await.context("cannot mark the database")?;
        store.close().await;
        if session.json {
            output::json(&serde_json::json!({ "marked": true }))?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(std::io::stdout(), "Marked as restored: everything is paused. After looking: outreachd resume")
            .context("cannot print")?;
        Ok(ExitCode::SUCCESS)
    })
}

fn print(session: &Session, config: &Config, database: &Path, restored: &Restored) -> anyhow::Result<()> {
    if session.json {
        return output::json(&serde_json::json!({
            "database": database.display().to_string(),
            "moved_to": restored.moved_to.as_ref().map(|path| path.display().to_string()),
            "newest": restored.newest,
        }));
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "Restored {}; everything is paused.", database.display())?;
    if let Some(path) = &restored.moved_to {
        writeln!(out, "The database that was there is now {}", path.display())?;
    }
    if let Some(newest) = restored.newest {
        let newest = layout::moment(newest, &layout::zone(config));
        writeln!(out, "It knows of nothing after {newest}: what went out since then")?;
        writeln!(out, "would go again. Look: outreachd status; then: outreachd resume")?;
    }
    Ok(())
}
