//! What waits already when a client chooses to get letters less often goes at a later date.
//!
//! The choice forbids it from its own instant on, at claim and handoff; this only finds the
//! new date. What becomes a delivery later is spaced by [`spawn`](super::spawn).

use jiff::{Timestamp, ToSpan};

use super::{AHEAD_HOURS, ScheduleError, Stage, route};
use crate::model::id::ContactId;
use crate::store::{GapLetter, PutOff, StoreError};

/// Choices older than this have nothing waiting that was not put off or spaced: a delivery
/// is made two days ahead.
const LATELY_HOURS: i64 = AHEAD_HOURS + 24;

/// Puts off what would come too soon; says how many letters.
pub(super) async fn pass(stage: &mut Stage<'_>) -> Result<usize, ScheduleError> {
    let since = stage.now.checked_sub(LATELY_HOURS.hours()).unwrap_or(Timestamp::MIN);
    let letters = stage.store.gap_letters(since).await?;
    let mut moves = Vec::new();
    let mut before: Option<(ContactId, Option<Timestamp>)> = None;
    for letter in &letters {
        let free_at = before.filter(|(contact, _)| *contact == letter.contact).and_then(|(_, at)| at);
        let mut at = letter.at;
        if let Some(free_at) = free_at.filter(|free_at| letter.waits && at < *free_at) {
            // One that was tried bears the date of its first try: weeks later it would be odd.
            let to = if letter.begun { None } else { place(stage, letter, free_at).await? };
            moves.push(PutOff { delivery: letter.delivery, to });
            let Some((moved, _)) = to else { continue };
            at = moved;
        }
        before = Some((letter.contact, free_at.max(letter.gap.behind(at))));
    }
    if moves.is_empty() {
        return Ok(0);
    }
    stage.store.put_off(&stage.act, &moves).await?;
    Ok(moves.len())
}

/// The first window of a letter's step behind `free_at`; none where there is none any more.
async fn place(
    stage: &mut Stage<'_>,
    letter: &GapLetter,
    free_at: Timestamp,
) -> Result<Option<(Timestamp, Timestamp)>, ScheduleError> {
    let (Some(revision), Some(step)) = (letter.revision, letter.step.as_deref()) else { return Ok(None) };
    let revision = stage.revision(revision).await?;
    let Some((_, step)) = revision.campaign.find_step(step) else { return Ok(None) };
    match stage.store.get_client(letter.contact).await {
        Ok(client) => Ok(route::place(&revision.campaign, step, &client, free_at, stage.now)),
        Err(StoreError::Absent { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
