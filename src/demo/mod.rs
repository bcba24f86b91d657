//! The embedded world of the demo and the tests: peers that answer by a script.
//!
//! ```text
//! company (files, people) -> the stages, as everywhere
//! deliver -> mail_server, fax_gateway -> world (who answers what, and when) -> inbox, opt-out page
//! rows    -> story (the transcript), pages (in the browser)
//! ```
//!
//! The stages do not know that they are in it: `cli` puts both together. Nothing
//! here reaches further than this machine's own loopback.

pub mod company;
pub mod fax_gateway;
pub mod mail_server;
pub mod pages;
pub mod story;
pub mod world;
