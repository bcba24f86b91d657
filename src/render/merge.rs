//! Merge data: what a letter knows about a client, the same in `check`, `preview`
//! and the daemon.
//!
//! Every field is always there, null where nobody knows it, so that a misspelt
//! name and an empty one are told apart. Nothing here decides who gets a letter.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::Renderer;
use crate::config::{Company, Sender};
use crate::model::address::PhoneNumber;
use crate::model::campaign::{Campaign, From};
use crate::model::language::Language;
use crate::model::user::User;
use crate::store::Client;

/// Numbers that are remembered; a sender's and its people's are in each letter.
const MOST_NUMBERS: usize = 1024;

/// How numbers are written in which country: worked out once, as it takes longer than all the
/// rest of a letter's data.
#[derive(Debug, Default)]
pub struct Numbers(Mutex<HashMap<(PhoneNumber, Option<String>), String>>);

impl Numbers {
    fn written(&self, number: Option<&PhoneNumber>, country: Option<&str>) -> Option<String> {
        let key = (number?.clone(), country.map(str::to_owned));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(written) = known.get(&key) {
            return Some(written.clone());
        }
        let written = key.0.written_in(country);
        if known.len() >= MOST_NUMBERS {
            known.clear();
        }
        known.insert(key, written.clone());
        Some(written)
    }
}

/// The data of one letter: `contact`, `account`, `owner`, `sender`, `campaign`, `links`.
///
/// `owner` is who signs: the account manager, or the sender itself in a campaign
/// that goes out in a sender's name. Telephone numbers are written as people in
/// the client's country write them.
pub fn data(
    numbers: &Numbers,
    client: &Client,
    sender: &Sender,
    company: &Company,
    campaign: &Campaign,
    opt_out_url: &str,
) -> Value {
    let (contact, account) = (&client.contact, &client.account);
    let country = account.country.as_deref();
    let written = |number: Option<&PhoneNumber>| numbers.written(number, country);
    json!({
        "contact": {
            "name": contact.name,
            "given_name": contact.given_name,
            "title": contact.title,
            "email": contact.email.as_ref().map(|address| address.as_str()),
            "fax": written(contact.fax.as_ref()),
            "phone": written(contact.phone.as_ref()),
        },
        "account": {
            "name": account.name,
            "city": account.city,
            "country": account.country,
            "org_number": account.org_number,
            "tier": account.tier,
        },
        "owner": match campaign.from {
            From::Owner => owner(client.owner.as_ref().filter(|owner| owner.active), written),
            From::Sender(_) => brand(sender, written),
        },
        "sender": {
            "company": company.name,
            "legal_name": sender.legal_name,
            "postal_address": sender.postal_address,
            "email": sender.reply_to.as_ref().unwrap_or(&sender.from).as_str(),
            "phone": written(sender.phone.as_ref()),
            "fax": written(sender.fax.as_ref()),
        },
        "campaign": { "id": campaign.id, "title": campaign.title },
        "links": { "opt_out": opt_out_url },
    })
}

/// The language of a client's letter: their own if the template has a text in it,
/// else the campaign's.
pub fn language(renderer: &Renderer, template: &str, client: &Client, campaign: &Campaign) -> Language {
    let own = client.contact.language.filter(|language| renderer.speaks(template, *language));
    own.unwrap_or(campaign.language)
}

fn owner(owner: Option<&User>, written: impl Fn(Option<&PhoneNumber>) -> Option<String>) -> Value {
    json!({
        "name": owner.map(|owner| &owner.name),
        "title": owner.and_then(|owner| owner.title.as_ref()),
        "phone": written(owner.and_then(|owner| owner.phone.as_ref())),
        "email": owner.map(|owner| owner.email.as_str()),
    })
}

fn brand(sender: &Sender, written: impl Fn(Option<&PhoneNumber>) -> Option<String>) -> Value {
    json!({
        "name": sender.legal_name,
        "title": null,
        "phone": written(sender.phone.as_ref()),
        "email": sender.reply_to.as_ref().unwrap_or(&sender.from).as_str(),
    })
}
