//! Merge data: what a letter knows about a client, the same in `check`, `preview`
//! and the daemon.
//!
//! Every field is always there, null where nobody knows it, so that a misspelt
//! name and an empty one are told apart. Nothing here decides who gets a letter.

use serde_json::{Value, json};

use super::Renderer;
use crate::config::{Company, Sender};
use crate::model::address::PhoneNumber;
use crate::model::campaign::{Campaign, From};
use crate::model::language::Language;
use crate::model::user::User;
use crate::store::Client;

/// The data of one letter: `contact`, `account`, `owner`, `sender`, `campaign`, `links`.
///
/// `owner` is who signs: the account manager, or the sender itself in a campaign
/// that goes out in a sender's name. Telephone numbers are written as people in
/// the client's country write them.
pub fn data(client: &Client, sender: &Sender, company: &Company, campaign: &Campaign, opt_out_url: &str) -> Value {
    let (contact, account) = (&client.contact, &client.account);
    let country = account.country.as_deref();
    json!({
        "contact": {
            "name": contact.name,
            "given_name": contact.given_name,
            "title": contact.title,
            "email": contact.email.as_ref().map(|address| address.as_str()),
            "fax": written(contact.fax.as_ref(), country),
            "phone": written(contact.phone.as_ref(), country),
        },
        "account": {
            "name": account.name,
            "city": account.city,
            "country": account.country,
            "org_number": account.org_number,
            "tier": account.tier,
        },
        "owner": match campaign.from {
            From::Owner => owner(client.owner.as_ref().filter(|owner| owner.active), country),
            From::Sender(_) => brand(sender, country),
        },
        "sender": {
            "company": company.name,
            "legal_name": sender.legal_name,
            "postal_address": sender.postal_address,
            "email": sender.reply_to.as_ref().unwrap_or(&sender.from).as_str(),
            "phone": written(sender.phone.as_ref(), country),
            "fax": written(sender.fax.as_ref(), country),
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

fn owner(owner: Option<&User>, country: Option<&str>) -> Value {
    json!({
        "name": owner.map(|owner| &owner.name),
        "title": owner.and_then(|owner| owner.title.as_ref()),
        "phone": written(owner.and_then(|owner| owner.phone.as_ref()), country),
        "email": owner.map(|owner| owner.email.as_str()),
    })
}

fn brand(sender: &Sender, country: Option<&str>) -> Value {
    json!({
        "name": sender.legal_name,
        "title": null,
        "phone": written(sender.phone.as_ref(), country),
        "email": sender.reply_to.as_ref().unwrap_or(&sender.from).as_str(),
    })
}

fn written(number: Option<&PhoneNumber>, country: Option<&str>) -> Option<String> {
    number.map(|number| number.written_in(country))
}
