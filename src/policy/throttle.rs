//! How many may go now, by limits and by what has gone; and when the next may.
//!
//! Pure. A rate is held by the instant from which its bucket is full again (the
//! "generic cell rate algorithm"): one number that needs no refilling, and from which
//! what was not used can be given back. Days are those of the company's zone. The store
//! keeps [`Gone`] and calls this inside its transaction, so that daemons on one
//! database hold a limit together.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::model::limit::{Limit, WarmUp};
use crate::policy::local;

/// What has gone under one limit: its row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// When the rate's bucket is full again, in microseconds since 1970.
    pub full_at_us: i64,
    /// The day that `today` counts.
    pub day: Option<Date>,
    /// How many went on that day.
    pub today: u32,
    /// On how many days before it some went.
    pub days: u32,
}

/// A lane asks for tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Each limit that it is under, with the key of its row.
    pub limits: Vec<(String, Limit)>,
    /// How many it could use.
    pub want: u32,
    /// A person waits for it: it is served before campaigns.
    pub direct: bool,
}

/// What a lane may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// So many.
    pub tokens: u32,
    /// When more may go, if it could use more.
    pub next_at: Option<Timestamp>,
    /// The limit that it waits for then.
    pub binding: Option<String>,
}

/// How a limit stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many went today.
    pub today: u32,
    /// How many may go today at most.
    pub cap: Option<u32>,
    /// When the next may go, if not now.
    pub next_at: Option<Timestamp>,
}

impl Gone {
    /// How a limit stands at `now`.
    pub fn standing(&self, limit: &Limit, now: Timestamp, zone: &TimeZone) -> Standing {
        let gone = self.on(zone.to_datetime(now).date());
        Standing {
            today: gone.today,
            cap: gone.cap(limit),
            next_at: (gone.free(limit, now) == 0).then(|| gone.next_at(limit, now, zone)),
        }
    }

    /// The same on `today`. A clock that went back begins no day twice.
    fn on(&self, today: Date) -> Self {
        if self.day.is_some_and(|day| day >= today) {
            return self.clone();
        }
        Self { full_at_us: self.full_at_us, day: Some(today), today: 0, days: self.days + u32::from(self.today > 0) }
    }

    fn cap(&self, limit: &Limit) -> Option<u32> {
        limit.warm_up.map(|warm_up| ramp(warm_up, self.days, limit.per_day)).into_iter().chain(limit.per_day).min()
    }

    fn free(&self, limit: &Limit, now: Timestamp) -> u32 {
        let of_day = self.cap(limit).map(|cap| cap.saturating_sub(self.today));
        let of_rate = limit.rate.map(|rate| {
            let room = now.as_microsecond() + i64::from(rate.burst()) * rate.gap_us() - self.full_at(limit, now);
            u32::try_from(room / rate.gap_us()).unwrap_or(0)
        });
        of_day.into_iter().chain(of_rate).min().unwrap_or(u32::MAX)
    }

    /// When the bucket is full again: never before `now`, and never later than an empty one
    /// would be, whatever a clock that ran ahead or another rate wrote.
    fn full_at(&self, limit: &Limit, now: Timestamp) -> i64 {
        let now = now.as_microsecond();
        let empty = limit.rate.map_or(0, |rate| i64::from(rate.burst()) * rate.gap_us());
        self.full_at_us.clamp(now, now + empty)
    }

    fn next_at(&self, limit: &Limit, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let of_rate = limit.rate.and_then(|rate| {
            // Half a burst at once, so that a fast lane does not wake for each letter.
            let wait = i64::from(rate.burst() - (rate.burst() / 2).max(1)) * rate.gap_us();
            Timestamp::from_microsecond(self.full_at(limit, now) - wait).ok()
        });
        let is_full = self.cap(limit).is_some_and(|cap| self.today >= cap);
        let of_day = self.day.filter(|_| is_full).and_then(|day| local::start_of_day(zone, day.tomorrow().ok()?));
        of_rate.into_iter().chain(of_day).max().unwrap_or(now).max(now)
    }

    fn take(&mut self, limit: &Limit, count: u32, now: Timestamp) {
        if let Some(rate) = limit.rate {
            self.full_at_us = self.full_at(limit, now) + i64::from(count) * rate.gap_us();
        }
        self.today = self.today.saturating_add(count);
    }

    /// Takes back that `count` went, which were taken on `day`.
    pub fn give_back(&mut self, limit: &Limit, count: u32, day: Date) {
        if let Some(rate) = limit.rate {
            self.full_at_us -= i64::from(count) * rate.gap_us();
        }
        if self.day == Some(day) {
            self.today = self.today.saturating_sub(count);
        }
    }
}

/// How many may go on a day of a slow beginning, after `days` days on which some went.
fn ramp(warm_up: WarmUp, days: u32, per_day: Option<u32>) -> u32 {
    let most = u64::from(per_day.unwrap_or(u32::MAX));
    let mut cap = u64::from(warm_up.first_day);
    for _ in 0..days {
        if cap >= most {
            break;
        }
        // Rounded up, so that it grows even from one.
        cap = (cap * u64::from(warm_up.growth_percent)).div_ceil(100);
    }
    u32::try_from(cap.min(most)).unwrap_or(u32::MAX)
}

