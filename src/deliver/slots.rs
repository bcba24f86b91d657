//! Places for sessions: how many may be open at a time under each limit, across lanes.
//!
//! Places are taken in the order in which they were asked for. Who holds one can see that
//! others wait, and then passes it on, so that a long lane does not keep a short one out.
//!
//! A daemon that is alone on its database has all of them. Where several share one, it has
//! those that [`super::places`] got for it, and who holds one can see that it must be given
//! back. Nothing here asks the database.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::model::limit::Scope;
use crate::policy::places::Holder;

/// How long to wait while the other daemons have all places, before what waits is given
/// back for them to send.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a stand-in's place may take to come.
const MOMENT: Duration = Duration::from_secs(2);

/// The places of each limit, by its key; a key that is not here has as many as anybody wants.
pub(super) struct Slots {
    slots: BTreeMap<String, Slot>,
    /// Rung when other daemons must hear of something; none where there can be no others.
    bell: Option<Arc<Notify>>,
}

#[derive(Clone)]
struct Slot {
    /// The limit.
    count: u32,
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    stock: Arc<Mutex<Stock>>,
    bell: Option<Arc<Notify>>,
}

/// What this daemon has of a limit's places.
struct Stock {
    /// Places that are its own, used or not.
    held: u32,
    /// Those among them that go back as soon as nobody uses them.
    excess: u32,
    /// The most that were used or waited for at a time since it was last asked.
    peak: u32,
}

/// Places that are held; dropping them passes them on.
pub(super) struct Places(Vec<Place>);

struct Place {
    slot: Slot,
    permit: Option<OwnedSemaphorePermit>,
}

/// Counts itself out when it has its place, and also when it stops waiting for it.
struct Waiting(Arc<AtomicUsize>);

impl Slots {
    /// The places of a configuration: all of them here where no `bell` is given, else none
    /// until some are [settled](Self::settle).
    pub(super) fn new(config: &Config, bell: Option<Arc<Notify>>) -> Self {
        let relays = config.relays.iter().map(|relay| {
            let scope = Scope::Relay(relay.id.clone());
            let limit = config.pace.limits.get(&scope).and_then(|limit| limit.sessions);
            let own = u32::try_from(relay.sessions).unwrap_or(u32::MAX);
            (scope.key(), own.min(limit.unwrap_or(u32::MAX)).max(1))
        });
        let limited = config.pace.limits.iter().filter(|(scope, _)| !matches!(scope, Scope::Relay(_)));
        let others = limited.filter_map(|(scope, limit)| Some((scope.key(), limit.sessions?)));
        let slot = |(key, count)| {
            let held = if bell.is_none() { count } else { 0 };
            let stock = Arc::new(Mutex::new(Stock { held, excess: 0, peak: 0 }));
            let places = Arc::new(Semaphore::new(wide(held)));
            (key, Slot { count, places, waiting: Arc::default(), stock, bell: bell.clone() })
        };
        Self { slots: relays.chain(others).map(slot).collect(), bell }
    }

    /// How many sessions there can be under all of `keys` at most.
    pub(super) fn most(&self, keys: &[String]) -> usize {
        keys.iter().filter_map(|key| self.slots.get(key)).map(|slot| wide(slot.count)).min().unwrap_or(1)
    }

    /// Waits for a place under each of `keys`, which stand in an order that is the same for
    /// all who ask: two never wait for each other. None when `stop` says so, or when the other
    /// daemons had all places for too long.
    pub(super) async fn take(&self, keys: &[String], stop: &CancellationToken) -> Option<Places> {
        let mut places = Places(Vec::with_capacity(keys.len()));
        for slot in keys.iter().filter_map(|key| self.slots.get(key)) {
            places.0.push(slot.take(stop).await?);
        }
        Some(places)
    }

