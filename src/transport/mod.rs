//! The wire outwards: SMTP sessions and fax gateways.
//!
//! A transport moves bytes and says what it saw. It knows no plan, no client and
//! no database; `deliver` decides what a result means.

pub mod fax;
pub mod http;
