//! `outreachd manager`: appoint, dismiss and list account managers.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd manager`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`manager` is not there yet").into())
}
