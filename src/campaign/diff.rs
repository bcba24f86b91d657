//! What a file changes in the campaign that runs, in the file's own words.
//!
//! Pure: two checked campaigns and two sets of templates in, lines out.

use std::collections::BTreeMap;

use serde::Serialize;

use super::duration::phrase;
use crate::model::campaign::{
    Campaign, Condition, From, Late, Rule, Start, Step, Variant, Window, hours_in_words, weekdays_in_words,
};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where: `audience.tier`, `step matning.wait`, `template led/intro.md`.
    pub key: String,
    /// What runs; none for what is new.
    pub old: Option<String>,
    /// What the file says; none for what is gone.
    pub new: Option<String>,
}

impl Change {
    /// `+` for what is new, `-` for what is gone, `~` for what differs.
    pub fn sign(&self) -> char {
        match (&self.old, &self.new) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        }
    }
}

/// The changes from the campaign that runs to the one in the file.
pub fn campaigns(old: &Campaign, new: &Campaign) -> Vec<Change> {
    let mut changes = maps(&head(old), &head(new));
    let ids = |campaign: &Campaign| campaign.steps.iter().map(|step| step.id.clone()).collect::<Vec<_>>();
    for step in &old.steps {
        match new.find_step(&step.id) {
            Some((_, now)) => changes.extend(maps(&fields(step), &fields(now))),
            None => changes.push(Change { key: format!("step {}", step.id), old: Some(summary(step)), new: None }),
        }
    }
    for step in new.steps.iter().filter(|step| old.find_step(&step.id).is_none()) {
        changes.push(Change { key: format!("step {}", step.id), old: None, new: Some(summary(step)) });
    }
    let common = |of: &Campaign, other: &Campaign| -> Vec<String> {
        ids(of).into_iter().filter(|id| other.find_step(id).is_some()).collect()
    };
    let (before, after) = (common(old, new), common(new, old));
    if before != after {
        changes.push(Change { key: "steps".into(), old: Some(before.join(", ")), new: Some(after.join(", ")) });
    }
    changes
}

/// The changes of texts; only the names are told.
pub fn templates(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Change> {
    let lines = |text: &String| format!("{} lines", text.lines().count());
    let named = |set: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        set.iter().map(|(name, text)| (format!("template {name}"), text.clone())).collect()
    };
    let mut changes = maps(&named(old), &named(new));
    for change in &mut changes {
        change.old = change.old.as_ref().map(lines);
        change.new = change.new.as_ref().map(lines);
    }
    changes
}

fn maps(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Change> {
    let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let differing = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    differing.map(|key| Change { key: key.clone(), old: old.get(key).cloned(), new: new.get(key).cloned() }).collect()
}

/// Everything but the steps.
fn head(campaign: &Campaign) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    let mut put = |key: &str, value: String| drop(map.insert(key.to_owned(), value));
    put("title", quoted(&campaign.title));
    put("language", quoted(campaign.language.code()));
    put(
        "from",
        quoted(match &campaign.from {
            From::Owner => "owner",
            From::Sender(id) => id,
        }),
    );
    put(
        "start",
        match &campaign.start {
            Start::Date(date) => date.to_string(),
            Start::Cron(expression) => quoted(expression),
        },
    );
    for (key, value) in rule(&campaign.audience) {
        put(&format!("audience.{key}"), value);
    }
    if campaign.holdout_percent > 0 {
        put("audience.holdout", quoted(&format!("{} %", campaign.holdout_percent)));
    }
    for (key, value) in window(&campaign.send) {
        put(&format!("send.{key}"), value);
    }
    if let Some(rate) = campaign.limit.rate {
        put("send.rate", quoted(&rate.to_string()));
    }
    if let Some(per_day) = campaign.limit.per_day {
        put("send.per_day", per_day.to_string());
    }
    for (kind, reaction) in &campaign.on {
        let kind =
            serde_json::to_value(kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
        let task = format!("{{ note = {}, within = {} }}", quoted(&reaction.note), quoted(&phrase(reaction.within)));
        put(&format!("on.{kind}.task"), task);
    }
    map
}

fn rule(rule: &Rule) -> Vec<(&'static str, String)> {
    rule.0.iter().map(condition).collect()
}

fn condition(condition: &Condition) -> (&'static str, String) {
    match condition {
        Condition::Country(values) => ("country", list(values)),
        Condition::Needs(values) => ("needs", list(values)),
        Condition::Tier(values) => ("tier", list(values)),
        Condition::Tags(values) => ("tags", list(values)),
        Condition::City(values) => ("city", list(values)),
        Condition::Language(values) => {
            ("language", list(&values.iter().map(|language| language.code().to_owned()).collect::<Vec<_>>()))
        }
        Condition::Owner(values) => ("owner", list(values)),
        Condition::NoTouch { days } => ("no_touch", quoted(&phrase(crate::model::campaign::Wait::Days(*days)))),
        Condition::Not(inner) => {
            let parts: Vec<_> = rule(inner).into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
            ("not", format!("{{ {} }}", parts.join(", ")))
        }
    }
}

fn window(window: &Window) -> Vec<(&'static str, String)> {
    let mut parts = vec![
        ("days", quoted(&weekdays_in_words(&window.days))),
        ("hours", quoted(&hours_in_words(window.from, window.until))),
        ("late", quoted(late(window.late))),
    ];
    parts.extend(window.zone.as_deref().map(|zone| ("zone", quoted(zone))));
    parts
}

fn late(late: Late) -> &'static str {
    match late {
        Late::Send => "send",
        Late::Skip => "skip",
        Late::Ask => "ask",
    }
}

/// A step's keys as the file writes them.
fn fields(step: &Step) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            map.insert(format!("step {}.{key}", step.id), value);
        }
    };
    put("channel", Some(quoted(channel(step.channel))));
    put("wait", (step.wait != crate::model::campaign::Wait::Hours(0)).then(|| quoted(&phrase(step.wait))));
    put("template", step.template.as_deref().map(quoted));
    put("subject", step.subject.as_deref().map(quoted));
    put("fallback", step.fallback.map(|fallback| quoted(channel(fallback))));
    put("note", step.note.as_deref().map(quoted));
    put("late", step.late.map(|value| quoted(late(value))));
    for (key, value) in step.send.iter().flat_map(window).filter(|(key, _)| *key != "late") {
        put(&format!("send.{key}"), Some(value));
    }
    for one in &step.variants {
        put(&format!("variants.{}", one.id), Some(variant(one)));
    }
    map
}

fn variant(variant: &Variant) -> String {
    let parts = [("subject", &variant.subject), ("template", &variant.template)];
    let parts = parts.iter().filter_map(|(key, value)| Some(format!("{key} = {}", quoted(value.as_deref()?))));
    format!("{{ {} }}", parts.collect::<Vec<_>>().join(", "))
}

/// A step in a few words, for one that is new or gone.
fn summary(step: &Step) -> String {
    let what = step.template.as_deref().or(step.note.as_deref()).unwrap_or_default();
    match step.wait {
        crate::model::campaign::Wait::Hours(0) => format!("{} {}", channel(step.channel), quoted(what)),
        wait => format!("{} {}, {} after the one before", channel(step.channel), quoted(what), phrase(wait)),
    }
}

pub(super) fn channel(channel: crate::model::address::Channel) -> &'static str {
    use crate::model::address::Channel::{Call, Email, Fax};
    match channel {
        Email => "email",
        Fax => "fax",
        Call => "call",
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn list(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}
