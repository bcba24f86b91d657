//! Faxes through an HTTP gateway: what we hand over, and what we hear about it.
//!
//! Today's gateway is Sinch Fax v3, behind types that name no gateway. None of
//! the gateways has an idempotency key, so the promise rests on three things:
//! a [`Submission`] says honestly whether the document may have been taken,
//! every fax carries our own reference, and [`Gateway::find`] looks one up by it.
//!
//! It decides nothing: `deliver` moves the delivery, `policy::fax_retry` says
//! when to try again.

mod callback;
mod classify;
mod gateway;
mod wire;

use jiff::Timestamp;

use crate::config::SecretError;
use crate::model::address::PhoneNumber;
use crate::model::response::FaxResult;

use super::http::HttpError;

pub use callback::read_callback;
pub use classify::classify;
pub use gateway::Gateway;

/// One fax to hand over.
#[derive(Clone, Copy, Debug)]
pub struct FaxJob<'a> {
    /// Where it goes.
    pub to: &'a PhoneNumber,
    /// Where it comes from, if not from the gateway's default number.
    pub from: Option<&'a PhoneNumber>,
    /// The line at the top of each page; cut to 50 characters.
    pub header_text: &'a str,
    /// Our own name for this try, by which it is found again: unique per handoff.
    pub reference: &'a str,
    /// The document.
    pub pdf: &'a [u8],
    /// Where the gateway says how it ended, if it shall.
    pub callback_url: Option<&'a str>,
}

/// What became of handing a fax over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// The gateway has it.
    Submitted {
        /// The gateway's name for it.
        gateway_id: String,
    },
    /// No connection: it provably did not leave. It may be tried again.
    NotSent(String),
    /// The gateway answered that it did not take it and may later.
    Retry(String),
    /// The gateway refused it for good.
    Refused {
        /// In the gateway's words.
        reason: String,
        /// What kind of end that is.
        kind: FaxResult,
    },
    /// It may have been taken: a time-out, a reset or a 5xx after bytes left.
    /// Look it up; never hand it over again by itself.
    Uncertain(String),
}

/// How far a fax has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaxProgress {
    /// The gateway has it and has not dialled.
    Queued,
    /// The gateway is at it.
    Sending,
    /// It ended; nothing moves it any more.
    Ended(FaxResult),
}

/// What the gateway says about a fax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaxStatus {
    /// The gateway's name for it.
    pub gateway_id: String,
    /// Our own name for it, if it carries one.
    pub reference: Option<String>,
    /// How far it has come.
    pub progress: FaxProgress,
    /// Pages that arrived.
    pub pages_sent: u32,
    /// The gateway's number for how it failed.
    pub error_code: Option<i64>,
    /// How it failed in the gateway's words, on one line, numbers masked; may be empty.
    pub detail: String,
    /// What it cost, amount and currency, once known.
    pub price: Option<String>,
    /// When the gateway took it.
    pub created_at: Option<Timestamp>,
}

/// Why the gateway's word cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FaxError {
    /// The base URL would send the key in the clear, or has a key in it.
    #[error("[fax] base_url `{0}` must be an https URL without a user name (http only to this machine)")]
    BaseUrl(String),
    /// The key's secret cannot be had.
    #[error("cannot read [fax] secret: {0}")]
    Secret(#[from] SecretError),
    /// No answer.
    #[error("cannot ask the fax gateway: {0}")]
    Http(#[from] HttpError),
    /// The gateway does not know the key.
    #[error("the fax gateway refuses key `{key}` ({status}); check [fax] key, secret and the project in base_url")]
    Key {
        /// The key's name.
        key: String,
        /// 401 or 403.
        status: u16,
    },
    /// The gateway does not know the fax.
    #[error("the fax gateway knows no such fax")]
    Unknown,
    /// The gateway answered with an error.
    #[error("the fax gateway answered {status}: {reason}")]
    Status {
        /// The status code.
        status: u16,
        /// In the gateway's words.
        reason: String,
    },
    /// The answer is not of the gateway's shape.
    #[error("cannot read the fax gateway's word: {0}")]
    Unreadable(String),
    /// A callback of a fax that came in.
    #[error("the callback is of a fax that came in, not of one we sent")]
    Incoming,
    /// There are more faxes to the number than one page of the list holds.
    #[error("the gateway's list of faxes to this number is cut off, so nothing follows from it; look it up by hand")]
    CutOff,
}
