//! `outreachd status`: count deliveries and plans by state.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd status`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`status` is not there yet").into())
}
