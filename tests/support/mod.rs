//! What the test programs share; each takes it in by
//! `#[path = "support/mod.rs"] mod support;` or, beside it, `mod support;`.
//!
//! Nothing here may sleep or reach outside the loopback interface.
#![allow(clippy::unwrap_used, reason = "a helper of a test may panic")]
#![allow(dead_code, reason = "each test program uses a part, so an expectation would fail in one that uses all")]

pub mod app;
pub mod daemon;
pub mod databases;
pub mod gate;
pub mod identity;
pub mod names;
pub mod proxy;
pub mod services;
