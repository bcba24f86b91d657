//! Opting out: the one way in which a contact stops all our marketing.
//!
//! It suppresses first and asks nothing (GDPR Art. 21(3) is absolute): the person
//! on every channel and the address, every plan, every consent, in the transaction
//! that logs the response. `web` calls it for the link in a letter, the mailbox's
//! reader for the unsubscribe address and for words in a reply. Beside it stands the
//! milder choice of the letter's page: letters less often, in every campaign.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::model::act::Act;
use crate::model::address::Channel;
use crate::model::delivery::Purpose;
use crate::model::id::{ContactId, DeliveryId, ResponseId};
use crate::model::plan::StopReason;
use crate::model::response::{OptOut, ResponseKind};
use crate::model::suppression::{Reason, Scope};
use crate::model::touchpoint::Direction;
use crate::store::{Consequence, DeliveryRow, LoggedResponse, OptOutStanding, Store, StoreError};

/// How long the page offers to take an opt-out, or a choice, back. A letter is forwarded and
/// filed, so whoever holds its link later must not be able to start it again.
const UNDO: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Who chose to get letters less often gets at most one in so many days.
pub const LESS_OFTEN_DAYS: i64 = 90;

/// Why an opt-out could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum OptOutError {
    /// The delivery is not in this database.
    #[error("there is no delivery {0} to opt out of")]
    Absent(DeliveryId),
    /// The store failed.
    #[error("cannot record the opt-out: {0}")]
    Store(StoreError),
}

impl From<StoreError> for OptOutError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What an opt-out found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptedOut {
    /// Who gets nothing any more; nobody, where the letter was a test.
    pub contact: Option<ContactId>,
    /// It changed something; a repeat does not.
    pub new: bool,
}

/// One letter and how its recipient's opt-out stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The delivery.
    pub delivery: DeliveryRow,
    /// Its recipient, where it is a client's letter and no test.
    pub contact: Option<ContactId>,
    /// They opted out, by this letter or another.
    pub opted_out: bool,
    /// The response whose opt-out the letter's page may still take back.
    pub undo: Option<ResponseId>,
    /// They chose to get letters less often: at most one in so many days.
    pub gap_days: Option<i64>,
    /// The letter's page may still take that choice back.
    pub undo_gap: bool,
    logged: i64,
}

/// Looks at the letter that an opt-out link belongs to; changes nothing.
///
/// # Errors
/// There is no such delivery, or the database does not answer.
pub async fn find_letter(store: &Store, delivery: DeliveryId, now: Timestamp) -> Result<Letter, OptOutError> {
    let row = store.get_delivery(delivery).await.map_err(|error| match error {
        StoreError::Absent { .. } => OptOutError::Absent(delivery),
        other => other.into(),
    })?;
    // A test message carries a client's data to one of us: its link must not stop the client.
    let contact = row.contact.filter(|_| row.purpose == Purpose::Campaign);
    let Some(contact) = contact else {
        let (opted_out, undo, gap_days, undo_gap, logged) = (false, None, None, false, 0);
        return Ok(Letter { delivery: row, contact: None, opted_out, undo, gap_days, undo_gap, logged });
    };
    let OptOutStanding { logged, suppressed, by_page } =
        store.opt_out_standing(contact, delivery, &key_prefix(delivery)).await?;
    let undo = by_page.filter(|(_, at)| now.duration_since(*at) <= UNDO).map(|(response, _)| response);
    let gap = store.letter_gaps(&[contact]).await?.remove(&contact);
    let undo_gap = gap.is_some_and(|gap| gap.delivery == delivery && now.duration_since(gap.at) <= UNDO);
    let gap_days = gap.map(|gap| gap.days);
    Ok(Letter { delivery: row, contact: Some(contact), opted_out: suppressed, undo, gap_days, undo_gap, logged })
}

/// Records that the recipient of a delivery opted out, and stops everything to them at once.
/// A repeat changes nothing, however it reaches us.
///
/// # Errors
/// There is no such delivery, or the database does not answer; then nothing changed.
pub async fn opt_out(
    store: &Store,
    act: &Act,
    delivery: DeliveryId,
    how: OptOut,
    received_at: Timestamp,
) -> Result<OptedOut, OptOutError> {
    let letter = find_letter(store, delivery, act.at).await?;
    let Some(contact) = letter.contact else { return Ok(OptedOut { contact: None, new: false }) };
    if letter.opted_out && letter.logged > 0 {
        return Ok(OptedOut { contact: Some(contact), new: false });
    }
    let row = letter.delivery;
    let id = store.new_response_id().await?;
    let response = LoggedResponse {
        id,
        source: source(how, row.channel),
        // Counted, not constant: after a suppression was lifted the same link must stop them again.
        // Two at the same time count the same, and one of them finds its key taken.
        source_key: format!("{}{}", key_prefix(delivery), letter.logged),
        kind: ResponseKind::OptOut(how),
        delivery: Some(delivery),
        plan: row.plan,
        contact: Some(contact),
        recipient: Some(row.address.to_lowercase()),
        tie: Some("token".to_owned()),
        confidence: 1.0,
        enhanced: None,
        reason: None,
        evidence: json!({ "rule": "opt_out.link" }),
        new_text: None,
        until: None,
        raw: None,
        review: false,
        received_at,
        consequences: consequences(id, contact, Some(delivery), Some((row.channel, &row.address)), how, summary(how)),
    };
    let news = store.log_responses(act, None, std::slice::from_ref(&response)).await?;
    Ok(OptedOut { contact: Some(contact), new: news == [true] })
}

