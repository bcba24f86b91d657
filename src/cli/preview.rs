//! `outreachd preview`: show the exact letter or fax that one contact would get.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd preview`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`preview` is not there yet").into())
}
