//! `outreachd plan`: show what would be sent to whom and when, and who is left out and why.

use std::process::ExitCode;

use jiff::tz::TimeZone;

use super::check::checked;
use super::progress::Bar;
use super::{CommandError, Session, output, session};
use crate::campaign::check::Check;
use crate::campaign::plan::{self, PlanReport};
use crate::campaign::{audience, report};
use crate::config::Config;
use crate::model::text::tame;
use crate::store::Store;

/// The arguments of `outreachd plan`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Shows what the campaign files would do if they were applied now: what differs from the version that runs, who starts, who is left out and by which rule, and the letters by date. Changes nothing."
)]
pub struct Args {
    /// Only this campaign
    campaign: Option<String>,

    /// Name each contact that starts or is left out
    #[arg(long)]
    list: bool,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    session::block_on(async {
        let store = session.existing_store(&config).await?;
        let check = checked(session, Some(&store), &config).await?;
        let mut reports = planned(session, &store, &config, &check, args.list).await?;
        if let Some(id) = &args.campaign {
            reports.retain(|report| report.campaign == *id);
            if reports.is_empty() {
                return Err(anyhow::anyhow!("there is no campaign file with id = \"{id}\"").into());
            }
        }
        if session.json {
            output::json(&reports)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut lines = texts(session, &config, &reports);
        for orphan in plan::orphans(&store, &check).await.map_err(anyhow::Error::from)? {
            let id = &orphan.campaign.id;
            lines.push(format!("{id}: runs on, though its file is gone; stop it by `outreachd pause {id}`"));
        }
        lines.push("Nothing changes until `outreachd apply`.".to_owned());
        output::lines(&lines)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The plans of all campaigns, with a bar while they are drawn.
pub(super) async fn planned(
    session: &Session,
    store: &Store,
    config: &Config,
    check: &Check,
    with_people: bool,
) -> Result<Vec<PlanReport>, CommandError> {
    let bar = bar(session, store, config, check, true).await?;
    let reports = plan::preview(store, config, check, session.now(), with_people, &|done| bar.set(done)).await;
    bar.finish();
    Ok(reports.map_err(anyhow::Error::from)?)
}

/// A bar over the audiences of a check, once more over those under way if `follows`.
pub(super) async fn bar(
    session: &Session,
    store: &Store,
    config: &Config,
    check: &Check,
    follows: bool,
) -> Result<Bar, CommandError> {
    let bar = Bar::new("contacts");
    if bar.is_seen() {
        let campaigns = check.files.folder.campaigns.iter().map(|file| &file.campaign);
        let all = audience::size(store, config, campaigns, session.now(), follows).await;
        bar.of(all.map_err(anyhow::Error::from)?);
    }
    Ok(bar)
}

/// Each plan as text, and its people if they were asked for.
pub(super) fn texts(session: &Session, config: &Config, reports: &[PlanReport]) -> Vec<String> {
    let zone = TimeZone::get(&config.company.zone).unwrap_or(TimeZone::UTC);
    let mut lines = Vec::new();
    for report in reports {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(report::text(report, &zone, session.now()).trim_end().to_owned());
        lines.extend(people(report, &zone));
    }
    lines
}

fn people(report: &PlanReport, zone: &TimeZone) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for person in &report.people {
        let name = tame(&format!("{}, {}", person.name, person.company));
        let what = match (person.left_out, person.first_at) {
            (Some(reason), _) => format!("- left out   {name}: {}", report::left_out(reason)),
            (None, Some(at)) => format!("+ start      {name}: {}", report::instant(at, zone)),
            (None, None) => format!("+ start      {name}"),
        };
        lines.push(what);
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}
