//! The words of the domain as types: no I/O, no async, no clock.
//!
//! Values are parsed at the edge into these types; inside the house nothing is
//! validated twice. The store writes them as rows, the stages decide over them.

pub mod account;
pub mod act;
pub mod address;
pub mod campaign;
pub mod consent;
pub mod contact;
pub mod delivery;
pub mod id;
pub mod lane;
pub mod language;
pub mod limit;
pub mod mistake;
pub mod plan;
pub mod response;
pub mod suppression;
pub mod task;
pub mod text;
pub mod token;
pub mod touchpoint;
pub mod turn;
pub mod user;
