//! The faxes whose gateway has called: which ones the next poll asks for at once.
//!
//! In memory alone: a call that is forgotten costs nothing but the time to the next
//! poll. Nothing of what the caller said is kept.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::model::id::DeliveryId;

/// The set that the hook fills and the poll empties.
#[derive(Debug, Default)]
pub struct FaxCalls(Mutex<BTreeSet<DeliveryId>>);

impl FaxCalls {
    /// Notes that the gateway has called about a delivery; again is the same.
    pub fn note(&self, delivery: DeliveryId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(delivery);
    }

    /// Takes what was noted since the last time.
    pub fn take(&self) -> BTreeSet<DeliveryId> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
