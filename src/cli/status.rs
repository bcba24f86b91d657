//! `outreachd status`: count deliveries and plans by state.
//!
//! Every line adds up to the one before: matched, started, sent, what became of it.

mod limits;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Serialize;

use super::session::block_on;
use super::{CommandError, Session, deliveries, layout, output, pause};
use crate::model::delivery::DeliveryState;
use crate::model::plan::PlanState;
use crate::store::{DeliveryFilter, DeliveryRow, Finding, GuardFinding, PauseRow, Status};

/// How many deliveries that wait for a person are named; the rest is counted.
const NAMED: usize = 10;

/// From when on something is in the way of a letter that is due.
const LATE: SignedDuration = SignedDuration::from_mins(10);

/// The arguments of `outreachd status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Each line adds up: who matched, who started, what was sent, what became of it. What waits
for you is named with the command that resolves it. Of each limit it says what went today
and, where it binds, when the next letter goes.

Examples:
  outreachd status
  outreachd status --json | jq .campaigns")]
pub struct Args {}

/// One campaign's counts.
#[derive(Serialize)]
struct Campaign<'a> {
    campaign: &'a str,
    matched: i64,
    started: i64,
    left_out: i64,
    plans: Vec<(PlanState, i64)>,
    sum: String,
}

#[derive(Serialize)]
struct Report<'a> {
    campaigns: Vec<Campaign<'a>>,
    #[serde(flatten)]
    status: &'a Status,
    pauses: &'a [PauseRow],
    warnings: &'a [Warning],
    waiting: &'a [DeliveryRow],
    limits: &'a [limits::Line],
}

/// A campaign that comes near a pause.
#[derive(Serialize)]
struct Warning {
    campaign: String,
    what: String,
    at: Timestamp,
}

/// What the guard warned of and has not paused since, the last of each campaign.
fn warnings(findings: Vec<GuardFinding>) -> Vec<Warning> {
    let mut last: BTreeMap<String, GuardFinding> = BTreeMap::new();
    for finding in findings {
        last.insert(finding.campaign.clone(), finding);
    }
    let warned = last.into_values().filter(|finding| finding.verdict == Finding::Warn);
    warned
        .map(|finding| Warning { what: finding.excess.to_string(), campaign: finding.campaign, at: finding.at })
        .collect()
}

/// Runs the command.
pub(super) fn run(session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    block_on(async {
        let store = session.existing_store(&config).await?;
        let now = session.now();
        let status = store.status(now).await.context("cannot count")?;
        let pauses = store.pauses(now).await.context("cannot list the pauses")?;
        let waits = vec![DeliveryState::Uncertain, DeliveryState::Held];
        let filter = DeliveryFilter { states: waits, ..Default::default() };
        let waiting = store.deliveries(&filter, 1000).await.context("cannot list what waits")?;
        let begin = now.checked_sub((i64::from(config.guard.days) * 24).hours()).unwrap_or(now);
        let warnings = warnings(store.guard_findings(begin).await.context("cannot list the guard's findings")?);
        let limits = limits::read(&store, &config, now).await.context("cannot read the limits")?;
        store.close().await;
        let campaigns = status.campaigns().into_iter().map(|id| campaign(&status, id)).collect();
        let report = Report {
            campaigns,
            status: &status,
            pauses: &pauses,
            warnings: &warnings,
            waiting: &waiting,
            limits: &limits,
        };
        if session.json {
            output::json(&report)?;
        } else {
            print(&report, now, &layout::zone(&config)).context("cannot print")?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn campaign<'a>(status: &Status, id: &'a str) -> Campaign<'a> {
    let of = status.matched.iter().find(|(campaign, _, _)| campaign == id);
    let (matched, left_out) = of.map_or((0, 0), |(_, matched, left_out)| (*matched, *left_out));
    let plans = status.plans.iter().filter(|(campaign, _, _)| campaign == id).map(|(_, state, count)| (*state, *count));
    let sum = status.sum_line(Some(id));
    Campaign { campaign: id, matched, started: matched - left_out, left_out, plans: plans.collect(), sum }
}

fn print(report: &Report<'_>, now: Timestamp, zone: &TimeZone) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if report.campaigns.is_empty() {
        writeln!(out, "No campaign has matched anybody yet: outreachd plan, then outreachd apply\n")?;
    }
    for campaign in &report.campaigns {
        print_campaign(&mut out, report.status, campaign)?;
    }
    let digests = report.status.sum_line(None);
    if report.status.deliveries.iter().any(|row| row.campaign.is_none()) {
        writeln!(out, "Digests and notices\n  {digests}\n")?;
    }
    print_waiting(&mut out, report)?;
    let is_limited = report.limits.iter().any(limits::Line::binds);
    writeln!(out, "Oldest due    {}", oldest_due(report.status.oldest_due, now, is_limited, zone))?;
    let review = if report.status.to_review > 0 { ": outreachd responses list --review" } else { "" };
    writeln!(out, "To review     {}{review}", layout::counted(report.status.to_review, "response"))?;
    writeln!(out, "Open tasks    {}", report.status.open_tasks)?;
    print_warnings(&mut out, report.warnings, zone)?;
    print_pauses(&mut out, report.pauses, zone)?;
    limits::print(&mut out, report.limits, zone)
}

fn print_campaign(out: &mut dyn Write, status: &Status, campaign: &Campaign<'_>) -> io::Result<()> {
    writeln!(out, "{}", layout::cut(campaign.campaign, layout::WIDTH))?;
    let Campaign { matched, started, left_out, .. } = campaign;
    writeln!(out, "  {matched} matched = {started} started + {left_out} left out")?;
    let count = |state| campaign.plans.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count);
    let (active, done, stopped) = (count(PlanState::Active), count(PlanState::Done), count(PlanState::Stopped));
    writeln!(out, "  {started} started = {active} active + {done} done + {stopped} stopped")?;
    if active + done + stopped != *started {
        writeln!(out, "  ! that does not add up; `outreachd doctor` looks at the database")?;
    }
    writeln!(out, "  {}", layout::cut(&campaign.sum, layout::WIDTH - 2))?;
    let open = |(name, states): (&str, &[DeliveryState])| {
        let count = status.count(Some(campaign.campaign), states);
        (count > 0).then(|| format!("{count} {name}"))
    };
    let open: Vec<_> = OPEN.into_iter().filter_map(open).collect();
    if !open.is_empty() {
        writeln!(out, "  open: {}", layout::cut(&open.join(", "), layout::WIDTH - 8))?;
    }
    writeln!(out)
}