/// Gives each ask its tokens, and writes down what was given.
///
/// What a person waits for goes first; the campaigns then take turns, one token each,
/// beginning with the ask number `first`, so that a long queue does not keep a short one out.
pub fn share(
    rows: &mut BTreeMap<String, Gone>,
    asks: &[Ask],
    first: usize,
    now: Timestamp,
    zone: &TimeZone,
) -> Vec<Grant> {
    let today = zone.to_datetime(now).date();
    let mut left: BTreeMap<&str, (Limit, u32)> = BTreeMap::new();
    for (key, limit) in asks.iter().flat_map(|ask| &ask.limits) {
        let row = rows.entry(key.clone()).or_default();
        *row = row.on(today);
        left.entry(key).or_insert_with(|| (*limit, row.free(limit, now)));
    }
    let tokens = deal(&mut left, asks, first);
    for (ask, count) in asks.iter().zip(&tokens) {
        for (key, limit) in &ask.limits {
            rows.entry(key.clone()).or_default().take(limit, *count, now);
        }
    }
    let grant = |(ask, tokens): (&Ask, u32)| {
        let waits = ask.limits.iter().filter(|(key, _)| left.get(key.as_str()).is_some_and(|(_, left)| *left == 0));
        let next = waits.map(|(key, limit)| (rows[key].next_at(limit, now, zone), key)).max();
        let (next_at, binding) = next.filter(|_| tokens < ask.want).map(|(at, key)| (at, key.clone())).unzip();
        Grant { tokens, next_at, binding }
    };
    asks.iter().zip(tokens).map(grant).collect()
}

