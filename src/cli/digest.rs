//! `outreachd digest`: print a manager's digest as it would be now.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::session::block_on;
use super::{CommandError, Session, output};
use crate::config::keys;
use crate::digest::{self, Digest};
use crate::model::address::EmailAddress;
use crate::model::delivery::Purpose;
use crate::model::user::User;
use crate::store::Store;

/// The arguments of `outreachd digest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Without --send nothing is written and nothing leaves. With --send the manager gets this
digest at once, beside the one of the morning, through the daemon's own queue.

Example: outreachd digest karin.ek@fyrljus.example")]
pub struct Args {
    /// The manager's e-mail address
    #[arg(value_name = "MANAGER")]
    manager: String,

    /// Tell of the last so many days instead of the time since the last digest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=60))]
    days: Option<u16>,

    /// Send it to them too
    #[arg(long)]
    send: bool,
}

/// Composes the digest, prints it, and queues it where asked to.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    block_on(async {
        let store = session.existing_store(&config).await?;
        let now = session.now();
        let user = find(&store, &args.manager).await?;
        let from = begin(&store, &user, args.days, now).await?;
        let data = digest::collect(&store, &config, &user, from, now, now).await.map_err(anyhow::Error::from)?;
        let keys = keys::load_or_create(&config.files.key_file).map_err(anyhow::Error::from)?;
        let composed = digest::compose(&data, &digest::link(&config, &keys, &user));
        if args.send {
            // A delivery of its own, so that the one of the morning comes all the same.
            let key = format!("digest/{}/asked/{}", user.id, now.as_microsecond());
            let delivery = digest::delivery(&config, &user, &composed, key, Purpose::Notice, now);
            let delivery = delivery.map_err(anyhow::Error::from)?;
            store.create_deliveries(&session.act(), &[delivery]).await.map_err(anyhow::Error::from)?;
        }
        print(session, &composed, args.send)?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn find(store: &Store, manager: &str) -> Result<User, CommandError> {
    let email = EmailAddress::parse(manager).with_context(|| format!("`{manager}`"))?;
    let user = store.find_user(&email).await.map_err(anyhow::Error::from)?;
    let known = user.filter(|user| user.active);
    Ok(known.with_context(|| format!("`{manager}` is no active manager; `outreachd manager list` names them"))?)
}

/// Since when it tells: the days that were asked for, else the last digest, else yesterday.
async fn begin(store: &Store, user: &User, days: Option<u16>, now: Timestamp) -> Result<Timestamp, CommandError> {
    let back = |days: u16| {
        let zone = TimeZone::get(&user.zone).unwrap_or(TimeZone::UTC);
        now.to_zoned_datetime(zone).checked_sub(i64::from(days).days()).map(|at| at.timestamp())
    };
    if let Some(days) = days {
        return Ok(back(days).context("that is too long ago")?);
    }
    let last = store.last_digest(user.id).await.map_err(anyhow::Error::from)?;
    Ok(match last.filter(|at| *at < now) {
        Some(last) => last,
        None => back(1).context("the clock is wrong")?,
    })
}

fn print(session: &Session, composed: &Digest, sent: bool) -> anyhow::Result<()> {
    if session.json {
        return output::json(composed);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n\n{}", composed.subject, composed.text.trim_end())?;
    if sent {
        writeln!(std::io::stderr(), "It is queued; a running daemon sends it now.")?;
    }
    Ok(())
}
