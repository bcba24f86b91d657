//! How the limits stand: what went today, which one binds, when the next goes.

use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::layout;
use crate::config::Config;
use crate::model::limit::{Limit, Rate, Scope};
use crate::store::{Store, StoreError};

/// One limit.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Line {
    kind: &'static str,
    name: String,
    today: u32,
    of: Option<u32>,
    rate: Option<Rate>,
    next_at: Option<Timestamp>,
}

impl Line {
    /// Whether letters wait for it.
    pub(super) fn binds(&self) -> bool {
        self.next_at.is_some()
    }
}

/// Every limit that counts, and of the recipient domains those that are full.
pub(super) async fn read(store: &Store, config: &Config, now: Timestamp) -> Result<Vec<Line>, StoreError> {
    let mut limits = config.pace.limits.clone();
    for (id, own) in store.campaign_limits().await? {
        let limit = limits.entry(Scope::Campaign(id)).or_default();
        *limit = limit.and(own);
    }
    let (gone, zone) = (store.gone().await?, layout::zone(config));
    let line = |scope: &Scope, limit: &Limit| {
        let standing = gone.get(&scope.key()).cloned().unwrap_or_default().standing(limit, now, &zone);
        let (kind, name) = scope.parts();
        let (today, of, next_at) = (standing.today, standing.cap, standing.next_at);
        Line { kind, name: name.to_owned(), today, of, rate: limit.rate, next_at }
    };
    let mut lines: Vec<_> =
        limits.iter().filter(|(_, limit)| limit.is_counted()).map(|(scope, limit)| line(scope, limit)).collect();
    let each = config.pace.each_domain.filter(Limit::is_counted);
    let domains = gone.keys().filter_map(|key| Some(Scope::Domain(key.strip_prefix("domain/")?.to_owned())));
    let others = domains.filter(|scope| !limits.contains_key(scope));
    let full = others.filter_map(|scope| each.map(|limit| line(&scope, &limit)));
    lines.extend(full.filter(|line| line.next_at.is_some()));
    Ok(lines)
}

/// Prints them, if there are any.
pub(super) fn print(out: &mut dyn Write, lines: &[Line], zone: &TimeZone) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "Limits")?;
    let text = |line: &Line| layout::cut(&said(line, zone), layout::WIDTH - 2);
    lines.iter().try_for_each(|line| writeln!(out, "  {}", text(line)))
}

/// `provider microsoft: 500 of 500 today, next Tue 2 Mar 2027 00:00`.
fn said(line: &Line, zone: &TimeZone) -> String {
    let of = line.of.map(|most| format!(" of {most}")).unwrap_or_default();
    let rate = line.rate.map(|rate| format!(", {rate}")).unwrap_or_default();
    let next = line.next_at.map(|at| format!(", next {}", layout::moment(at, zone))).unwrap_or_default();
    format!("{} {}: {}{of} today{rate}{next}", line.kind, line.name, line.today)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_limit_binds_and_until_when() {
        let next_at = Some("2027-03-01T23:00:00Z".parse().unwrap());
        let line = Line { kind: "provider", name: "microsoft".into(), today: 500, of: Some(500), rate: None, next_at };
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        assert_eq!(said(&line, &zone), "provider microsoft: 500 of 500 today, next Tue 2 Mar 2027 00:00");
        let rate = "60/minute".parse().ok();
        let free = Line { kind: "relay", name: "main".into(), today: 7, of: None, rate, next_at: None };
        assert_eq!(said(&free, &zone), "relay main: 7 today, 60/minute");
    }
}
