//! `outreachd client`: show one client's record.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd client`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`client` is not there yet").into())
}
