//! A cron campaign whose time has come draws its plans from its audience as it is now.

use jiff::tz::TimeZone;

use super::{BATCH, ScheduleError, Stage};
use crate::model::campaign::Start;
use crate::policy::cron::Schedule;
use crate::policy::enrolment::{Draw, NotBefore};
use crate::store::{AppliedRevision, CandidatePlace};

/// Starts every run that is due; says how many plans began.
pub(super) async fn pass(stage: &mut Stage<'_>) -> Result<usize, ScheduleError> {
    let mut started = 0;
    for revision in stage.store.running().await? {
        let Some(at) = revision.next_run_at.filter(|at| *at <= stage.now) else { continue };
        let Start::Cron(expression) = &revision.campaign.start else { continue };
        let zone = TimeZone::get(&stage.config.company.zone).unwrap_or(TimeZone::UTC);
        let run = zone.to_datetime(at).strftime("%Y-%m-%dT%H:%M").to_string();
        started += draw(stage, &revision, &run).await?;
        // Runs that passed while the daemon stood still are one run, not many.
        let next = Schedule::parse(expression).ok().and_then(|schedule| schedule.next_after(stage.now, &zone));
        stage.store.set_next_run(&revision.campaign.id, next).await?;
    }
    Ok(started)
}

async fn draw(stage: &Stage<'_>, revision: &AppliedRevision, run: &str) -> Result<usize, ScheduleError> {
    let campaign = &revision.campaign;
    let (mut after, mut started) = (CandidatePlace::default(), 0);
    loop {
        let page = stage.store.candidates(&campaign.audience, &campaign.id, run, stage.now, after, BATCH).await?;
        let Some(last) = page.last() else { return Ok(started) };
        after = CandidatePlace::behind(last);
        // A drawing for each page: who started on an earlier one already counts in the database.
        let per_account = stage.config.limits.contacts_per_account;
        let mut draw = Draw::new(campaign, NotBefore::Instant(stage.now), stage.now, per_account);
        let enrolments: Vec<_> =
            page.iter().filter(|candidate| !candidate.enrolled).map(|candidate| draw.decide(candidate)).collect();
        let begun = stage.store.enrol(&stage.act, revision, run, &enrolments).await?;
        started += usize::try_from(begun).unwrap_or(0);
    }
}
