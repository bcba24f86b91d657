//! From plan rows to delivery rows: what is due, when, and what comes after it.
//!
//! Reads plans and their deliveries, writes deliveries and the next step; sends
//! nothing. `deliver` takes it from there.
