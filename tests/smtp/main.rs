//! The SMTP session against a scripted server: what is known after each failure.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod failures;
mod protection;
mod support;
mod transactions;
