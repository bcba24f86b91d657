//! SMTP submission to a relay: one session, one recipient a transaction.
//!
//! Why our own session and not lettre's, whose builder makes the message: everything
//! above this room rests on knowing, after a failure, whether the final dot can have
//! left. lettre's error cannot tell "dot not sent" from "reply lost"; its one timer
//! covers the connection and not the wait after the dot, where RFC 5321 wants seven;
//! its EHLO parser drops PIPELINING, SIZE and DSN, so we could neither save round trips
//! nor refuse an oversized letter before MAIL; its pool caps parked connections and not
//! active ones, has no limit of messages for each, and after a cancelled send reads
//! replies off by one. Its low-level connection would leave us all of that to write, and
//! a trace that logs AUTH. What is left of the protocol is small: commands out, replies
//! in, and a state that says which of the two comes next.
//!
//! The order is the caller's promise kept: [`Session::begin`] ends with the 354,
//! the caller commits its handoff, [`Session::body`] sends the letter and the dot.
//! Refused in between, [`Session::abandon`] closes without the dot, and the relay
//! must forget the transaction (RFC 5321 4.1.1.10).
//!
//! It must not retry, choose a relay or read a row; verdicts go to `deliver`.
//!
//! | file | idea |
//! |---|---|
//! | `connect` | from a relay's configuration to a session that is logged in |
//! | `session` | the transactions, and what is known after each failure |
//! | `wire`, `timers` | bytes with timers, replies with caps |
//! | `reply`, `offers`, `envelope`, `body` | the texts of the protocol, pure |
//! | `tls`, `login`, `error` | who is trusted, who we are, what to do about it |

mod body;
mod connect;
mod envelope;
mod error;
mod login;
mod offers;
mod reply;
mod session;
mod timers;
mod tls;
mod wire;

pub use body::Message;
pub use connect::Connector;
pub use envelope::Envelope;
pub use error::{ConnectError, SetupError};
pub use offers::Offers;
pub use session::Session;
pub use wire::WireError;
