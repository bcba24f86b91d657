//! Whose digest is due, and the one delivery row it becomes.
//!
//! The row's key holds user and local date, so a restart, a second daemon or an
//! asking twice changes nothing. Its `due_at` is the end of the span it tells,
//! from which the next one begins.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::DigestError;
use super::collect::{collect, zone_of};
use super::compose::compose;
use super::data::DigestData;
use super::letter::{delivery, link};
use crate::config::Config;
use crate::model::act::Act;
use crate::model::delivery::Purpose;
use crate::model::id::UserId;
use crate::model::token::TokenKeys;
use crate::model::turn::Turn;
use crate::model::user::{Role, User};
use crate::policy::calendar::Calendar;
use crate::policy::{digest as rule, local};
use crate::store::{Appointment, Store};

/// Schedules each digest that is due and not yet scheduled.
///
/// # Errors
/// The database does not answer, or the configuration names no sender or relay;
/// one manager's trouble does not keep another's digest back.
pub async fn turn(store: &Store, config: &Config, keys: &TokenKeys, now: Timestamp) -> Result<Turn, DigestError> {
    let desk = Desk { store, config, keys, calendar: Calendar::of(Some(&config.company.country)), now };
    let appointments = store.appointments().await?;
    let mut turn = Turn::default();
    let mut trouble = None;
    for user in store.users().await? {
        match desk.serve(&user, &appointments).await {
            Ok(served) => turn = turn.and(served),
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    trouble.map_or(Ok(turn), Err)
}

/// What is the same for every manager of a turn.
struct Desk<'a> {
    store: &'a Store,
    config: &'a Config,
    keys: &'a TokenKeys,
    calendar: Calendar,
    now: Timestamp,
}

impl Desk<'_> {
    async fn serve(&self, user: &User, appointments: &[Appointment]) -> Result<Turn, DigestError> {
        if !self.receives(user).await? {
            return Ok(Turn::default());
        }
        let zone = zone_of(user, self.config);
        let next_at = rule::next_after(user.digest_at, &zone, &self.calendar, self.now);
        let Some((date, from, until)) = rule::due(user.digest_at, &zone, &self.calendar, self.now) else {
            return Ok(Turn { done: 0, next_at });
        };
        let last = self.store.last_digest(user.id).await?;
        let appointed = appointed_at(user.id, appointments);
        if last.is_some_and(|last| last >= until) || appointed.is_some_and(|at| at >= until) {
            return Ok(Turn { done: 0, next_at });
        }
        let told = last.max(appointed);
        let from = self.begin(user.id, from, told).await?;
        let mut data = collect(self.store, self.config, user, from, until, self.now).await?;
        if !self.is_worth_a_mail(&data, date) {
            let Some(quiet_since) = self.silent_week(user, &zone, date, told) else {
                return Ok(Turn { done: 0, next_at });
            };
            data.since = quiet_since;
        }
        let done = self.schedule(user, date, until, &data).await?;
        Ok(Turn { done, next_at })
    }

    /// An active manager, or a head who has clients of their own or something to do.
    async fn receives(&self, user: &User) -> Result<bool, DigestError> {
        match user.role {
            _ if !user.active => Ok(false),
            Role::Manager => Ok(true),
            Role::Head => {
                let owns = self.store.owns_clients(user.id).await?;
                Ok(owns || !self.store.tasks(Some(user.id), None).await?.is_empty())
            }
        }
    }

    /// Where the span begins: where the last digest ended, or at the appointment.
    ///
    /// Before the rule's own beginning only if something happened in between: an
    /// outage then; silent days otherwise, which need no telling.
    async fn begin(&self, user: UserId, by_rule: Timestamp, told: Option<Timestamp>) -> Result<Timestamp, DigestError> {
        let Some(told) = told else { return Ok(by_rule) };
        if told >= by_rule {
            return Ok(told);
        }
        let sent = self.store.finished_for(user, told, by_rule).await?;
        let silent = sent.iter().all(|row| row.finished_at.is_none())
            && self.store.responses_for(user, told, by_rule).await?.is_empty();
        Ok(if silent { by_rule } else { told })
    }

    /// Something happened or waits, or letters go out before the digest after this one.
    fn is_worth_a_mail(&self, data: &DigestData, today: Date) -> bool {
        let next = self.calendar.add_business_days(today, 1);
        data.has_news() || data.upcoming.iter().any(|letters| letters.date <= next)
    }

    /// The day since which a manager has heard nothing, if a whole week ends with it:
    /// none came since the digest of the first business day of last week.
    fn silent_week(&self, user: &User, zone: &TimeZone, today: Date, told: Option<Timestamp>) -> Option<Date> {
        let monday = today.checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days()).ok()?;
        if self.calendar.add_business_days(monday, 0) != today {
            return None;
        }
        let last_week = self.calendar.add_business_days(monday.checked_sub(7.days()).ok()?, 0);
        let begin = local::instant(zone, last_week.to_datetime(user.digest_at))?;
        told.is_none_or(|told| told <= begin).then_some(last_week)
    }

    async fn schedule(
        &self,
        user: &User,
        date: Date,
        until: Timestamp,
        data: &DigestData,
    ) -> Result<usize, DigestError> {
        let digest = compose(data, &link(self.config, self.keys, user));
        let key = format!("digest/{}/{date}", user.id);
        let delivery = delivery(self.config, user, &digest, key, Purpose::Digest, until)?;
        let created = self.store.create_deliveries(&Act::stage("digest", self.now), &[delivery]).await?;
        tracing::info!(user.id = user.id.0, %date, created, "digest scheduled");
        Ok(usize::try_from(created).unwrap_or(0))
    }
}

/// Since when a user serves: the appointment that no dismissal has ended. A second
/// one (a new telephone number) does not begin anything anew.
fn appointed_at(user: UserId, appointments: &[Appointment]) -> Option<Timestamp> {
    let own = appointments.iter().filter(|appointment| appointment.user == user);
    own.fold(None, |since, appointment| match appointment.act.as_str() {
        "dismiss" => None,
        _ => since.or(Some(appointment.at)),
    })
}
