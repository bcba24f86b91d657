//! The transcript of `demo --once`: what the rows say, in the order it happened.
//!
//! Nothing here is written beforehand: every line comes from a row. What is written
//! beforehand is [`mistakes`], the figures that must come out.

mod client;
mod expected;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::company;
use crate::campaign::apply::Applied;
use crate::campaign::check::Checked;
use crate::campaign::plan::PlanReport;
use crate::campaign::report;
use crate::client::why;
use crate::model::address::EmailAddress;
use crate::model::text::tame;
use crate::store::{Result, Status, Store};

pub use client::{Event, events};
pub use expected::mistakes;

/// Whose stories are told.
const TOLD: [&str; 3] = ["anna.lind@granvik.example", "oskar.nyman@bergtorp.example", "sara.wik@almby.example"];
/// Whose digest is shown, and how many lines of it.
const READER: &str = "karin.ek@fyrljus.example";
const DIGEST_LINES: usize = 1;

/// The last line, for who has seen the story only in the terminal.
pub const LAST: &str = "In the browser, with every letter, fax page and timeline: outreachd demo";

/// What people did before the daemon did the rest.
pub struct Opening {
    /// The clients in the database.
    pub clients: i64,
    /// What the check looked at.
    pub checked: Checked,
    /// The plan.
    pub plan: PlanReport,
    /// What applying it did.
    pub applied: Applied,
}

/// What came of it by the end of the story.
pub struct Ending {
    /// Each told client's lines.
    pub clients: Vec<Vec<String>>,
    /// Everything counted.
    pub status: Status,
    /// The manager's newest digest.
    pub digest: Option<Value>,
    /// When it was due.
    pub digest_at: Option<Timestamp>,
    /// The manager.
    pub reader: String,
}

/// The lines about the opening.
pub fn opening(opening: &Opening) -> Vec<String> {
    let Opening { clients, checked, plan, applied } = opening;
    let left_out: u64 = plan.left_out.values().sum();
    let first = applied.first.map(|at| report::instant(at, &company::zone())).unwrap_or_default();
    vec![
        format!("Fyrljus AB, an invented company: {clients} clients, one campaign, a virtual clock."),
        "Mail and fax go to servers inside this program; nothing leaves this machine.".to_owned(),
        String::new(),
        format!(
            "check  {}: {} steps, each letter rendered for {} contacts, no mistakes",
            checked.campaign, checked.steps, checked.contacts
        ),
        format!("plan   {} match, {left_out} left out, {} start", plan.matched, plan.starts),
        format!("apply  version {}, first letters {first}", applied.version),
        String::new(),
    ]
}

/// Reads how it ended.
///
/// # Errors
/// The database does not answer, or a client of the story is not there.
pub async fn read(store: &Store, now: Timestamp) -> Result<Ending> {
    let mut clients = Vec::new();
    for address in TOLD {
        for contact in store.find_contacts(address, 1).await? {
            let facts = why::load(store, contact, now).await?;
            let consents = store.consents(contact).await?;
            clients.push(client::lines(&facts, &consents));
        }
    }
    let reader = EmailAddress::parse(READER).expect("a plain address");
    let reader = store.find_user(&reader).await?;
    let (digest, digest_at) = match &reader {
        Some(user) => (store.latest_digest(user.id).await?, store.last_digest(user.id).await?),
        None => (None, None),
    };
    let reader = reader.map(|user| user.name.to_string()).unwrap_or_default();
    Ok(Ending { clients, status: store.status(now).await?, digest, digest_at, reader })
}

/// The lines about the ending.
pub fn ending(ending: &Ending) -> Vec<String> {
    let mut lines: Vec<String> = ending.clients.iter().flatten().cloned().collect();
    let when = ending.digest_at.map(|at| local(at, &company::zone())).unwrap_or_default();
    lines.extend([
        String::new(),
        ending.status.sum_line(Some(company::CAMPAIGN_ID)),
        String::new(),
        format!("{when}  digest to {} (in her language)", ending.reader),
    ]);
    let text = |key: &str| ending.digest.as_ref().and_then(|digest| digest[key].as_str()).unwrap_or_default();
    lines.push(format!("  {}", tame(text("subject"))));
    lines.extend(text("text").lines().take(DIGEST_LINES).map(|line| format!("  {}", tame(line))));
    lines.extend(["  ...".to_owned(), String::new()]);
    lines
}

/// `Mon 08:34`.
pub(super) fn local(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%a %H:%M").to_string()
}