const OPEN: [(&str, &[DeliveryState]); 5] = [
    ("scheduled", &[DeliveryState::Scheduled]),
    ("leaving", &[DeliveryState::Claimed, DeliveryState::Handoff]),
    ("at the fax gateway", &[DeliveryState::Submitted]),
    ("to be tried again", &[DeliveryState::Retry]),
    ("held", &[DeliveryState::Held]),
];

fn print_waiting(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    if report.waiting.is_empty() {
        return Ok(());
    }
    let of = |state| report.status.deliveries.iter().filter(|row| row.state == state).map(|row| row.count).sum::<i64>();
    let (uncertain, held) = (of(DeliveryState::Uncertain), of(DeliveryState::Held));
    writeln!(out, "Waits for you: {uncertain} uncertain, {held} held")?;
    for delivery in report.waiting.iter().take(NAMED) {
        deliveries::print_one(out, delivery)?;
    }
    let more = uncertain + held - i64::try_from(NAMED).unwrap_or(0);
    if more > 0 {
        writeln!(out, "  and {more} more: outreachd deliveries list --state uncertain,held")?;
    }
    writeln!(out)
}

fn print_warnings(out: &mut dyn Write, warnings: &[Warning], zone: &TimeZone) -> io::Result<()> {
    if !warnings.is_empty() {
        writeln!(out, "Near a pause")?;
    }
    for warning in warnings {
        let line = format!("campaign {} since {}", warning.campaign, layout::moment(warning.at, zone));
        writeln!(out, "  {}", layout::cut(&line, layout::WIDTH - 2))?;
        writeln!(out, "    {}", layout::cut(&warning.what, layout::WIDTH - 4))?;
    }
    Ok(())
}

fn print_pauses(out: &mut dyn Write, pauses: &[PauseRow], zone: &TimeZone) -> io::Result<()> {
    // A client who is away for a while is on their own record, not here.
    let (set, away): (Vec<_>, Vec<_>) = pauses.iter().partition(|row| pause::resume_command(&row.scope).is_some());
    let nothing = if set.is_empty() { "none" } else { "" };
    writeln!(out, "{}", format!("Pauses        {nothing}").trim_end())?;
    for row in set {
        let since = layout::moment(row.at, zone);
        let until = row.until.map(|until| format!(" until {}", layout::moment(until, zone))).unwrap_or_default();
        let line = format!("{} since {since}{until}, by {}", pause::in_words(&row.scope), row.actor);
        writeln!(out, "  {}", layout::cut(&line, layout::WIDTH - 2))?;
        writeln!(out, "    {}", layout::cut(&row.reason, layout::WIDTH - 4))?;
        if let Some(command) = pause::resume_command(&row.scope) {
            writeln!(out, "    {command}")?;
        }
    }
    if !away.is_empty() {
        let count = i64::try_from(away.len()).unwrap_or(i64::MAX);
        writeln!(out, "Away          {}", layout::counted(count, "contact"))?;
    }
    Ok(())
}

/// With the command that finds out why, once it is later than a relay's short rest and no
/// limit is the reason.
fn oldest_due(due: Option<Timestamp>, now: Timestamp, is_limited: bool, zone: &TimeZone) -> String {
    let Some(due) = due else { return "nothing is due".to_owned() };
    let late = now.duration_since(due);
    let look = if late >= LATE && !is_limited { ": outreachd doctor" } else { "" };
    format!("{}, {}{look}", layout::moment(due, zone), late_by(late))
}

fn late_by(late: SignedDuration) -> String {
    let minutes = late.as_mins();
    match minutes {
        ..1 => "just now".into(),
        1..120 => format!("{} ago", layout::counted(minutes, "minute")),
        120..2880 => format!("{} ago", layout::counted(minutes / 60, "hour")),
        _ => format!("{} ago", layout::counted(minutes / 1440, "day")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_doctor_where_a_letter_is_long_due_and_no_limit_says_why() {
        let now: Timestamp = "2027-03-02T03:00:00Z".parse().expect("an instant");
        let said = |minutes: i64, is_limited| {
            oldest_due(now.checked_sub(minutes.minutes()).ok(), now, is_limited, &TimeZone::UTC)
        };
        assert_eq!(said(2, false), "Tue 2 Mar 2027 02:58, 2 minutes ago");
        assert_eq!(said(12, false), "Tue 2 Mar 2027 02:48, 12 minutes ago: outreachd doctor");
        assert_eq!(said(300, true), "Mon 1 Mar 2027 22:00, 5 hours ago");
        assert_eq!(oldest_due(None, now, false, &TimeZone::UTC), "nothing is due");
    }
}
