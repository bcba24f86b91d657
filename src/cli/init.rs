//! `outreachd init`: write a starter to DIR: configuration, a campaign, templates, sample clients.

use std::process::ExitCode;

use super::{CommandError, Session};

/// The arguments of `outreachd init`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(_session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    Err(anyhow::anyhow!("`init` is not there yet").into())
}
