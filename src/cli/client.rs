//! `outreachd client`: show one client's record, or export all that is held about them.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use super::session::block_on;
use super::{CommandError, Session, output};
use crate::client::{card, record};
use crate::config::Config;
use crate::model::id::ContactId;
use crate::store::Store;

/// How many contacts are listed where one was meant.
const LISTED: i64 = 20;

/// The arguments of `outreachd client`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  outreachd client show anna.lind@granvik.example
  outreachd client show \"Granvik Verkstad\"
  outreachd client export \"Anna Lind\" > anna-lind.json")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show a client's record: addresses, consents, plans, tasks, timeline
    Show {
        /// An e-mail address, a number, an id, a name or a company
        contact: String,
    },
    /// Print everything that is held about a client, as JSON
    Export {
        /// An e-mail address, a number, an id, a name or a company
        contact: String,
    },
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    block_on(async {
        let store = session.existing_store(&config).await?;
        match &args.what {
            What::Show { contact } => show(session, &config, &store, contact).await?,
            What::Export { contact } => {
                let contact = pick(&store, &config, contact).await?;
                output::json(&record::export(&store, contact, session.now()).await.context("cannot read the record")?)?;
            }
        }
        store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

async fn show(session: &Session, config: &Config, store: &Store, query: &str) -> Result<(), CommandError> {
    let contact = pick(store, config, query).await?;
    let record = record::load(store, contact).await.context("cannot read the record")?;
    if session.json {
        return Ok(output::json(&record)?);
    }
    let text = card::text(&record, session.now());
    Ok(io::stdout().lock().write_all(text.as_bytes()).context("cannot print the record")?)
}

/// The one contact that `query` means.
///
/// # Errors
/// There is none, or there are several, which are then listed.
pub(super) async fn pick(store: &Store, config: &Config, query: &str) -> Result<ContactId, CommandError> {
    let found = record::find(store, &config.company.country, query, LISTED + 1).await.context("cannot search")?;
    match found.as_slice() {
        [] => {
            Err(anyhow!("there is no contact `{query}`; name one by e-mail address, number, id, name or company")
                .into())
        }
        [contact] => Ok(*contact),
        several => {
            let clients = store.clients(several).await.context("cannot read the records")?;
            let line = |client: &crate::store::Client| {
                let email = client.contact.email.as_ref().map_or("no address", |email| email.as_str());
                format!("\n  {}  {email}  {}, {}", client.contact.id, client.contact.name, client.account.name)
            };
            let shown = usize::try_from(LISTED).unwrap_or(usize::MAX);
            let list: String = clients.iter().take(shown).map(line).collect();
            let more = if several.len() > shown { "\n  and more" } else { "" };
            Err(anyhow!("`{query}` may mean any of these; name one by its address or id:{list}{more}").into())
        }
    }
}
