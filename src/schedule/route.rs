//! Which way a step reaches a client: the channel, the address, the sender, the lane.
//!
//! Pure. The law is asked again here, for a consent may have been withdrawn since
//! the plan began.

use jiff::Timestamp;

use crate::config::Config;
use crate::model::address::{Address, Channel};
use crate::model::campaign::{Campaign, From, Step};
use crate::model::consent::{Basis, Consent};
use crate::model::lane::{Lane, Stream};
use crate::policy::calendar::Calendar;
use crate::policy::enrolment::zone_of;
use crate::policy::law::{self, Judgement};
use crate::policy::{wait, window};
use crate::store::Client;

use super::ScheduleError;

/// How a letter goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) address: Address,
    pub(super) needs_consent: bool,
}

/// The way of `step` to `client`: its own channel, else its fallback, else none.
pub(super) fn find(step: &Step, client: &Client, consents: &[Consent]) -> Option<Route> {
    by_channel(step.channel, client, consents).or_else(|| by_channel(step.fallback?, client, consents))
}

/// The way by one channel, if there is an address and the law lets it be used.
pub(super) fn by_channel(channel: Channel, client: &Client, consents: &[Consent]) -> Option<Route> {
    let address = match channel {
        Channel::Email => Address::Email(client.contact.email.clone()?),
        Channel::Fax => Address::Fax(client.contact.fax.clone()?),
        Channel::Call => return None,
    };
    let held = consents.iter().filter(|consent| consent.channel == channel && consent.withdrawn_at.is_none());
    // An express consent says more than a customer's soft opt-in.
    let basis = held.map(|consent| consent.basis).min_by_key(|basis| *basis != Basis::Consent);
    let country = client.account.country.as_deref();
    let judge = |basis| law::judge(country, channel, client.account.person_type, basis);
    let Judgement::Pass { .. } = judge(basis) else { return None };
    Some(Route { address, needs_consent: matches!(judge(None), Judgement::LeftOut(..)) })
}

/// The sender's slug and the lane of a campaign's letter to `address`.
pub(super) fn lane(config: &Config, campaign: &Campaign, address: &Address) -> Result<(String, String), ScheduleError> {
    let fail = |reason: String| ScheduleError::Route { campaign: campaign.id.clone(), reason };
    let named = match &campaign.from {
        From::Owner => None,
        From::Sender(id) => Some(id.as_str()),
    };
    let Some(sender) = config.find_sender(named) else {
        return Err(fail(format!("the configuration has no [[sender]] with id = \"{}\"", named.unwrap_or_default())));
    };
    let stream = Stream::Campaign(campaign.id.clone());
    let lane = match address {
        Address::Fax(_) => Lane::Fax { sender: sender.id.clone(), stream },
        Address::Email(to) => {
            let relay =
                config.find_relay(sender).ok_or_else(|| fail(format!("sender `{}` has no [[relay]]", sender.id)))?;
            config.mail_lane(sender, relay, stream, to.domain())
        }
    };
    Ok((sender.id.clone(), lane.to_string()))
}

/// When a step is due whose predecessor ended at `ended`: the instant and the end of its window.
/// `None` if its window never opens.
pub(super) fn due(
    campaign: &Campaign,
    step: &Step,
    client: &Client,
    ended: Timestamp,
    now: Timestamp,
) -> Option<(Timestamp, Timestamp)> {
    let send = campaign.window_of(step);
    let zone = zone_of(send, &client.contact.zone);
    let calendar = Calendar::of(client.account.country.as_deref());
    let from = wait::after(step.wait, ended, &zone, &calendar).max(now);
    place(campaign, step, client, from, now)
}

/// The first instant of a step's window that is not before `from`, spread by the contact.
pub(super) fn place(
    campaign: &Campaign,
    step: &Step,
    client: &Client,
    from: Timestamp,
    now: Timestamp,
) -> Option<(Timestamp, Timestamp)> {
    let send = campaign.window_of(step);
    let zone = zone_of(send, &client.contact.zone);
    let calendar = Calendar::of(client.account.country.as_deref());
    let opening = window::next_open(send, &zone, &calendar, from)?;
    let salt = u64::try_from(client.contact.id.0).unwrap_or_default();
    Some((window::place(&opening, salt, now), opening.closes))
}
