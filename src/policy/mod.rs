//! Rules that decide, without touching anything: windows, holidays, law, caps,
//! lateness, retries.
//!
//! Every function is pure; time and chance are parameters.

pub mod bounce;
