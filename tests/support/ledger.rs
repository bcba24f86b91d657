//! What a session writes into the ledger, where no session runs.

use outreachd::model::id::{AttemptId, DeliveryId};
use outreachd::store::{AttemptState, Finish, Handoff};

/// A handoff to the relay `main`, of bytes that nobody renders.
pub fn handoff(delivery: DeliveryId) -> Handoff {
    Handoff {
        delivery,
        relay: "main".into(),
        frozen: "{}".into(),
        sha256: "00".into(),
        message_id: format!("{delivery}@fyrljus.example"),
    }
}

/// A result of that try, without a word of the relay's.
pub fn finish(delivery: DeliveryId, attempt: AttemptId, state: AttemptState) -> Finish {
    Finish {
        delivery,
        attempt: Some(attempt),
        relay: "main".into(),
        state,
        code: None,
        enhanced: None,
        reply: None,
        reason: None,
        due_at: None,
        not_after: None,
        gateway_id: None,
        consequences: Vec::new(),
    }
}
