//! The commands, one file each: parse, ask a stage, print.
//!
//! Exit codes: 0 fine, 1 failed, 2 wrong usage. Answers go to stdout, mistakes and
//! errors to stderr; every listing takes `--json`. No command holds SQL, and none
//! sends mail by itself: what is to go is written as rows, and `run` sends it.

mod apply;
mod backup;
mod check;
mod client;
mod deliveries;
mod demo;
mod digest;
mod dkim;
mod doctor;
mod import;
mod init;
mod layout;
mod login;
mod manager;
pub mod mistakes;
mod output;
mod pause;
mod plan;
mod preview;
mod progress;
mod responses;
mod restore;
mod resume;
mod run;
mod session;
mod status;
mod tasks;
mod why;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use session::Session;

use crate::config::ConfigError;
use crate::model::mistake::Mistake;

/// Writes to your clients in their account manager's name, by e-mail and by fax,
/// and puts every answer on the client's record.
#[derive(Debug, Parser)]
#[command(name = "outreachd", version, max_term_width = 100, propagate_version = true)]
struct Arguments {
    /// The configuration [default: config/outreachd.toml, then /etc/outreachd/outreachd.toml]
    #[arg(long, global = true, value_name = "FILE", env = "OUTREACHD_CONFIG")]
    config: Option<PathBuf>,

    /// The e-mail address of the person who acts, for the records
    #[arg(long = "as", global = true, value_name = "EMAIL", env = "OUTREACHD_AS")]
    actor: Option<String>,

    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a starter to DIR: configuration, a campaign, templates, sample clients
    Init(init::Args),
    /// Show the main job with an invented company, on this machine only
    Demo(demo::Args),
    /// Look for mistakes in the configuration, the campaigns and every letter
    Check(check::Args),
    /// Read clients from a CSV file into the database
    Import(import::Args),
    /// Show what would be sent to whom and when, and who is left out and why
    Plan(plan::Args),
    /// Make the campaign files the ones that run
    Apply(apply::Args),
    /// Show the exact letter or fax that one contact would get
    Preview(preview::Args),
    /// Run the daemon
    Run(run::Args),
    /// Stop sending: everything, or one campaign
    Pause(pause::Args),
    /// Go on after a pause
    Resume(resume::Args),
    /// Appoint, dismiss and list account managers
    Manager(manager::Args),
    /// Count deliveries and plans by state
    Status(status::Args),
    /// Show each decision about one contact, in order, with its rule
    Why(why::Args),
    /// Show one client's record
    Client(client::Args),
    /// Print a manager's digest as it would be now
    Digest(digest::Args),
    /// List what managers have to do about clients, and say that it is done
    Tasks(tasks::Args),
    /// List what waits for a person, and say what became of it
    Deliveries(deliveries::Args),
    /// List what came back, and show how a mail is read
    Responses(responses::Args),
    /// Make a DKIM key, or print what the DNS has to say of those in use
    Dkim(dkim::Args),
    /// Find out what is wrong with relay, mailbox, gateway, names, disk and database
    Doctor(doctor::Args),
    /// Log in to a relay or a mailbox by OAuth, once, with a person's consent
    Login(login::Args),
    /// Write a consistent copy of the database, while the daemon runs
    Backup(backup::Args),
    /// Put a backup in the place of the database; sending starts paused
    Restore(restore::Args),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Files have mistakes; they are printed with their places.
    #[error("{} mistakes", .0.len())]
    Mistakes(Vec<Mistake>),
    /// Something else; the chain says what.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Mistakes(mistakes) => Self::Mistakes(mistakes),
            other => Self::Failed(other.into()),
        }
    }
}

/// Parses the arguments, runs the command, prints what went wrong.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(CommandError::Mistakes(mistakes)) => {
            // Nobody reads any more where this cannot be written.
            drop(mistakes::show(&mistakes));
            ExitCode::FAILURE
        }
        Err(CommandError::Failed(error)) => {
            // A reader that has gone (`outreachd status | head`) is no failure.
            if output::is_broken_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            drop(writeln!(std::io::stderr(), "outreachd: {}", told(&error)));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, without those that it has told in its own words.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told {
        told if told.contains(&cause) => told,
        told if told.is_empty() => cause,
        told => format!("{told}: {cause}"),
    })
}

fn run(arguments: Arguments) -> Result<ExitCode, CommandError> {
    let session = Session::new(arguments.config, arguments.actor, arguments.json);
    match arguments.command {
        Command::Init(args) => init::run(&session, args),
        Command::Demo(args) => demo::run(&session, args),
        Command::Check(args) => check::run(&session, args),
        Command::Import(args) => import::run(&session, args),
        Command::Plan(args) => plan::run(&session, args),
        Command::Apply(args) => apply::run(&session, args),
        Command::Preview(args) => preview::run(&session, args),
        Command::Run(args) => run::run(&session, args),
        Command::Pause(args) => pause::run(&session, args),
        Command::Resume(args) => resume::run(&session, args),
        Command::Manager(args) => manager::run(&session, args),
        Command::Status(args) => status::run(&session, args),
        Command::Why(args) => why::run(&session, args),
        Command::Client(args) => client::run(&session, args),
        Command::Digest(args) => digest::run(&session, args),
        Command::Tasks(args) => tasks::run(&session, args),
        Command::Deliveries(args) => deliveries::run(&session, args),
        Command::Responses(args) => responses::run(&session, args),
        Command::Dkim(args) => dkim::run(&session, args),
        Command::Doctor(args) => doctor::run(&session, args),
        Command::Login(args) => login::run(&session, args),
        Command::Backup(args) => backup::run(&session, args),
        Command::Restore(args) => restore::run(&session, args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_each_cause_once() {
        let cause = std::io::Error::other("no such file");
        let error =
            anyhow::Error::from(cause).context("cannot read `a`: no such file; make it").context("cannot start");
        assert_eq!(told(&error), "cannot start: cannot read `a`: no such file; make it");
    }
}
