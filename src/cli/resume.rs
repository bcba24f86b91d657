//! `outreachd resume`: go on after a pause.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd resume`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`resume` is not there yet").into())
}
