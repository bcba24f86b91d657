//! What a report gives back of our own message: its ids, and nothing else.
//!
//! Addresses in a returned message are not looked at: they may be anybody's.

use super::fields::Fields;
use super::mail::{Mail, ids};

/// Names by which a report can be tied to the delivery it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returned {
    /// The Message-ID of the returned message, without angle brackets.
    pub message_id: Option<String>,
    /// The value of its X-Outreachd-Delivery header.
    pub delivery: Option<String>,
    /// Original-Envelope-Id (RFC 3464 2.2.1): what we gave as ENVID.
    pub envelope_id: Option<String>,
}

/// Media types that hold a returned message or its headers.
const RETURNED: [&str; 6] = [
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/global-headers",
    "text/rfc822",
    "message/partial",
];

/// Finds what is returned, in parts of their own or behind the words of a
/// server that knows no parts.
pub(super) fn find(mail: &Mail<'_>) -> Returned {
    let mut found = Returned::default();
    for part in mail.parts_of(&RETURNED) {
        found.take(&Fields::parse(&part.text));
    }
    for part in mail.parts_of(&["message/delivery-status", "message/global-delivery-status"]) {
        let blocks = Fields::blocks(&part.text);
        let id = blocks.iter().find_map(|block| block.value("original-envelope-id"));
        found.envelope_id = found.envelope_id.or_else(|| id.map(ToOwned::to_owned));
    }
    for part in mail.parts_of(&["message/disposition-notification", "message/feedback-report"]) {
        let fields = Fields::parse(&part.text);
        let id = fields.value("original-message-id").and_then(|value| ids(value).next());
        found.message_id = found.message_id.or(id);
    }
    if found.message_id.is_none() && found.delivery.is_none() {
        let body = mail.body();
        found.take(&fields_in_text(&body));
    }
    found
}

impl Returned {
    fn take(&mut self, fields: &Fields) {
        if self.message_id.is_none() {
            self.message_id = fields.value("message-id").and_then(|value| ids(value).next());
        }
        if self.delivery.is_none() {
            self.delivery = fields.value("x-outreachd-delivery").map(ToOwned::to_owned);
        }
    }
}

/// The two headers we look for, standing in plain text (quoted or not).
fn fields_in_text(body: &str) -> Fields {
    let mut fields = Fields::default();
    for (at, line) in body.lines().enumerate() {
        let line = line.trim_start_matches(['>', '|', ' ', '\t']);
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("message-id") || name.eq_ignore_ascii_case("x-outreachd-delivery") {
            fields.push(name, value, at + 1);
        }
    }
    fields
}
