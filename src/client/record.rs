//! One client's record: found by what a person types, gathered whole.
//!
//! It only reads. The command and the pages show a [`Record`]; an [`Export`] is all
//! that is held about a person, for whoever asks by right (GDPR, articles 15 and 20).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::why;
use crate::model::address::PhoneNumber;
use crate::model::consent::Consent;
use crate::model::id::{ContactId, DeliveryId};
use crate::store::{
    AttemptRow, ChangeRow, Client, DeliveryRow, LetterGap, MembershipRow, PauseRow, PlanRow, PointRow, ResponseRow,
    Result, Store, SuppressionRow, TaskRow, TimelineRow,
};

/// What is known of a client and stands out now.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The person, the company and its manager.
    #[serde(flatten)]
    pub client: Client,
    /// The id in the system it was imported from.
    pub external_id: Option<String>,
    /// Where the person is reached, dead addresses too.
    pub points: Vec<PointRow>,
    /// What they allowed, withdrawn or not.
    pub consents: Vec<Consent>,
    /// What forbids to write, lifted or not.
    pub suppressions: Vec<SuppressionRow>,
    /// What waits.
    pub pauses: Vec<PauseRow>,
    /// They chose to get letters less often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub letter_gap: Option<LetterGap>,
    /// Their runs through campaigns.
    pub plans: Vec<PlanRow>,
    /// What people had or have to do.
    pub tasks: Vec<TaskRow>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineRow>,
}

/// Everything that is held about a person.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    /// When it was gathered.
    pub gathered_at: Timestamp,
    /// The record.
    #[serde(flatten)]
    pub record: Record,
    /// What campaigns decided about them, and what they looked at.
    pub memberships: Vec<MembershipRow>,
    /// What was or will be sent to them.
    pub deliveries: Vec<Sent>,
    /// What came back from them.
    pub responses: Vec<ResponseRow>,
    /// How their row changed.
    pub changes: Vec<ChangeRow>,
}

/// One thing that was or will be sent, with what it was made of and how it went.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: DeliveryRow,
    /// What the letter was made of, from its first try on.
    pub letter: Option<Value>,
    /// Its tries.
    pub attempts: Vec<AttemptRow>,
}

/// The contacts that `query` means best: by e-mail address, telephone or fax number as it
/// is written in `country`, id, external id, name or company.
///
/// # Errors
/// The database does not answer.
pub async fn find(store: &Store, country: &str, query: &str, limit: i64) -> Result<Vec<ContactId>> {
    let number = PhoneNumber::parse(query, Some(country)).ok();
    let by_number = match number.filter(|_| query.chars().any(|c| c.is_ascii_digit())) {
        Some(number) => store.find_contacts(number.as_str(), limit).await?,
        None => Vec::new(),
    };
    if by_number.is_empty() { store.find_contacts(query, limit).await } else { Ok(by_number) }
}

/// Gathers a contact's record.
///
/// # Errors
/// There is no such contact, or the database does not answer.
pub async fn load(store: &Store, contact: ContactId) -> Result<Record> {
    Ok(Record {
        client: store.get_client(contact).await?,
        external_id: store.find_external_id(contact).await?,
        points: store.points(contact).await?,
        consents: store.consents(contact).await?,
        suppressions: store.suppressions(contact).await?,
        pauses: store.pauses_over(contact).await?,
        letter_gap: store.letter_gaps(&[contact]).await?.remove(&contact),
        plans: store.plans_of(contact).await?,
        tasks: store.tasks(None, Some(contact)).await?,
        timeline: store.timeline(contact).await?,
    })
}

/// Gathers everything that is held about a contact.
///
/// # Errors
/// There is no such contact, or the database does not answer.
pub async fn export(store: &Store, contact: ContactId, now: Timestamp) -> Result<Export> {
    let record = load(store, contact).await?;
    let facts = why::load(store, contact, now).await?;
    let mut attempts: BTreeMap<DeliveryId, Vec<AttemptRow>> = facts.attempts;
    let sent = |delivery: DeliveryRow| Sent {
        letter: delivery.frozen.as_deref().and_then(|frozen| serde_json::from_str(frozen).ok()),
        attempts: attempts.remove(&delivery.id).unwrap_or_default(),
        delivery,
    };
    Ok(Export {
        gathered_at: now,
        record,
        memberships: facts.memberships,
        deliveries: facts.deliveries.into_iter().map(sent).collect(),
        responses: facts.responses,
        changes: facts.changes,
    })
}
