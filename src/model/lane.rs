//! Lanes: deliveries that share every limit wait in one queue, so that what is over a
//! limit stands in nobody else's way.
//!
//! `schedule` and `digest` write a lane's text onto the delivery, `deliver` reads it.
//! What a lane may take now is no affair of its own; see [`crate::policy::throttle`].

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::delivery::Purpose;

/// The provider group of every recipient that belongs to none.
pub const OTHER: &str = "other";

/// A queue of deliveries, as text `email/<relay>/<sender>/<stream>/<provider>` or
/// `fax/<sender>/<stream>`. Parts that are missing at the end are unknown: no limit of
/// theirs holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Mails by one relay.
    Email {
        /// The relay's id.
        relay: String,
        /// The sender's id; empty if unknown.
        sender: String,
        /// What they are part of.
        stream: Stream,
        /// The recipients' provider group, or [`OTHER`].
        provider: String,
    },
    /// Faxes.
    Fax {
        /// The sender's id; empty if unknown.
        sender: String,
        /// What they are part of.
        stream: Stream,
    },
}

/// What the deliveries of a lane are part of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// A campaign, by its id.
    Campaign(String),
    /// What is not marketing, by its purpose; a person waits for it.
    Direct(String),
}

impl Stream {
    /// The stream of a campaign's deliveries, or of those with this purpose.
    pub fn of(campaign: Option<&str>, purpose: Purpose) -> Self {
        let direct = match purpose {
            Purpose::Campaign => "campaign",
            Purpose::Digest => "digest",
            Purpose::Notice => "notice",
            Purpose::Test => "test",
        };
        campaign.map_or_else(|| Self::Direct(direct.into()), |id| Self::Campaign(id.to_owned()))
    }
}

impl Lane {
    /// What takes its deliveries: `email/<relay>`, or `fax`.
    pub fn way(&self) -> String {
        match self {
            Self::Email { relay, .. } => format!("email/{relay}"),
            Self::Fax { .. } => "fax".into(),
        }
    }

    /// What its deliveries are part of.
    pub fn stream(&self) -> &Stream {
        match self {
            Self::Email { stream, .. } | Self::Fax { stream, .. } => stream,
        }
    }

    /// The campaign, if it is one's lane.
    pub fn campaign(&self) -> Option<&str> {
        match self.stream() {
            Stream::Campaign(id) => Some(id),
            Stream::Direct(_) => None,
        }
    }

    /// The provider group of its recipients.
    pub fn provider(&self) -> &str {
        match self {
            Self::Email { provider, .. } => provider,
            Self::Fax { .. } => OTHER,
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Campaign(id) => f.write_str(id),
            Self::Direct(purpose) => write!(f, "@{purpose}"),
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email { relay, sender, stream, provider } => write!(f, "email/{relay}/{sender}/{stream}/{provider}"),
            Self::Fax { sender, stream } => write!(f, "fax/{sender}/{stream}"),
        }
    }
}

impl FromStr for Lane {
    type Err = Infallible;

    /// Reads what a row holds; ids are slugs, so that no part has a slash.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut parts = text.split('/');
        let kind = parts.next();
        let mut next = || parts.next().unwrap_or_default().to_owned();
        let stream = |text: String| match text.strip_prefix('@') {
            Some(purpose) => Stream::Direct(purpose.to_owned()),
            None if text.is_empty() => Stream::Direct(String::new()),
            None => Stream::Campaign(text),
        };
        Ok(match kind {
            Some("email") => {
                let (relay, sender, of, provider) = (next(), next(), next(), next());
                let provider = if provider.is_empty() { OTHER.to_owned() } else { provider };
                Self::Email { relay, sender, stream: stream(of), provider }
            }
            _ => Self::Fax { sender: next(), stream: stream(next()) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(text: &str) -> Lane {
        text.parse().unwrap()
    }

    #[test]
    fn reads_back_what_it_wrote() {
        for text in ["email/main/fyrljus/led-i-lagret/microsoft", "email/main/fyrljus/@digest/other", "fax/fyrljus/led"]
        {
            assert_eq!(lane(text).to_string(), text);
        }
        let led = lane("email/main/fyrljus/led/google");
        assert_eq!((led.way(), led.campaign(), led.provider()), ("email/main".into(), Some("led"), "google"));
        assert_eq!(Stream::of(None, Purpose::Notice).to_string(), "@notice");
    }

    #[test]
    fn reads_a_lane_that_says_less() {
        let short = lane("email/main");
        assert_eq!((short.way(), short.campaign(), short.provider()), ("email/main".into(), None, OTHER));
        assert_eq!(lane("fax").way(), "fax");
    }
}
