//! The environment over the file: `OUTREACHD_WEB__LISTEN` is `listen` in `[web]`,
//! `OUTREACHD_RELAY__0__HOST` is `host` in the first `[[relay]]`.
//!
//! It only puts texts in their places; a place that no section knows is found
//! there, when the section is read.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::table::{PREFIX, Reader};

/// Variables that the program reads for itself and that are no keys.
const OWN: [&str; 3] = ["OUTREACHD_CONFIG", "OUTREACHD_AS", "OUTREACHD_LOG"];

/// The variables that override a key, by name.
pub(super) fn variables(environment: &[(String, String)]) -> Vec<&(String, String)> {
    let is_key = |name: &str| name.starts_with(PREFIX) && !name.starts_with("OUTREACHD_TEST_") && !OWN.contains(&name);
    let mut variables: Vec<_> = environment.iter().filter(|(name, _)| is_key(name)).collect();
    variables.sort();
    variables
}

/// Puts each variable's text in its place below `root`.
pub(super) fn overlay<'r>(reader: &Reader<'_>, root: &mut DeTable<'r>, variables: &[&(String, String)]) {
    for (name, text) in variables {
        let span = reader.find_variable(name);
        let path: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        if put(root, &path, text, &span).is_none() {
            let message = format!("variable `{name}` leads to no key");
            let hint = "tables of a list are counted from 0, as in OUTREACHD_RELAY__0__HOST";
            reader.push(reader.mistake(&span, message).hint(hint));
        }
    }
}

/// Puts `text` at `path` below `table`; none where the path crosses what is no table.
fn put(table: &mut DeTable<'_>, path: &[String], text: &str, span: &Range<usize>) -> Option<()> {
    let (key, rest) = path.split_first()?;
    let spanned_key = || Spanned::new(span.clone(), key.clone().into());
    let Some(next) = rest.first() else {
        table.remove(key.as_str());
        let value = DeValue::String(text.to_owned().into());
        table.insert(spanned_key(), Spanned::new(span.clone(), value));
        return Some(());
    };
    if !table.contains_key(key.as_str()) {
        let empty = match next.parse::<usize>() {
            Ok(_) => DeValue::Array(DeArray::new()),
            Err(_) => DeValue::Table(DeTable::new()),
        };
        table.insert(spanned_key(), Spanned::new(span.clone(), empty));
    }
    match table.get_mut(key.as_str())?.get_mut() {
        DeValue::Table(inner) => put(inner, rest, text, span),
        DeValue::Array(items) => put(item(items, next, span)?, &rest[1..], text, span),
        _ => None,
    }
}

/// The table of a list at a place counted from 0; the place behind the last makes a new one.
fn item<'a, 'i>(items: &'a mut DeArray<'i>, place: &str, span: &Range<usize>) -> Option<&'a mut DeTable<'i>> {
    let place: usize = place.parse().ok()?;
    if place == items.len() {
        items.push(Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
    }
    match items.get_mut(place)?.get_mut() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}
