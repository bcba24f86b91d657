//! `outreachd deliveries`: list what waits for a person, and say what became of it.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd deliveries`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`deliveries` is not there yet").into())
}
