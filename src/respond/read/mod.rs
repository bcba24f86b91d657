//! Reads one mail: what it is, about whom, and by which rule that was found.
//!
//! A pure function over bytes. Everything in a mail is hostile: sizes are capped,
//! nesting is cut, expressions run in linear time, and what is kept is tamed to
//! one line. It decides nothing about the record: `respond` correlates a
//! [`Reading`] with a delivery and applies it.

mod auto;
mod calendar_words;
mod daemon;
mod date;
mod dsn;
mod feedback;
mod fields;
mod fold;
mod html;
mod human;
mod mail;
mod note;
mod phrase;
mod reply;
mod returned;
mod signature;
mod when;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::model::response::ResponseKind;
use crate::model::text::tame;

use mail::Mail;
pub use reply::new_text;
pub use returned::Returned;

/// What one mail is.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Its own Message-ID, without angle brackets.
    pub message_id: Option<String>,
    /// The address in From.
    pub from: Option<String>,
    /// The name in From.
    pub from_name: Option<String>,
    /// The subject, decoded, on one line.
    pub subject: Option<String>,
    /// Its Date, which its sender chose.
    pub date: Option<Timestamp>,
    /// Ids it answers, without angle brackets: In-Reply-To first, then References.
    pub references: Vec<String>,
    /// Addresses it was sent to, where plus tokens stand: envelope-to,
    /// Delivered-To, X-Original-To, To, Cc.
    pub addressed_to: Vec<String>,
    /// What a report gives back of our own message.
    pub returned_headers: Returned,
    /// What was found, one for each recipient of a report; never empty.
    pub findings: Vec<Finding>,
}

/// One thing a mail says.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is.
    pub kind: ResponseKind,
    /// The address we sent to, where the mail names it.
    pub recipient: Option<String>,
    /// That address stood in Original-Recipient (or Original-Rcpt-To): it is ours,
    /// not one where forwarding ended.
    pub recipient_is_original: bool,
    /// The address it was forwarded to in the end, if another.
    pub final_recipient: Option<String>,
    /// The enhanced status (`5.1.1`).
    pub enhanced: Option<String>,
    /// What the server said, on one line.
    pub reason: Option<String>,
    /// How sure this is, 0 to 1.
    pub confidence: f32,
    /// Where it stands, and the rule that found it.
    pub evidence: Evidence,
    /// What the person wrote, without quotes and signature.
    pub new_text: Option<String>,
    /// The day they are back, or the day to come back at.
    pub until: Option<Date>,
    /// The address of someone else to ask.
    pub referred_to: Option<String>,
}

/// Where a finding stands in the mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// `headers`, `body`, or the media type of a part.
    pub part: String,
    /// The line in that part, from 1; 0 where a line says nothing.
    pub line: usize,
    /// The rule's name (`sv.interested.visit`, `dsn.failed: status 5.1.1`).
    pub rule: String,
    /// The words found.
    pub text: String,
}

impl Finding {
    /// A finding with nothing but its kind and its evidence.
    pub(crate) fn new(kind: ResponseKind, confidence: f32, evidence: Evidence) -> Self {
        Self {
            kind,
            recipient: None,
            recipient_is_original: false,
            final_recipient: None,
            enhanced: None,
            reason: None,
            confidence,
            evidence,
            new_text: None,
            until: None,
            referred_to: None,
        }
    }
}

impl Evidence {
    pub(crate) fn new(part: &str, line: usize, rule: impl Into<String>, text: &str) -> Self {
        Self { part: part.to_owned(), line, rule: tame(&rule.into()), text: one_line(text, 200) }
    }
}

/// Compiles every rule, so that the first mail is read as quickly as the others.
pub fn prepare() {
    let day = Date::constant(2027, 3, 1);
    read(b"From: a@b.example\r\n\r\non 1 March, 550 5.1.1 no such user", day);
    read(b"From: mailer-daemon@b.example\r\nSubject: Autosvar\r\n\r\n<a@b.example>: 550 no such user", day);
    when::return_date("1 March", day);
}

/// Reads a mail. `received` is the local day it came, from which "Thursday" or
/// "week 34" count. The first 4 MiB are read; a mail that cannot be parsed is
/// [`ResponseKind::Other`].
pub fn read(raw: &[u8], received: Date) -> Reading {
    let Some(mail) = Mail::parse(raw) else {
        let evidence = Evidence::new("headers", 0, "unreadable", "");
        return Reading::of(None, vec![Finding::new(ResponseKind::Other, 1.0, evidence)]);
    };
    let findings = feedback::read(&mail)
        .or_else(|| dsn::read(&mail))
        .or_else(|| dsn::read_disposition(&mail))
        .or_else(|| daemon::read(&mail))
        .or_else(|| feedback::read_informal(&mail))
        .or_else(|| auto::read_calendar(&mail))
        .or_else(|| human::read_mailto_opt_out(&mail))
        .or_else(|| auto::read(&mail, received))
        .unwrap_or_else(|| human::read(&mail, received));
    Reading::of(Some(&mail), findings)
}

impl Reading {
    fn of(mail: Option<&Mail<'_>>, findings: Vec<Finding>) -> Self {
        Self {
            message_id: mail.and_then(Mail::message_id),
            from: mail.and_then(Mail::sender),
            from_name: mail.and_then(Mail::sender_name),
            subject: mail.map(|mail| one_line(mail.subject(), 500)).filter(|subject| !subject.is_empty()),
            date: mail.and_then(Mail::date),
            references: mail.map(Mail::references).unwrap_or_default(),
            addressed_to: mail.map(Mail::addressed_to).unwrap_or_default(),
            returned_headers: mail.map(returned::find).unwrap_or_default(),
            findings,
        }
    }
}

/// `text` tamed to one line with single blanks, of at most `most` characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let head: String = text.chars().take(most * 4).collect();
    let folded = tame(&head).split_whitespace().collect::<Vec<_>>().join(" ");
    folded.chars().take(most).collect()
}
