//! The feed of a relay: which lanes have something due, how many letters may be taken from
//! them, and the next batch on its way while this one is sent.
//!
//! The one place that claims mail. Sessions take letter by letter and never wait for each
//! other; what none of them took is given back when the turn ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::batch::Batch;
use super::{Deliver, DeliverError};
use crate::model::delivery::DeliveryState;
use crate::model::id::AttemptId;
use crate::store::{Claimed, Release};

/// Batches that one turn takes at most: what is due in other lanes is looked for again.
const BATCHES: usize = 16;

/// A claimed delivery and what it is made from.
pub(super) struct Due {
    pub(super) claimed: Claimed,
    pub(super) batch: Arc<Batch>,
    /// Its handoff is committed, and nothing of its body has left: a session ended too early.
    pub(super) begun: Option<AttemptId>,
}

/// A lane's letters, for as many sessions as share it.
pub(super) struct Feed {
    deliver: Arc<Deliver>,
    lane: String,
    now: Timestamp,
    /// Letters of one claim.
    batch: usize,
    stock: Mutex<Stock>,
    ended: AtomicBool,
}

/// What is at hand, and what is on its way.
struct Stock {
    ready: VecDeque<Due>,
    ahead: Option<JoinHandle<Result<Vec<Due>, DeliverError>>>,
    /// Batches that may still be claimed.
    batches: usize,
    /// What was claimed so far.
    taken: usize,
    failure: Option<DeliverError>,
}

/// What a turn's feed came to.
pub(super) struct Leftover {
    /// Deliveries that were claimed.
    pub(super) taken: usize,
    /// Those that no session took, free again as they were.
    pub(super) releases: Vec<Release>,
    /// Why no more could be claimed, if so.
    pub(super) failure: Option<DeliverError>,
}

impl Feed {
    /// The feed of `lane`, `batch` letters at a time, with the first of them at hand.
    pub(super) async fn open(deliver: &Arc<Deliver>, lane: &str, batch: usize, now: Timestamp) -> Self {
        let stock = Stock { ready: VecDeque::new(), ahead: None, batches: BATCHES, taken: 0, failure: None };
        let feed = Self {
            deliver: Arc::clone(deliver),
            lane: lane.to_owned(),
            now,
            batch,
            stock: Mutex::new(stock),
            ended: AtomicBool::new(false),
        };
        feed.refill(&mut *feed.stock.lock().await).await;
        feed
    }

    /// How many letters are at hand.
    pub(super) async fn len(&self) -> usize {
        self.stock.lock().await.ready.len()
    }

    /// The next letter; none once the lane is empty, the turn long enough, or we are stopping.
    pub(super) async fn next(&self) -> Option<Due> {
        if self.is_over() {
            return None;
        }
        let mut stock = self.stock.lock().await;
        if stock.ready.is_empty() {
            self.refill(&mut stock).await;
        }
        let due = stock.ready.pop_front();
        if stock.ready.len() < self.batch / 2 {
            self.look_ahead(&mut stock);
        }
        due
    }

    /// A letter that its session could not send and the next one may.
    pub(super) async fn put_back(&self, due: Due) {
        self.stock.lock().await.ready.push_front(due);
    }

    /// Whether nothing more begins.
    pub(super) fn is_over(&self) -> bool {
        self.deliver.stop.is_cancelled() || self.ended.load(Ordering::Acquire)
    }

    /// Nothing more begins in this turn.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Ends the feed, when no session takes from it any more.
    pub(super) async fn close(&self) -> Leftover {
        self.end();
        let mut stock = self.stock.lock().await;
        if stock.ahead.is_some() {
            self.refill(&mut stock).await;
        }
        let releases = stock.ready.drain(..).map(|due| back(&due.claimed)).collect();
        Leftover { taken: stock.taken, releases, failure: stock.failure.take() }
    }

    /// Waits for what is on its way, and takes it in.
    async fn refill(&self, stock: &mut Stock) {
        self.look_ahead(stock);
        let Some(ahead) = stock.ahead.take() else { return };
        match ahead.await {
            Ok(Ok(batch)) => {
                stock.taken += batch.len();
                // Fewer than were asked for: the rest is not due yet.
                if batch.len() < self.batch {
                    stock.batches = 0;
                }
                stock.ready.extend(batch);
            }
            Ok(Err(failure)) => {
                stock.batches = 0;
                stock.failure = Some(failure);
            }
            Err(gone) => match gone.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and this with it.
                Err(_) => stock.batches = 0,
            },
        }
    }

    /// Sends for the next batch, unless it is on its way or not wanted.
    fn look_ahead(&self, stock: &mut Stock) {
        if stock.ahead.is_some() || stock.batches == 0 || self.ended.load(Ordering::Acquire) {
            return;
        }
        stock.batches -= 1;
        let (deliver, lane, now) = (Arc::clone(&self.deliver), self.lane.clone(), self.now);
        let most = i64::try_from(self.batch).unwrap_or(i64::MAX);
        stock.ahead = Some(tokio::spawn(async move { claim(&deliver, &lane, now, most).await }));
    }
}

async fn claim(deliver: &Deliver, lane: &str, now: Timestamp, most: i64) -> Result<Vec<Due>, DeliverError> {
    let claimed = deliver.store.claim(deliver.daemon, lane, now, most).await?;
    let batch = Arc::new(Batch::read(deliver, &claimed).await?);
    Ok(claimed.into_iter().map(|claimed| Due { claimed, batch: Arc::clone(&batch), begun: None }).collect())
}

/// A claimed delivery, free again as it was.
fn back(claimed: &Claimed) -> Release {
    Release { delivery: claimed.row.id, to: DeliveryState::Scheduled, due_at: None, not_after: None, reason: None }
}
