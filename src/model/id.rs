//! Row ids: 64-bit integers below 2^53, an incarnation of the database in the
//! high bits and a counter below, so that an id that went out in a mail is never
//! given again, not even after a restored backup.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bits of the counter inside an id; the incarnation stands above them.
pub const COUNTER_BITS: u32 = 40;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }
    )+};
}

ids! {
    /// A company (account).
    AccountId,
    /// A person at a company.
    ContactId,
    /// One of the users: managers, marketers, the head.
    UserId,
    /// One applied version of a campaign.
    RevisionId,
    /// One contact's run through a campaign.
    PlanId,
    /// One thing we send.
    DeliveryId,
    /// One try at a delivery.
    AttemptId,
    /// One thing that came back.
    ResponseId,
    /// One thing a person has to do.
    TaskId,
    /// One import of clients.
    BatchId,
    /// One running daemon, from its start to its end: the fence of a claim.
    DaemonId,
}
