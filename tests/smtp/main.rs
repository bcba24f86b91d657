//! The SMTP session against a scripted server: what is known after each failure.

mod failures;
mod protection;
mod support;
mod transactions;
