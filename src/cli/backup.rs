//! `outreachd backup`: write a consistent copy of the database, while the daemon runs.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd backup`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`backup` is not there yet").into())
}
