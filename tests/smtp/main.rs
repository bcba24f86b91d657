//! The SMTP session against a scripted server: what is known after each failure.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod app_support;
mod failures;
mod letters;
mod protection;
mod sessions;
mod stalls;
mod support;
mod tokens;
mod transactions;
