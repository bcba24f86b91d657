//! The log of a relay's Postfix: a mail of ours that is in its queue was taken.
//!
//! Its return path carries our token, or its Message-ID does. The Message-ID alone is no
//! proof: Postfix names a message when its headers are read, and it may break off after that.
//! Only what `qmgr` has in the queue counts.

use std::collections::VecDeque;

use super::{Bench, EvidenceError, SourceError, note, tell};
use crate::config::Relay;
use crate::inbox::{QueueLine, RelayLog};
use crate::model::id::DeliveryId;
use crate::store::Witness;

/// Pages of one turn.
const PAGES: usize = 64;
/// Messages that were named and are not in the queue yet.
const NAMED: usize = 4_096;

/// A log, and what it has named.
pub(super) struct LogReader {
    source: String,
    log: RelayLog,
    named: VecDeque<(String, DeliveryId)>,
    trouble: Option<String>,
}

impl LogReader {
    /// The reader of a relay's log, if the configuration names one.
    pub(super) fn of(relay: &Relay) -> Option<Self> {
        let log = RelayLog::new(relay.log.as_ref()?);
        Some(Self { source: format!("log/{}", relay.id), log, named: VecDeque::new(), trouble: None })
    }

    pub(super) fn way(&self) -> (String, Option<String>) {
        (self.source.clone(), self.trouble.clone())
    }

    /// Reads what is new; says how many letters that settled.
    pub(super) async fn read(&mut self, bench: &Bench<'_>) -> Result<usize, EvidenceError> {
        let read = self.read_pages(bench).await;
        note(&self.source, &mut self.trouble, read)
    }

    async fn read_pages(&mut self, bench: &Bench<'_>) -> Result<usize, SourceError> {
        let mut cursor = bench.store.mailbox_cursor(&self.source).await?;
        let mut settled = 0;
        for _ in 0..PAGES {
            let page = self.log.read(cursor.as_deref()).await?;
            if cursor.as_deref() != Some(&page.cursor) {
                let seen = self.witnesses(bench, &page.lines);
                let position = Some((self.source.as_str(), page.cursor.as_str()));
                settled += tell(bench.store.witness(&bench.act(), position, &seen).await?);
            }
            cursor = Some(page.cursor);
            if !page.more {
                break;
            }
        }
        Ok(settled)
    }

    fn witnesses(&mut self, bench: &Bench<'_>, lines: &[QueueLine]) -> Vec<Witness> {
        let mut seen = Vec::new();
        for line in lines {
            match line {
                QueueLine::Named { queue_id, message_id } => {
                    // A stranger's answer quotes our token elsewhere, never as its own Message-ID.
                    let local = message_id.rsplit_once('@').map_or(message_id.as_str(), |(local, _)| local);
                    let Some(delivery) = bench.named(local) else { continue };
                    self.named.push_back((queue_id.clone(), delivery));
                    if self.named.len() > NAMED {
                        self.named.pop_front();
                    }
                }
                QueueLine::Queued { queue_id, from, at } => {
                    let named =
                        || self.named.iter().rev().find(|(id, _)| id == queue_id).map(|(_, delivery)| *delivery);
                    let Some(delivery) = bench.named(from).or_else(named) else { continue };
                    let words = format!("queued as {queue_id}, {at} in {}", self.source);
                    seen.push(Witness { delivery, source: self.source.clone(), words });
                    self.named.retain(|(id, _)| id != queue_id);
                }
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::config::Tls;
    use crate::model::token::{TokenKeys, TokenPurpose};

    // The store is not asked, only the keys are.
    async fn witnesses(lines: &[QueueLine]) -> Vec<i64> {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("x.db").display());
        let store = crate::store::Store::open(&url, crate::store::Migration::Apply).await.unwrap();
        let keys = keys();
        let bench = Bench { store: &store, keys: &keys, now: Timestamp::UNIX_EPOCH };
        let relay = Relay { log: Some("x".into()), ..Relay::new("main", "localhost", 25, Tls::None) };
        let mut reader = LogReader::of(&relay).unwrap();
        reader.witnesses(&bench, lines).into_iter().map(|seen| seen.delivery.0).collect()
    }

    fn keys() -> TokenKeys {
        TokenKeys::new(vec![(1, vec![7; 32])])
    }

    fn token(id: i64) -> String {
        keys().sign(TokenPurpose::Delivery, id)
    }

    fn named(queue_id: &str, message_id: String) -> QueueLine {
        QueueLine::Named { queue_id: queue_id.into(), message_id }
    }

    fn queued(queue_id: &str, from: String) -> QueueLine {
        QueueLine::Queued { queue_id: queue_id.into(), from, at: "Mar  1 08:34:10".into() }
    }

    #[tokio::test]
    async fn believes_the_queue_and_not_the_name_alone() {
        let ours = |id| format!("{}@fyrljus.example", token(id));
        let verp = format!("ut+{}@fyrljus.example", token(1));
        assert_eq!(witnesses(&[queued("A1111", verp)]).await, [1]);
        assert_eq!(witnesses(&[named("A1111", ours(2))]).await, [] as [i64; 0], "it may have broken off");
        let plain = || queued("A1111", "hej@fyrljus.example".into());
        assert_eq!(witnesses(&[named("A1111", ours(2)), plain()]).await, [2]);
        assert_eq!(witnesses(&[named("B2222", ours(2)), plain()]).await, [] as [i64; 0], "another message");
    }

    #[tokio::test]
    async fn believes_no_token_that_is_not_ours() {
        let forged = TokenKeys::new(vec![(1, vec![8; 32])]).sign(TokenPurpose::Delivery, 1);
        let opt_out = keys().sign(TokenPurpose::OptOut, 1);
        for token in [forged, opt_out, "x".repeat(39)] {
            assert_eq!(witnesses(&[queued("A1111", format!("ut+{token}@fyrljus.example"))]).await, [] as [i64; 0]);
        }
    }

    #[tokio::test]
    async fn keeps_no_more_names_than_it_has_room_for() {
        let first = named("A1111", format!("{}@fyrljus.example", token(1)));
        let others = (0..NAMED).map(|at| named(&format!("B{at:05}"), format!("{}@fyrljus.example", token(2))));
        let lines: Vec<_> = [first].into_iter().chain(others).chain([queued("A1111", String::new())]).collect();
        assert_eq!(witnesses(&lines).await, [] as [i64; 0]);
    }
}
