//! A million contacts: how long `check`, `plan`, `apply` and the schedule take, and how
//! much memory; and how long a daemon takes to be ready on their database.
//!
//! ```text
//! cargo bench --bench million                                   # 1,000,000 on SQLite
//! MILLION_CONTACTS=50000 cargo bench --bench million            # a quick look
//! MILLION_URL=postgres://user@host/empty cargo bench --bench million
//! ```
//! An empty database is filled through the store's own methods; one that `MILLION_URL`
//! names is kept, so that the next run finds its clients there.

#[path = "million/clients.rs"]
mod clients;
#[path = "million/gauge.rs"]
mod gauge;
#[path = "million/ready.rs"]
mod ready;

use std::path::Path;

use anyhow::{Context, Result};
use gauge::Gauge;
use jiff::{Timestamp, ToSpan};
use outreachd::campaign::apply::apply_all;
use outreachd::campaign::check::{self, Check};
use outreachd::campaign::plan::preview;
use outreachd::client::why;
use outreachd::config::{self, Config};
use outreachd::digest;
use outreachd::model::act::Act;
use outreachd::model::id::ContactId;
use outreachd::schedule;
use outreachd::store::{Migration, Store};

/// Wednesday before the campaign begins.
const BEFORE: &str = "2027-02-24T09:12:00Z";
/// The evening before the first letters: all of them are due within two days.
const EVE: &str = "2027-02-28T18:00:00Z";

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: usize = std::env::var("MILLION_CONTACTS").map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let fresh = format!("sqlite:{}", folder.path().join("million.db").display());
    let url = std::env::var("MILLION_URL").unwrap_or(fresh);
    let store = Store::open(&url, Migration::Apply).await?;
    let (before, eve) = (BEFORE.parse()?, EVE.parse()?);
    let config = company()?;

    println!("{:<34} {:>9} {:>12} {:>10}", "", "seconds", "rows/s", "peak MiB");
    if store.count_contacts().await? == 0 {
        let gauge = Gauge::start("import (seed)");
        clients::seed(&store, wanted, before).await?;
        gauge.done(wanted as u64);
    }
    let contacts = u64::try_from(store.count_contacts().await?)?;
    campaigns(&store, &config, before, contacts).await?;
    schedules(&store, &config, eve).await?;
    people(&store, &config, eve).await?;
    let gauge = Gauge::start("plan, all scheduled");
    let check = check(&config)?;
    drop(preview(&store, &config, &check, eve, false, &|_| ()).await?);
    gauge.done(contacts);
    store.close().await;
    tokio::task::spawn_blocking(move || ready::measure(&url, folder.path())).await?
}

/// The example's company, which writes to several people of one client.
fn company() -> Result<Config> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/outreachd.toml");
    let text = std::fs::read_to_string(&path)?;
    let several = ("OUTREACHD_LIMITS__CONTACTS_PER_ACCOUNT".to_owned(), "4".to_owned());
    Ok(config::parse(&path, &text, &[several])?)
}

/// The files alone, checked; the letters for each contact are a row of their own.
fn check(config: &Config) -> Result<Check> {
    let files = check::files(&config.files.campaigns, &config.files.templates, Some(config));
    let mistakes = files.mistakes.clone();
    anyhow::ensure!(mistakes.is_empty(), "the example has mistakes: {mistakes:?}");
    Ok(Check { files, campaigns: Vec::new(), mistakes, clients: 0 })
}

/// What marketing does: check, plan, apply, and each once more.
async fn campaigns(store: &Store, config: &Config, now: Timestamp, contacts: u64) -> Result<()> {
    let gauge = Gauge::start("check, each letter for each");
    let checked = check::check(Some(store), config, now, &|_| ()).await?;
    anyhow::ensure!(checked.mistakes.is_empty(), "the letters have mistakes: {:?}", checked.mistakes);
    gauge.done(contacts);
    let check = check(config)?;
    let gauge = Gauge::start("plan, new");
    let report = preview(store, config, &check, now, false, &|_| ()).await?.remove(0);
    gauge.done(contacts);
    let act = Act::person("mira.holm@fyrljus.example", now);
    let gauge = Gauge::start("apply, new");
    let applied = apply_all(store, config, &check, &act, &|_| ()).await?.remove(0);
    gauge.done(contacts);
    anyhow::ensure!(applied.started + applied.kept >= report.starts, "apply starts whom plan showed");
    println!("  {} start, left out {:?}", applied.started, applied.left_out);
    let gauge = Gauge::start("apply, nothing changed");
    apply_all(store, config, &check, &act, &|_| ()).await?;
    gauge.done(contacts);
    let gauge = Gauge::start("plan, all under way");
    preview(store, config, &check, now, false, &|_| ()).await?;
    gauge.done(contacts);
    Ok(())
}

/// What the daemon does: nothing is due, everything is due, nothing is left.
async fn schedules(store: &Store, config: &Config, eve: Timestamp) -> Result<()> {
    let early = eve.checked_sub(72.hours())?;
    let gauge = Gauge::start("schedule, nothing due");
    schedule::turn(store, config, early).await?;
    gauge.done(1);
    let gauge = Gauge::start("schedule, all due");
    let turn = schedule::turn(store, config, eve).await?;
    gauge.done(turn.done as u64);
    let gauge = Gauge::start("schedule, all scheduled");
    schedule::turn(store, config, eve).await?;
    gauge.done(1);
    Ok(())
}

/// What people ask.
async fn people(store: &Store, config: &Config, now: Timestamp) -> Result<()> {
    let gauge = Gauge::start("status");
    let status = store.status(now).await?;
    gauge.done(1);
    println!("  {} of {} deliveries accepted", status.deliveries.len(), contacts_of(&status));
    let anyone = store.contact_page(ContactId(0), 1).await?.into_iter().next().context("there are contacts")?;
    let client = store.get_client(anyone).await?;
    let email = client.contact.email.context("the first has an address")?;
    for (what, query) in [("why, by address", email.as_str()), ("why, by name", client.contact.name.as_str())] {
        let gauge = Gauge::start(what);
        let found = store.find_contacts(query, 2).await?;
        let facts = why::load(store, found[0], now).await?;
        drop(why::tell(&facts));
        gauge.done(1);
    }
    let gauge = Gauge::start("why, by a part of a name");
    store.find_contacts("nikolaj", 20).await?;
    gauge.done(1);
    let manager = store.users().await?.into_iter().nth(1).context("there are managers")?;
    let gauge = Gauge::start("digest");
    let data = digest::collect(store, config, &manager, now.checked_sub(24.hours())?, now, now).await?;
    gauge.done(1);
    println!("  {} groups of letters go out next", data.upcoming.len());
    Ok(())
}

fn contacts_of(status: &outreachd::store::Status) -> i64 {
    status.deliveries.iter().map(|row| row.count).sum()
}
