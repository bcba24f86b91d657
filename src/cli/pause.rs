//! `outreachd pause`: stop sending: everything, or one campaign.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd pause`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`pause` is not there yet").into())
}
