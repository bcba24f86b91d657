//! `outreachd import`: read clients from a CSV file into the database.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd import`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`import` is not there yet").into())
}
