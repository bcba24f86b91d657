//! `outreachd deliveries`: list what waits for a person, and say what became of it.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Subcommand, ValueEnum};

use super::session::block_on;
use super::{CommandError, Session, layout, output};
use crate::model::address::Channel;
use crate::model::delivery::{DeliveryState, Purpose};
use crate::model::id::DeliveryId;
use crate::model::mistake::did_you_mean;
use crate::model::text::Line;
use crate::policy::resolve::{Decision, may_arrive_twice, resolve};
use crate::store::{DeliveryFilter, DeliveryRow, Store};

/// The arguments of `outreachd deliveries`.
#[derive(Debug, clap::Args)]
#[command(after_help = "An uncertain delivery may have left: look into the relay's log, then say what became of
it. A held one never left. A rejected one was refused for good.

Examples:
  outreachd deliveries list
  outreachd deliveries resolve 1099511627800 accepted --reason \"250 in the relay's log\"
  outreachd deliveries retry 1099511627800 --reason \"not in the relay's log\"")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List deliveries, newest first: what waits for you, unless you name other states
    List(List),
    /// Say what became of an uncertain one, or drop a held one
    Resolve(Resolve),
    /// Send it again, or after all
    Retry(Retry),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "States: scheduled, claimed, handoff, submitted, accepted, retry, rejected, uncertain,
held, skipped, cancelled.

Example:
  outreachd deliveries list --state uncertain,held --campaign led-i-lagret")]
struct List {
    /// Only these states
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = state, default_value = "uncertain,held,rejected")]
    state: Vec<DeliveryState>,

    /// Only this campaign
    #[arg(long, value_name = "CAMPAIGN")]
    campaign: Option<String>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  outreachd deliveries resolve 1099511627800 accepted --reason \"250 in the relay's log\"")]
struct Resolve {
    /// Its id, from `deliveries list`
    #[arg(value_name = "ID")]
    id: i64,

    /// What became of it
    #[arg(value_enum)]
    how: How,

    /// How you know
    #[arg(long, value_name = "TEXT", value_parser = layout::reason)]
    reason: Line,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    /// It went
    Accepted,
    /// It did not go, and shall not
    Rejected,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "An uncertain letter that is sent again may arrive twice.

Example:
  outreachd deliveries retry 1099511627800 --reason \"not in the relay's log\"")]
struct Retry {
    /// Its id, from `deliveries list`
    #[arg(value_name = "ID")]
    id: i64,

    /// Why
    #[arg(long, value_name = "TEXT", value_parser = layout::reason)]
    reason: Line,

    /// Do not ask, even if it may arrive twice
    #[arg(long)]
    yes: bool,
}

const STATES: [(&str, DeliveryState); 11] = [
    ("scheduled", DeliveryState::Scheduled),
    ("claimed", DeliveryState::Claimed),
    ("handoff", DeliveryState::Handoff),
    ("submitted", DeliveryState::Submitted),
    ("accepted", DeliveryState::Accepted),
    ("retry", DeliveryState::Retry),
    ("rejected", DeliveryState::Rejected),
    ("uncertain", DeliveryState::Uncertain),
    ("held", DeliveryState::Held),
    ("skipped", DeliveryState::Skipped),
    ("cancelled", DeliveryState::Cancelled),
];

fn state(text: &str) -> Result<DeliveryState, String> {
    let known = STATES.iter().find(|(word, _)| *word == text.trim()).map(|(_, state)| *state);
    known.ok_or_else(|| match did_you_mean(text, STATES.iter().map(|(word, _)| *word)) {
        Some(word) => format!("did you mean `{word}`?"),
        None => "see the states in --help".into(),
    })
}

