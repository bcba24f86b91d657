//! From what comes back to the client's record: parse, classify, correlate, apply.
//!
//! A response and all its consequences are one transaction of the store.

pub mod opt_out;
pub mod read;
