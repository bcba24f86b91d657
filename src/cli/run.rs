//! `outreachd run`: the daemon.

use std::process::ExitCode;

use anyhow::Context;

use super::session::block_on;
use super::{CommandError, Session};
use crate::app::{AppError, daemon};
use crate::telemetry;

/// The arguments of `outreachd run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "SIGTERM and SIGINT drain: what is under way ends and is written, nothing new begins.
SIGHUP reads the configuration again; a bad one keeps the old. Campaigns change by
`outreachd apply` only. OUTREACHD_LOG=debug says more.

Example: outreachd --config /etc/outreachd/outreachd.toml run")]
pub struct Args {}

/// Runs the daemon until a signal says stop.
pub(super) fn run(session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    telemetry::start().context("cannot log")?;
    let options = daemon::Options {
        config_file: session.config_file(),
        environment: std::env::vars().collect(),
        clock: session.clock.clone(),
    };
    block_on(async {
        match daemon::run(options).await {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(AppError::Config(error)) => Err(error.into()),
            Err(error) => Err(anyhow::Error::from(error).into()),
        }
    })
}
