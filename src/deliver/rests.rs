//! Which ways (a relay, the fax gateway) rest: until when, after how many failures, and why.
//!
//! A relay that fails is left alone, longer each time, and said to fail once, not
//! at each try: the same line every minute hides the others.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::after;

#[derive(Default)]
pub(super) struct Rests(Mutex<BTreeMap<String, Rest>>);

#[derive(Default)]
struct Rest {
    until: Option<Timestamp>,
    failures: u32,
    why: Option<String>,
}

/// How long a way that fails rests: `first`, twice as long after each failure, `longest`.
#[derive(Clone, Copy)]
pub(super) struct Pause {
    first: SignedDuration,
    longest: SignedDuration,
}

impl Pause {
    /// What may pass by itself: a restarted relay is found again within seconds.
    pub(super) const SHORT: Self = Self { first: SignedDuration::from_secs(5), longest: SignedDuration::from_secs(60) };
    /// What only a person can mend; a wrong password that is tried often locks accounts.
    pub(super) const LONG: Self =
        Self { first: SignedDuration::from_secs(60), longest: SignedDuration::from_secs(300) };

    fn after(self, failures: u32) -> SignedDuration {
        self.first.saturating_mul(1 << failures.min(10)).min(self.longest)
    }
}

impl Rests {
    /// Until when `way` rests, if it does at `now`.
    pub(super) fn until(&self, way: &str, now: Timestamp) -> Option<Timestamp> {
        self.lock().get(way).and_then(|rest| rest.until).filter(|until| *until > now)
    }

    /// Leaves `way` alone for as long as it asked for.
    pub(super) fn rest(&self, way: &str, until: Timestamp) {
        self.lock().entry(way.to_owned()).or_default().until = Some(until);
    }

    /// Leaves `way` alone because it failed; says whether that is news.
    pub(super) fn failed(&self, way: &str, why: &str, pause: Pause, now: Timestamp) -> bool {
        let mut rests = self.lock();
        let rest = rests.entry(way.to_owned()).or_default();
        // Of the sessions that begin together, all fail together: that is one failure.
        if rest.until.is_none_or(|until| until <= now) {
            rest.until = Some(after(now, pause.after(rest.failures)));
            rest.failures += 1;
        }
        let is_news = rest.why.as_deref() != Some(why);
        rest.why = Some(why.to_owned());
        is_news
    }

    /// `way` works; says whether that is news.
    pub(super) fn works(&self, way: &str) -> bool {
        let mut rests = self.lock();
        let Some(rest) = rests.get_mut(way) else { return false };
        rest.failures = 0;
        rest.why.take().is_some()
    }

    /// Why `way` fails, if it does.
    pub(super) fn trouble(&self, way: &str) -> Option<String> {
        self.lock().get(way).and_then(|rest| rest.why.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Rest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;

    #[test]
    fn rests_longer_after_each_failure_and_says_each_trouble_once() {
        let (rests, mut now) = (Rests::default(), "2027-03-01T09:00:00Z".parse::<Timestamp>().unwrap());
        let mut waits = Vec::new();
        for round in 0..6 {
            assert_eq!(rests.failed("email/main", "no route", Pause::SHORT, now), round == 0);
            assert!(!rests.failed("email/main", "no route", Pause::SHORT, now), "its other sessions fail with it");
            let until = rests.until("email/main", now).unwrap();
            waits.push(until.duration_since(now).as_secs());
            now = until;
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        assert_eq!(rests.until("email/main", now), None);
        assert_eq!(rests.trouble("email/main").as_deref(), Some("no route"));
        assert!(rests.works("email/main") && !rests.works("email/main"));
        assert_eq!(rests.trouble("email/main"), None);
        assert!(rests.failed("email/main", "no route", Pause::LONG, now), "after an hour that went well it is news");
        assert_eq!(rests.until("email/main", now), Some(now + 60.seconds()));
    }
}
