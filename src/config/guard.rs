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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ConfigError, parse};

    /// The rails of a configuration with these lines in `[guard]`, or its mistakes.
    fn rails(lines: &str) -> Result<Rails, String> {
        let text = format!(
            "[company]\nname = \"F\"\nhead = \"a@f.example\"\n[database]\nurl = \"sqlite:x\"\n[[sender]]\nid = \"f\"\n\
             legal_name = \"F\"\npostal_address = \"F\"\nfrom = \"a@f.example\"\n[[relay]]\nid = \"main\"\n\
             host = \"localhost\"\nport = 25\ntls = \"none\"\n[guard]\n{lines}"
        );
        let told = |error| match error {
            ConfigError::Mistakes(mistakes) => mistakes.iter().map(|one| one.message.clone() + " ").collect(),
            other => other.to_string(),
        };
        parse(Path::new("x.toml"), &text, &[]).map(|config| config.guard).map_err(told)
    }

    #[test]
    fn reads_shares_and_gives_way_where_one_is_not_written() {
        assert_eq!(rails("").unwrap(), Rails::default());
        let strict = rails("bounce_pause = \"1 %\"\nfloor = 10").unwrap();
        assert_eq!((strict.bounce_warn, strict.bounce_pause, strict.floor), (Share::new(1_000), Share::new(1_000), 10));
        let mild = rails("complaint_warn = \"0.5 %\"").unwrap();
        assert_eq!((mild.complaint_warn, mild.complaint_pause), (Share::new(500), Share::new(500)));
    }

    #[test]
    fn refuses_a_warning_above_the_pause_and_what_is_no_share() {
        for (lines, said) in [
            ("bounce_warn = \"6 %\"\nbounce_pause = \"5 %\"", "`bounce_warn` is above `bounce_pause` (5 %)"),
            ("bounce_warn = \"much\"", "is no share"),
            ("bounce_warn = 5", "expected a string"),
            ("bounce = \"5 %\"", "unknown key `bounce`"),
        ] {
            let mistake = rails(lines).unwrap_err();
            assert!(mistake.contains(said), "{lines}: {mistake}");
        }
    }
}
