//! `outreachd doctor`: find out what is wrong with relay, mailbox, gateway, names, disk and database.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`doctor` is not there yet").into())
}
