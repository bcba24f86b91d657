//! Compiled revisions: each is read and compiled once, then shared.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::model::id::RevisionId;
use crate::render::{Renderer, TemplateSet};
use crate::store::{AppliedRevision, Store, StoreError};

/// Revisions kept at most; the oldest go when there are more.
const KEPT: usize = 64;

/// One revision, ready to render.
pub(super) struct Edition {
    pub(super) revision: AppliedRevision,
    pub(super) renderer: Renderer,
}

#[derive(Default)]
pub(super) struct Editions(Mutex<HashMap<RevisionId, Arc<Edition>>>);

impl Editions {
    /// The edition of a revision. A revision whose templates no longer compile is a defect of
    /// the program that applied it; it is reported as absent.
    pub(super) async fn get(&self, store: &Store, id: RevisionId) -> Result<Arc<Edition>, StoreError> {
        let mut kept = self.0.lock().await;
        if let Some(edition) = kept.get(&id) {
            return Ok(Arc::clone(edition));
        }
        let revision = store.get_revision(id).await?;
        let texts = store.template_texts(&revision).await?;
        let mut set = TemplateSet::from_map(texts);
        let listed = set.listed();
        let hashes: Vec<_> = listed.iter().map(|(_, hash)| hash.as_str()).collect();
        let stored = store.files(&hashes).await?;
        set.add_stored(&stored).map_err(|name| StoreError::Absent { what: "whole file", key: name })?;
        let renderer = Renderer::new(&set).map_err(|mistakes| StoreError::Absent {
            what: "readable template",
            key: mistakes.first().map_or_else(String::new, |m| m.template.clone()),
        })?;
        let edition = Arc::new(Edition { revision, renderer });
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(id, Arc::clone(&edition));
        Ok(edition)
    }
}
