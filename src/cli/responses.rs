//! `outreachd responses`: list what came back, and show how a mail is read.

mod read;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::session::block_on;
use super::{CommandError, Session, layout, output};
use crate::config::Config;
use crate::model::id::ContactId;
use crate::store::{ResponseRow, Store};

/// The arguments of `outreachd responses`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  outreachd responses list --review
  outreachd responses list --limit 20 --json
  outreachd responses read reply.eml")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List what came back, newest first
    List(List),
    /// Show how a mail is read, and by which rule
    Read(read::Args),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  outreachd responses list --review")]
struct List {
    /// Only what a person must look at
    #[arg(long)]
    review: bool,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    match args.what {
        What::Read(args) => {
            read::run(session, &args)?;
            Ok(ExitCode::SUCCESS)
        }
        What::List(args) => {
            let config = session.config()?;
            block_on(async {
                let store = session.existing_store(&config).await?;
                list(session, &config, &store, &args).await?;
                store.close().await;
                Ok(ExitCode::SUCCESS)
            })
        }
    }
}

async fn list(session: &Session, config: &Config, store: &Store, args: &List) -> Result<(), CommandError> {
    let limit = i64::from(args.limit);
    let mut found = store.latest_responses(args.review, limit + 1).await.context("cannot list the responses")?;
    let has_more = found.len() > usize::from(args.limit);
    found.truncate(usize::from(args.limit));
    if session.json {
        output::json(&found)?;
        return Ok(());
    }
    let contacts: Vec<_> = found.iter().filter_map(|row| row.contact).collect();
    let clients = store.clients(&contacts).await.context("cannot read the clients")?;
    let names: BTreeMap<_, _> = clients
        .into_iter()
        .map(|client| (client.contact.id, format!("{}, {}", client.contact.name, client.account.name)))
        .collect();
    print(&found, &names, config, has_more).context("cannot print")?;
    Ok(())
}

fn print(
    found: &[ResponseRow],
    names: &BTreeMap<ContactId, String>,
    config: &Config,
    has_more: bool,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let zone = layout::zone(config);
    if found.is_empty() {
        writeln!(out, "There is none.")?;
    }
    for row in found {
        let who = row.contact.and_then(|id| names.get(&id).cloned());
        let who = who.or_else(|| row.recipient.clone()).unwrap_or_else(|| "nobody we know".into());
        let review = if row.review { "  look!" } else { "" };
        let head = format!("{}  {}  {who}", layout::moment(row.received_at, &zone), row.kind.name());
        writeln!(out, "{}{review}", layout::cut(&head, layout::WIDTH - review.len()))?;
        let words = row.new_text.as_deref().map(|text| format!("\"{}\"", text.trim()));
        let words = words.or_else(|| row.reason.clone());
        if let Some(words) = words {
            writeln!(out, "  {}", layout::cut(&words, layout::WIDTH - 2))?;
        }
        let tie = row.tie.as_deref().unwrap_or("nothing");
        let sure = format!("tied by {tie}, {:.2} sure", row.confidence);
        writeln!(out, "  {}", layout::cut(&sure, layout::WIDTH - 2))?;
    }
    if has_more {
        writeln!(out, "There are more; ask for them with --limit.")?;
    }
    Ok(())
}
