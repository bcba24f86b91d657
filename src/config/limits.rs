//! `[[limit]]` and `[[provider]]`: how fast, how many a day, to whom; and which domains
//! one provider takes the mail of, by their names or by its hosts.
//!
//! Whether a campaign of that name exists is not known here; the check of the campaigns
//! looks, and has the words for it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::model::lane::OTHER;
use crate::model::limit::{Limit, Scope, WarmUp};
use crate::model::mistake::did_you_mean;
use crate::policy::providers::Providers;

use super::Pace;
use super::heard::Heard;
use super::preset;
use super::table::{Reader, Table};
use super::value::Value;

pub(super) const KEYS: [&str; 10] = [
    "relay",
    "sender",
    "campaign",
    "provider",
    "domain",
    "rate",
    "per_day",
    "warm_up",
    "sessions",
    "messages_per_session",
];
pub(super) const PROVIDER: [&str; 4] = ["id", "domains", "mx", "preset"];

/// The ids that a limit can name, where all of them could be read.
pub(super) struct Known<'a> {
    pub(super) relays: Option<Vec<&'a str>>,
    pub(super) senders: Option<Vec<&'a str>>,
    pub(super) providers: &'a Providers,
}

/// What one `[[limit]]` is for.
enum Aim {
    One(Scope),
    EachDomain,
}

/// Names that a provider has been given, and in which line.
type Taken = Vec<(String, usize)>;

/// Reads every `[[provider]]` on top of the well-known ones.
pub(super) fn read_providers(tables: Vec<Table<'_>>) -> Providers {
    let mut providers = Providers::default();
    let (mut taken, mut taken_hosts) = (Taken::new(), Taken::new());
    for mut table in tables {
        let id = table.need("id").and_then(|value| {
            if value.is_text(OTHER) {
                value.report(format!("cannot be `{OTHER}`, which is everybody without a provider"));
                return None;
            }
            value.slug()
        });
        let reader = table.reader();
        let before = reader.count();
        let place = table.span();
        let domains = read_names(table.take("domains"), "domain", &mut taken);
        let mut hosts = read_names(table.take("mx"), "host", &mut taken_hosts);
        hosts.extend(preset::exchangers(&mut table).into_iter().flatten().cloned());
        if domains.is_empty() && hosts.is_empty() && reader.count() == before {
            reader.report(&place, "a provider needs `domains`, `mx` or `preset`: whose mail it takes");
        }
        if let Some(id) = id {
            providers.add(&id, domains.iter().map(String::as_str));
            providers.add_hosts(&id, hosts.iter().map(String::as_str));
        }
    }
    providers
}

/// Reads names of domains or hosts, each of which only one provider has.
fn read_names(value: Option<Value<'_>>, what: &str, taken: &mut Taken) -> Vec<String> {
    let mut names = Vec::new();
    for value in value.map(Value::one_or_more).unwrap_or_default() {
        let (reader, span) = (value.reader(), value.span());
        let Some(name) = value.parse(domain_or_below) else { continue };
        match taken.iter().find(|(known, _)| *known == name) {
            Some((_, line)) => {
                reader.report(&span, format!("the {what} `{name}` is given twice, first in line {line}"));
            }
            None => taken.push((name.clone(), reader.line_of(&span))),
        }
        names.push(name);
    }
    names
}

/// Reads every `[[limit]]`.
pub(super) fn read_limits(tables: Vec<Table<'_>>, known: &Known<'_>) -> Pace {
    let (mut limits, mut each_domain) = (BTreeMap::new(), None);
    let (mut seen, mut campaigns) = (Vec::<(String, usize)>::new(), BTreeMap::new());
    for mut table in tables {
        let (reader, place) = (table.reader(), table.span());
        let aim = read_aim(&mut table, known);
        let before = reader.count();
        let limit = read_limit(&mut table);
        // A value that cannot be read was meant to limit something.
        let is_told = reader.count() > before;
        let Some((aim, span)) = aim else { continue };
        if limit.is_empty() && table.is_empty() && !is_told {
            let message = "a limit needs `rate`, `per_day`, `sessions` or `messages_per_session`";
            reader.report(&place, message);
        }
        let key = match &aim {
            Aim::One(scope) => scope.key(),
            Aim::EachDomain => "domain/*".into(),
        };
        check_fit(reader, &span, &key, &limit);
        match seen.iter().find(|(known, _)| *known == key) {
            Some((_, line)) => reader.report(&span, format!("there is a limit for it already, in line {line}")),
            None => seen.push((key, reader.line_of(&span))),
        }
        if let Aim::One(Scope::Campaign(id)) = &aim {
            campaigns.insert(id.clone(), reader.mistake(&span, format!("there is no campaign `{id}`")));
        }
        match aim {
            Aim::One(scope) => drop(limits.insert(scope, limit)),
            Aim::EachDomain => each_domain = Some(limit),
        }
    }
    Pace { limits, each_domain, providers: known.providers.clone(), heard: Heard::default(), campaigns }
}

