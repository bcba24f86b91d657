//! `[audience]`: who gets the letters, and which share is left in peace.

use crate::config::sections::LANGUAGES;
use crate::config::shape;
use crate::config::table::Table;
use crate::config::value::Value;
use crate::model::address::EmailAddress;
use crate::model::campaign::{Condition, Rule};

use super::super::duration::{parse_days, parse_percent};
use super::super::places::{Place, Places};

/// Its keys.
pub(super) const KEYS: [&str; 10] =
    ["country", "needs", "tier", "tags", "city", "language", "owner", "no_touch", "not", "holdout"];
/// The keys within `not`, which does not nest.
const CONDITIONS: usize = 8;

/// Reads the rule and the share in percent; none where a part of it is wrong, for
/// letters checked for the wrong clients would only add wrong messages.
pub(super) fn read(mut table: Table<'_>, places: &mut Places) -> Option<(Rule, u8)> {
    let (reader, span) = (table.reader(), table.span());
    let before = reader.count();
    places.note(Place::Audience, span.clone());
    let holdout = table.take("holdout").and_then(|value| value.parse(parse_percent)).unwrap_or(0);
    if table.is_empty() {
        let mistake = reader.mistake(&span, "an audience without a line would be everybody");
        reader.push(mistake.hint("name at least one condition, as country = [\"SE\"]"));
    }
    let not = table.take("not");
    let mut conditions = read_conditions(&mut table);
    if let Some(inner) = not.and_then(read_not) {
        conditions.push(Condition::Not(inner));
    }
    (reader.count() == before).then_some((Rule(conditions), holdout))
}

fn read_not(value: Value<'_>) -> Option<Rule> {
    let (reader, span) = (value.reader(), value.span());
    let mut table = value.table("not", &KEYS[..CONDITIONS])?;
    if table.is_empty() {
        reader.report(&span, "`not` is empty, so it leaves nobody out");
    }
    Some(Rule(read_conditions(&mut table)))
}

/// The conditions, always in this order, so that the file's order changes nothing.
fn read_conditions(table: &mut Table<'_>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut any_of = |key, read: fn(Value<'_>) -> Option<String>, make: fn(Vec<String>) -> Condition| {
        let Some(value) = table.take(key) else { return };
        let words: Vec<_> = value.one_or_more().into_iter().filter_map(read).collect();
        if !words.is_empty() {
            conditions.push(make(words));
        }
    };
    any_of("country", shape::country, Condition::Country);
    any_of("needs", read_word, Condition::Needs);
    any_of("tier", read_word, Condition::Tier);
    any_of("tags", read_word, Condition::Tags);
    any_of("city", read_word, Condition::City);
    any_of("owner", read_owner, Condition::Owner);
    if let Some(value) = table.take("language") {
        let languages = value.one_or_more().into_iter().filter_map(|value| value.word(&LANGUAGES));
        conditions.extend(Some(languages.collect::<Vec<_>>()).filter(|some| !some.is_empty()).map(Condition::Language));
    }
    if let Some(days) = table.take("no_touch").and_then(|value| value.parse(parse_days)) {
        conditions.push(Condition::NoTouch { days });
    }
    conditions
}

fn read_word(value: Value<'_>) -> Option<String> {
    value.text()
}

fn read_owner(value: Value<'_>) -> Option<String> {
    value.parse(EmailAddress::parse).map(|address| address.folded())
}
