//! From rows to the facts of one digest: what an owner's clients did in a span of
//! time, and what stands open at its end. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::DigestError;
use super::data::{DigestData, LeftOutOf, Letters, Upcoming, Wait, Waiting};
use super::people::People;
use super::stopped;
use crate::config::Config;
use crate::model::address::Channel;
use crate::model::campaign::Campaign;
use crate::model::delivery::DeliveryState;
use crate::model::user::User;
use crate::store::{DeliveryRow, Store, UpcomingLetter};

/// How many of those whose letters wait are named.
const NAMED: usize = 2;

/// Reads what `user`'s digest over `from..until` tells, as it stands at `now`.
///
/// What opened after `until` is left to the next one.
///
/// # Errors
/// The database does not answer.
pub async fn collect(
    store: &Store,
    config: &Config,
    user: &User,
    from: Timestamp,
    until: Timestamp,
    now: Timestamp,
) -> Result<DigestData, DigestError> {
    let zone = zone_of(user, config);
    let date = |at: Timestamp| zone.to_datetime(at).date();
    let finished = store.finished_for(user.id, from, until).await?;
    let finished: Vec<_> = finished.into_iter().filter(|row| row.finished_at.is_some() || row.due_at < until).collect();
    let held: Vec<_> = store.held_for(user.id).await?.into_iter().filter(|row| row.due_at < until).collect();
    let responses = store.responses_for(user.id, from, until).await?;
    let tasks = store.tasks(Some(user.id), None).await?;
    let tasks: Vec<_> = tasks.into_iter().filter(|task| task.created_at < until && task.due_on <= date(now)).collect();

    let mut people = People::read(store, config, &zone, now, &responses, &finished, &held, &tasks).await?;
    let answers = people.answers(&responses);
    let fixes = people.fixes(&responses, &finished);
    let campaigns: BTreeMap<_, _> =
        store.running().await?.into_iter().map(|revision| (revision.campaign.id.clone(), revision.campaign)).collect();
    let letters = store.upcoming_for(Some(user.id), now).await?;
    let letters: Vec<_> = letters.into_iter().filter(|letter| letter.since < until).collect();
    let stopped = stopped::read(store, &letters, |id| title(&campaigns, id), now).await?;
    let runs = store.left_out_at_start(user.id, from, until).await?;
    Ok(DigestData {
        language: user.language,
        given_name: user.name.as_str().split_whitespace().next().unwrap_or_default().to_owned(),
        at: user.digest_at,
        today: date(now),
        since: date(from),
        letters: count(&finished),
        todos: people.todos(&tasks),
        answers,
        fixes,
        stopped,
        waiting: waiting(&people, &finished, &held),
        away: people.away(&responses),
        opted_out: people.opted_out(&responses),
        upcoming: upcoming(letters.into_iter(), &campaigns, &zone, now),
        left_out: runs
            .into_iter()
            .filter(|run| !run.reasons.is_empty())
            .map(|run| LeftOutOf { campaign: title(&campaigns, &run.campaign), total: run.total, reasons: run.reasons })
            .collect(),
    })
}

/// The zone of a user; the company's where the user's is unknown here.
pub(super) fn zone_of(user: &User, config: &Config) -> TimeZone {
    let zone = TimeZone::get(&user.zone).or_else(|_| TimeZone::get(&config.company.zone));
    zone.unwrap_or(TimeZone::UTC)
}

fn title(campaigns: &BTreeMap<String, Campaign>, id: &str) -> String {
    campaigns.get(id).map_or_else(|| id.to_owned(), |campaign| campaign.title.clone())
}

fn count(finished: &[DeliveryRow]) -> Letters {
    let mut letters = Letters::default();
    for row in finished {
        let counter = match (row.state, row.channel) {
            (DeliveryState::Accepted, Channel::Fax) => &mut letters.fax_arrived,
            (DeliveryState::Rejected, Channel::Fax) => &mut letters.fax_failed,
            (DeliveryState::Accepted, _) => &mut letters.accepted,
            (DeliveryState::Rejected, _) => &mut letters.rejected,
            (DeliveryState::Skipped, _) => &mut letters.skipped,
            (DeliveryState::Uncertain, _) => &mut letters.uncertain,
            _ => continue,
        };
        *counter += 1;
    }
    letters
}

/// Letters that wait for a person, by why.
fn waiting(people: &People, finished: &[DeliveryRow], held: &[DeliveryRow]) -> Vec<Waiting> {
    let mut groups: BTreeMap<Wait, (usize, Vec<_>)> = BTreeMap::new();
    let uncertain = finished.iter().filter(|row| row.state == DeliveryState::Uncertain);
    let uncertain = uncertain.map(|row| (Wait::Uncertain, row));
    let held =
        held.iter().map(|row| (if row.reason.as_deref() == Some("late") { Wait::Late } else { Wait::Held }, row));
    for (wait, row) in uncertain.chain(held) {
        let (count, named) = groups.entry(wait).or_default();
        *count += 1;
        let person = row.contact.and_then(|contact| people.find(contact));
        named.extend(person.filter(|_| *count <= NAMED));
    }
    groups.into_iter().map(|(wait, (count, people))| Waiting { wait, count, people }).collect()
}

/// The letters of the next seven days, by day, campaign and step.
fn upcoming(
    letters: impl Iterator<Item = UpcomingLetter>,
    campaigns: &BTreeMap<String, Campaign>,
    zone: &TimeZone,
    now: Timestamp,
) -> Vec<Upcoming> {
    let today = zone.to_datetime(now).date();
    let horizon = today.saturating_add(6.days());
    let mut groups: BTreeMap<_, (BTreeSet<_>, Time, Time)> = BTreeMap::new();
    for letter in letters.filter(|letter| letter.paused.is_none()) {
        // What is late goes as soon as it can.
        let begins = zone.to_datetime(letter.at.max(now));
        let closes = letter.closes_at.map_or(begins, |at| zone.to_datetime(at));
        let channel = channel_of(campaigns, &letter);
        if begins.date() > horizon || (channel == Channel::Email && !letter.has_email) {
            continue;
        }
        let (from, until) = window_of(campaigns, &letter).unwrap_or((begins.time(), closes.time()));
        let key = (begins.date(), letter.campaign, letter.step, channel);
        let group = groups.entry(key).or_insert_with(|| (BTreeSet::new(), from, until));
        group.0.insert(letter.contact);
        group.1 = group.1.min(from);
        group.2 = group.2.max(until);
    }
    groups
        .into_iter()
        .map(|((date, campaign, step, channel), (contacts, from, until))| Upcoming {
            date,
            from,
            until,
            campaign: title(campaigns, &campaign),
            step,
            channel,
            count: contacts.len(),
        })
        .collect()
}

fn channel_of(campaigns: &BTreeMap<String, Campaign>, letter: &UpcomingLetter) -> Channel {
    let step = campaigns.get(&letter.campaign).and_then(|campaign| campaign.find_step(&letter.step));
    step.map_or(Channel::Email, |(_, step)| step.channel)
}

fn window_of(campaigns: &BTreeMap<String, Campaign>, letter: &UpcomingLetter) -> Option<(Time, Time)> {
    let campaign = campaigns.get(&letter.campaign)?;
    let (_, step) = campaign.find_step(&letter.step)?;
    let window = campaign.window_of(step);
    Some((window.from, window.until))
}
