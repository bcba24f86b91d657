//! What a batch of claimed deliveries is made from, read in a few statements.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use jiff::Timestamp;

use super::decide::Surroundings;
use super::editions::Edition;
use super::letter::Materials;
use super::{Deliver, DeliverError};
use crate::model::id::{ContactId, PlanId, RevisionId};
use crate::store::{Claimed, Client, StoreError};

/// Clients, editions and threads of a batch; shared by its letters.
pub(super) struct Batch {
    clients: HashMap<ContactId, Client>,
    editions: HashMap<RevisionId, Arc<Edition>>,
    threads: HashMap<PlanId, Vec<(String, String)>>,
}

impl Batch {
    pub(super) async fn read(deliver: &Deliver, claimed: &[Claimed]) -> Result<Self, DeliverError> {
        let contacts: Vec<_> = claimed.iter().filter_map(|one| one.row.contact).collect();
        let clients = deliver.store.clients(&contacts).await?;
        let plans: Vec<_> = claimed.iter().filter_map(|one| one.row.plan).collect();
        let mut threads: HashMap<PlanId, Vec<_>> = HashMap::new();
        for (plan, message_id, frozen) in deliver.store.threads(&plans).await? {
            threads.entry(plan).or_default().push((message_id, frozen));
        }
        Ok(Self {
            clients: clients.into_iter().map(|client| (client.contact.id, client)).collect(),
            editions: editions(deliver, claimed).await?,
            threads,
        })
    }

    pub(super) fn materials<'a>(&'a self, deliver: &'a Deliver, claimed: &'a Claimed, now: Timestamp) -> Materials<'a> {
        Materials {
            config: &deliver.config,
            keys: &deliver.keys,
            signers: &deliver.signers,
            claimed,
            client: claimed.row.contact.and_then(|id| self.clients.get(&id)),
            edition: claimed.row.revision.and_then(|id| self.editions.get(&id)).map(Arc::as_ref),
            thread: claimed.row.plan.and_then(|id| self.threads.get(&id)).map_or(&[], Vec::as_slice),
            now,
        }
    }

    pub(super) fn around<'a>(&'a self, deliver: &Deliver, claimed: &Claimed, now: Timestamp) -> Surroundings<'a> {
        let edition = claimed.row.revision.and_then(|id| self.editions.get(&id));
        Surroundings {
            campaign: edition.map(|edition| &edition.revision.campaign),
            client: claimed.row.contact.and_then(|id| self.clients.get(&id)),
            max_tries: deliver.config.limits.attempts,
            now,
        }
    }
}

async fn editions(deliver: &Deliver, claimed: &[Claimed]) -> Result<HashMap<RevisionId, Arc<Edition>>, DeliverError> {
    let mut editions = HashMap::new();
    for id in claimed.iter().filter_map(|one| one.row.revision) {
        let Entry::Vacant(entry) = editions.entry(id) else { continue };
        match deliver.editions.get(&deliver.store, id).await {
            Ok(edition) => drop(entry.insert(edition)),
            // Its deliveries are held one by one, with the reason.
            Err(StoreError::Absent { what, key }) => {
                tracing::error!("revision {id} cannot be rendered, its letters are held: there is no {what} `{key}`");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(editions)
}
