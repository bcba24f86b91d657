//! `outreachd manager appoint`: a new manager, one again, or other details.

use std::io::Write;

use anyhow::Context;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::{authorise, email};
use crate::cli::{CommandError, Session, layout, output};
use crate::config::Config;
use crate::config::sections::LANGUAGES;
use crate::model::address::{EmailAddress, PhoneNumber};
use crate::model::id::UserId;
use crate::model::language::Language;
use crate::model::text::Line;
use crate::model::user::{Role, User};
use crate::policy::authority::Authority;
use crate::store::Store;

#[derive(Debug, clap::Args)]
#[command(after_help = "What you leave out stays as it was, or comes from the configuration for a new manager.

Example:
  outreachd --as mira.holm@fyrljus.example manager appoint karin.ek@fyrljus.example \\
      --name \"Karin Ek\" --title \"Ljuskonsult\" --phone 070-1740612 --reason \"new in Stockholm\"")]
pub(super) struct Args {
    /// The address the digest goes to; it names them everywhere
    #[arg(value_name = "EMAIL", value_parser = email)]
    email: EmailAddress,

    /// The name that clients see
    #[arg(long, value_name = "NAME", value_parser = line)]
    name: Line,

    /// The title in the signature
    #[arg(long, value_name = "TITLE", value_parser = line)]
    title: Option<Line>,

    /// The telephone number in the signature
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,

    /// The language of the digest
    #[arg(long, value_name = "sv|en", value_parser = language)]
    language: Option<Language>,

    /// The time zone of the digest's hour, such as Europe/Stockholm
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    zone: Option<String>,

    /// When the digest comes, by their clock
    #[arg(long, value_name = "HH:MM", value_parser = time)]
    digest_at: Option<Time>,

    /// Appoint them head of the company, who appoints and dismisses
    #[arg(long)]
    head: bool,

    /// Why; it stays in the history
    #[arg(long, value_name = "TEXT", value_parser = layout::reason)]
    reason: Line,
}

fn line(text: &str) -> Result<Line, String> {
    match Line::parse(text) {
        Ok(line) if line.as_str().is_empty() => Err("is empty".into()),
        Ok(line) => Ok(line),
        Err(error) => Err(error.to_string()),
    }
}

fn language(text: &str) -> Result<Language, String> {
    let found = LANGUAGES.iter().find(|(code, _)| *code == text).map(|(_, language)| *language);
    found.ok_or_else(|| "write sv or en".into())
}

fn zone(text: &str) -> Result<String, String> {
    TimeZone::get(text).map(|_| text.to_owned()).map_err(|_| "is no time zone; one looks like Europe/Stockholm".into())
}

fn time(text: &str) -> Result<Time, String> {
    text.parse().map_err(|_| "is no time of day; write 07:30".into())
}

pub(super) async fn run(session: &Session, config: &Config, store: &Store, args: Args) -> Result<(), CommandError> {
    let phone = args.phone.as_deref().map(|text| PhoneNumber::parse(text, Some(&config.company.country)));
    let phone = phone.transpose().with_context(|| format!("--phone {}", args.phone.as_deref().unwrap_or_default()))?;
    let authority = if args.head { Authority::AppointHead } else { Authority::AppointManager };
    let act = authorise(session, config, store, authority, &args.email).await?;
    let known = store.find_user(&args.email).await.context("cannot look the user up")?;
    let was_active = known.as_ref().is_some_and(|user| user.active);
    let user = appointed(args, phone, config, known);
    let (user, reason) = user;
    let id = store.appoint(&act, &user, reason.as_str()).await;
    let id = id.with_context(|| format!("cannot appoint {}", user.name))?;
    if session.json {
        output::json(&User { id, ..user })?;
        return Ok(());
    }
    let role = match user.role {
        Role::Head => "head of the company",
        Role::Manager => "account manager",
    };
    let done = if was_active { "Changed" } else { "Appointed" };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{done}: {}, {role}. Digest at {} {}.", user.name, user.digest_at.strftime("%H:%M"), user.zone)
        .context("cannot print")?;
    Ok(())
}

/// The user as they are appointed: what was said, else what was known, else the company's.
fn appointed(args: Args, phone: Option<PhoneNumber>, config: &Config, known: Option<User>) -> (User, Line) {
    let stays_head = known.as_ref().is_some_and(|user| user.active && user.role == Role::Head);
    let known = known.as_ref();
    let user = User {
        id: known.map_or(UserId(0), |user| user.id),
        name: args.name,
        email: args.email,
        phone: phone.or_else(|| known.and_then(|user| user.phone.clone())),
        title: args.title.or_else(|| known.and_then(|user| user.title.clone())),
        role: if args.head || stays_head { Role::Head } else { Role::Manager },
        language: args.language.or(known.map(|user| user.language)).unwrap_or(config.company.language),
        zone: args.zone.or_else(|| known.map(|user| user.zone.clone())).unwrap_or_else(|| config.company.zone.clone()),
        digest_at: args.digest_at.or(known.map(|user| user.digest_at)).unwrap_or(config.digest.at),
        active: true,
    };
    (user, args.reason)
}
