//! What is wrong with relay, mailbox, gateway, names, disk, clock and database.
//!
//! Each check is a function in its own file: it looks, within a few seconds, and a
//! pure judge beside it says what was seen, how bad it is and what to do. All run,
//! whatever the others find. It sends no letter and no fax, takes no message from a
//! mailbox and changes no row; what it finds goes to the person at the keyboard.

mod certificate;
mod clock;
mod configuration;
mod database;
mod domain;
mod fax;
mod finding;
mod mailbox;
mod oauth;
mod pages;
mod relay;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::config::Config;
use crate::transport::http::Limits;

pub use finding::{Check, Finding, State, Tally};

/// How long one question to the outside may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a doctor needs to know besides the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The present instant.
    pub now: Timestamp,
    /// The DNS server to ask; the system's own where absent.
    pub resolver: Option<SocketAddr>,
}

/// Runs every check, side by side; they come in the order in which one reads them.
pub async fn examine(config: &Config, situation: &Situation) -> Vec<Check> {
    let now = situation.now;
    let (database, clock, relays, mailboxes, fax, domains, pages) = tokio::join!(
        database::examine(config),
        clock::examine(config, now),
        join_all(config.relays.iter().map(|relay| relay::examine(relay, now))),
        join_all(config.mailboxes.iter().map(mailbox::examine)),
        fax::examine(config, now),
        domain::examine(config, situation.resolver),
        pages::examine(&config.web),
    );
    let mut checks = vec![configuration::examine(config)];
    checks.extend(database);
    checks.push(clock);
    checks.extend(oauth::examine(config, now));
    checks.extend(relays.into_iter().flatten());
    checks.push(mailbox::examine_coverage(config));
    checks.extend(mailboxes);
    checks.push(fax);
    checks.extend(domains);
    checks.push(pages);
    checks
}

/// Limits for one question over HTTP.
fn limits() -> Limits {
    Limits { connect: PATIENCE, total: PATIENCE, body_bytes: 64 * 1024, redirects: 0 }
}
