//! A mail that no campaign sends, so that no pause, window or law has a say in it.

use jiff::Timestamp;
use outreachd::model::address::{Address, EmailAddress};
use outreachd::model::delivery::Purpose;
use outreachd::store::NewDelivery;

/// A notice to `NAME@fyrljus.example`, due at `due_at`. Others of its kind are made from it.
pub fn notice(name: &str, due_at: Timestamp) -> NewDelivery {
    NewDelivery {
        key: format!("notice/{name}"),
        purpose: Purpose::Notice,
        address: Address::Email(EmailAddress::parse(&format!("{name}@fyrljus.example")).unwrap()),
        contact: None,
        user: None,
        plan: None,
        campaign: None,
        step: None,
        variant: None,
        revision: None,
        fallback: None,
        needs_consent: false,
        sender: "fyrljus".into(),
        lane: "email/main".into(),
        payload: Some(composed("Hej!")),
        due_at,
        not_after: None,
    }
}

/// What a notice says.
pub fn composed(text: &str) -> serde_json::Value {
    serde_json::json!({ "subject": "Till driften", "text": text, "html": null })
}
