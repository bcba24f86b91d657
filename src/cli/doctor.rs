//! `outreachd doctor`: find out what is wrong with relay, mailbox, gateway, names, disk and database.

use std::io::{self, Write};
use std::process::ExitCode;

use unicode_width::UnicodeWidthStr;

use super::session::block_on;
use super::{CommandError, Session, output};
use crate::config::ConfigError;
use crate::doctor::{Check, Finding, Situation, Tally, examine};
use crate::model::text::tame;

/// The arguments of `outreachd doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It logs in to relay, mailbox and gateway, and looks the domains up; it sends and changes nothing.
Exit code 1 if a check failed; a warning is no failure.")]
pub struct Args {
    /// The DNS server to ask, ADDRESS:PORT [default: the system's]
    #[arg(long, value_name = "ADDRESS")]
    resolver: Option<std::net::SocketAddr>,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = match session.config() {
        Ok(config) => config,
        Err(error) => {
            // The mistakes themselves follow on stderr, each at its place.
            show(session, &[unreadable(&error).of("configuration")])?;
            return Err(error);
        }
    };
    let situation = Situation { now: session.now(), resolver: args.resolver };
    let checks = block_on(async { Ok(examine(&config, &situation).await) })?;
    show(session, &checks)?;
    Ok(if Tally::of(&checks).failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn unreadable(error: &CommandError) -> Finding {
    match error {
        CommandError::Mistakes(mistakes) => Finding::failed(
            ConfigError::Mistakes(mistakes.clone()).to_string(),
            "mend the configuration; nothing else was looked at",
        ),
        CommandError::Failed(error) => Finding::from_error(error),
    }
}

fn show(session: &Session, checks: &[Check]) -> Result<(), CommandError> {
    if session.json {
        return Ok(output::json(&checks)?);
    }
    Ok(print(checks, &mut io::stdout().lock()).map_err(anyhow::Error::from)?)
}

/// One line a check, what to do below it, the count at the end.
fn print(checks: &[Check], out: &mut impl Write) -> io::Result<()> {
    let width = checks.iter().map(|check| check.name.width()).max().unwrap_or(0);
    for Check { name, finding } in checks {
        let gap = " ".repeat(width - name.width());
        writeln!(out, "{:<7}  {}{gap}  {}", finding.state.word(), tame(name), tame(&finding.line))?;
        if let Some(advice) = &finding.advice {
            writeln!(out, "{:>9}{:width$}  = {}", "", "", tame(advice))?;
        }
    }
    let Tally { ok, warnings, failed, skipped } = Tally::of(checks);
    writeln!(out, "{} checks: {ok} ok, {warnings} to mend, {failed} failed, {skipped} skipped.", checks.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_to_do_below_what_was_seen() {
        let checks = [
            Finding::ok("schema 1, whole, writable").of("database"),
            Finding::warning("good for 6 days", "have it renewed").of("certificate of relay main"),
            Finding::failed("a server said \u{1b}[2J", "check it").of("relay main"),
            Finding::skipped("no answer").of("MX of fyrljus.example"),
        ];
        let mut out = Vec::new();
        print(&checks, &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        ok       database                   schema 1, whole, writable
        warning  certificate of relay main  good for 6 days
                                            = have it renewed
        failed   relay main                 a server said [2J
                                            = check it
        skipped  MX of fyrljus.example      no answer
        4 checks: 1 ok, 1 to mend, 1 failed, 1 skipped.
        ");
    }
}
