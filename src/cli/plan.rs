//! `outreachd plan`: show what would be sent to whom and when, and who is left out and why.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd plan`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`plan` is not there yet").into())
}