fn word(state: DeliveryState) -> &'static str {
    STATES.iter().find(|(_, known)| *known == state).map_or("", |(word, _)| word)
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    block_on(async {
        let store = session.existing_store(&config).await?;
        match args.what {
            What::List(args) => list(session, &store, args).await?,
            What::Resolve(args) => {
                let decision = match args.how {
                    How::Accepted => Decision::Accepted,
                    How::Rejected => Decision::Rejected,
                };
                decide(session, &store, DeliveryId(args.id), decision, &args.reason, true).await?;
            }
            What::Retry(args) => {
                decide(session, &store, DeliveryId(args.id), Decision::Retry, &args.reason, args.yes).await?;
            }
        }
        store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(session: &Session, store: &Store, args: List) -> Result<(), CommandError> {
    if let Some(campaign) = &args.campaign {
        let running = store.running().await.context("cannot list the campaigns")?;
        let known: Vec<_> = running.iter().map(|revision| revision.campaign.id.as_str()).collect();
        if !known.contains(&campaign.as_str()) {
            return Err(anyhow!("there is no campaign `{campaign}`; {}", layout::meant(campaign, known)).into());
        }
    }
    let filter = DeliveryFilter { states: args.state, campaign: args.campaign, ..Default::default() };
    let limit = i64::from(args.limit);
    let mut found = store.deliveries(&filter, limit + 1).await.context("cannot list the deliveries")?;
    let has_more = found.len() > usize::from(args.limit);
    found.truncate(usize::from(args.limit));
    if session.json {
        output::json(&found)?;
        return Ok(());
    }
    print(&found, has_more).context("cannot print")?;
    Ok(())
}

fn print(found: &[DeliveryRow], has_more: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if found.is_empty() {
        // Whoever looks because nothing leaves must not take this for "nothing is due".
        writeln!(out, "No delivery is in these states; `outreachd status` counts all.")?;
    }
    for delivery in found {
        print_one(&mut out, delivery)?;
    }
    if has_more {
        writeln!(out, "There are more; ask for them with --limit.")?;
    }
    Ok(())
}

/// One delivery on a few lines of at most 80 columns, with the command that resolves it.
pub(super) fn print_one(out: &mut dyn Write, delivery: &DeliveryRow) -> io::Result<()> {
    let id = delivery.id;
    let channel = match delivery.channel {
        Channel::Email => "e-mail",
        Channel::Fax => "fax",
        Channel::Call => "call",
    };
    let what = match (&delivery.campaign, &delivery.step, delivery.purpose) {
        (Some(campaign), Some(step), _) => format!("{campaign}/{step}"),
        (_, _, Purpose::Digest) => "digest".into(),
        (_, _, Purpose::Test) => "test".into(),
        (_, _, Purpose::Notice | Purpose::Campaign) => "notice".into(),
    };
    let why = delivery.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let head = format!("  {id}  {}{why}  {channel} {what}", word(delivery.state));
    writeln!(out, "{}", layout::cut(&head, layout::WIDTH))?;
    writeln!(out, "    to {}", layout::cut(&delivery.address, layout::WIDTH - 7))?;
    match delivery.state {
        DeliveryState::Uncertain => {
            writeln!(out, "    outreachd deliveries resolve {id} accepted --reason \"...\"")?;
            writeln!(out, "    (or `rejected`; to send it again: `deliveries retry {id}`)")
        }
        DeliveryState::Held => {
            writeln!(out, "    outreachd deliveries retry {id} --reason \"...\"")?;
            writeln!(out, "    (sends it; to drop it: `deliveries resolve {id} rejected`)")
        }
        DeliveryState::Rejected => writeln!(out, "    outreachd deliveries retry {id} --reason \"...\""),
        _ => Ok(()),
    }
}

async fn decide(
    session: &Session,
    store: &Store,
    id: DeliveryId,
    decision: Decision,
    reason: &Line,
    yes: bool,
) -> Result<(), CommandError> {
    let delivery = store.get_delivery(id).await.map_err(anyhow::Error::from)?;
    let to = resolve(delivery.state, decision).with_context(|| format!("delivery {id}"))?;
    if decision == Decision::Retry && may_arrive_twice(delivery.state) {
        layout::confirm("it is not known whether this one left: sent again, it may arrive twice", yes)?;
    }
    store.resolve_delivery(&session.act(), id, to, reason.as_str()).await.map_err(anyhow::Error::from)?;
    if session.json {
        output::json(&store.get_delivery(id).await.context("cannot read it again")?)?;
        return Ok(());
    }
    let (from, to) = (word(delivery.state), word(to));
    let goes = if decision == Decision::Retry { "; it goes at the next turn" } else { "" };
    writeln!(io::stdout(), "{id}: {from} -> {to}{goes}").context("cannot print")?;
    Ok(())
}
