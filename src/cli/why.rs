//! `outreachd why`: show each decision about one contact, in order, with its rule.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;

use super::session::block_on;
use super::{CommandError, Session, client, output};
use crate::client::why::{self, Why};

/// The arguments of `outreachd why`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Says why a contact is in a campaign or left out, what was sent when and by which
rule, what came back, how it was read, and what comes next; times by their clock.

Examples:
  outreachd why anna.lind@granvik.example
  outreachd why \"Anna Lind\" --json")]
pub struct Args {
    /// An e-mail address, a number, an id, a name or a company
    contact: String,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let why = block_on(tell(session, &args.contact))?;
    if session.json {
        output::json(&why)?;
    } else {
        write!(io::stdout().lock(), "{why}").context("cannot print the answer")?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn tell(session: &Session, query: &str) -> Result<Why, CommandError> {
    let config = session.config()?;
    let store = session.existing_store(&config).await?;
    let contact = client::pick(&store, &config, query).await?;
    let facts = why::load(&store, contact, session.now()).await.context("cannot read the record")?;
    store.close().await;
    Ok(why::tell(&facts))
}
