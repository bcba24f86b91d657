//! A mailbox in memory: what is pushed at one end is fetched at the other.

use std::sync::{Arc, Mutex, PoisonError};

use super::RawMail;

/// A queue whose clones are the same mailbox.
#[derive(Clone, Debug, Default)]
pub struct MemoryInbox(Arc<Mutex<Vec<Vec<u8>>>>);

impl MemoryInbox {
    /// An empty mailbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Delivers a message.
    pub fn push(&self, bytes: impl Into<Vec<u8>>) {
        // A panic elsewhere cannot leave a half-pushed message.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes.into());
    }

    pub(super) fn fetch(&self, cursor: Option<&str>, limit: usize) -> Vec<RawMail> {
        let from: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = mails.iter().enumerate().skip(from).take(limit);
        behind
            .map(|(at, bytes)| RawMail {
                key: format!("memory:{at}"),
                bytes: bytes.clone(),
                cursor: (at + 1).to_string(),
            })
            .collect()
    }
}
