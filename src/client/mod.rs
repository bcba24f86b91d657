//! The client base: import, the record, the timeline, and why something was or was not sent.

pub mod import;
