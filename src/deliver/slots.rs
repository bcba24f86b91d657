//! Places for sessions: how many may be open at a time under each limit, across lanes.
//!
//! Places are taken in the order in which they were asked for. Who holds one can see that
//! others wait, and then passes it on, so that a long lane does not keep a short one out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::model::limit::Scope;

/// The places of each limit, by its key; a key that is not here has as many as anybody wants.
pub(super) struct Slots(BTreeMap<String, Slot>);

#[derive(Clone)]
struct Slot {
    count: usize,
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// Places that are held; dropping them passes them on.
pub(super) struct Places(Vec<(Slot, OwnedSemaphorePermit)>);

/// Counts itself out when it has its place, and also when it stops waiting for it.
struct Waiting(Arc<AtomicUsize>);

impl Slots {
    pub(super) fn new(config: &Config) -> Self {
        let relays = config.relays.iter().map(|relay| {
            let scope = Scope::Relay(relay.id.clone());
            let limit = config.pace.limits.get(&scope).and_then(|limit| limit.sessions);
            let limit = limit.and_then(|most| usize::try_from(most).ok());
            (scope.key(), relay.sessions.min(limit.unwrap_or(usize::MAX)).max(1))
        });
        let limited = config.pace.limits.iter().filter(|(scope, _)| !matches!(scope, Scope::Relay(_)));
        let others = limited.filter_map(|(scope, limit)| Some((scope.key(), usize::try_from(limit.sessions?).ok()?)));
        let slot = |(key, count)| {
            let slot = Slot { count, places: Arc::new(Semaphore::new(count)), waiting: Arc::default() };
            (key, slot)
        };
        Self(relays.chain(others).map(slot).collect())
    }

    /// How many sessions there can be under all of `keys` at most.
    pub(super) fn most(&self, keys: &[String]) -> usize {
        keys.iter().filter_map(|key| self.0.get(key)).map(|slot| slot.count).min().unwrap_or(1)
    }

    /// Waits for a place under each of `keys`, which stand in an order that is the same for
    /// all who ask: two never wait for each other.
    pub(super) async fn take(&self, keys: &[String]) -> Places {
        let mut places = Vec::with_capacity(keys.len());
        for slot in keys.iter().filter_map(|key| self.0.get(key)) {
            slot.waiting.fetch_add(1, Ordering::AcqRel);
            let waiting = Waiting(Arc::clone(&slot.waiting));
            let place = Arc::clone(&slot.places).acquire_owned().await;
            drop(waiting);
            places.push((slot.clone(), place.expect("the places are never closed")));
        }
        Places(places)
    }

    /// A place under `key`, if one is free now.
    pub(super) fn try_take(&self, key: &str) -> Option<Places> {
        let slot = self.0.get(key)?;
        let place = Arc::clone(&slot.places).try_acquire_owned().ok()?;
        Some(Places(vec![(slot.clone(), place)]))
    }
}

impl Places {
    /// Whether somebody waits for one of them.
    pub(super) fn are_wanted(&self) -> bool {
        self.0.iter().any(|(slot, _)| slot.waiting.load(Ordering::Acquire) > 0)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn slots() -> Slots {
        let text = "[company]\nname = \"F\"\nhead = \"m@fyrljus.example\"\n[database]\nurl = \"sqlite:x\"\n\
            [[sender]]\nid = \"fyrljus\"\nlegal_name = \"F\"\npostal_address = \"Falun\"\nfrom = \"hej@fyrljus.example\"\n\
            [[relay]]\nid = \"main\"\nhost = \"127.0.0.1\"\nport = 25\ntls = \"none\"\nsessions = 2\n\
            [[limit]]\nprovider = \"yahoo\"\nsessions = 1\n[[limit]]\nsender = \"fyrljus\"\nper_day = 9\n";
        Slots::new(&crate::config::parse(Path::new("o.toml"), text, &[]).unwrap())
    }

    fn keys(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[tokio::test]
    async fn passes_a_place_on_to_who_waits_for_it() {
        let slots = Arc::new(slots());
        let yahoo = keys(&["provider/yahoo", "relay/main"]);
        let first = slots.take(&yahoo).await;
        let other = slots.take(&keys(&["sender/fyrljus", "relay/main"])).await;
        assert!(slots.try_take("relay/main").is_none() && !first.are_wanted());
        let mut second = Box::pin(slots.take(&yahoo));
        assert!(futures_util::poll!(&mut second).is_pending());
        assert!(first.are_wanted() && !other.are_wanted(), "only the provider's place is waited for");
        drop(first);
        drop(second.await);
        drop(other);
        assert_eq!((slots.most(&yahoo), slots.most(&keys(&["relay/main"]))), (1, 2));
        let held = slots.take(&yahoo).await;
        let mut given_up = Box::pin(slots.take(&yahoo));
        assert!(futures_util::poll!(&mut given_up).is_pending());
        drop(given_up);
        assert!(!held.are_wanted(), "who stops waiting is not counted");
    }
}
