//! `outreachd check`: look for mistakes in the configuration, the campaigns and every letter.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd check`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`check` is not there yet").into())
}
