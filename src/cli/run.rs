//! `outreachd run`: run the daemon.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd run`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`run` is not there yet").into())
}
