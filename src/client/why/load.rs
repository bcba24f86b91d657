//! Gathers every row that speaks of one contact.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Facts;
use crate::model::id::ContactId;
use crate::store::{DeliveryFilter, Result, Store};

/// More letters to one person than anyone should ever send.
const MOST: i64 = 10_000;

/// Reads the facts about a contact as they stand at `now`.
///
/// # Errors
/// There is no such contact, or the database does not answer.
pub async fn load(store: &Store, contact: ContactId, now: Timestamp) -> Result<Facts> {
    let client = store.get_client(contact).await?;
    let memberships = store.memberships(Some(contact), None).await?;
    let plans = store.plans_of(contact).await?;
    let filter = DeliveryFilter { contact: Some(contact), ..Default::default() };
    let deliveries = store.deliveries(&filter, MOST).await?;
    let (mut attempts, mut resolved) = (BTreeMap::new(), BTreeMap::new());
    for row in &deliveries {
        if row.tries > 0 {
            attempts.insert(row.id, store.attempts(row.id).await?);
        }
        let changes = store.changes("delivery", &row.id.to_string()).await?;
        if !changes.is_empty() {
            resolved.insert(row.id, changes);
        }
    }
    let named = memberships.iter().map(|row| row.revision).chain(plans.iter().map(|plan| plan.revision));
    let mut revisions = BTreeMap::new();
    for id in named.collect::<BTreeSet<_>>() {
        revisions.insert(id, store.get_revision(id).await?);
    }
    Ok(Facts {
        now,
        client,
        users: store.users().await?,
        memberships,
        plans,
        revisions,
        running: store.running().await?,
        deliveries,
        attempts,
        resolved,
        responses: store.responses(Some(contact), None, MOST).await?,
        tasks: store.tasks(None, Some(contact)).await?,
        suppressions: store.suppressions(contact).await?,
        pauses: store.pauses_over(contact).await?,
        letter_gap: store.letter_gaps(&[contact]).await?.remove(&contact),
        changes: store.changes("contact", &contact.to_string()).await?,
    })
}
