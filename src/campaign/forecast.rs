//! When each letter of a plan would go if nobody answered: the schedule's own rules,
//! followed to the last step without a row being written.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::model::address::Channel;
use crate::model::campaign::{Campaign, Step};
use crate::model::consent::{Basis, Consent};
use crate::model::id::ContactId;
use crate::model::plan::Candidate;
use crate::policy::calendar::Calendar;
use crate::policy::enrolment::zone_of;
use crate::policy::law::{self, Judgement};
use crate::policy::{local, wait, window};
use crate::store::Client;

/// How one contact is reached, and by which clock they live.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    contact: ContactId,
    zone: String,
    country: Option<String>,
    email: bool,
    fax: bool,
}

/// One letter that would go.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Letter<'c> {
    pub(super) step: &'c Step,
    pub(super) channel: Channel,
    /// The date by the client's clock.
    pub(super) date: Date,
}

impl Reach {
    /// Of a contact that would start.
    pub(super) fn of_candidate(candidate: &Candidate) -> Self {
        let lawful = |channel, basis| {
            let judged = law::judge(candidate.country.as_deref(), channel, candidate.person_type, basis);
            matches!(judged, Judgement::Pass { .. })
        };
        Self {
            contact: candidate.contact,
            zone: candidate.zone.clone(),
            country: candidate.country.clone(),
            email: candidate.has_email && lawful(Channel::Email, candidate.email_basis),
            fax: candidate.has_fax && lawful(Channel::Fax, candidate.fax_basis),
        }
    }

    /// Of a contact that is under way.
    pub(super) fn of_client(client: &Client, consents: &[Consent]) -> Self {
        let lawful = |channel| {
            let held = consents.iter().filter(|consent| consent.channel == channel && consent.withdrawn_at.is_none());
            let basis = held.map(|consent| consent.basis).min_by_key(|basis| *basis != Basis::Consent);
            let judged = law::judge(client.account.country.as_deref(), channel, client.account.person_type, basis);
            matches!(judged, Judgement::Pass { .. })
        };
        Self {
            contact: client.contact.id,
            zone: client.contact.zone.clone(),
            country: client.account.country.clone(),
            email: client.contact.email.is_some() && lawful(Channel::Email),
            fax: client.contact.fax.is_some() && lawful(Channel::Fax),
        }
    }

    /// The channel by which a step would reach them.
    pub(super) fn way(&self, step: &Step) -> Option<Channel> {
        let open = |channel: &Channel| match channel {
            Channel::Email => self.email,
            Channel::Fax => self.fax,
            Channel::Call => false,
        };
        Some(step.channel).filter(open).or_else(|| step.fallback.filter(open))
    }

    /// The first instant of a step's window at or after `from`.
    pub(super) fn place(&self, campaign: &Campaign, step: &Step, from: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let send = campaign.window_of(step);
        let zone = zone_of(send, &self.zone);
        let opening = window::next_open(send, &zone, &Calendar::of(self.country.as_deref()), from)?;
        Some(window::place(&opening, u64::try_from(self.contact.0).unwrap_or_default(), now))
    }

    /// When the step comes whose predecessor went at `before`.
    pub(super) fn due(&self, campaign: &Campaign, step: &Step, before: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let zone = zone_of(campaign.window_of(step), &self.zone);
        let from = wait::after(step.wait, before, &zone, &Calendar::of(self.country.as_deref())).max(now);
        self.place(campaign, step, from, now)
    }

    /// The letters from step `first` on, which is due at `at`.
    pub(super) fn letters<'c>(
        &self,
        campaign: &'c Campaign,
        first: usize,
        at: Timestamp,
        now: Timestamp,
    ) -> Vec<Letter<'c>> {
        let (mut letters, mut at) = (Vec::new(), at);
        for (index, step) in campaign.steps.iter().enumerate().skip(first) {
            if index > first {
                let Some(due) = self.due(campaign, step, at, now) else { return letters };
                at = due;
            }
            let date = local::date(&zone_of(campaign.window_of(step), &self.zone), at);
            letters.extend(self.way(step).map(|channel| Letter { step, channel, date }));
        }
        letters
    }
}
