//! The campaigns that wait because they went wrong, as far as an owner's letters wait for them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::data::{Stop, Stopped};
use crate::store::{Finding, GuardFinding, PauseRow, PauseScope, Store, StoreError, UpcomingLetter};

/// Reads why each campaign waits that these letters belong to.
pub(super) async fn read(
    store: &Store,
    letters: &[UpcomingLetter],
    title: impl Fn(&str) -> String,
    now: Timestamp,
) -> Result<Vec<Stopped>, StoreError> {
    let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
    for letter in letters.iter().filter(|letter| letter.paused.is_some()) {
        *waiting.entry(&letter.campaign).or_default() += 1;
    }
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let (pauses, findings) = (store.pauses(now).await?, store.guard_findings(Timestamp::MIN).await?);
    let stopped = pauses.iter().filter_map(|pause| {
        let PauseScope::Campaign(campaign) = &pause.scope else { return None };
        let letters = *waiting.get(campaign.as_str())?;
        Some(Stopped { campaign: title(campaign), why: why(pause, campaign, &findings)?, letters })
    });
    Ok(stopped.collect())
}

/// None where a person paused it, who has told whom it concerns.
fn why(pause: &PauseRow, campaign: &str, findings: &[GuardFinding]) -> Option<Stop> {
    match pause.actor.as_str() {
        "guard" => {
            let its =
                |one: &&GuardFinding| one.campaign == campaign && one.verdict == Finding::Pause && one.at == pause.at;
            findings.iter().find(its).map(|finding| Stop::Excess(finding.excess))
        }
        "deliver" | "respond" => Some(Stop::Google),
        _ => None,
    }
}
