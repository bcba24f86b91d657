//! Takes one mail in: reads it, ties it, looks up what is known, has it decided.
//!
//! Whatever goes wrong with a single mail stays with that mail: it is kept with
//! its bytes for a person to look at, and the mailbox is read on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use data_encoding::HEXLOWER;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::apply::{Case, apply};
use super::facts::{Facts, zone};
use super::read::{Finding, Reading, read};
use super::tie::{self, RECENT_DAYS, Tie, fold};
use crate::config::Config;
use crate::inbox::RawMail;
use crate::model::response::ResponseKind;
use crate::model::token::{TokenKeys, TokenPurpose};
use crate::policy::local;
use crate::store::{LoggedResponse, Store, StoreError};

/// What taking a mail in needs beside the mail.
pub(super) struct Intake<'a> {
    pub(super) store: &'a Store,
    pub(super) config: &'a Config,
    pub(super) keys: &'a TokenKeys,
    pub(super) mailbox: &'a str,
    pub(super) now: Timestamp,
}

/// A mail with its hash.
struct Hashed<'a> {
    bytes: &'a [u8],
    sha256: String,
}

impl Intake<'_> {
    /// The responses that a mail is: several for a report about several recipients,
    /// none for our own copies and for what was logged before.
    pub(super) async fn take(&self, mail: &RawMail) -> Result<Vec<LoggedResponse>, StoreError> {
        let hashed = Hashed { bytes: &mail.bytes, sha256: HEXLOWER.encode(&Sha256::digest(&mail.bytes)) };
        let Some(reading) = self.read(&mail.bytes) else {
            return Ok(vec![self.keep(mail, "the reader broke off").await?]);
        };
        if self.is_own(&reading) {
            return Ok(vec![]);
        }
        let keys = self.source_keys(&reading, &hashed);
        let known = self.store.known_sources(&keys).await?;
        let mut responses = Vec::new();
        for (finding, key) in reading.findings.iter().zip(keys) {
            if !known.contains(&key) {
                responses.extend(self.decide(&reading, finding, key, &hashed).await?);
            }
        }
        Ok(responses)
    }

    /// A mail that could not be read or written: kept as it is, for a person.
    pub(super) async fn keep(&self, mail: &RawMail, why: &str) -> Result<LoggedResponse, StoreError> {
        let sha256 = HEXLOWER.encode(&Sha256::digest(&mail.bytes));
        Ok(LoggedResponse {
            id: self.store.new_response_id().await?,
            source: "mail",
            source_key: format!("{}/-/{}", self.mailbox, &sha256[..16]),
            kind: ResponseKind::Other,
            delivery: None,
            plan: None,
            contact: None,
            recipient: None,
            tie: None,
            confidence: 0.0,
            enhanced: None,
            reason: None,
            evidence: json!({ "part": "mail", "line": 0, "rule": "unreadable", "text": why }),
            new_text: None,
            until: None,
            raw: Some((sha256, mail.bytes.clone())),
            review: true,
            received_at: self.now,
            consequences: vec![],
        })
    }

    /// Reads a mail by the day it was written: after an outage, its "Thursday" is past.
    fn read(&self, bytes: &[u8]) -> Option<Reading> {
        let zone = zone(&self.config.company.zone);
        let today = local::date(&zone, self.now);
        let reading = understand(bytes, today, read)?;
        let written = local::date(&zone, self.received_at(&reading));
        if written == today { Some(reading) } else { understand(bytes, written, read) }
    }

    async fn decide(
        &self,
        reading: &Reading,
        finding: &Finding,
        source_key: String,
        mail: &Hashed<'_>,
    ) -> Result<Option<LoggedResponse>, StoreError> {
        let clues = tie::clues(self.keys, reading, finding);
        let tie = tie::find(self.store, &clues, self.now).await?;
        if tie.is_none() && self.is_long_past(reading) {
            return Ok(None);
        }
        let facts = Facts::gather(self.store, self.config, reading, finding, tie.as_ref(), self.now).await?;
        let raw = keeps_bytes(finding, tie.as_ref()).then(|| (mail.sha256.clone(), mail.bytes.to_vec()));
        let case = Case {
            id: self.store.new_response_id().await?,
            reading,
            finding,
            tie: tie.as_ref(),
            facts: &facts,
            received_at: self.received_at(reading),
            now: self.now,
        };
        Ok(Some(apply(&case, source_key, raw)))
    }

    /// The same mail has the same keys however often, and under whatever number, a
    /// mailbox shows it.
    fn source_keys(&self, reading: &Reading, mail: &Hashed<'_>) -> Vec<String> {
        let id = reading.message_id.as_deref().unwrap_or("-");
        let base = format!("{}/{id}/{}", self.mailbox, &mail.sha256[..16]);
        match reading.findings.len() {
            0 | 1 => vec![base],
            several => (1..=several).map(|at| format!("{base}/{at}")).collect(),
        }
    }

    /// A copy of what we sent, or our own mailbox answering us: a loop.
    fn is_own(&self, reading: &Reading) -> bool {
        if reading.findings.iter().any(|finding| tie::is_report(finding.kind)) {
            return false;
        }
        let local = reading.message_id.as_deref().and_then(|id| id.split_once('@')).map(|(local, _)| local);
        if local.is_some_and(|token| self.keys.verify(TokenPurpose::Delivery, token).is_some()) {
            return true;
        }
        let Some(from) = reading.from.as_deref().map(fold) else { return false };
        let senders = self.config.senders.iter().flat_map(|sender| {
            [Some(&sender.from), sender.reply_to.as_ref(), sender.bounces.as_ref()].into_iter().flatten()
        });
        senders.chain(&self.config.digest.from).any(|own| own.folded() == from)
    }

    /// Older than any letter it could answer: a mailbox that was in use before us.
    fn is_long_past(&self, reading: &Reading) -> bool {
        let since = self.now.checked_sub((RECENT_DAYS * 24).hours()).unwrap_or(Timestamp::MIN);
        reading.date.is_some_and(|date| date < since)
    }

    /// Its Date where that is credible, else now.
    fn received_at(&self, reading: &Reading) -> Timestamp {
        reading.date.filter(|date| *date <= self.now && !self.is_long_past(reading)).unwrap_or(self.now)
    }
}

/// Bytes are kept of what is about us; a stranger's private mail stays in the mailbox alone.
fn keeps_bytes(finding: &Finding, tie: Option<&Tie>) -> bool {
    tie.is_some() || !matches!(finding.kind, ResponseKind::Human(_) | ResponseKind::Other)
}

/// What a mail says; none where the reader panics.
fn understand(bytes: &[u8], today: Date, read: impl Fn(&[u8], Date) -> Reading) -> Option<Reading> {
    // Nothing is shared with the reader, so nothing can be left half done.
    catch_unwind(AssertUnwindSafe(|| read(bytes, today))).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn survives_a_reader_that_breaks_off() {
        let today = date(2027, 3, 1);
        assert!(understand(b"x", today, |_, _| panic!("a poisonous mail")).is_none());
        assert!(understand(b"Subject: x\r\n\r\ny", today, read).is_some());
    }
}
