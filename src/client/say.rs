//! How a record speaks: dates and times by the client's clock, channels, reasons.
//!
//! Pure. A day is named once: what follows on the same day shows only its time.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::model::address::Channel;
use crate::model::campaign::{Window, hours_in_words, weekdays_in_words};
use crate::model::contact::{Contact, ZoneSource};
use crate::model::suppression::Reason;
use crate::store::{Client, LetterGap, PauseRow, PauseScope, SuppressionRow};

/// How far a date may lie from today and still be named without its year, in days.
const NEAR: i32 = 180;

/// A clock in one zone that remembers the day it named last.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
    today: Date,
    named: Option<Date>,
}

impl Clock {
    /// A clock of a contact at `now`.
    pub fn of(contact: &Contact, now: Timestamp) -> Self {
        let zone = TimeZone::get(&contact.zone).unwrap_or(TimeZone::UTC);
        let today = zone.to_datetime(now).date();
        Self { zone, today, named: None }
    }

    /// `Tue 22 Dec`, with its year where it is far away.
    pub fn date(&self, date: Date) -> String {
        let far = (date - self.today).get_days().abs() > NEAR;
        date.strftime(if far { "%a %-d %b %Y" } else { "%a %-d %b" }).to_string()
    }

    /// The day of an instant.
    pub fn day(&self, at: Timestamp) -> String {
        self.date(self.zone.to_datetime(at).date())
    }

    /// `Wed 24 Feb 10:12`.
    pub fn full(&self, at: Timestamp) -> String {
        format!("{} {}", self.day(at), self.zone.to_datetime(at).strftime("%H:%M"))
    }

    /// `Mon 1 Mar 08:34`, or `08:34` where the day was named before.
    pub fn minute(&mut self, at: Timestamp) -> String {
        self.named(at, "%H:%M")
    }

    /// `Mon 1 Mar 08:34:09`, or `08:34:09` where the day was named before.
    pub fn second(&mut self, at: Timestamp) -> String {
        self.named(at, "%H:%M:%S")
    }

    /// Forgets the day it named, at the head of a new list.
    pub fn begin(&mut self) {
        self.named = None;
    }

    /// The local date of an instant.
    pub fn local(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    fn named(&mut self, at: Timestamp, format: &str) -> String {
        let local = self.zone.to_datetime(at);
        let time = local.strftime(format);
        if self.named.replace(local.date()) == Some(local.date()) {
            return time.to_string();
        }
        format!("{} {time}", self.date(local.date()))
    }
}

/// A channel's name.
pub fn channel(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "e-mail",
        Channel::Fax => "fax",
        Channel::Call => "call",
    }
}

/// Where a contact's zone came from, behind the zone: `Europe/Stockholm (country SE)`.
pub fn zone(client: &Client) -> String {
    let source = match (&client.contact.zone_source, &client.account.country) {
        (ZoneSource::Field, _) => "its own".to_owned(),
        (ZoneSource::Country, Some(country)) => format!("country {country}"),
        (ZoneSource::Country, None) => "its country".to_owned(),
        (ZoneSource::Default, _) => "ours, no other is known".to_owned(),
    };
    format!("{} ({source})", client.contact.zone)
}

/// Why someone is suppressed.
pub fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::OptOut => "opted out",
        Reason::Complaint => "reported us as spam",
        Reason::Invalid => "the address does not exist",
        Reason::Operator => "a person decided",
    }
}

/// Why, and what a suppression covers if it is not the person.
pub fn suppression(row: &SuppressionRow) -> String {
    use crate::model::suppression::Scope;
    let reason = reason(row.reason);
    match row.scope {
        Scope::Contact => reason.to_owned(),
        Scope::Address => format!("{}: {reason}", row.value),
        Scope::Domain => format!("everybody at {}: {reason}", row.value),
    }
}

/// How often someone wants letters who chose less.
pub fn letter_gap(gap: &LetterGap, clock: &Clock) -> String {
    format!("at most one in {} days, by their own choice of {}", gap.days, clock.day(gap.at))
}

/// What a pause covers and why.
pub fn pause(row: &PauseRow, clock: &Clock) -> String {
    let what = match &row.scope {
        PauseScope::All => "everything".to_owned(),
        PauseScope::Campaign(id) => format!("campaign {id}"),
        PauseScope::Domain(domain) => domain.clone(),
        PauseScope::Contact(_) => "the person".to_owned(),
    };
    let until = row.until.map(|until| format!(" until {}", clock.full(until))).unwrap_or_default();
    format!("{what}{until}: {}", crate::model::text::tame(&row.reason))
}

/// The pauses that are still in force at `now`.
pub fn in_force(pauses: &[PauseRow], now: Timestamp) -> impl Iterator<Item = &PauseRow> {
    pauses.iter().filter(move |pause| pause.ended_at.is_none() && pause.until.is_none_or(|until| until > now))
}

/// `Mon-Thu 08:30-11:30`.
pub fn window(window: &Window) -> String {
    format!("{} {}", weekdays_in_words(&window.days), hours_in_words(window.from, window.until))
}

/// `A, B or C`.
pub fn any_of<S: AsRef<str>>(list: &[S]) -> String {
    match list {
        [] => "nothing".to_owned(),
        [one] => one.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<_> = head.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", head.join(", "), last.as_ref())
        }
    }
}
