//! What the DNS has said of recipients' domains while this program runs: whose hosts take
//! the mail of which.
//!
//! [`crate::mx`] asks and writes it down, here and in the database; whoever chooses a lane
//! reads. It is never waited for: of a domain that nobody has asked for yet it says nothing,
//! and remembers that it was asked.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::model::lane::OTHER;
use crate::policy::providers::Providers;

/// Domains that can wait to be asked for at a time; those beyond are named again.
const MOST_WANTED: usize = 10_000;

/// Domains that are remembered; of a million clients most share theirs with others.
const MOST_KNOWN: usize = 1_000_000;

/// What was heard; all clones of a configuration share it.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// By a hash, for they may be very many.
    known: HashMap<u64, Known>,
    wanted: BTreeSet<String>,
    /// What was asked before this is to be asked again.
    fresh_from: Timestamp,
    /// The providers that some domain belongs to.
    ids: Vec<Arc<str>>,
}

#[derive(Clone, Copy)]
struct Known {
    /// Its place in `ids`.
    provider: Option<usize>,
    asked_at: Timestamp,
}

impl Heard {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The provider whose hosts take the mail of `domain`, if that was heard. What is not known
    /// or no longer sure is wanted from now on.
    pub(super) fn provider(&self, domain: &str) -> Option<Arc<str>> {
        let mut book = self.book();
        let known = book.known.get(&key(domain)).copied();
        let is_fresh = known.is_some_and(|known| known.asked_at >= book.fresh_from);
        if !is_fresh && book.wanted.len() < MOST_WANTED {
            book.wanted.insert(domain.to_owned());
        }
        known.and_then(|known| book.ids.get(known.provider?).cloned())
    }

    /// Takes the domains that are wanted, and wants those again that were last asked for
    /// before `fresh_from`.
    pub fn take_wanted(&self, fresh_from: Timestamp) -> Vec<String> {
        let mut book = self.book();
        book.fresh_from = fresh_from;
        std::mem::take(&mut book.wanted).into_iter().collect()
    }

    /// Notes which hosts take the mail of `domain`, and says whose these are, if that is news.
    pub fn learn(&self, providers: &Providers, domain: &str, hosts: &[String], asked_at: Timestamp) -> Option<String> {
        let id = Some(providers.of_hosts(hosts.iter().map(String::as_str))).filter(|id| *id != OTHER);
        let mut book = self.book();
        let provider = id.map(|id| match book.ids.iter().position(|known| **known == *id) {
            Some(at) => at,
            None => {
                book.ids.push(id.into());
                book.ids.len() - 1
            }
        });
        if book.known.len() >= MOST_KNOWN {
            book.known.clear();
        }
        let before = book.known.insert(key(domain), Known { provider, asked_at });
        let is_news = before.is_none_or(|before| before.provider != provider);
        id.filter(|_| is_news).map(str::to_owned)
    }
}

fn key(domain: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    domain.hash(&mut hasher);
    hasher.finish()
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Heard({} domains)", self.book().known.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_heard_and_wants_what_it_did_not() {
        let (heard, at) = (Heard::default(), |seconds| Timestamp::from_second(seconds).unwrap());
        let mut providers = Providers::default();
        providers.add_hosts("molnet", ["*.molnet.example"]);
        let learn = |domain, host: &str, when| heard.learn(&providers, domain, &[host.to_owned()], at(when));
        assert_eq!(heard.provider("granvik.example"), None);
        assert_eq!(heard.take_wanted(at(50)), ["granvik.example"]);
        assert_eq!(learn("granvik.example", "granvik.molnet.example", 100).as_deref(), Some("molnet"));
        assert_eq!(learn("granvik.example", "granvik.molnet.example", 101), None, "that is no news");
        assert_eq!(learn("bo.example", "mx.bo.example", 100), None);
        assert_eq!(heard.provider("granvik.example").as_deref(), Some("molnet"));
        assert_eq!(heard.provider("bo.example"), None);
        assert_eq!(heard.take_wanted(at(101)), [""; 0]);
        assert_eq!(
            (heard.provider("bo.example"), heard.provider("granvik.example").as_deref()),
            (None, Some("molnet"))
        );
        assert_eq!(heard.take_wanted(at(101)), ["bo.example"], "what it heard of that is too old");
    }
}
