//! `timeouts = { ... }` of a relay: how long each answer is waited for.

use super::value::Value;

/// Seconds to wait in each phase of an SMTP session. The defaults are the least that
/// RFC 5321 4.5.3.2 asks for; a short `dot_s` makes duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection and the 220.
    pub greeting_s: u64,
    /// For the answers to EHLO, STARTTLS, AUTH and RSET, and for TLS to begin.
    pub command_s: u64,
    /// For the answer to MAIL.
    pub mail_s: u64,
    /// For the answer to RCPT.
    pub recipient_s: u64,
    /// For the 354.
    pub data_s: u64,
    /// For each block of the letter to leave.
    pub block_s: u64,
    /// For the answer to the final dot.
    pub dot_s: u64,
}

const KEYS: [&str; 7] = ["greeting_s", "command_s", "mail_s", "recipient_s", "data_s", "block_s", "dot_s"];

impl Default for Timeouts {
    fn default() -> Self {
        Self { greeting_s: 300, command_s: 300, mail_s: 300, recipient_s: 300, data_s: 120, block_s: 180, dot_s: 600 }
    }
}

impl Timeouts {
    /// The same time for each phase.
    pub fn all(seconds: u64) -> Self {
        Self {
            greeting_s: seconds,
            command_s: seconds,
            mail_s: seconds,
            recipient_s: seconds,
            data_s: seconds,
            block_s: seconds,
            dot_s: seconds,
        }
    }
}

pub(super) fn read_timeouts(value: Option<Value<'_>>) -> Option<Timeouts> {
    let usual = Timeouts::default();
    let Some(value) = value else { return Some(usual) };
    let mut table = value.table("timeouts", &KEYS)?;
    let mut seconds = |key, usual| table.take(key).map_or(Some(usual), |value| value.integer(1..=3600));
    let greeting = seconds("greeting_s", usual.greeting_s);
    let command = seconds("command_s", usual.command_s);
    let mail = seconds("mail_s", usual.mail_s);
    let recipient = seconds("recipient_s", usual.recipient_s);
    let data = seconds("data_s", usual.data_s);
    let block = seconds("block_s", usual.block_s);
    let dot = seconds("dot_s", usual.dot_s);
    Some(Timeouts {
        greeting_s: greeting?,
        command_s: command?,
        mail_s: mail?,
        recipient_s: recipient?,
        data_s: data?,
        block_s: block?,
        dot_s: dot?,
    })
}
