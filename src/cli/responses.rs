//! `outreachd responses`: list what came back, and show how a mail is read.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd responses`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`responses` is not there yet").into())
}