    /// A place under `key`, if one is free now, or will be in a moment because this daemon
    /// has not asked for it yet.
    pub(super) async fn try_take(&self, key: &str) -> Option<Places> {
        let slot = self.slots.get(key)?;
        if let Some(place) = slot.free() {
            return Some(Places(vec![place]));
        }
        if self.bell.is_none() || slot.stock().held >= slot.count {
            return None;
        }
        let never = CancellationToken::new();
        let place = tokio::time::timeout(MOMENT, slot.take(&never)).await.ok()??;
        Some(Places(vec![place]))
    }

    /// What this daemon holds and wants of each limit, by their keys.
    pub(super) fn standing(&self) -> Vec<(String, Holder)> {
        self.slots.iter().map(|(key, slot)| (key.clone(), slot.standing())).collect()
    }

    /// Makes `share` the number of places that this daemon holds under `key`. Those over it
    /// that nobody uses are gone at once, and said; the others go when their letter is through.
    pub(super) fn settle(&self, key: &str, share: u32) -> usize {
        self.slots.get(key).map_or(0, |slot| slot.settle(share))
    }
}

impl Slot {
    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, permit: OwnedSemaphorePermit) -> Place {
        self.note_peak();
        Place { slot: self.clone(), permit: Some(permit) }
    }

    fn free(&self) -> Option<Place> {
        Some(self.place(Arc::clone(&self.places).try_acquire_owned().ok()?))
    }

    async fn take(&self, stop: &CancellationToken) -> Option<Place> {
        if let Some(place) = self.free() {
            return Some(place);
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(Arc::clone(&self.waiting));
        self.note_peak();
        // With some places its turn comes; with none, others must hear of it first.
        if self.stock().held == 0 {
            self.ring();
        }
        let permit = Arc::clone(&self.places).acquire_owned();
        tokio::pin!(permit);
        loop {
            tokio::select! {
                biased;
                permit = &mut permit => return Some(self.place(permit.expect("the places are never closed"))),
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(PATIENCE) => {
                    if self.stock().held == 0 {
                        return None;
                    }
                }
            }
        }
    }

    fn note_peak(&self) {
        let mut stock = self.stock();
        stock.peak = stock.peak.max(self.wanted(&stock));
    }

    /// Places that are used or waited for now.
    fn wanted(&self, stock: &Stock) -> u32 {
        let free = u32::try_from(self.places.available_permits()).unwrap_or(u32::MAX);
        let waiting = u32::try_from(self.waiting.load(Ordering::Acquire)).unwrap_or(u32::MAX);
        stock.held.saturating_sub(free).saturating_add(waiting)
    }

    fn standing(&self) -> Holder {
        let mut stock = self.stock();
        let now = self.wanted(&stock);
        let wanted = std::mem::replace(&mut stock.peak, now).max(now);
        Holder { held: stock.held, wanted, most: self.count }
    }

    fn settle(&self, share: u32) -> usize {
        let mut stock = self.stock();
        if share >= stock.held {
            self.places.add_permits(wide(share - stock.held));
            (stock.held, stock.excess) = (share, 0);
            return 0;
        }
        let over = stock.held - share;
        let gone = self.places.forget_permits(wide(over));
        let narrow = u32::try_from(gone).unwrap_or(over);
        stock.held -= narrow;
        stock.excess = over - narrow;
        gone
    }

    fn ring(&self) {
        if let Some(bell) = &self.bell {
            bell.notify_one();
        }
    }
}

impl Places {
    /// Whether somebody waits for one of them.
    pub(super) fn are_wanted(&self) -> bool {
        self.0.iter().any(|place| place.slot.waiting.load(Ordering::Acquire) > 0)
    }

