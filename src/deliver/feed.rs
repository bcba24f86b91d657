//! The feed of a lane: as many letters as its budget lets it take, and the next batch on
//! its way while this one is sent.
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
use super::budget::Budget;
use super::{Deliver, DeliverError};
use crate::model::delivery::DeliveryState;
use crate::model::id::AttemptId;
use crate::model::lane::Lane;
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
    lane: Lane,
    /// The lane as its rows have it.
    text: String,
    budget: Arc<Budget>,
    now: Timestamp,
    /// Letters of one claim.
    batch: usize,
    stock: Mutex<Stock>,
    ended: AtomicBool,
}

/// What is at hand, and what is on its way.
struct Stock {
    ready: VecDeque<Due>,
    ahead: Option<JoinHandle<Result<Taken, DeliverError>>>,
    /// Letters that may still be claimed; none for as many as there are.
    tokens: Option<u32>,
    /// Letters that their recipients' limits put off.
    put_off: u32,
    /// Batches that may still be claimed.
    batches: usize,
    /// What was claimed so far.
    taken: usize,
    failure: Option<DeliverError>,
}

/// One batch.
struct Taken {
    due: Vec<Due>,
    put_off: usize,
    asked: usize,
}

/// What a turn's feed came to.
pub(super) struct Leftover {
    /// Deliveries that were claimed.
    pub(super) taken: usize,
    /// Tokens for which no letter was claimed, or one that was put off.
    pub(super) spare: u32,
    /// The lane may have more than its budget let it take.
    pub(super) is_dry: bool,
    /// Those that no session took, free again as they were.
    pub(super) releases: Vec<Release>,
    /// Why no more could be claimed, if so.
    pub(super) failure: Option<DeliverError>,
}

impl Feed {
    /// The feed of `lane`, `batch` letters at a time, with the first of them at hand.
    pub(super) async fn open(
        deliver: &Arc<Deliver>,
        (text, lane): (&str, &Lane),
        budget: &Arc<Budget>,
        batch: usize,
        now: Timestamp,
    ) -> Self {
        let (ready, tokens) = (VecDeque::new(), budget.tokens);
        let stock = Stock { ready, ahead: None, tokens, put_off: 0, batches: BATCHES, taken: 0, failure: None };
        let feed = Self {
            deliver: Arc::clone(deliver),
            lane: lane.clone(),
            text: text.to_owned(),
            budget: Arc::clone(budget),
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
        let releases: Vec<_> = stock.ready.drain(..).map(|due| back(&due.claimed)).collect();
        let (taken, failure) = (stock.taken, stock.failure.take());
        let spare = stock.tokens.unwrap_or(0) + stock.put_off;
        Leftover { taken, spare, is_dry: stock.tokens == Some(0), releases, failure }
    }

    /// Waits for what is on its way, and takes it in.
    async fn refill(&self, stock: &mut Stock) {
        self.look_ahead(stock);
        let Some(ahead) = stock.ahead.take() else { return };
        match ahead.await {
            Ok(Ok(batch)) => {
                let count = batch.due.len() + batch.put_off;
                stock.taken += count;
                stock.put_off += u32::try_from(batch.put_off).unwrap_or(u32::MAX);
                // Fewer than were asked for: the rest is not due yet.
                if count < batch.asked {
                    stock.batches = 0;
                    let missing = u32::try_from(batch.asked - count).unwrap_or(u32::MAX);
                    stock.tokens = stock.tokens.map(|tokens| tokens.saturating_add(missing));
                }
                stock.ready.extend(batch.due);
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
        let batch = u32::try_from(self.batch).unwrap_or(u32::MAX);
        let most = stock.tokens.map_or(batch, |tokens| tokens.min(batch));
        let is_over = stock.batches == 0 || most == 0 || self.ended.load(Ordering::Acquire);
        if stock.ahead.is_some() || is_over {
            return;
        }
        stock.batches -= 1;
        stock.tokens = stock.tokens.map(|tokens| tokens - most);
        let (deliver, lane, text) = (Arc::clone(&self.deliver), self.lane.clone(), self.text.clone());
        let (budget, now) = (Arc::clone(&self.budget), self.now);
        stock.ahead = Some(tokio::spawn(async move { claim(&deliver, (&text, &lane), &budget, now, most).await }));
    }
}

async fn claim(
    deliver: &Deliver,
    (text, lane): (&str, &Lane),
    budget: &Budget,
    now: Timestamp,
    most: u32,
) -> Result<Taken, DeliverError> {
    let claimed = deliver.store.claim(deliver.daemon, text, now, i64::from(most)).await?;
    let batch = Arc::new(Batch::read(deliver, &claimed).await?);
    let (go, put_off) = deliver.admit(lane, budget, &batch, claimed, now).await?;
    deliver.release(&put_off).await?;
    let due = go.into_iter().map(|claimed| Due { claimed, batch: Arc::clone(&batch), begun: None }).collect();
    Ok(Taken { due, put_off: put_off.len(), asked: usize::try_from(most).unwrap_or(usize::MAX) })
}

/// A claimed delivery, free again as it was.
pub(super) fn back(claimed: &Claimed) -> Release {
    Release { delivery: claimed.row.id, to: DeliveryState::Scheduled, due_at: None, not_after: None, reason: None }
}
