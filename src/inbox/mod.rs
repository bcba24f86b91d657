//! The wire inwards: mailboxes that are read, never changed.
//!
//! An inbox yields raw messages with a stable key each; `respond` reads them.