    /// Whether one of them belongs to another daemon now.
    pub(super) fn must_go(&self) -> bool {
        self.0.iter().any(|place| place.slot.stock().excess > 0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut stock = self.slot.stock();
        if stock.excess > 0 {
            permit.forget();
            stock.excess -= 1;
            stock.held -= 1;
            drop(stock);
            self.slot.ring();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn wide(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn slots_with(bell: Option<Arc<Notify>>) -> Slots {
        let text = "[company]\nname = \"F\"\nhead = \"m@fyrljus.example\"\n[database]\nurl = \"sqlite:x\"\n\
            [[sender]]\nid = \"fyrljus\"\nlegal_name = \"F\"\npostal_address = \"Falun\"\nfrom = \"hej@fyrljus.example\"\n\
            [[relay]]\nid = \"main\"\nhost = \"127.0.0.1\"\nport = 25\ntls = \"none\"\nsessions = 2\n\
            [[limit]]\nprovider = \"yahoo\"\nsessions = 1\n[[limit]]\nsender = \"fyrljus\"\nper_day = 9\n";
        Slots::new(&crate::config::parse(Path::new("o.toml"), text, &[]).unwrap(), bell)
    }

    /// The places of a daemon that nobody stops.
    async fn take(slots: &Slots, keys: &[String]) -> Places {
        slots.take(keys, &CancellationToken::new()).await.unwrap()
    }

    fn keys(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[tokio::test]
    async fn passes_a_place_on_to_who_waits_for_it() {
        let slots = slots_with(None);
        let yahoo = keys(&["provider/yahoo", "relay/main"]);
        let first = take(&slots, &yahoo).await;
        let other = take(&slots, &keys(&["sender/fyrljus", "relay/main"])).await;
        assert!(slots.try_take("relay/main").await.is_none() && !first.are_wanted());
        let mut second = Box::pin(take(&slots, &yahoo));
        assert!(futures_util::poll!(&mut second).is_pending());
        assert!(first.are_wanted() && !other.are_wanted(), "only the provider's place is waited for");
        drop(first);
        drop(second.await);
        drop(other);
        assert_eq!((slots.most(&yahoo), slots.most(&keys(&["relay/main"]))), (1, 2));
        let held = take(&slots, &yahoo).await;
        let mut given_up = Box::pin(take(&slots, &yahoo));
        assert!(futures_util::poll!(&mut given_up).is_pending());
        drop(given_up);
        assert!(!held.are_wanted(), "who stops waiting is not counted");
    }

    #[tokio::test]
    async fn gives_back_what_another_daemon_may_hold_when_its_letter_is_through() {
        let bell = Arc::new(Notify::new());
        let slots = slots_with(Some(Arc::clone(&bell)));
        let main = keys(&["relay/main"]);
        let standing = || slots.standing().into_iter().find(|(key, _)| key == "relay/main").unwrap().1;
        let mut first = Box::pin(take(&slots, &main));
        assert!(futures_util::poll!(&mut first).is_pending(), "it holds none yet");
        bell.notified().await;
        assert_eq!(standing(), Holder { held: 0, wanted: 1, most: 2 });
        assert_eq!(slots.settle("relay/main", 2), 0);
        let (first, second) = (first.await, take(&slots, &main).await);
        assert_eq!(standing(), Holder { held: 2, wanted: 2, most: 2 });

        assert_eq!((slots.settle("relay/main", 1), first.must_go()), (0, true), "both are used");
        let mut third = Box::pin(take(&slots, &main));
        assert!(futures_util::poll!(&mut third).is_pending());
        drop(first);
        bell.notified().await;
        assert_eq!(standing(), Holder { held: 1, wanted: 3, most: 2 });
        assert!(futures_util::poll!(&mut third).is_pending() && !second.must_go(), "nobody here gets it");
        drop(second);
        drop(third.await);
        assert_eq!((standing().wanted, standing().wanted), (2, 0), "the peak is told once");
        assert_eq!((slots.settle("relay/main", 0), standing().held), (1, 0));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_place_when_nothing_more_begins() {
        let slots = slots_with(Some(Arc::default()));
        let stop = CancellationToken::new();
        let main = keys(&["relay/main"]);
        let (got, ()) = tokio::join!(slots.take(&main, &stop), async { stop.cancel() });
        assert!(got.is_none());
        assert_eq!(slots.standing().into_iter().map(|(_, own)| own.held).sum::<u32>(), 0);
    }
}
