//! `[guard]`: from which share of bounces and complaints on something is done.

use crate::policy::guard::{Rails, Share};

use super::table::Table;
use super::value::Value;

pub(super) const GUARD: [&str; 6] =
    ["bounce_warn", "bounce_pause", "complaint_warn", "complaint_pause", "floor", "days"];

/// Reads the section; a warning that comes after the pause is a mistake.
pub(super) fn read_guard(table: Option<Table<'_>>) -> Rails {
    let usual = Rails::default();
    let Some(mut table) = table else { return usual };
    let (bounce_warn, bounce_pause) =
        read_pair(&mut table, ("bounce_warn", "bounce_pause"), (usual.bounce_warn, usual.bounce_pause));
    let (complaint_warn, complaint_pause) =
        read_pair(&mut table, ("complaint_warn", "complaint_pause"), (usual.complaint_warn, usual.complaint_pause));
    let mut count = |key, usual, most| table.take(key).and_then(|value| value.integer(1..=most)).unwrap_or(usual);
    let (floor, days) = (count("floor", usual.floor, 1_000_000), count("days", usual.days, 90));
    Rails { bounce_warn, bounce_pause, complaint_warn, complaint_pause, floor, days }
}

/// Reads where to warn and where to pause. A limit that is not written gives way to one that is.
fn read_pair(table: &mut Table<'_>, keys: (&'static str, &'static str), usual: (Share, Share)) -> (Share, Share) {
    let (warn, pause) = (table.take(keys.0), table.take(keys.1));
    let place = warn.as_ref().map(Value::span);
    let reader = table.reader();
    let read = |value: Option<Value<'_>>| value.and_then(|value| value.parse(Share::parse));
    match (read(warn), read(pause)) {
        (None, None) => usual,
        (Some(warn), None) => (warn, usual.1.max(warn)),
        (None, Some(pause)) => (usual.0.min(pause), pause),
        (Some(warn), Some(pause)) => {
            if let Some(place) = place.filter(|_| warn > pause) {
                let (low, high) = keys;
                reader.report(&place, format!("`{low}` is above `{high}` ({pause}), so that it would never warn"));
            }
            (warn, pause)
        }
    }
}
