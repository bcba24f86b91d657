//! `outreachd restore`: put a backup in the place of the database; sending starts paused.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd restore`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`restore` is not there yet").into())
}
