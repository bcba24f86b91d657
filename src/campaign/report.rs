//! A plan as people read it: what differs, how many clients and why not, the letters by
//! date. Every number adds up: match = start + under way + ended + left out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::diff::Change;
use super::plan::{Letters, PlanReport};
use crate::model::address::Channel;
use crate::model::plan::LeftOut;

/// The widest line.
const COLUMNS: usize = 80;
/// The width of one version's letters.
const CELL: usize = 21;
/// Where the reasons stand.
const INDENT: &str = "                 ";

/// The plan of one campaign; `zone` is the company's.
pub fn text(report: &PlanReport, zone: &TimeZone, now: Timestamp) -> String {
    let mut out = String::new();
    head(&mut out, report, zone);
    clients(&mut out, report, zone);
    letters(&mut out, report, zone.to_datetime(now).date());
    for (what, count) in &report.undated {
        let (noun, verb) = if *count == 1 { ("letter", "waits") } else { ("letters", "wait") };
        push(&mut out, format_args!("Not dated: {count} {noun} {verb} for {what}."));
    }
    if let Some(reason) = &report.paused {
        push(&mut out, format_args!("Paused, so nothing goes until `outreachd resume`: {reason}"));
    }
    out
}

/// `Mon 1 Mar 2027 08:30`.
pub fn instant(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%a %-d %b %Y %H:%M").to_string()
}

fn day(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%a %-d %b").to_string()
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    out.push_str(&format!("{line}\n"));
}

fn head(out: &mut String, report: &PlanReport, zone: &TimeZone) {
    match &report.running {
        None => push(out, format_args!("{}: new, version 1 once it is applied", report.campaign)),
        Some(running) => {
            let since = day(running.since, zone);
            let what = if report.is_unchanged() { "as" } else { "your file against" };
            push(out, format_args!("{}: {what} version {}, running since {since}", report.campaign, running.version));
        }
    }
    if report.changes.is_empty() {
        return;
    }
    out.push('\n');
    let width = report.changes.iter().map(|change| change.key.chars().count()).max().unwrap_or(0).max(19);
    for change in &report.changes {
        let line = format!("{} {:width$} {}", change.sign(), change.key, told(change));
        push(out, format_args!("{}", line.trim_end()));
    }
}

fn told(change: &Change) -> String {
    match (&change.old, &change.new) {
        // A template's lines say little if they are as many as before.
        (Some(old), Some(new)) if old == new => "changed".into(),
        (Some(old), Some(new)) => format!("{old} -> {new}"),
        (old, new) => old.as_ref().or(new.as_ref()).cloned().unwrap_or_default(),
    }
}

fn clients(out: &mut String, report: &PlanReport, zone: &TimeZone) {
    let more = report
        .matched_before
        .filter(|_| !report.is_unchanged())
        .map_or(String::new(), |before| delta(report.matched, before));
    push(out, format_args!("\nClients: {} match{more}", report.matched));
    let width = [report.starts, report.left_out.values().sum(), report.under_way.values().sum()];
    let width = width.map(|count: u64| count.to_string().len()).into_iter().max().unwrap_or(1).max(2);
    let mut row = |sign: char, count: u64, what: &str, said: &str| {
        let line = format!("{sign} {count:>width$} {what:<11} {said}");
        push(out, format_args!("{}", line.trim_end()));
    };
    if report.starts > 0 || report.running.is_none() {
        row('+', report.starts, "start", &starts(report, zone));
    }
    if report.under_way.values().sum::<u64>() > 0 {
        let one = |(version, count): (&i64, &u64)| match report.under_way.len() {
            1 => format!("version {version}"),
            _ => format!("{count} version {version}"),
        };
        let said: Vec<_> = report.under_way.iter().map(one).collect();
        row('=', report.under_way.values().sum(), "under way", &said.join(", "));
    }
    if report.ended.values().sum::<u64>() > 0 {
        let said: Vec<_> = report.ended.iter().map(|(how, count)| format!("{count} {}", ending(how))).collect();
        row('=', report.ended.values().sum(), "ended", &said.join(", "));
    }
    let left_out: u64 = report.left_out.values().sum();
    if left_out > 0 {
        let said = wrapped(&reasons(report), COLUMNS - INDENT.len());
        row('-', left_out, "left out", &said.join(&format!("\n{INDENT}")));
    }
}

fn starts(report: &PlanReport, zone: &TimeZone) -> String {
    match (report.next_run_at, report.first) {
        _ if report.is_over => "never: its cron expression does not come again".into(),
        (Some(run), _) => format!("version {}, at the run of {}", report.version, instant(run, zone)),
        (None, Some(first)) => format!("version {}, {}", report.version, instant(first, zone)),
        (None, None) => String::new(),
    }
}

