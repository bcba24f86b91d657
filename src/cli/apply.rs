//! `outreachd apply`: make the campaign files the ones that run.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use jiff::tz::TimeZone;

use super::check::{checked, counted};
use super::{CommandError, Session, output, plan, session};
use crate::campaign::apply::{Applied, apply_all};
use crate::campaign::report;

/// The arguments of `outreachd apply`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Checks everything, shows the plan, asks, and writes it down: from then on the daemon (outreachd run) sends by these files. Contacts that are under way keep the version they began on. With mistakes nothing is applied; asks only on a terminal."
)]
pub struct Args {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    session::block_on(async {
        // Mistakes in the files are told before a database is made for them.
        checked(session, None, &config).await?;
        let store = session.store(&config).await?;
        let check = checked(session, Some(&store), &config).await?;
        let asks = !args.yes && io::stdin().is_terminal() && io::stderr().is_terminal();
        if asks {
            let reports = plan::planned(session, &store, &config, &check, false).await?;
            let shown = plan::texts(session, &config, &reports);
            if !agreed(&shown)? {
                output::lines(&["Nothing was changed."])?;
                return Ok(ExitCode::FAILURE);
            }
        }
        let bar = plan::bar(session, &store, &config, &check, false).await?;
        let applied = apply_all(&store, &config, &check, &session.act(), &|done| bar.set(done)).await;
        bar.finish();
        let applied = applied.map_err(anyhow::Error::from)?;
        store.close().await;
        if session.json {
            output::json(&applied)?;
            return Ok(ExitCode::SUCCESS);
        }
        let zone = TimeZone::get(&config.company.zone).unwrap_or(TimeZone::UTC);
        let mut lines: Vec<_> = applied.iter().map(|applied| told(applied, &zone)).collect();
        if lines.is_empty() {
            lines.push("There is no campaign file yet.".to_owned());
        }
        output::lines(&lines)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Shows the plan and asks; on standard error, so that a pipe gets the answer alone.
fn agreed(shown: &[String]) -> anyhow::Result<bool> {
    let mut out = io::stderr().lock();
    for line in shown {
        writeln!(out, "{line}")?;
    }
    write!(out, "Apply this? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn told(applied: &Applied, zone: &TimeZone) -> String {
    let head = match applied.is_new {
        true => format!("{}: version {}", applied.campaign, applied.version),
        false => format!("{}: unchanged, version {}", applied.campaign, applied.version),
    };
    let started = usize::try_from(applied.started).unwrap_or(usize::MAX);
    match (applied.first, applied.next_run_at) {
        (Some(first), _) => {
            let start = counted(started, "contact");
            format!("{head}, first letters {}, {start}", report::instant(first, zone))
        }
        (None, Some(run)) => format!("{head}, next run {}", report::instant(run, zone)),
        (None, None) if applied.is_new => format!("{head}, nobody starts"),
        (None, None) => head,
    }
}
