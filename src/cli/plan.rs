//! `outreachd plan`: show what would be sent to whom and when, and who is left out and why.

use std::process::ExitCode;

use jiff::tz::TimeZone;

use super::check::checked;
use super::progress::Bar;
use super::{CommandError, Session, output, session};
use crate::campaign::plan::{self, PlanReport};
use crate::campaign::report;
use crate::config::Config;
use crate::model::text::tame;

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
        let bar = Bar::new("contacts");
        let reports = plan::preview(&store, &config, &check, session.now(), args.list, &|done| bar.set(done)).await;
        bar.finish();
        let mut reports = reports.map_err(anyhow::Error::from)?;
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
