//! `outreachd manager list`: who is appointed, and how it came to be.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::Context;
use serde::Serialize;

use crate::cli::{CommandError, Session, layout, output};
use crate::config::Config;
use crate::model::id::UserId;
use crate::model::user::{Role, User};
use crate::policy::authority::{Authority, may};
use crate::store::{Appointment, Store};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  outreachd manager list --history")]
pub(super) struct Args {
    /// Show every appointment and dismissal, with who, when and why
    #[arg(long)]
    history: bool,
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    user: User,
    clients: i64,
}

#[derive(Serialize)]
struct Listing {
    managers: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<Appointment>>,
}

pub(super) async fn run(session: &Session, config: &Config, store: &Store, args: &Args) -> Result<(), CommandError> {
    may(None, Authority::ListUsers).map_err(anyhow::Error::from)?;
    let users = store.users().await.context("cannot list the users")?;
    let owned = store.accounts_owned().await.context("cannot count the clients")?;
    let names: BTreeMap<UserId, String> = users.iter().map(|user| (user.id, user.name.to_string())).collect();
    let managers = users.into_iter().filter(|user| user.active).map(|user| {
        let clients = owned.get(&user.id).copied().unwrap_or(0);
        Listed { user, clients }
    });
    let history =
        if args.history { Some(store.appointments().await.context("cannot read the history")?) } else { None };
    let listing = Listing { managers: managers.collect(), history };
    if session.json {
        output::json(&listing)?;
        return Ok(());
    }
    print(&listing, &names, config).context("cannot print")?;
    Ok(())
}

fn print(listing: &Listing, names: &BTreeMap<UserId, String>, config: &Config) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if listing.managers.is_empty() {
        writeln!(out, "Nobody is appointed yet: outreachd manager appoint --help")?;
    }
    for Listed { user, clients } in &listing.managers {
        let role = match user.role {
            Role::Head => "head",
            Role::Manager => "manager",
        };
        let (clients, at) = (layout::counted(*clients, "client"), user.digest_at.strftime("%H:%M"));
        let line = format!("{}, {role}, {clients}, digest {at} {} ({})", user.name, user.zone, user.language.code());
        writeln!(out, "{}", layout::cut(&line, layout::WIDTH))?;
        writeln!(out, "  {}", layout::cut(user.email.as_str(), layout::WIDTH - 2))?;
    }
    let Some(history) = &listing.history else { return Ok(()) };
    let zone = layout::zone(config);
    let name = |id: &UserId| names.get(id).cloned().unwrap_or_else(|| id.to_string());
    writeln!(out, "\nHistory")?;
    for row in history {
        let what = if row.act == "appoint" { "appointed" } else { "dismissed" };
        let heir = row.successor.map(|heir| format!(", clients to {}", name(&heir))).unwrap_or_default();
        let line = format!("{}  {what} {}{heir}", layout::moment(row.at, &zone), name(&row.user));
        writeln!(out, "{}", layout::cut(&line, layout::WIDTH))?;
        let why = format!("by {}: {}", row.actor, row.reason);
        writeln!(out, "  {}", layout::cut(&why, layout::WIDTH - 2))?;
    }
    Ok(())
}
