//! The wire outwards: SMTP sessions and fax gateways.
//!
//! A transport moves bytes and says what it saw. It knows no plan, no client and
//! no database; `deliver` decides what a [`Verdict`] means and writes it down.

pub mod fax;
pub mod smtp;

use std::fmt;

pub use crate::http;

/// What a server answered.
///
/// `text` may quote addresses: it belongs into rows and onto pages, never into a
/// log line. `Display` is the part that may be logged, the two codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The three digits, such as 250 or 451.
    pub code: u16,
    /// The enhanced status code of RFC 3463, such as `5.1.1`, where it agrees with `code`.
    /// A 5.1.x answer to MAIL is left out: it speaks of our address, not of the recipient's.
    pub enhanced: Option<String>,
    /// The whole reply, one line each, without control characters.
    pub text: String,
}

impl Reply {
    /// A refusal that was made here, before the server was asked.
    pub fn made_here(code: u16, enhanced: &str, why: &str) -> Self {
        Self { code, enhanced: Some(enhanced.to_owned()), text: format!("{code} {enhanced} not sent: {why}") }
    }

    /// 2xx: the server took it.
    pub fn is_success(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4xx: the same may be tried again later.
    pub fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5xx: the same would be refused again.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.enhanced {
            Some(enhanced) => write!(f, "{} {enhanced}", self.code),
            None => write!(f, "{}", self.code),
        }
    }
}

/// How one handing-over ended, as far as this side of the wire can know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server answered 2xx: the message is its own now.
    Accepted(Reply),
    /// The server answered 4xx: it has not taken it, later it may.
    Retry(Reply),
    /// The server answered 5xx (or we would not ask it): it has not taken it and will not.
    Rejected(Reply),
    /// No answer, and provably not handed over: the end of the message never left.
    NotSent(String),
    /// No answer, and the end of the message may have left: it may have been taken.
    Uncertain(String),
}
