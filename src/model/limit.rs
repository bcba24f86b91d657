//! Limits as people write them: so many a minute, so many a day, a slow beginning.
//!
//! The configuration and the campaigns hold them; [`crate::policy::throttle`] decides
//! by them, and the store keeps what has gone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a limit is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All that one relay takes.
    Relay(String),
    /// All of one sender.
    Sender(String),
    /// All of one campaign.
    Campaign(String),
    /// All to one provider group.
    Provider(String),
    /// All to one recipient domain.
    Domain(String),
}

impl Scope {
    /// Its kind and its name, as rows and people have them.
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Relay(id) => ("relay", id),
            Self::Sender(id) => ("sender", id),
            Self::Campaign(id) => ("campaign", id),
            Self::Provider(id) => ("provider", id),
            Self::Domain(name) => ("domain", name),
        }
    }

    /// The key of its row: `relay/main`.
    pub fn key(&self) -> String {
        let (kind, name) = self.parts();
        format!("{kind}/{name}")
    }
}

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no rate; one looks like 20/minute, with second, minute or hour")]
pub struct RateError;

/// So many in so long, as `20/minute`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    count: u32,
    per: Per,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Per {
    Second,
    Minute,
    Hour,
}

const UNITS: [(&str, Per, i64); 3] =
    [("second", Per::Second, 1_000_000), ("minute", Per::Minute, 60_000_000), ("hour", Per::Hour, 3_600_000_000)];

/// A rest is made up for at once up to so many microseconds.
const BURST_US: i64 = 6_000_000;

/// The most that a rate may count in its unit: one a microsecond would be no limit.
const MOST: u32 = 1_000_000;

impl Rate {
    /// How many.
    pub fn count(self) -> u32 {
        self.count
    }

    /// The pause between two, in microseconds.
    pub fn gap_us(self) -> i64 {
        let unit = UNITS.iter().find(|(_, per, _)| *per == self.per).map_or(1, |(_, _, us)| *us);
        (unit / i64::from(self.count)).max(1)
    }

    /// How many may go at once after a rest: those of six seconds, at least one.
    pub fn burst(self) -> u32 {
        u32::try_from(BURST_US / self.gap_us()).unwrap_or(1).max(1)
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, unit) = text.split_once('/').ok_or(RateError)?;
        let count = count.trim().parse().map_err(|_| RateError)?;
        let (_, per, _) = UNITS.into_iter().find(|(name, ..)| *name == unit.trim()).ok_or(RateError)?;
        if (1..=MOST).contains(&count) { Ok(Self { count, per }) } else { Err(RateError) }
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, per, _)| *per == self.per).map_or("", |(name, ..)| name);
        write!(f, "{}/{unit}", self.count)
    }
}

/// A slow beginning: so many on the first day, more on each further day of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUp {
    /// On the first day.
    pub first_day: u32,
    /// Each day's share of the day before, in percent; more than 100.
    pub growth_percent: u32,
}

/// What is allowed; what is absent is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// So many in so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// So many on a day of the company's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
    /// The way up to `per_day`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// Sessions at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// Messages in one session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_session: Option<u32>,
}

impl Limit {
    /// Whether it limits nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what has gone must be counted for it.
    pub fn is_counted(&self) -> bool {
        self.rate.is_some() || self.per_day.is_some()
    }

    /// Both at once: the stricter of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.into_iter().chain(other).min()
        }
        let slower = |one: Rate, other: Rate| if one.gap_us() >= other.gap_us() { one } else { other };
        Self {
            rate: self.rate.into_iter().chain(other.rate).reduce(slower),
            per_day: least(self.per_day, other.per_day),
            warm_up: self.warm_up.or(other.warm_up),
            sessions: least(self.sessions, other.sessions),
            messages_per_session: least(self.messages_per_session, other.messages_per_session),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rates_and_nothing_else() {
        let rate: Rate = "20/minute".parse().unwrap();
        assert_eq!((rate.to_string(), rate.gap_us(), rate.burst()), ("20/minute".into(), 3_000_000, 2));
        assert_eq!("5/hour".parse::<Rate>().unwrap().burst(), 1);
        for wrong in ["20", "0/minute", "x/hour", "20/day", "-1/hour", "20/minutes", "4000000/second"] {
            assert_eq!(wrong.parse::<Rate>(), Err(RateError), "{wrong}");
        }
    }

    #[test]
    fn of_two_limits_the_stricter_holds() {
        let rate = |text: &str| Limit { rate: Some(text.parse().unwrap()), ..Limit::default() };
        let both = rate("20/minute").and(Limit { per_day: Some(5), ..rate("1000/hour") });
        assert_eq!((both.rate.unwrap().to_string().as_str(), both.per_day), ("1000/hour", Some(5)));
        assert!(!both.is_empty() && both.is_counted() && Limit::default().is_empty());
    }
}
