//! A composed digest as a delivery: its link, and the row that `deliver` sends.

use jiff::Timestamp;
use serde_json::json;

use super::{Digest, DigestError};
use crate::config::Config;
use crate::model::address::Address;
use crate::model::delivery::Purpose;
use crate::model::lane::Stream;
use crate::model::token::{TokenKeys, TokenPurpose};
use crate::model::user::User;
use crate::store::NewDelivery;

/// The page of a user's newest digest.
pub fn link(config: &Config, keys: &TokenKeys, user: &User) -> String {
    let token = keys.sign(TokenPurpose::Digest, user.id.0);
    format!("{}/d/{token}", config.web.public_url.trim_end_matches('/'))
}

/// The delivery of `digest` to `user`, by the default sender's relay; `key` makes it the only one.
///
/// # Errors
/// The configuration has no sender, or no relay for it.
pub fn delivery(
    config: &Config,
    user: &User,
    digest: &Digest,
    key: String,
    purpose: Purpose,
    due_at: Timestamp,
) -> Result<NewDelivery, DigestError> {
    let sender = config.find_sender(None).ok_or(DigestError::NoSender)?;
    let relay = config.find_relay(sender).ok_or(DigestError::NoRelay)?;
    Ok(NewDelivery {
        key,
        purpose,
        address: Address::Email(user.email.clone()),
        contact: None,
        user: Some(user.id),
        plan: None,
        campaign: None,
        step: None,
        variant: None,
        revision: None,
        fallback: None,
        needs_consent: false,
        sender: sender.id.clone(),
        lane: config.mail_lane(sender, relay, Stream::of(None, purpose), user.email.domain()).to_string(),
        payload: Some(json!({ "subject": digest.subject, "text": digest.text, "html": digest.html })),
        due_at,
        not_after: None,
    })
}
