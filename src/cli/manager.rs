//! `outreachd manager`: appoint, dismiss and list account managers.
//!
//! Who may is decided in `policy::authority`; who tried and may not is noted.

mod appoint;
mod list;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Subcommand;

use super::session::block_on;
use super::{CommandError, Session, layout, output};
use crate::config::Config;
use crate::model::act::Act;
use crate::model::address::EmailAddress;
use crate::model::id::UserId;
use crate::model::text::Line;
use crate::model::user::{Role, User};
use crate::policy::authority::{Authority, may};
use crate::store::Store;

/// The arguments of `outreachd manager`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Appointing and dismissing is the head's alone: say who you are with --as. The first
head is the address that [company] head of the configuration names.

Examples:
  outreachd --as mira.holm@fyrljus.example manager appoint karin.ek@fyrljus.example \\
      --name \"Karin Ek\" --phone 070-1740612 --reason \"takes over Stockholm\"
  outreachd --as mira.holm@fyrljus.example manager dismiss karin.ek@fyrljus.example \\
      --to jonas.berg@fyrljus.example --reason \"has left\"
  outreachd manager list --history")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Appoint a manager, appoint one again, or change what is known about one
    Appoint(appoint::Args),
    /// Dismiss a manager and hand their clients over, at once
    Dismiss(Dismiss),
    /// List who is appointed
    List(list::Args),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Clients and open tasks change hands in the same moment. The last head stays.

Example:
  outreachd --as mira.holm@fyrljus.example manager dismiss karin.ek@fyrljus.example \\
      --to jonas.berg@fyrljus.example --reason \"has left\"")]
struct Dismiss {
    /// Whom
    #[arg(value_name = "EMAIL", value_parser = email)]
    email: EmailAddress,

    /// Who takes the clients and open tasks over; needed if there are any
    #[arg(long, value_name = "EMAIL", value_parser = email)]
    to: Option<EmailAddress>,

    /// Why; it stays in the history
    #[arg(long, value_name = "TEXT", value_parser = layout::reason)]
    reason: Line,
}

fn email(text: &str) -> Result<EmailAddress, String> {
    EmailAddress::parse(text).map_err(|error| error.to_string())
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    block_on(async {
        let store = session.store(&config).await?;
        match args.what {
            What::Appoint(args) => appoint::run(session, &config, &store, args).await?,
            What::Dismiss(args) => dismiss(session, &config, &store, args).await?,
            What::List(args) => list::run(session, &config, &store, &args).await?,
        }
        store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

async fn dismiss(session: &Session, config: &Config, store: &Store, args: Dismiss) -> Result<(), CommandError> {
    let act = authorise(session, config, store, Authority::Dismiss, &args.email).await?;
    let user = get_user(store, &args.email).await?;
    let successor = match &args.to {
        Some(email) => Some(get_user(store, email).await?),
        None => None,
    };
    let heir = successor.as_ref().map(|heir| heir.id);
    let moved = store.dismiss(&act, user.id, heir, args.reason.as_str()).await;
    let moved = moved.with_context(|| format!("cannot dismiss {}", user.name))?;
    if session.json {
        output::json(&serde_json::json!({ "dismissed": user.email, "successor": args.to, "clients_moved": moved }))?;
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    let clients = layout::counted(i64::try_from(moved).unwrap_or(i64::MAX), "client");
    match successor {
        Some(heir) => writeln!(out, "Dismissed {}. {clients} handed over to {}.", user.name, heir.name),
        None => writeln!(out, "Dismissed {}. They owned no client.", user.name),
    }
    .context("cannot print")?;
    Ok(())
}

async fn get_user(store: &Store, email: &EmailAddress) -> Result<User, CommandError> {
    let users = store.users().await.context("cannot list the users")?;
    if let Some(user) = users.iter().find(|user| user.email.folded() == email.folded()) {
        return Ok(user.clone());
    }
    let meant = layout::meant(email.as_str(), users.iter().map(|user| user.email.as_str()));
    Err(anyhow!("nobody appointed {}; {meant}", email.as_str()).into())
}

/// The act of the person of `--as`, if they may; else the attempt is noted and refused.
async fn authorise(
    session: &Session,
    config: &Config,
    store: &Store,
    authority: Authority,
    subject: &EmailAddress,
) -> Result<Act, CommandError> {
    let email = session.acting()?;
    let act = Act::person(email.folded(), session.now());
    let users = store.users().await.context("cannot list the users")?;
    let has_head = users.iter().any(|user| user.active && user.role == Role::Head);
    let mut actor = users.into_iter().find(|user| user.email.folded() == email.folded());
    if !has_head && email.folded() == config.company.head.folded() {
        actor = Some(appoint_first_head(config, store, &act, &email, actor).await?);
    }
    let Err(refusal) = may(actor.as_ref(), authority) else { return Ok(act) };
    let diff = serde_json::json!({ "tried": authority, "subject": subject, "refused": refusal.to_string() });
    store.note(&act, "authority", &email.folded(), diff).await.context("cannot note the refusal")?;
    let hint = if has_head { "" } else { "; nobody is head yet: act as the address of [company] head" };
    Err(anyhow!("{refusal}{hint}").into())
}

/// Makes the person whom the configuration names the company's first head.
async fn appoint_first_head(
    config: &Config,
    store: &Store,
    act: &Act,
    email: &EmailAddress,
    known: Option<User>,
) -> Result<User, CommandError> {
    let user = match known {
        Some(user) => User { role: Role::Head, active: true, ..user },
        None => User {
            id: UserId(0),
            name: name_of(email),
            email: email.clone(),
            phone: None,
            title: None,
            role: Role::Head,
            language: config.company.language,
            zone: config.company.zone.clone(),
            digest_at: config.digest.at,
            active: true,
        },
    };
    let reason = "first head: [company] head of the configuration";
    let id = store.appoint(act, &user, reason).await.context("cannot appoint the first head")?;
    Ok(User { id, ..user })
}

/// A name from an address, until somebody gives a better one: `mira.holm@` is Mira Holm.
fn name_of(email: &EmailAddress) -> Line {
    let words = email.local().split(['.', '_', '-', '+']).filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    let name = words.map(capital).collect::<Vec<_>>().join(" ");
    Line::parse(&name).expect("a local part is printable ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_a_name_from_an_address() {
        assert_eq!(name_of(&EmailAddress::parse("mira.holm@fyrljus.example").unwrap()).as_str(), "Mira Holm");
        assert_eq!(name_of(&EmailAddress::parse("vd@fyrljus.example").unwrap()).as_str(), "Vd");
    }
}
