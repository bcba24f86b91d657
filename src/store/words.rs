//! How the model's values stand in columns: instants as microseconds, words as text.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Result, StoreError};

/// An instant as it is stored.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// A stored instant.
pub(super) fn instant(micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros)
        .map_err(|_| StoreError::Word { value: micros.to_string(), expected: "an instant" })
}

/// A stored instant that may be absent.
pub(super) fn maybe_instant(micros: Option<i64>) -> Result<Option<Timestamp>> {
    micros.map(instant).transpose()
}

/// The stored word of a plain enum: what serde calls it.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("only enums of plain words are stored so, not {other:?}"),
    }
}

/// Reads back a stored word.
pub(super) fn parse<T: DeserializeOwned>(text: &str, expected: &'static str) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| StoreError::Word { value: text.to_owned(), expected })
}

/// Reads back a stored word that may be absent.
pub(super) fn maybe<T: DeserializeOwned>(text: Option<&str>, expected: &'static str) -> Result<Option<T>> {
    text.map(|text| parse(text, expected)).transpose()
}

/// A list of ids as the JSON array that set-based statements take.
pub(super) fn id_list(ids: impl IntoIterator<Item = i64>) -> String {
    serde_json::Value::from_iter(ids).to_string()
}

/// Rows as the JSON array that set-based statements take.
pub(super) fn rows<T: Serialize>(rows: &[T]) -> Result<String> {
    Ok(serde_json::to_string(rows)?)
}
