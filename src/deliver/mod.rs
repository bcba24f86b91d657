//! From delivery rows to the wire, and the result back: claim, render, hand off, finish.
//!
//! Never sends twice by itself and loses nothing in silence; see
//! [`crate::model::delivery::DeliveryState`] for the states it moves.
