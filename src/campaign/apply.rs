//! Apply: the checked files become revisions, and their audiences plans.
//!
//! Nothing is sent here; `schedule` finds the plan rows. A contact that has a plan
//! keeps it, and the version it began on. Applying again goes on where an
//! interrupted one stopped.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::audience::{Occasion, Pages, company_zone};
use super::check::Check;
use super::templates::{carried, reachable};
use super::{CampaignError, CampaignFile, Progress, Tally};
use crate::config::Config;
use crate::model::act::Act;
use crate::model::campaign::Start;
use crate::model::plan::LeftOut;
use crate::render::{File, TemplateSet};
use crate::store::{AppliedRevision, NewRevision, Store};

/// What became of one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// The campaign.
    pub campaign: String,
    /// The version that runs now.
    pub version: i64,
    /// Whether it is a new one.
    pub is_new: bool,
    /// Contacts that began.
    pub started: u64,
    /// Contacts that had a plan already and keep it.
    pub kept: u64,
    /// Contacts that are left out, by the rule that says so.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// When the first window opens in which one of those who began gets a letter.
    pub first: Option<Timestamp>,
    /// When the next run of a cron campaign draws its plans.
    pub next_run_at: Option<Timestamp>,
}

/// Applies every campaign of a check that has no mistakes.
///
/// # Errors
/// There are mistakes, or the database does not answer; what was applied so far stays.
pub async fn apply_all(
    store: &Store,
    config: &Config,
    check: &Check,
    act: &Act,
    progress: Progress<'_>,
) -> Result<Vec<Applied>, CampaignError> {
    if !check.mistakes.is_empty() {
        return Err(CampaignError::Mistakes(check.mistakes.len()));
    }
    let running = store.running().await?;
    let mut applied = Vec::new();
    let mut applying = Applying { store, config, act, tally: Tally::new(progress) };
    for file in &check.files.folder.campaigns {
        let revision = running.iter().find(|revision| revision.campaign.id == file.campaign.id);
        let texts = reachable(&check.files.templates, &file.campaign);
        let files = carried(&check.files.templates, &file.campaign, &texts);
        store.put_files(&stored(&files)).await?;
        let templates = TemplateSet::with_manifest(texts, &files);
        applied.push(applying.campaign(file, templates, &files, revision).await?);
    }
    // Only an apply leaves such files, so each looks for those of one before that failed.
    store.clear_files().await?;
    Ok(applied)
}

/// Files as the store takes them.
fn stored<'f>(files: &[&'f File]) -> Vec<(&'f str, &'f [u8])> {
    files.iter().map(|file| (file.hash(), file.bytes())).collect()
}

struct Applying<'a> {
    store: &'a Store,
    config: &'a Config,
    act: &'a Act,
    tally: Tally<'a>,
}

impl Applying<'_> {
    async fn campaign(
        &mut self,
        file: &CampaignFile,
        templates: BTreeMap<String, String>,
        files: &[&File],
        running: Option<&AppliedRevision>,
    ) -> Result<Applied, CampaignError> {
        let occasion = Occasion::next(&file.campaign, &company_zone(self.config), self.act.at);
        let is_cron = matches!(file.campaign.start, Start::Cron(_));
        let next_run_at = occasion.as_ref().filter(|_| is_cron).map(|occasion| occasion.at);
        let (revision, is_new) = match running {
            Some(running) if self.is_unchanged(file, &templates, running).await? => (running.clone(), false),
            _ => {
                let new = NewRevision {
                    campaign: file.campaign.clone(),
                    source: file.source.clone(),
                    templates,
                    next_run_at,
                };
                let revision = self.store.apply(self.act, &new).await?;
                // Another apply may have cleared them before a revision named them.
                self.store.put_files(&stored(files)).await?;
                (revision, true)
            }
        };
        let mut applied = Applied {
            campaign: file.campaign.id.clone(),
            version: revision.version,
            is_new,
            started: 0,
            kept: 0,
            left_out: BTreeMap::new(),
            first: None,
            next_run_at: if is_new { next_run_at } else { revision.next_run_at },
        };
        // A cron campaign draws its plans at its time, from the audience as it is then.
        if let Some(occasion) = occasion.filter(|_| !is_cron) {
            self.enrol(&revision, &occasion, &mut applied).await?;
        }
        Ok(applied)
    }

    async fn is_unchanged(
        &self,
        file: &CampaignFile,
        templates: &BTreeMap<String, String>,
        running: &AppliedRevision,
    ) -> Result<bool, CampaignError> {
        Ok(running.campaign == file.campaign && self.store.template_texts(running).await? == *templates)
    }

    async fn enrol(
        &mut self,
        revision: &AppliedRevision,
        occasion: &Occasion,
        applied: &mut Applied,
    ) -> Result<(), CampaignError> {
        let campaign = &revision.campaign;
        let mut pages = Pages::new(self.store, campaign, occasion);
        loop {
            let page = pages.next().await?;
            if page.is_empty() {
                return Ok(());
            }
            // A drawing for each page: the plans of the pages before stand in the database by
            // now, and a colleague must not be counted both there and here.
            let mut draw = occasion.draw(campaign, self.config);
            let fresh: Vec<_> = page.iter().filter(|candidate| !candidate.enrolled).collect();
            applied.kept += (page.len() - fresh.len()) as u64;
            let enrolments: Vec<_> = fresh.iter().map(|candidate| draw.decide(candidate)).collect();
            applied.started += self.store.enrol(self.act, revision, &occasion.run, &enrolments).await?;
            for (candidate, enrolment) in fresh.iter().zip(&enrolments) {
                match enrolment.left_out {
                    Some(reason) => *applied.left_out.entry(reason).or_default() += 1,
                    None => {
                        let opens = occasion.opens(campaign, candidate);
                        applied.first = [applied.first, opens].into_iter().flatten().min();
                    }
                }
            }
            self.tally.add(page.len() as u64);
        }
    }
}
