//! Which conditions of an audience hold for one client, and in what words.
//!
//! It judges as the store's SQL does; a test holds the two against each other. What
//! is not known is in no list.

use jiff::{Timestamp, ToSpan};

use super::super::say::{self, Clock};
use crate::model::campaign::{Campaign, Condition, Rule, Start};
use crate::policy::local;
use crate::store::Client;

/// What a rule is held against.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The client as it is known.
    pub client: &'a Client,
    /// The last touch, when it counts.
    pub last_touch: Option<Timestamp>,
    /// The instant that "no touch for N days" counts back from.
    pub reference: Timestamp,
}

/// Each condition of `rule`, and whether it holds.
pub fn explain<'r>(rule: &'r Rule, subject: Subject<'_>) -> Vec<(&'r Condition, bool)> {
    rule.0.iter().map(|condition| (condition, holds(condition, subject))).collect()
}

/// The instant that "no touch" counts back from: the campaign's start, or later the present.
pub fn reference(campaign: &Campaign, zone: &str, now: Timestamp) -> Timestamp {
    let Start::Date(date) = campaign.start else { return now };
    let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    local::start_of_day(&zone, date).map_or(now, |start| start.max(now))
}

fn holds(condition: &Condition, subject: Subject<'_>) -> bool {
    let Subject { client, last_touch, reference } = subject;
    let account = &client.account;
    let within = |list: &[String], value: Option<&str>| value.is_some_and(|value| list.iter().any(|one| one == value));
    match condition {
        Condition::Country(list) => within(list, account.country.as_deref()),
        Condition::Tier(list) => within(list, account.tier.as_ref().map(|tier| tier.as_str())),
        Condition::City(list) => within(list, account.city.as_ref().map(|city| city.as_str())),
        Condition::Needs(list) => account.needs.iter().any(|need| list.contains(need)),
        Condition::Tags(list) => account.tags.iter().any(|tag| list.contains(tag)),
        Condition::Language(list) => client.contact.language.is_some_and(|language| list.contains(&language)),
        Condition::Owner(list) => {
            let owner = client.owner.as_ref().map(|owner| owner.email.folded());
            owner.is_some_and(|owner| list.iter().any(|one| one.to_lowercase() == owner))
        }
        Condition::NoTouch { days } => {
            let before = reference.checked_sub((i64::from(*days) * 24).hours()).unwrap_or(Timestamp::MIN);
            last_touch.unwrap_or(Timestamp::UNIX_EPOCH) <= before
        }
        Condition::Not(rule) => !rule.0.iter().any(|inner| holds(inner, subject)),
    }
}

/// What a client has that makes a condition hold; nothing for a `not`, which says what it lacks.
pub(super) fn say_held(condition: &Condition, subject: Subject<'_>, clock: &Clock) -> Option<String> {
    let account = &subject.client.account;
    let common = |list: &[String], own: &[String]| {
        own.iter().filter(|one| list.contains(one)).map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    match condition {
        Condition::Country(_) => account.country.clone(),
        Condition::Tier(_) => account.tier.as_ref().map(|tier| format!("tier {tier}")),
        Condition::City(_) => account.city.as_ref().map(|city| city.as_str().to_owned()),
        Condition::Needs(list) => Some(format!("needs {}", common(list, &account.needs))),
        Condition::Tags(list) => Some(format!("tagged {}", common(list, &account.tags))),
        Condition::Language(_) => {
            subject.client.contact.language.map(|language| format!("language {}", language.code()))
        }
        Condition::Owner(_) => subject.client.owner.as_ref().map(|owner| format!("owner {}", owner.name)),
        Condition::NoTouch { .. } => Some(match subject.last_touch {
            Some(at) => format!("last touch {}", clock.day(at)),
            None => "no touch before".to_owned(),
        }),
        Condition::Not(_) => None,
    }
}

/// Why a condition does not hold.
pub(super) fn say_failed(condition: &Condition, subject: Subject<'_>, clock: &Clock) -> String {
    let account = &subject.client.account;
    let not = |name: &str, own: Option<String>, list: &[String]| {
        let own = own.filter(|own| !own.is_empty()).unwrap_or_else(|| "unknown".to_owned());
        format!("{name} {own}, not {}", say::any_of(list))
    };
    let joined = |own: &[String]| Some(if own.is_empty() { "nothing".to_owned() } else { own.join(", ") });
    match condition {
        Condition::Country(list) => not("country", account.country.clone(), list),
        Condition::Tier(list) => not("tier", account.tier.as_ref().map(ToString::to_string), list),
        Condition::City(list) => not("city", account.city.as_ref().map(ToString::to_string), list),
        Condition::Needs(list) => not("needs", joined(&account.needs), list),
        Condition::Tags(list) => not("tagged", joined(&account.tags), list),
        Condition::Language(list) => {
            let own = subject.client.contact.language.map(|language| language.code().to_owned());
            not("language", own, &list.iter().map(|language| language.code().to_owned()).collect::<Vec<_>>())
        }
        Condition::Owner(list) => not("owner", subject.client.owner.as_ref().map(|owner| owner.name.to_string()), list),
        Condition::NoTouch { days } => {
            let last = subject.last_touch.map(|at| clock.day(at)).unwrap_or_default();
            format!("last touch {last}, less than {days} days before {}", clock.day(subject.reference))
        }
        Condition::Not(rule) => {
            let held: Vec<_> = rule.0.iter().filter(|inner| holds(inner, subject)).collect();
            let words: Vec<_> = held.iter().filter_map(|inner| say_held(inner, subject, clock)).collect();
            format!("{}, which this campaign leaves out", words.join(", "))
        }
    }
}
