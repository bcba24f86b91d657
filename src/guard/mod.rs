//! From how letters fare to a pause: too many bounces or complaints, and the campaign waits
//! for a person.
//!
//! The stage counts the mails of the last days campaign by campaign, and the complaints of
//! all campaigns of one sender together; [`crate::policy::guard`] judges. What it finds is
//! written once, with the figures: a pause by the actor `guard`, a task for the operator and
//! one for the head of the company. `status` and the managers' digests tell of it. Only a
//! person ends the pause, and from then on only what left after that is counted.
//!
//! It sends nothing and looks at no single letter.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, ToSpan};

use crate::config::Config;
use crate::model::act::Act;
use crate::model::language::Language;
use crate::model::task::TaskKind;
use crate::model::turn::Turn;
use crate::model::user::Role;
use crate::policy::guard::{Excess, Tally, Verdict, judge, judge_complaints};
use crate::policy::local;
use crate::store::{CampaignTally, Consequence, Finding, GuardFinding, PauseScope, Store, StoreError};

/// Seconds between two looks.
const EVERY_S: i64 = 60;

/// Why the guard could not look.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The database does not answer.
    #[error("cannot count bounces and complaints: {0}")]
    Store(#[from] StoreError),
}

/// The stage.
#[derive(Debug, Default)]
pub struct Guard {
    next_at: Option<Timestamp>,
}

impl Guard {
    /// Looks at every campaign, at most once a minute; says how many findings are new.
    ///
    /// # Errors
    /// The database does not answer; the next turn looks again.
    pub async fn turn(&mut self, store: &Store, config: &Config, now: Timestamp) -> Result<Turn, GuardError> {
        if let Some(at) = self.next_at.filter(|at| now < *at) {
            return Ok(Turn { done: 0, next_at: Some(at) });
        }
        let done = look(store, config, now).await?;
        self.next_at = now.checked_add(EVERY_S.seconds()).ok();
        Ok(Turn { done, next_at: self.next_at })
    }
}

/// One look at every campaign; says how many findings are new.
///
/// # Errors
/// The database does not answer.
pub async fn look(store: &Store, config: &Config, now: Timestamp) -> Result<usize, GuardError> {
    let days = i64::from(config.guard.days) * 24;
    let begin = now.checked_sub(days.hours()).unwrap_or(Timestamp::MIN);
    let tallies = store.campaign_tallies(begin).await?;
    if tallies.is_empty() {
        return Ok(0);
    }
    let pauses = store.pauses(now).await?.into_iter().filter_map(|pause| match pause.scope {
        PauseScope::Campaign(campaign) => Some(campaign),
        _ => None,
    });
    let paused: BTreeSet<_> = pauses.collect();
    let findings = judge_all(config, &tallies, &paused, now);
    let mut done = 0;
    for (finding, since) in findings {
        done += usize::from(write(store, config, &finding, since, now).await?);
    }
    Ok(done)
}

/// What is over a limit, with the beginning of the span in which it is told once.
fn judge_all(
    config: &Config,
    tallies: &[CampaignTally],
    paused: &BTreeSet<String>,
    now: Timestamp,
) -> Vec<(GuardFinding, Timestamp)> {
    // What waits already can do no more harm, and its past is not held against others.
    let going: Vec<_> = tallies.iter().filter(|one| !paused.contains(&one.campaign)).collect();
    let (mut campaigns, mut senders) = (BTreeMap::new(), BTreeMap::new());
    for one in &going {
        let sum: &mut (Tally, Timestamp) = campaigns.entry(&one.campaign).or_insert((Tally::default(), one.since));
        sum.0 = sum.0.and(one.tally);
        let of: &mut Tally = senders.entry(&one.sender).or_default();
        *of = of.and(one.tally);
    }
    let mut findings = Vec::new();
    for (campaign, (tally, since)) in &campaigns {
        let own = judge(*tally, &config.guard);
        findings.extend(found(campaign, None, own, now).map(|finding| (finding, *since)));
    }
    for one in &going {
        let all = judge_complaints(senders.get(&one.sender).copied().unwrap_or_default(), &config.guard);
        let told = findings.iter().any(|(known, _)| known.campaign == one.campaign && covers(known, all));
        let finding = found(&one.campaign, Some(&one.sender), all, now).filter(|_| !told);
        findings.extend(finding.map(|finding| (finding, one.since)));
    }
    findings
}

/// The campaign's own finding says as much as the one of its sender.
fn covers(known: &GuardFinding, all: Verdict) -> bool {
    known.verdict == Finding::Pause || matches!(all, Verdict::Warn(excess) if excess.rate == known.excess.rate)
}

