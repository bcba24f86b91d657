//! The plan: what would be sent to whom and when if the files were applied now, who is
//! left out and by which rule, and what differs from what runs. Reads only.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::audience::{Occasion, Pages, company_zone};
use super::check::Check;
use super::diff::{self, Change};
use super::forecast::Reach;
use super::templates::reachable;
use super::under_way::UnderWay;
use super::{CampaignError, CampaignFile, Progress, Tally};
use crate::config::Config;
use crate::model::address::Channel;
use crate::model::plan::{Candidate, Enrolment, LeftOut};
use crate::store::{AppliedRevision, Store};

/// The plan of one campaign.
#[derive(Clone, Debug, Serialize)]
pub struct PlanReport {
    /// The campaign.
    pub campaign: String,
    /// The version that runs, if one does.
    pub running: Option<Running>,
    /// The version that would start: the running one if nothing differs.
    pub version: i64,
    /// What the file and its templates change.
    pub changes: Vec<Change>,
    /// The next run of a cron campaign.
    pub next_run_at: Option<Timestamp>,
    /// A cron campaign whose time never comes again.
    pub is_over: bool,
    /// Contacts that match: those who start, are under way, have ended or are left out.
    pub matched: u64,
    /// How many matched when it was applied last, if it was.
    pub matched_before: Option<u64>,
    /// Contacts that start.
    pub starts: u64,
    /// When the first window opens in which one of them gets a letter.
    pub first: Option<Timestamp>,
    /// Contacts under way, by the version they run by.
    pub under_way: BTreeMap<i64, u64>,
    /// Contacts whose plan has ended, by how: `done`, `reply`, `opt_out`, `unreachable`, `operator`.
    pub ended: BTreeMap<&'static str, u64>,
    /// Contacts that are left out, by the rule that says so.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// Those without consent, by their country.
    pub no_consent: BTreeMap<String, u64>,
    /// Contacts that were left out when it was applied last.
    pub left_out_before: BTreeMap<LeftOut, u64>,
    /// The letters by date, if nobody answers.
    pub letters: Vec<Letters>,
    /// Letters that wait for something without a date, by what it is.
    pub undated: BTreeMap<String, u64>,
    /// Why nothing goes at the moment, if everything or the campaign is paused.
    pub paused: Option<String>,
    /// The contacts by name, if they were asked for.
    pub people: Vec<Person>,
}

/// The version that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Running {
    /// Its number.
    pub version: i64,
    /// Since when.
    pub since: Timestamp,
    /// Who applied it.
    pub actor: String,
}

/// Letters of one step on one date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Letters {
    /// The date by the clients' clocks.
    pub date: Date,
    /// The version they are written by.
    pub version: i64,
    /// The step.
    pub step: String,
    /// How they go.
    pub channel: Channel,
    /// They wait for somebody's return until then.
    pub held: bool,
    /// How many.
    pub count: u64,
}

/// One contact of the audience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Their name.
    pub name: String,
    /// Their company.
    pub company: String,
    /// The rule that leaves them out; none if they start.
    pub left_out: Option<LeftOut>,
    /// When their first letter goes.
    pub first_at: Option<Timestamp>,
}

impl PlanReport {
    /// Whether what runs is what the file says.
    pub fn is_unchanged(&self) -> bool {
        self.running.is_some() && self.changes.is_empty()
    }
}

/// The plans of all campaigns of a check, in the order of their files.
///
/// # Errors
/// The database does not answer.
pub async fn preview(
    store: &Store,
    config: &Config,
    check: &Check,
    now: Timestamp,
    with_people: bool,
    progress: Progress<'_>,
) -> Result<Vec<PlanReport>, CampaignError> {
    let running = store.running().await?;
    let (mut reports, mut tally) = (Vec::new(), Tally::new(progress));
    for file in &check.files.folder.campaigns {
        let revision = running.iter().find(|revision| revision.campaign.id == file.campaign.id);
        let mut planning = Planning::new(store, config, file, revision, now, with_people, &mut tally);
        planning.compare(&reachable(&check.files.templates, &file.campaign)).await?;
        planning.draw().await?;
        planning.follow().await?;
        planning.recall().await?;
        reports.push(planning.report());
    }
    Ok(reports)
}

/// The campaigns that run without a file: theirs is gone.
///
/// # Errors
/// The database does not answer.
pub async fn orphans(store: &Store, check: &Check) -> Result<Vec<AppliedRevision>, CampaignError> {
    let files = &check.files.folder.campaigns;
    let has_file = |revision: &AppliedRevision| files.iter().any(|file| file.campaign.id == revision.campaign.id);
    Ok(store.running().await?.into_iter().filter(|revision| !has_file(revision)).collect())
}

/// A date, a version, a step's place, a channel, held or not: what letters are counted by.
pub(super) type Slot = (Date, i64, usize, Channel, bool);

struct Planning<'a, 'p> {
    store: &'a Store,
    config: &'a Config,
    file: &'a CampaignFile,
    revision: Option<&'a AppliedRevision>,
    occasion: Option<Occasion>,
    now: Timestamp,
    with_people: bool,
    tally: &'a mut Tally<'p>,
    slots: BTreeMap<Slot, (String, u64)>,
    report: PlanReport,
}

