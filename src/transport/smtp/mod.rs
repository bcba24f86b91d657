//! SMTP submission to a relay: one session, one recipient a transaction.
//!
//! Why our own session and not a library's: everything above this room rests on
//! knowing, after a failure, whether the final dot can have left. lettre's error
//! cannot tell "dot not sent" from "reply lost", its timer does not watch the
//! wait after the dot, and its EHLO parser drops PIPELINING, SIZE and DSN, so we
//! could neither save round trips nor refuse an oversized letter before MAIL.
//! What is left of the protocol is small: commands out, replies in, and a state
//! that says which of the two comes next.
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
//! | `wire` | bytes with timers, replies with caps |
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
mod tls;
mod wire;

pub use body::check_message;
pub use connect::Connector;
pub use envelope::Envelope;
pub use error::{ConnectError, SetupError};
pub use offers::Offers;
pub use session::Session;
pub use wire::WireError;
