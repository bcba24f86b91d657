//! `outreachd apply`: make the campaign files the ones that run.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd apply`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`apply` is not there yet").into())
}
