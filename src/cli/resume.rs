//! `outreachd resume`: go on after a pause.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::pause::{What, in_words, resume_command};
use super::session::block_on;
use super::{CommandError, Session, output};
use crate::store::{PauseRow, PauseScope};

/// The arguments of `outreachd resume`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Each pause is ended by its own name: `resume` alone ends the pause of everything,
not that of one campaign. `outreachd status` lists the pauses in force.

Examples:
  outreachd resume
  outreachd resume led-i-lagret
  outreachd resume --domain granvik.example")]
pub struct Args {
    #[command(flatten)]
    what: What,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    block_on(async {
        let store = session.existing_store(&config).await?;
        let scope = args.what.scope(&store).await?;
        let now = session.now();
        let in_force = store.pauses(now).await.context("cannot list the pauses")?;
        let was_paused = in_force.iter().any(|pause| pause.scope == scope);
        if was_paused {
            store.resume(&session.act(), &scope).await.context("cannot resume")?;
        }
        store.close().await;
        let others: Vec<_> = in_force.into_iter().filter(|pause| pause.scope != scope).collect();
        if session.json {
            let resumed = was_paused.then_some(&scope);
            output::json(&serde_json::json!({ "resumed": resumed, "still_paused": others }))?;
        } else {
            print(&scope, was_paused, &others).context("cannot print")?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn print(scope: &PauseScope, was_paused: bool, others: &[PauseRow]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match (was_paused, scope) {
        (true, _) => writeln!(out, "Goes on: {}.", in_words(scope))?,
        (false, PauseScope::All) if others.is_empty() => writeln!(out, "Nothing is paused.")?,
        (false, PauseScope::All) => writeln!(out, "Not everything is paused, only what is named here.")?,
        (false, _) => writeln!(out, "It was not paused: {}.", in_words(scope))?,
    }
    // A client who is away is no pause that anybody here set.
    let others = others.iter().filter_map(|pause| Some((in_words(&pause.scope), resume_command(&pause.scope)?)));
    for (scope, command) in others {
        writeln!(out, "Still paused: {scope}. To go on: {command}")?;
    }
    Ok(())
}
