//! The folder of sent mail: some servers put a copy of what their relay took there.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::{Bench, EvidenceError, SourceError, note, tell};
use crate::config::Mailbox;
use crate::inbox::{ImapInbox, Sought};
use crate::model::token::TokenPurpose;
use crate::store::{Doubt, Witness};

/// Minutes between two searches of one folder.
const EVERY_MIN: i64 = 5;
/// Mails that one search asks for, the newest first.
const MOST: usize = 50;

/// A mailbox's folder of sent mail.
pub(super) struct SentFolder {
    source: String,
    mailbox: Mailbox,
    folder: String,
    inbox: Option<ImapInbox>,
    next_at: Option<Timestamp>,
    trouble: Option<String>,
}

impl SentFolder {
    /// The folder of a mailbox, if the configuration names one.
    pub(super) fn of(mailbox: &Mailbox) -> Option<Self> {
        let folder = mailbox.sent.clone().filter(|_| mailbox.host.is_some())?;
        let source = format!("sent/{}", mailbox.id);
        Some(Self { source, mailbox: mailbox.clone(), folder, inbox: None, next_at: None, trouble: None })
    }

    pub(super) fn way(&self) -> (String, Option<String>) {
        (self.source.clone(), self.trouble.clone())
    }

    /// Looks for uncertain mails; says how many letters that settled. Without any, the server
    /// is not asked.
    pub(super) async fn search(&mut self, bench: &Bench<'_>, doubts: &[Doubt]) -> Result<usize, EvidenceError> {
        if doubts.is_empty() || self.next_at.is_some_and(|at| bench.now < at) {
            return Ok(0);
        }
        self.next_at = bench.now.checked_add(EVERY_MIN.minutes()).ok();
        let found = self.find(bench, doubts).await;
        if found.is_err() {
            self.inbox = None;
        }
        note(&self.source, &mut self.trouble, found)
    }

    async fn find(&mut self, bench: &Bench<'_>, doubts: &[Doubt]) -> Result<usize, SourceError> {
        let asked: Vec<_> = doubts.iter().take(MOST).filter_map(|doubt| Some((doubt, sought(bench, doubt)?))).collect();
        let sought: Vec<_> = asked.iter().map(|(_, sought)| sought.clone()).collect();
        let inbox = match &mut self.inbox {
            Some(inbox) => inbox,
            empty => empty.insert(ImapInbox::open(&self.mailbox).await?),
        };
        let found = inbox.find_sent(&self.folder, &sought).await?;
        let witness = |(doubt, _): &(&Doubt, Sought)| {
            let words = format!("a copy lies in folder {} ({})", self.folder, self.source);
            Witness { delivery: doubt.delivery, source: self.source.clone(), words }
        };
        let seen: Vec<_> = found.iter().filter_map(|at| asked.get(*at)).map(witness).collect();
        Ok(tell(bench.store.witness(&bench.act(), None, &seen).await?))
    }
}

fn sought(bench: &Bench<'_>, doubt: &Doubt) -> Option<Sought> {
    let token = bench.keys.sign(TokenPurpose::Delivery, doubt.delivery.0);
    Some(Sought { message_id: doubt.message_id.clone()?, token, since: day_before(doubt.left_at) })
}

/// The server counts days by its own clock and zone.
fn day_before(at: Timestamp) -> Date {
    let day = TimeZone::UTC.to_datetime(at).date();
    day.checked_sub(1.day()).unwrap_or(day)
}