impl<'a, 'p> Planning<'a, 'p> {
    fn new(
        store: &'a Store,
        config: &'a Config,
        file: &'a CampaignFile,
        revision: Option<&'a AppliedRevision>,
        now: Timestamp,
        with_people: bool,
        tally: &'a mut Tally<'p>,
    ) -> Self {
        let occasion = Occasion::next(&file.campaign, &company_zone(config), now);
        let running = revision.map(|revision| Running {
            version: revision.version,
            since: revision.applied_at,
            actor: revision.actor.clone(),
        });
        let report = PlanReport {
            campaign: file.campaign.id.clone(),
            version: revision.map_or(1, |revision| revision.version),
            running,
            changes: Vec::new(),
            next_run_at: occasion.as_ref().filter(|occasion| !occasion.run.is_empty()).map(|occasion| occasion.at),
            is_over: occasion.is_none(),
            matched: 0,
            matched_before: None,
            starts: 0,
            first: None,
            under_way: BTreeMap::new(),
            ended: BTreeMap::new(),
            left_out: BTreeMap::new(),
            no_consent: BTreeMap::new(),
            left_out_before: BTreeMap::new(),
            letters: Vec::new(),
            undated: BTreeMap::new(),
            paused: None,
            people: Vec::new(),
        };
        Self { store, config, file, revision, occasion, now, with_people, tally, slots: BTreeMap::new(), report }
    }

    /// The file and its templates against what runs.
    async fn compare(&mut self, templates: &BTreeMap<String, String>) -> Result<(), CampaignError> {
        let Some(revision) = self.revision else { return Ok(()) };
        let texts = self.store.template_texts(revision).await?;
        self.report.changes = diff::campaigns(&revision.campaign, &self.file.campaign);
        self.report.changes.extend(diff::templates(&texts, templates));
        if !self.report.changes.is_empty() {
            self.report.version += 1;
        }
        Ok(())
    }

    /// Who would start and who would be left out.
    async fn draw(&mut self) -> Result<(), CampaignError> {
        let Some(occasion) = self.occasion.clone() else { return Ok(()) };
        let campaign = &self.file.campaign;
        let (mut draw, mut pages) = (occasion.draw(campaign, self.config), Pages::new(self.store, campaign, &occasion));
        loop {
            let page = pages.next().await?;
            if page.is_empty() {
                return Ok(());
            }
            for candidate in page.iter().filter(|candidate| !candidate.enrolled) {
                let enrolment = draw.decide(candidate);
                self.count(&occasion, candidate, &enrolment);
            }
            self.tally.add(page.len() as u64);
        }
    }

    fn count(&mut self, occasion: &Occasion, candidate: &Candidate, enrolment: &Enrolment) {
        self.report.matched += 1;
        if self.with_people {
            self.report.people.push(Person {
                name: candidate.name.clone(),
                company: candidate.account_name.clone(),
                left_out: enrolment.left_out,
                first_at: enrolment.next_at,
            });
        }
        if let Some(reason) = enrolment.left_out {
            *self.report.left_out.entry(reason).or_default() += 1;
            if reason == LeftOut::NoConsent {
                *self.report.no_consent.entry(candidate.country.clone().unwrap_or_default()).or_default() += 1;
            }
            return;
        }
        self.report.starts += 1;
        let Some(at) = enrolment.next_at else { return };
        let opens = occasion.opens(&self.file.campaign, candidate);
        self.report.first = [self.report.first, opens].into_iter().flatten().min();
        let campaign = &self.file.campaign;
        for letter in Reach::of_candidate(candidate).letters(campaign, 0, at, occasion.at) {
            let place = campaign.find_step(&letter.step.id).map_or(0, |(place, _)| place);
            let slot = (letter.date, self.report.version, place, letter.channel, false);
            self.slots.entry(slot).or_insert_with(|| (letter.step.id.clone(), 0)).1 += 1;
        }
    }

    /// Who is under way and who has ended.
    async fn follow(&mut self) -> Result<(), CampaignError> {
        let run = self.occasion.as_ref().map_or("", |occasion| occasion.run.as_str());
        let file = self.file;
        let mut ways = UnderWay::new(self.store, &file.campaign.id, self.now).await?;
        // Earlier runs of a cron campaign are under way too, but match anew at the next.
        ways.follow(run, |more| self.tally.add(more)).await?;
        self.report.matched += ways.enrolled;
        self.report.under_way = ways.versions;
        self.report.ended = ways.ended;
        self.report.undated = ways.undated;
        self.report.paused = ways.paused;
        for (slot, (step, count)) in ways.slots {
            self.slots.entry(slot).or_insert((step, 0)).1 += count;
        }
        Ok(())
    }

    /// How many there were when it was applied last.
    async fn recall(&mut self) -> Result<(), CampaignError> {
        if self.revision.is_none() || self.occasion.as_ref().is_none_or(|occasion| !occasion.run.is_empty()) {
            return Ok(());
        }
        let mut matched = 0;
        for (left_out, count) in self.store.count_memberships(&self.file.campaign.id, "").await? {
            matched += count;
            if let Some(reason) = left_out {
                self.report.left_out_before.insert(reason, count);
            }
        }
        self.report.matched_before = Some(matched);
        Ok(())
    }

    fn report(self) -> PlanReport {
        let mut report = self.report;
        let letters = self.slots.into_iter().map(|((date, version, _, channel, held), (step, count))| Letters {
            date,
            version,
            step,
            channel,
            held,
            count,
        });
        report.letters = letters.collect();
        report
    }
}
