//! The world outside: it looks at what the demo's servers got, and answers by a table.
//!
//! What it does goes the way it goes in the world: answers and bounces as mails into
//! the mailbox, an opt-out as a POST to our page. It reads no row and writes none.

mod people;
mod post;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use reqwest::{Method, Request};

use super::company;
use super::fax_gateway::FaxGateway;
use super::mail_server::{MailServer, Options};
use crate::clock::Clock;
use crate::inbox::MemoryInbox;
use crate::model::turn::{Turn, earliest};
use crate::transport::http::{self, HttpClient, HttpError, Limits};

use people::{Deed, HABITS, When};
use post::Letter;

/// The servers that our letters go to, and what they have got.
#[derive(Clone)]
pub struct Servers {
    /// The mail server of everybody.
    pub relay: Arc<MailServer>,
    /// The fax gateway.
    pub gateway: Arc<FaxGateway>,
}

impl Servers {
    /// Starts both on loopback.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(clock: Clock) -> io::Result<Self> {
        let relay = MailServer::start(people::at_the_door, Options::default()).await?;
        let gateway = FaxGateway::start(clock, people::on_the_line).await?;
        Ok(Self { relay: Arc::new(relay), gateway: Arc::new(gateway) })
    }
}

/// Why the world could not do what it does.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A letter offers no one-click opt-out.
    #[error("a letter that is to be unsubscribed from has no one-click link")]
    NoLink,
    /// The opt-out page cannot be reached.
    #[error("cannot reach the opt-out page: {0}")]
    Http(#[from] HttpError),
    /// The opt-out page refused.
    #[error("the opt-out page answered {0}")]
    Refused(u16),
}

/// Everybody who is not us.
pub struct World {
    servers: Servers,
    inbox: MemoryInbox,
    /// Messages that were looked at.
    seen: usize,
    letters: HashMap<String, usize>,
    coming: Vec<Coming>,
    /// The first thing that went wrong.
    trouble: Option<WorldError>,
}

struct Coming {
    at: Timestamp,
    deed: Deed,
    letter: Letter,
}

impl World {
    /// A world that gets what `servers` take, and answers into `inbox`.
    pub fn new(servers: Servers, inbox: MemoryInbox) -> Self {
        Self { servers, inbox, seen: 0, letters: HashMap::new(), coming: Vec::new(), trouble: None }
    }

    /// What went wrong, if anything did.
    pub fn trouble(&mut self) -> Option<WorldError> {
        self.trouble.take()
    }

    /// Everything that happens outside at `now`.
    pub async fn turn(&mut self, now: Timestamp) -> Turn {
        let mut done = self.look(now);
        while let Some(index) = self.coming.iter().position(|coming| coming.at <= now) {
            let Coming { at, deed, letter } = self.coming.remove(index);
            if let Err(error) = self.act(at, deed, &letter).await {
                self.trouble.get_or_insert(error);
            }
            done += 1;
        }
        let next = self.coming.iter().map(|coming| coming.at).min();
        Turn { done, next_at: earliest(next, self.servers.gateway.next_at()) }
    }

    /// Looks at the letters that have come since the last turn.
    fn look(&mut self, now: Timestamp) -> usize {
        let received = self.servers.relay.received_from(self.seen);
        self.seen += received.len();
        for message in &received {
            let Some(letter) = Letter::read(message) else { continue };
            let address = message.to.first().cloned().unwrap_or_default();
            let count = self.letters.entry(address.clone()).or_default();
            *count += 1;
            let habit = HABITS.iter().find(|habit| habit.address == address && habit.letter == *count);
            if let Some(habit) = habit {
                self.coming.push(Coming { at: when(habit.when, now), deed: habit.deed, letter });
            }
        }
        received.len()
    }

    async fn act(&mut self, at: Timestamp, deed: Deed, letter: &Letter) -> Result<(), WorldError> {
        match deed {
            Deed::Reply(text) => self.inbox.push(letter.reply(at, text)),
            Deed::Away(text) => self.inbox.push(letter.auto_reply(at, text)),
            Deed::Bounce => self.inbox.push(letter.bounce(at)),
            Deed::OptOut => opt_out(letter.one_click.as_deref().ok_or(WorldError::NoLink)?).await?,
        }
        Ok(())
    }
}

/// The instant of a deed about a letter that came at `now`; never before it.
fn when(when: When, now: Timestamp) -> Timestamp {
    match when {
        When::Seconds(seconds) => now.checked_add(seconds.seconds()).unwrap_or(now),
        When::At(time) => company::instant(company::zone().to_datetime(now).date().to_datetime(time)).max(now),
    }
}

/// Does what a mail program does when its "unsubscribe" is pressed.
async fn opt_out(link: &str) -> Result<(), WorldError> {
    let url = http::parse_url(link)?;
    let client = HttpClient::new(&url, Limits::default())?;
    let mut request = Request::new(Method::POST, url);
    *request.body_mut() = Some("List-Unsubscribe=One-Click".into());
    match client.send(request).await?.status {
        200..=299 => Ok(()),
        status => Err(WorldError::Refused(status)),
    }
}