fn ending(how: &str) -> &'static str {
    match how {
        "reply" => "replied",
        "opt_out" => "opted out",
        "unreachable" => "cannot be reached",
        "operator" => "stopped",
        _ => "through",
    }
}

/// Each reason with its count, and what it was before where that differs.
fn reasons(report: &PlanReport) -> Vec<String> {
    let mut said = Vec::new();
    for (reason, count) in &report.left_out {
        let before = report.left_out_before.get(reason).copied().unwrap_or(0);
        let more =
            report.matched_before.filter(|_| !report.is_unchanged()).map_or(String::new(), |_| delta(*count, before));
        if *reason == LeftOut::NoConsent {
            let each =
                report.no_consent.iter().map(|(code, count)| format!("{count} {}, no express consent", country(code)));
            said.extend(each);
            continue;
        }
        said.push(format!("{count} {}{more}", left_out(*reason)));
    }
    said
}

fn delta(now: u64, before: u64) -> String {
    match now.cmp(&before) {
        std::cmp::Ordering::Equal => String::new(),
        std::cmp::Ordering::Greater => format!(" (+{})", now - before),
        std::cmp::Ordering::Less => format!(" (-{})", before - now),
    }
}

/// A rule that leaves somebody out, in a few words.
pub fn left_out(reason: LeftOut) -> &'static str {
    match reason {
        LeftOut::NoConsent => "no consent",
        LeftOut::SoleTrader => "sole trader, no consent",
        LeftOut::PersonTypeUnknown => "person type unknown",
        LeftOut::PrivatePerson => "private person",
        LeftOut::CountryUnknown => "country unknown",
        LeftOut::Suppressed => "suppressed",
        LeftOut::NoAddress => "no address",
        LeftOut::Holdout => "hold-out",
        LeftOut::Colleague => "colleague",
        LeftOut::NoOwner => "no account manager",
    }
}

fn country(code: &str) -> &str {
    match code {
        "SE" => "Sweden",
        "DK" => "Denmark",
        "DE" => "Germany",
        "FI" => "Finland",
        "FR" => "France",
        "GB" => "United Kingdom",
        "NO" => "Norway",
        "US" => "United States",
        "CA" => "Canada",
        "" => "no country",
        other => other,
    }
}

/// Items in lines, three blanks between them.
fn wrapped(items: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 3 + item.chars().count() <= width => {
                line.push_str("   ");
                line.push_str(item);
            }
            _ => lines.push(item.clone()),
        }
    }
    lines
}

fn letters(out: &mut String, report: &PlanReport, today: Date) {
    if report.letters.is_empty() {
        return;
    }
    push(out, format_args!("\nLetters, if nobody answers"));
    let versions: BTreeSet<i64> = report.letters.iter().map(|letters| letters.version).collect();
    if versions.len() > 1 {
        let names: String = versions.iter().map(|version| format!("{:CELL$}", format!("version {version}"))).collect();
        push(out, format_args!("{:15}{}", "", names.trim_end()));
    }
    let mut dates: BTreeMap<Date, Vec<&Letters>> = BTreeMap::new();
    for letters in &report.letters {
        dates.entry(letters.date).or_default().push(letters);
    }
    let last = dates.keys().next_back().copied();
    for (date, letters) in &dates {
        let form = if date.year() == today.year() { "%a %e %b" } else { "%a %e %b %Y" };
        let cells = versions.iter().map(|version| cell(letters, *version));
        let cells: String = cells.map(|cell| format!("{cell:CELL$} ")).collect();
        let note = if Some(*date) == last && dates.len() > 1 { "the last" } else { "" };
        let line = format!("  {:<10}   {cells}{note}", date.strftime(form).to_string());
        push(out, format_args!("{}", line.trim_end()));
    }
}

/// The letters of one version on one date: `42 matning, 1 fax`.
fn cell(letters: &[&Letters], version: i64) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut step_before: Option<(&str, bool)> = None;
    for letters in letters.iter().filter(|letters| letters.version == version) {
        let held = if letters.held { " (held)" } else { "" };
        // The numbers of a column stand below one another.
        let count = if parts.is_empty() { format!("{:>2}", letters.count) } else { letters.count.to_string() };
        let is_same_step = step_before == Some((letters.step.as_str(), letters.held));
        parts.push(match letters.channel {
            Channel::Fax if is_same_step => format!("{count} fax{held}"),
            Channel::Fax => format!("{count} {} by fax{held}", letters.step),
            Channel::Email | Channel::Call => format!("{count} {}{held}", letters.step),
        });
        step_before = Some((letters.step.as_str(), letters.held));
    }
    parts.join(", ")
}
