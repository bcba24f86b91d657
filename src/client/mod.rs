//! The client base: import, the record, the timeline, and why something was or was not sent.
//!
//! It reads and writes what is known of clients; it decides nothing about letters.
//! `cli` and `web` show what it gathers, `digest` and `respond` ask it too.

pub mod card;
pub mod import;
pub mod record;
pub mod say;
pub mod why;