/// Takes back the opt-out that a letter's own page made, if it did so a short while ago.
/// What it stopped stays stopped, and consents stay withdrawn; says whether it was lifted.
///
/// # Errors
/// There is no such delivery, or the database does not answer; then nothing changed.
pub async fn undo(store: &Store, act: &Act, delivery: DeliveryId) -> Result<bool, OptOutError> {
    let letter = find_letter(store, delivery, act.at).await?;
    let (Some(contact), Some(response)) = (letter.contact, letter.undo) else { return Ok(false) };
    let touch = touch(&letter.delivery, contact, "opt_out.undone", "took the opt-out back on its page", Some(response));
    Ok(store.lift_suppressions(act, response, &[touch]).await? > 0)
}

/// Keeps that the recipient of a delivery wants letters less often, in every campaign, from
/// now on. Who has opted out stays so: nothing is taken back by it. Says whether it is new.
///
/// # Errors
/// There is no such delivery, or the database does not answer; then nothing changed.
pub async fn less_often(store: &Store, act: &Act, delivery: DeliveryId) -> Result<bool, OptOutError> {
    let letter = find_letter(store, delivery, act.at).await?;
    let Some(contact) = letter.contact else { return Ok(false) };
    let words = format!("chose at most one letter in {LESS_OFTEN_DAYS} days, on the letter's page");
    let touch = touch(&letter.delivery, contact, "less_often", &words, None);
    Ok(store.keep_letter_gap(act, (contact, delivery), LESS_OFTEN_DAYS, &[touch]).await?)
}

/// Takes back that choice, if this letter's own page made it a short while ago. What was put
/// off keeps its later date. Says whether there was one.
///
/// # Errors
/// There is no such delivery, or the database does not answer; then nothing changed.
pub async fn as_before(store: &Store, act: &Act, delivery: DeliveryId) -> Result<bool, OptOutError> {
    let letter = find_letter(store, delivery, act.at).await?;
    let Some(contact) = letter.contact else { return Ok(false) };
    let since = act.at.checked_sub(UNDO).unwrap_or(Timestamp::MIN);
    let words = "took back the choice of fewer letters, on the letter's page";
    let touch = touch(&letter.delivery, contact, "less_often.undone", words, None);
    Ok(store.drop_letter_gap(act, (contact, delivery), since, &[touch]).await?)
}

/// A line in the timeline about what a letter's page did.
fn touch(
    letter: &DeliveryRow,
    contact: ContactId,
    kind: &str,
    words: &str,
    response: Option<ResponseId>,
) -> Consequence {
    Consequence::Touch {
        contact,
        direction: Direction::In,
        channel: letter.channel,
        kind: kind.to_owned(),
        summary: words.to_owned(),
        delivery: Some(letter.id),
        response,
    }
}

/// What an opt-out of `contact` changes, however it came; `address` is where the letter went,
/// `words` is its line in the timeline.
pub fn consequences(
    response: ResponseId,
    contact: ContactId,
    delivery: Option<DeliveryId>,
    address: Option<(Channel, &str)>,
    how: OptOut,
    words: &str,
) -> Vec<Consequence> {
    let mut changes = objection(contact, Reason::OptOut, response);
    // The address too: the same mailbox may stand on a second contact, or come in again as one.
    changes.extend(address.map(|(_, address)| Consequence::Suppress {
        scope: Scope::Address,
        value: address.to_lowercase(),
        reason: Reason::OptOut,
        response: Some(response),
    }));
    changes.push(Consequence::Touch {
        contact,
        direction: Direction::In,
        channel: address.map_or(Channel::Email, |(channel, _)| channel),
        kind: ResponseKind::OptOut(how).name(),
        summary: words.to_owned(),
        delivery,
        response: Some(response),
    });
    changes
}

/// What every objection of a person changes (GDPR Art. 21(3)): nothing goes to them any more.
pub(super) fn objection(contact: ContactId, reason: Reason, response: ResponseId) -> Vec<Consequence> {
    vec![
        Consequence::Suppress { scope: Scope::Contact, value: contact.to_string(), reason, response: Some(response) },
        Consequence::StopPlans { contact, reason: StopReason::OptOut },
        Consequence::WithdrawConsents { contact },
    ]
}

fn key_prefix(delivery: DeliveryId) -> String {
    format!("opt_out/{delivery}/")
}

fn source(how: OptOut, channel: Channel) -> &'static str {
    match (how, channel) {
        (OptOut::OneClick | OptOut::Page, _) => "web",
        (OptOut::InReply, Channel::Fax) => "fax",
        (OptOut::Mailto | OptOut::InReply, _) => "mail",
    }
}

fn summary(how: OptOut) -> &'static str {
    match how {
        OptOut::Mailto => "opted out by the unsubscribe address",
        OptOut::OneClick => "opted out by one click",
        OptOut::Page => "opted out on the letter's page",
        OptOut::InReply => "opted out in a reply",
    }
}
