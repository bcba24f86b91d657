//! What has to be known about a client before a response can be decided: read
//! once for each finding, so that the decision itself asks nothing.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::read::{Finding, Reading};
use super::tie::{Tie, fold};
use crate::config::Config;
use crate::model::campaign::{Reaction, Wait};
use crate::model::language::Language;
use crate::model::response::ResponseKind;
use crate::policy::calendar::Calendar;
use crate::policy::{local, wait};
use crate::store::{Client, PauseRow, PauseScope, Store, StoreError};

/// The facts of one finding.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The client whose delivery it answers.
    pub client: Option<Client>,
    /// What the campaign wants to be done at such a reply.
    pub reaction: Option<Reaction>,
    /// What waits already.
    pub pauses: Vec<PauseRow>,
    /// One of our own users wrote it.
    pub from_us: bool,
    /// The language of the operator's notes, and of an owner who is not known.
    pub language: Language,
    /// The company's own zone.
    pub zone: TimeZone,
    /// The company's own working days.
    pub calendar: Calendar,
}

impl Facts {
    /// Looks up what a finding's decision needs.
    pub(super) async fn gather(
        store: &Store,
        config: &Config,
        reading: &Reading,
        finding: &Finding,
        tie: Option<&Tie>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let from = reading.from.as_deref().map(fold);
        let users = store.users().await?;
        let client = match tie.and_then(|tie| tie.candidate.contact) {
            Some(contact) => Some(store.get_client(contact).await?),
            None => None,
        };
        Ok(Self {
            client,
            reaction: reaction(store, finding.kind, tie).await?,
            pauses: store.pauses(now).await?,
            from_us: users.iter().any(|user| from.as_deref() == Some(&user.email.folded())),
            language: config.company.language,
            zone: zone(&config.company.zone),
            calendar: Calendar::of(Some(&config.company.country)),
        })
    }

    /// The language of the client's owner.
    pub(super) fn owner_language(&self) -> Language {
        self.client.as_ref().and_then(|client| client.owner.as_ref()).map_or(self.language, |owner| owner.language)
    }

    /// The day on which something that may wait `within` is due, by the owner's clock.
    pub(super) fn due_on(&self, within: Wait, now: Timestamp) -> Date {
        let owner = self.client.as_ref().and_then(|client| client.owner.as_ref());
        let zone = owner.and_then(|owner| TimeZone::get(&owner.zone).ok()).unwrap_or_else(|| self.zone.clone());
        local::date(&zone, wait::after(within, now, &zone, &self.calendar))
    }

    /// Today by the company's clock.
    pub(super) fn today(&self, now: Timestamp) -> Date {
        local::date(&self.zone, now)
    }

    /// The client's zone and working days.
    pub(super) fn client_clock(&self) -> (TimeZone, Calendar) {
        let Some(client) = &self.client else { return (self.zone.clone(), self.calendar) };
        let zone = TimeZone::get(&client.contact.zone).unwrap_or_else(|_| self.zone.clone());
        (zone, Calendar::of(client.account.country.as_deref()))
    }

    /// Something as long waits already over exactly this.
    pub(super) fn is_held(&self, scope: &PauseScope, until: Option<Timestamp>) -> bool {
        let as_long = |pause: &PauseRow| match (pause.until, until) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(there), Some(wanted)) => there >= wanted,
        };
        self.pauses.iter().any(|pause| pause.scope == *scope && as_long(pause))
    }
}

/// The zone of this name, UTC where there is none.
pub(super) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// The campaign's `[on.<intent>]`, by the version the delivery was made from.
async fn reaction(store: &Store, kind: ResponseKind, tie: Option<&Tie>) -> Result<Option<Reaction>, StoreError> {
    let (ResponseKind::Human(intent), Some(tie)) = (kind, tie) else { return Ok(None) };
    let Some(revision) = store.get_delivery(tie.candidate.delivery).await?.revision else { return Ok(None) };
    Ok(store.get_revision(revision).await?.campaign.on.get(&intent).cloned())
}
