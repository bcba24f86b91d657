//! Complaints: abuse reports (RFC 5965) and the kinds of providers that send
//! the spam itself instead.

use crate::model::response::ResponseKind;

use super::fields::{Fields, typed_address};
use super::mail::Mail;
use super::{Evidence, Finding, one_line};

/// Reads an abuse report.
pub(super) fn read(mail: &Mail<'_>) -> Option<Vec<Finding>> {
    let part = mail.parts_of(&["message/feedback-report"]).next()?;
    let fields = Fields::blocks(&part.text).into_iter().fold(Fields::default(), |mut all, block| {
        all.extend(&block);
        all
    });
    let feedback = fields.value("feedback-type").unwrap_or("abuse").to_ascii_lowercase();
    let line = fields.find("feedback-type").map_or(0, |field| field.line);
    let kind = match feedback.as_str() {
        "auth-failure" | "dkim" => ResponseKind::AuthFailure,
        // A complaint that was withdrawn.
        "not-spam" => ResponseKind::Other,
        // "opt-out" too (RFC 5965 7.3, withdrawn since): they pressed a button, not our link.
        _ => ResponseKind::Complaint,
    };
    let rule = format!("feedback.{}", one_line(&feedback, 20));
    let recipients: Vec<_> =
        ["original-rcpt-to", "removal-recipient"].into_iter().flat_map(|name| fields.all(name)).collect();
    let mut findings: Vec<Finding> = Vec::new();
    for address in recipients.into_iter().filter_map(typed_address).take(50) {
        if findings.iter().all(|known| known.recipient.as_ref() != Some(&address)) {
            let mut finding = Finding::new(kind, 0.99, Evidence::new(&part.media, line, rule.clone(), &feedback));
            finding.recipient = Some(address);
            finding.recipient_is_original = true;
            findings.push(finding);
        }
    }
    if findings.is_empty() {
        findings.push(Finding::new(kind, 0.95, Evidence::new(&part.media, line, rule, &feedback)));
    }
    Some(findings)
}

/// Subjects of providers that return the message without a report.
const SUBJECTS: [&str; 9] = [
    "complaint about message",
    "abuse report",
    "abuse complaint",
    "spam report",
    "spam complaint",
    "spam notification",
    "junk mail report",
    "feedback report",
    "feedback loop",
];

/// Reads a complaint that is no report: Hotmail's (X-HmXmrOriginalRecipient) and
/// those that say so in their subject and return the message.
pub(super) fn read_informal(mail: &Mail<'_>) -> Option<Vec<Finding>> {
    let nested = mail.parts_of(&["message/rfc822", "text/rfc822-headers"]).next()?;
    let inner = Fields::parse(&nested.text);
    let marked = inner.find("x-hmxmroriginalrecipient").or_else(|| mail.headers.find("x-hmxmroriginalrecipient"));
    let subject = mail.subject().to_lowercase();
    let says = SUBJECTS.into_iter().find(|words| subject.contains(words));
    let (rule, text) = match (marked, says) {
        (Some(field), _) => ("complaint.jmrp", field.value.as_str()),
        (None, Some(words)) => ("complaint.subject", words),
        (None, None) => return None,
    };
    let mut finding = Finding::new(ResponseKind::Complaint, 0.8, Evidence::new("headers", 0, rule, text));
    finding.recipient = marked.and_then(|field| typed_address(&field.value));
    Some(vec![finding])
}