fn found(campaign: &str, sender: Option<&str>, verdict: Verdict, now: Timestamp) -> Option<GuardFinding> {
    let finding = |verdict, excess: Excess| GuardFinding {
        campaign: campaign.to_owned(),
        sender: sender.map(str::to_owned),
        verdict,
        excess,
        at: now,
    };
    match verdict {
        Verdict::Fine => None,
        Verdict::Warn(excess) => Some(finding(Finding::Warn, excess)),
        Verdict::Pause(excess) => Some(finding(Finding::Pause, excess)),
    }
}

/// Writes a finding with its tasks; says whether it was new.
async fn write(
    store: &Store,
    config: &Config,
    finding: &GuardFinding,
    since: Timestamp,
    now: Timestamp,
) -> Result<bool, GuardError> {
    let running = store.running().await?;
    let title = running.iter().find(|one| one.campaign.id == finding.campaign);
    let title = title.map_or(finding.campaign.as_str(), |one| one.campaign.title.as_str());
    let zone = jiff::tz::TimeZone::get(&config.company.zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let task = |user, language: Language| Consequence::Task {
        kind: TaskKind::Operate,
        user,
        contact: None,
        plan: None,
        response: None,
        note: words::note(language, title, finding),
        due_on: local::date(&zone, now),
    };
    let mut follows = vec![task(None, config.company.language)];
    if finding.verdict == Finding::Pause {
        let heads = store.users().await?.into_iter().filter(|user| user.active && user.role == Role::Head);
        follows.extend(heads.map(|head| task(Some(head.id), head.language)));
    }
    let new = store.record_finding(&Act::stage("guard", now), finding, since, follows).await?;
    if new {
        tell(finding);
    }
    Ok(new)
}

fn tell(finding: &GuardFinding) {
    let (campaign, excess) = (&finding.campaign, finding.excess);
    match finding.verdict {
        Finding::Pause => tracing::error!(
            campaign,
            "campaign {campaign} is paused by the guard: {excess}; look, then `outreachd resume {campaign}`"
        ),
        Finding::Warn => tracing::warn!(campaign, "campaign {campaign} comes near a pause: {excess}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(campaign: &str, letters: i64, bounced: i64, complained: i64) -> CampaignTally {
        CampaignTally {
            campaign: campaign.into(),
            sender: "fyrljus".into(),
            since: Timestamp::UNIX_EPOCH,
            tally: Tally { letters, bounced, complained },
        }
    }

    /// Campaign, whether by its sender, and whether it pauses.
    fn judged(tallies: &[CampaignTally], paused: &[&str]) -> Vec<(String, bool, bool)> {
        let text = "[company]\nname = \"F\"\nhead = \"a@f.example\"\n[database]\nurl = \"sqlite:x\"\n\
                    [[sender]]\nid = \"fyrljus\"\nlegal_name = \"F\"\npostal_address = \"F\"\nfrom = \"a@f.example\"\n\
                    [[relay]]\nid = \"main\"\nhost = \"localhost\"\nport = 25\ntls = \"none\"";
        let config = crate::config::parse(std::path::Path::new("x.toml"), text, &[]).unwrap();
        let paused = paused.iter().map(|id| (*id).to_owned()).collect();
        let findings = judge_all(&config, tallies, &paused, Timestamp::UNIX_EPOCH);
        let told = |(one, _): (GuardFinding, _)| (one.campaign, one.sender.is_some(), one.verdict == Finding::Pause);
        findings.into_iter().map(told).collect()
    }

    #[test]
    fn counts_the_complaints_of_a_senders_campaigns_together() {
        let two = [tally("a", 30, 0, 1), tally("b", 30, 0, 0)];
        assert_eq!(judged(&two, &[]), [("a".to_owned(), true, true), ("b".to_owned(), true, true)]);
        // Bounces are a campaign's own: its list is old, not the sender bad.
        assert_eq!(judged(&[tally("a", 30, 9, 0), tally("b", 30, 0, 0)], &[]), []);
    }

    #[test]
    fn holds_the_past_of_a_paused_campaign_against_no_other() {
        let two = [tally("a", 1000, 0, 9), tally("b", 60, 0, 0)];
        assert_eq!(judged(&two, &["a"]), []);
        assert_eq!(judged(&two, &[]), [("a".to_owned(), false, true), ("b".to_owned(), true, true)]);
    }

    #[test]
    fn tells_a_warning_of_one_campaign_once() {
        assert_eq!(judged(&[tally("a", 1000, 0, 1)], &[]), [("a".to_owned(), false, false)]);
    }
}
