//! `outreachd why`: show each decision about one contact, in order, with its rule.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd why`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`why` is not there yet").into())
}