/// Reads what a limit is for: one key of five.
fn read_aim(table: &mut Table<'_>, known: &Known<'_>) -> Option<(Aim, Range<usize>)> {
    let mut aims = Vec::new();
    for key in ["relay", "sender", "campaign", "provider", "domain"] {
        aims.extend(table.take(key).map(|value| (key, value)));
    }
    let reader = table.reader();
    if aims.is_empty() {
        let message = "a limit needs `relay`, `sender`, `campaign`, `provider` or `domain`: what it is for";
        reader.report(&table.span(), message);
        return None;
    }
    let (key, value) = aims.remove(0);
    for (other, value) in aims {
        reader.report(&value.key_span(), format!("`{other}` stands beside `{key}`; a limit is for one of them"));
    }
    let span = value.span();
    let aim = match key {
        "relay" => Aim::One(Scope::Relay(named(value, known.relays.as_deref(), "relay")?)),
        "sender" => Aim::One(Scope::Sender(named(value, known.senders.as_deref(), "sender")?)),
        "campaign" => Aim::One(Scope::Campaign(value.slug()?)),
        "provider" => {
            let ids: Vec<_> = known.providers.ids().collect();
            Aim::One(Scope::Provider(named(value, Some(&ids), "provider")?))
        }
        _ if value.is_text("*") => Aim::EachDomain,
        _ => Aim::One(Scope::Domain(value.parse(domain)?)),
    };
    Some((aim, span))
}

/// The id of something that must be there; `known` are those there are, if all could be read.
pub(super) fn named(value: Value<'_>, known: Option<&[&str]>, what: &str) -> Option<String> {
    let (reader, span) = (value.reader(), value.span());
    let name = value.text()?;
    check_name(reader, &span, &name, known.unwrap_or_default(), what);
    Some(name)
}

/// Reports a name that is none of those there are, if any could be read.
pub(super) fn check_name(reader: &Reader<'_>, span: &Range<usize>, name: &str, known: &[&str], what: &str) {
    if known.is_empty() || known.contains(&name) {
        return;
    }
    let mistake = reader.mistake(span, format!("there is no {what} `{name}`"));
    reader.push(match did_you_mean(name, known.iter().copied()) {
        Some(meant) => mistake.aside(format!("did you mean `{meant}`?")),
        None => mistake.hint(format!("add a [[{what}]] with id = \"{name}\"")),
    });
}

/// Reads what is allowed, from a `[[limit]]` or from what a campaign says of itself.
pub fn read_limit(table: &mut Table<'_>) -> Limit {
    let rate = table.take("rate").and_then(|value| value.parse(str::parse));
    let mut count = |key, most| table.take(key).and_then(|value| value.integer(1..=most));
    let (per_day, sessions) = (count("per_day", 100_000_000), count("sessions", 100));
    let messages_per_session = count("messages_per_session", 100_000);
    let warm_up = table.take("warm_up").and_then(|value| {
        if per_day.is_none() {
            value.report("needs `per_day`, at which it ends");
        }
        read_warm_up(value)
    });
    Limit { rate, per_day, warm_up, sessions, messages_per_session }
}

fn read_warm_up(value: Value<'_>) -> Option<WarmUp> {
    let mut table = value.table("warm_up", &["first_day", "growth"])?;
    let first_day = table.need("first_day").and_then(|value| value.integer(1..=1_000_000));
    let growth = table.need("growth").and_then(|value| value.percent(101..=1000));
    Some(WarmUp { first_day: first_day?, growth_percent: growth? })
}

/// Some limits make sense for some things only.
fn check_fit(reader: &Reader<'_>, span: &Range<usize>, key: &str, limit: &Limit) {
    let kind = key.split('/').next().unwrap_or_default();
    let refuse = |message: String, hint: &str| {
        let mistake = reader.mistake(span, message);
        reader.push(if hint.is_empty() { mistake } else { mistake.hint(hint) });
    };
    if kind == "domain" {
        let hint = "name the domain in a [[provider]] of its own and limit that";
        for (name, given) in [
            ("sessions", limit.sessions.is_some()),
            ("messages_per_session", limit.messages_per_session.is_some()),
            ("warm_up", limit.warm_up.is_some()),
        ] {
            if given {
                refuse(format!("a domain's limit cannot have `{name}`"), hint);
            }
        }
    }
    if matches!(kind, "sender" | "campaign") && limit.messages_per_session.is_some() {
        refuse(format!("a {kind}'s limit cannot have `messages_per_session`"), "limit the relay or the provider");
    }
}

/// Reads a domain name into its A-label in lower case.
fn domain(text: &str) -> Result<String, &'static str> {
    let wrong = "is no domain; one looks like company.example";
    let domain = idna::domain_to_ascii_strict(text.trim()).map_err(|_| wrong)?;
    let fits = domain.contains('.') && !domain.split('.').any(str::is_empty);
    if fits { Ok(domain) } else { Err(wrong) }
}

/// The same, or `*.company.example` for every name below it.
fn domain_or_below(text: &str) -> Result<String, &'static str> {
    match text.trim().strip_prefix("*.") {
        Some(rest) => Ok(format!("*.{}", domain(rest)?)),
        None => domain(text),
    }
}
