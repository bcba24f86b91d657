//! `outreachd pause`: stop sending: everything, one campaign, or one domain.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use super::session::block_on;
use super::{CommandError, Session, layout, output};
use crate::model::address::EmailAddress;
use crate::model::text::Line;
use crate::store::{PauseScope, Store};

/// The arguments of `outreachd pause`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Letters that are due wait, and go when you resume; digests to managers go on.
A letter that is being handed over at this moment still goes.

Examples:
  outreachd pause --reason \"price list is wrong\"
  outreachd pause led-i-lagret --reason \"wrong subject\"
  outreachd pause --domain granvik.example --reason \"their server refuses us\"")]
pub struct Args {
    #[command(flatten)]
    what: What,

    /// Why; it stands in `status` and `why`
    #[arg(long, value_name = "TEXT", value_parser = layout::reason)]
    reason: Line,
}

/// What `pause` stops and `resume` lets go on.
#[derive(Debug, clap::Args)]
pub(super) struct What {
    /// Only this campaign; without it, everything
    #[arg(value_name = "CAMPAIGN")]
    campaign: Option<String>,

    /// Only letters to addresses at this domain
    #[arg(long, value_name = "DOMAIN", conflicts_with = "campaign", value_parser = domain)]
    domain: Option<String>,
}

/// A domain as addresses hold it: its A-label in lower case.
fn domain(text: &str) -> Result<String, String> {
    let address = EmailAddress::parse(&format!("x@{}", text.trim_start_matches('@')));
    address.map(|address| address.domain().to_owned()).map_err(|error| error.to_string())
}

impl What {
    /// The scope in the store; a campaign must be one that was applied.
    pub(super) async fn scope(&self, store: &Store) -> Result<PauseScope, CommandError> {
        if let Some(domain) = &self.domain {
            return Ok(PauseScope::Domain(domain.clone()));
        }
        let Some(campaign) = &self.campaign else { return Ok(PauseScope::All) };
        let running = store.running().await.context("cannot list the campaigns")?;
        let known: Vec<_> = running.iter().map(|revision| revision.campaign.id.as_str()).collect();
        if !known.contains(&campaign.as_str()) {
            let meant = layout::meant(campaign, known);
            return Err(anyhow!("there is no campaign `{campaign}`; {meant}").into());
        }
        Ok(PauseScope::Campaign(campaign.clone()))
    }
}

/// A scope in words.
pub(super) fn in_words(scope: &PauseScope) -> String {
    match scope {
        PauseScope::All => "everything".into(),
        PauseScope::Campaign(id) => format!("campaign {id}"),
        PauseScope::Domain(domain) => format!("domain {domain}"),
        PauseScope::Contact(id) => format!("contact {id}"),
    }
}

/// The command that ends a pause; a contact's ends by itself.
pub(super) fn resume_command(scope: &PauseScope) -> Option<String> {
    match scope {
        PauseScope::All => Some("outreachd resume".into()),
        PauseScope::Campaign(id) => Some(format!("outreachd resume {id}")),
        PauseScope::Domain(domain) => Some(format!("outreachd resume --domain {domain}")),
        PauseScope::Contact(_) => None,
    }
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    block_on(async {
        let store = session.existing_store(&config).await?;
        let scope = args.what.scope(&store).await?;
        store.pause(&session.act(), &scope, args.reason.as_str(), None).await.context("cannot pause")?;
        store.close().await;
        if session.json {
            output::json(&serde_json::json!({ "paused": scope, "reason": args.reason }))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "Paused: {}. What is due waits.", in_words(&scope)).context("cannot print")?;
        if let Some(command) = resume_command(&scope) {
            writeln!(out, "To go on: {command}").context("cannot print")?;
        }
        Ok(ExitCode::SUCCESS)
    })
}