/// Deals what is left of each limit; says how many each ask got.
fn deal(left: &mut BTreeMap<&str, (Limit, u32)>, asks: &[Ask], first: usize) -> Vec<u32> {
    let mut tokens = vec![0; asks.len()];
    let mut give = |index: usize, most: u32, tokens: &mut [u32]| {
        let ask: &Ask = &asks[index];
        let free = ask.limits.iter().map(|(key, _)| left[key.as_str()].1).min().unwrap_or(u32::MAX);
        let count = free.min(ask.want - tokens[index]).min(most);
        for (key, _) in &ask.limits {
            if let Some((_, left)) = left.get_mut(key.as_str()) {
                *left -= count;
            }
        }
        tokens[index] += count;
        count
    };
    for index in (0..asks.len()).filter(|index| asks[*index].direct) {
        give(index, u32::MAX, &mut tokens);
    }
    let turns: Vec<_> = (0..asks.len()).map(|at| (at + first) % asks.len()).filter(|at| !asks[*at].direct).collect();
    loop {
        let given: u32 = turns.iter().map(|index| give(*index, 1, &mut tokens)).sum();
        if given == 0 {
            return tokens;
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, ToSpan};
    use proptest::prelude::*;

    use super::*;

    fn zone() -> TimeZone {
        TimeZone::get("Europe/Stockholm").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn ask(limits: &[(&str, Limit)], want: u32) -> Ask {
        Ask { limits: limits.iter().map(|(key, limit)| ((*key).to_owned(), *limit)).collect(), want, direct: false }
    }

    fn rate(text: &str) -> Limit {
        Limit { rate: Some(text.parse().unwrap()), ..Limit::default() }
    }

    fn per_day(count: u32) -> Limit {
        Limit { per_day: Some(count), ..Limit::default() }
    }

    #[test]
    fn a_day_ends_at_midnight_of_the_company_s_zone() {
        let (mut rows, limit) = (BTreeMap::new(), per_day(500));
        let now = at("2027-03-01T22:59:00Z");
        let grant = &share(&mut rows, &[ask(&[("provider/microsoft", limit)], 700)], 0, now, &zone())[0];
        assert_eq!((grant.tokens, grant.binding.as_deref()), (500, Some("provider/microsoft")));
        assert_eq!(grant.next_at, Some(at("2027-03-01T23:00:00Z")));
        let standing = rows["provider/microsoft"].standing(&limit, now, &zone());
        assert_eq!((standing.today, standing.cap, standing.next_at), (500, Some(500), grant.next_at));
        let next =
            &share(&mut rows, &[ask(&[("provider/microsoft", limit)], 7)], 0, at("2027-03-01T23:00:00Z"), &zone())[0];
        assert_eq!((next.tokens, next.next_at), (7, None));
    }

    #[test]
    fn warms_up_on_days_on_which_something_went() {
        let warm_up = Some(WarmUp { first_day: 50, growth_percent: 150 });
        let limit = Limit { warm_up, ..per_day(200) };
        let mut rows = BTreeMap::new();
        let mut counts = Vec::new();
        // Monday to Thursday, a long weekend without any mail, and on.
        for day in [1, 2, 3, 4, 8, 9] {
            let now = local::start_of_day(&zone(), jiff::civil::date(2027, 3, day)).unwrap();
            counts.push(share(&mut rows, &[ask(&[("relay/main", limit)], 1000)], 0, now, &zone())[0].tokens);
        }
        assert_eq!(counts, [50, 75, 113, 170, 200, 200]);
        assert_eq!(ramp(WarmUp { first_day: 1, growth_percent: 101 }, 3, None), 4, "it grows from one too");
    }

    #[test]
    fn campaigns_take_turns_after_what_a_person_waits_for() {
        let relay = ("relay/main", per_day(10));
        let asks = [ask(&[relay], 900), ask(&[relay], 900), Ask { direct: true, ..ask(&[relay], 3) }];
        let tokens = |first| {
            let grants = share(&mut BTreeMap::new(), &asks, first, at("2027-03-01T09:00:00Z"), &zone());
            grants.iter().map(|grant| grant.tokens).collect::<Vec<_>>()
        };
        assert_eq!((tokens(0), tokens(1)), (vec![4, 3, 3], vec![3, 4, 3]));
    }

    #[test]
    fn a_full_limit_takes_nothing_from_the_others() {
        let (relay, full) = (("relay/main", per_day(10)), ("provider/microsoft", per_day(2)));
        let asks = [ask(&[relay, full], 900), ask(&[relay], 900), ask(&[], 900)];
        let grants = share(&mut BTreeMap::new(), &asks, 0, at("2027-03-01T09:00:00Z"), &zone());
        assert_eq!(grants.iter().map(|grant| grant.tokens).collect::<Vec<_>>(), [2, 8, 900]);
        assert_eq!(grants[2].next_at, None);
    }

    #[test]
    fn gives_back_what_did_not_go() {
        let limit = Limit { per_day: Some(100), ..rate("60/minute") };
        let (mut rows, now) = (BTreeMap::new(), at("2027-03-01T09:00:00Z"));
        let mut take = |want| share(&mut rows, &[ask(&[("relay/main", limit)], want)], 0, now, &zone())[0].tokens;
        assert_eq!((take(6), take(6)), (6, 0));
        rows.get_mut("relay/main").unwrap().give_back(&limit, 4, jiff::civil::date(2027, 3, 1));
        let again = share(&mut rows, &[ask(&[("relay/main", limit)], 9)], 0, now, &zone());
        assert_eq!((again[0].tokens, rows["relay/main"].today), (4, 6));
    }

    #[test]
    fn a_clock_that_ran_a_day_ahead_does_not_stop_it_for_a_day() {
        let (mut rows, limit, now) = (BTreeMap::new(), rate("60/minute"), at("2027-03-01T09:00:00Z"));
        let ahead = now.checked_add(24.hours()).unwrap();
        share(&mut rows, &[ask(&[("relay/main", limit)], 6)], 0, ahead, &zone());
        let grant = &share(&mut rows, &[ask(&[("relay/main", limit)], 6)], 0, now, &zone())[0];
        assert_eq!((grant.tokens, grant.next_at), (0, Some(now.checked_add(3.seconds()).unwrap())));
    }

    proptest! {
        #[test]
        fn never_exceeds_rate_day_or_patience(
            count in 1u32..200,
            unit in prop::sample::select(vec!["second", "minute", "hour"]),
            cap in 1u32..300,
            steps in prop::collection::vec((0i64..90_000_000, 0u32..80, 0u32..100), 1..60),
        ) {
            let limit = Limit { per_day: Some(cap), ..rate(&format!("{count}/{unit}")) };
            let parsed = limit.rate.unwrap();
            let (mut rows, mut now) = (BTreeMap::new(), at("2027-03-27T20:00:00Z"));
            let mut sent: Vec<(Timestamp, u32)> = Vec::new();
            for (pause_us, want, unused_percent) in steps {
                now = now.checked_add(SignedDuration::from_micros(pause_us)).unwrap();
                let grant = share(&mut rows, &[ask(&[("k", limit)], want)], 0, now, &zone()).remove(0);
                prop_assert!(grant.tokens <= want);
                // Who waits until it is said gets at least one.
                if let Some(next_at) = grant.next_at {
                    prop_assert!(next_at > now);
                    let later = &share(&mut rows.clone(), &[ask(&[("k", limit)], 1)], 0, next_at, &zone())[0];
                    prop_assert_eq!(later.tokens, 1);
                } else {
                    prop_assert_eq!(grant.tokens, want);
                }
                let unused = grant.tokens * unused_percent / 100;
                rows.get_mut("k").unwrap().give_back(&limit, unused, zone().to_datetime(now).date());
                sent.push((now, grant.tokens - unused));
            }
            for (index, (from, _)) in sent.iter().enumerate() {
                let mut sum = 0;
                for (until, count) in &sent[index..] {
                    sum += i64::from(*count);
                    let window = until.duration_since(*from).as_micros();
                    let most = i64::from(parsed.burst()) + i64::try_from(window).unwrap() / parsed.gap_us();
                    prop_assert!(sum <= most, "{} in {} us, at most {}", sum, window, most);
                }
            }
            let mut days: BTreeMap<Date, u32> = BTreeMap::new();
            for (at, count) in &sent {
                *days.entry(zone().to_datetime(*at).date()).or_default() += count;
            }
            prop_assert!(days.values().all(|sum| *sum <= cap));
        }
    }
}
