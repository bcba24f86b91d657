//! outreachd writes to a company's clients in their account manager's name, by
//! e-mail and by fax, and puts every answer on the client's record.
//!
//! # The map of the house
//!
//! Stages hand over through rows in the store, never by calling the next stage,
//! so each can crash, restart, run twice or run on another machine:
//!
//! ```text
//! campaigns/*.toml, templates -> campaign (check, plan, apply) -> revision rows, plan rows
//! plan rows     -> schedule -> delivery rows
//! delivery rows -> deliver  -> render -> transport (SMTP, fax gateway)
//! mailbox, webhooks, pages -> respond -> response rows, and what they change
//! everything    -> client (one record, one timeline) -> digest -> delivery rows to managers
//! relay's log, sent mail -> evidence -> uncertain deliveries, settled
//! results, complaints    -> guard    -> a pause of the campaign, tasks
//! recipients' domains, DNS -> mx      -> the lanes of what waits
//! ```
//!
//! | level | rooms | may import |
//! |---|---|---|
//! | L0 | [`model`], [`policy`], [`clock`] | `policy -> model` |
//! | L1 | [`config`], [`dns`], [`http`], [`oauth`], [`store`], [`transport`], [`inbox`] | L0; siblings only `config`, and `oauth -> http`, `transport -> http, oauth`, `inbox -> oauth` |
//! | L2 | [`campaign`], [`schedule`], [`render`], [`deliver`], [`respond`], [`client`], [`digest`], [`doctor`], [`evidence`], [`guard`], [`mx`] | L1; between stages only `campaign -> render`, `deliver -> render`, `respond -> client`, `digest -> client` |
//! | L3 | [`web`], [`demo`], [`app`], [`cli`] | everything below them |
//!
//! `tests/architecture.rs` holds the `use crate::` lines against this table.
//!
//! # Invariants
//!
//! - Only [`store`] knows SQL, and no transaction crosses its face.
//! - A message's first body byte leaves after its handoff is committed, and its
//!   result is committed with or before the session's next handoff.
//! - Every delivery ends accepted, rejected, not sent or uncertain; an uncertain
//!   one is never sent again by the program itself, unless the company wrote so.
//! - Domain time is a parameter; only [`clock`] reads a clock.

pub mod app;
pub mod campaign;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod deliver;
pub mod demo;
pub mod digest;
pub mod dns;
pub mod doctor;
pub mod evidence;
pub mod guard;
pub mod http;
pub mod inbox;
pub mod model;
pub mod mx;
pub mod oauth;
pub mod policy;
pub mod render;
pub mod respond;
pub mod schedule;
pub mod store;
pub mod telemetry;
pub mod transport;
pub mod web;
