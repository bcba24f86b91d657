//! Ids in blocks: one statement reserves many, so that a batch needs no round trip a row.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Result, Store, transaction};
use crate::model::id::COUNTER_BITS;

/// A restart loses what is left of one. The ids of the demo's clients follow from it.
const BLOCK: i64 = 1024;

/// The ids this process has reserved and not used.
#[derive(Clone, Debug, Default)]
pub(super) struct IdSource(Arc<Mutex<Range<i64>>>);

impl Store {
    /// `count` ids in a row that nobody else gets; unused ones are lost, which is fine.
    pub(super) async fn reserve(&self, count: usize) -> Result<Range<i64>> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        if let Some(range) = self.take(count) {
            return Ok(range);
        }
        let size = count.max(BLOCK);
        let (incarnation, next) = transaction!(self, tx => {
            sqlx::query_as::<_, (i64, i64)>("UPDATE id_source SET next = next + $1 RETURNING incarnation, next")
                .bind(size)
                .fetch_one(&mut *tx)
                .await?
        });
        let end = (incarnation << COUNTER_BITS) + next;
        let start = end - size;
        *self.ids.0.lock().unwrap_or_else(PoisonError::into_inner) = start + count..end;
        Ok(start..start + count)
    }

    /// Gives up what is reserved: it belongs to an incarnation that has ended.
    pub(super) fn forget_reserved(&self) {
        *self.ids.0.lock().unwrap_or_else(PoisonError::into_inner) = 0..0;
    }

    fn take(&self, count: i64) -> Option<Range<i64>> {
        let mut free = self.ids.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = free.end - free.start >= count;
        let range = free.start..free.start + count;
        fits.then(|| {
            free.start = range.end;
            range
        })
    }
}
