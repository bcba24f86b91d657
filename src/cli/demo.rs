//! `outreachd demo`: show the main job with an invented company, on this machine only.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd demo`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`demo` is not there yet").into())
}
