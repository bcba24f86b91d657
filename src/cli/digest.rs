//! `outreachd digest`: print a manager's digest as it would be now.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd digest`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`digest` is not there yet").into())
}
