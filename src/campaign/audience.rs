//! Whom a campaign would reach now: the occasion it draws on, and its candidates page by page.
//!
//! Which of them get a letter, [`crate::policy::enrolment`] decides.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::Config;
use crate::model::campaign::{Campaign, Start};
use crate::model::plan::{Candidate, PlanState};
use crate::policy::calendar::Calendar;
use crate::policy::cron::Schedule;
use crate::policy::enrolment::{Draw, NotBefore, zone_of};
use crate::policy::{local, window};
use crate::store::{CandidatePlace, Store, StoreError};

/// Candidates that are read at a time.
const PAGE: i64 = 500;

/// The drawing of plans that is next for a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// The run of a cron campaign, as `schedule` names it; empty for one that runs once.
    pub run: String,
    /// When plans are drawn: now, or at the next time of the cron expression.
    pub at: Timestamp,
    /// The first instant at which a first letter may go.
    pub not_before: NotBefore,
    /// The instant that "no touch for N days" counts back from.
    pub reference: Timestamp,
}

impl Occasion {
    /// The occasion of `campaign` if it is applied at `now`; none if its cron expression
    /// never comes again. `zone` is the company's.
    pub fn next(campaign: &Campaign, zone: &TimeZone, now: Timestamp) -> Option<Self> {
        match &campaign.start {
            Start::Date(date) => {
                let start = local::start_of_day(zone, *date).unwrap_or(now);
                let not_before = NotBefore::Day(*date);
                Some(Self { run: String::new(), at: now, not_before, reference: start.max(now) })
            }
            Start::Cron(expression) => {
                let at = Schedule::parse(expression).ok()?.next_after(now, zone)?;
                let run = zone.to_datetime(at).strftime("%Y-%m-%dT%H:%M").to_string();
                Some(Self { run, at, not_before: NotBefore::Instant(at), reference: at })
            }
        }
    }

    /// A drawing on this occasion.
    pub fn draw<'c>(&self, campaign: &'c Campaign, config: &Config) -> Draw<'c> {
        Draw::new(campaign, self.not_before, self.at, config.limits.contacts_per_account)
    }

    /// When the window opens in which a candidate's first letter goes.
    pub(super) fn opens(&self, campaign: &Campaign, candidate: &Candidate) -> Option<Timestamp> {
        let send = campaign.window_of(campaign.steps.first()?);
        let zone = zone_of(send, &candidate.zone);
        let begin = match self.not_before {
            NotBefore::Day(date) => local::start_of_day(&zone, date).unwrap_or(self.at).max(self.at),
            NotBefore::Instant(at) => at.max(self.at),
        };
        Some(window::next_open(send, &zone, &Calendar::of(candidate.country.as_deref()), begin)?.opens)
    }
}

/// The candidates of a campaign, page by page, company by company.
#[derive(Debug)]
pub struct Pages<'a> {
    store: &'a Store,
    campaign: &'a Campaign,
    occasion: &'a Occasion,
    after: CandidatePlace,
}

impl<'a> Pages<'a> {
    /// From the first candidate on.
    pub fn new(store: &'a Store, campaign: &'a Campaign, occasion: &'a Occasion) -> Self {
        Self { store, campaign, occasion, after: CandidatePlace::default() }
    }

    /// The next page; empty at the end.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next(&mut self) -> Result<Vec<Candidate>, StoreError> {
        let (rule, id, run) = (&self.campaign.audience, &self.campaign.id, &self.occasion.run);
        let page = self.store.candidates(rule, id, run, self.occasion.reference, self.after, PAGE).await?;
        if let Some(last) = page.last() {
            self.after = CandidatePlace::behind(last);
        }
        Ok(page)
    }
}

/// How many contacts these campaigns match, those under way counted again if `follows`:
/// what a plan or an apply of them goes through.
///
/// # Errors
/// The database does not answer.
pub async fn size<'c>(
    store: &Store,
    config: &Config,
    campaigns: impl Iterator<Item = &'c Campaign>,
    now: Timestamp,
    follows: bool,
) -> Result<u64, StoreError> {
    let mut size = 0;
    for campaign in campaigns {
        if let Some(occasion) = Occasion::next(campaign, &company_zone(config), now) {
            size += store.count_candidates(&campaign.audience, occasion.reference).await?;
        }
        if follows {
            let plans = store.count_plans(&campaign.id).await?;
            size += plans.iter().filter(|plan| plan.state == PlanState::Active).map(|plan| plan.count).sum::<u64>();
        }
    }
    Ok(size)
}

/// The company's own zone.
pub(super) fn company_zone(config: &Config) -> TimeZone {
    // It was checked when the configuration was read.
    TimeZone::get(&config.company.zone).unwrap_or(TimeZone::UTC)
}
