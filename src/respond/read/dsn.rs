//! Delivery status notifications (RFC 3464) and disposition notifications (RFC 8098).
//!
//! Every recipient block is a finding. Why it failed is the words of the server
//! first, then the status.

use std::sync::LazyLock;

use regex::Regex;

use crate::model::response::{Bounce, ResponseKind};
use crate::policy::bounce;

use super::fields::{Fields, typed_address};
use super::mail::Mail;
use super::{Evidence, Finding, daemon, one_line};

const STATUS_PARTS: [&str; 2] = ["message/delivery-status", "message/global-delivery-status"];
const DISPOSITION_PARTS: [&str; 2] = ["message/disposition-notification", "message/global-disposition-notification"];

/// Reads a delivery status notification, the part's own container or not.
pub(super) fn read(mail: &Mail<'_>) -> Option<Vec<Finding>> {
    let part = mail.parts_of(&STATUS_PARTS).next()?;
    let blocks = recipient_blocks(&part.text);
    let mut findings: Vec<Finding> =
        blocks.iter().filter_map(|block| finding_of(block, &part.media, mail)).take(200).collect();
    fill_recipients(&mut findings, mail);
    findings.dedup_by(|b, a| a.kind == b.kind && a.recipient == b.recipient);
    match findings.is_empty() {
        // A status part that says nothing: the words around it may.
        true => daemon::read(mail),
        false => Some(findings),
    }
}

/// Blocks about one recipient; what a server parted from its block by mistake is
/// joined to it again.
fn recipient_blocks(text: &str) -> Vec<Fields> {
    let mut kept: Vec<Fields> = Vec::new();
    for block in Fields::blocks(text) {
        let names_one = block.value("final-recipient").is_some() || block.value("original-recipient").is_some();
        let says = block.value("action").is_some() || block.value("status").is_some();
        if names_one || (says && kept.is_empty()) {
            kept.push(block);
        } else if let Some(last) = kept.last_mut().filter(|last| last.value("diagnostic-code").is_none()) {
            last.extend(&block);
        }
    }
    kept
}

fn finding_of(block: &Fields, media: &str, mail: &Mail<'_>) -> Option<Finding> {
    let status = block.value("status").and_then(find_status);
    let diagnostic = block.find("diagnostic-code").map(|field| untyped(&field.value)).unwrap_or_default();
    let action = block.value("action").and_then(|action| action.split_whitespace().next()).unwrap_or_default();
    let action = action.trim_end_matches([';', ',']).to_ascii_lowercase();
    let (kind, rule, enhanced) = match (action.as_str(), status.as_deref().and_then(|s| s.chars().next())) {
        ("delayed", _) => (ResponseKind::Delayed, "dsn.delayed".to_owned(), precise(status, &diagnostic)),
        ("delivered" | "relayed" | "expanded", _) | ("", Some('2')) => {
            (ResponseKind::Delivered, format!("dsn.{action}"), status)
        }
        ("failed" | "failure" | "error", _) | ("", Some('4' | '5')) => {
            let (kind, because, enhanced) = why(status, &diagnostic, block, mail);
            (ResponseKind::Bounce(kind), format!("dsn.failed: {because}"), enhanced)
        }
        // An action nobody defined ("expired"), and no status of success.
        (action, digit) if !action.is_empty() && digit != Some('2') => {
            let (kind, because, enhanced) = why(status, &diagnostic, block, mail);
            (ResponseKind::Bounce(kind), format!("dsn.failed: {because}"), enhanced)
        }
        _ => return None,
    };
    let field = block.find("diagnostic-code").or_else(|| block.find("status")).or_else(|| block.find("action"));
    let (line, text) = field.map_or((0, ""), |field| (field.line, field.value.as_str()));
    let mut finding = Finding::new(kind, 0.98, Evidence::new(media, line, rule, text));
    (finding.recipient, finding.final_recipient) = recipients(block);
    finding.recipient_is_original = has_original(block);
    finding.enhanced = enhanced;
    finding.reply_code = find_code(&diagnostic);
    finding.reason = Some(one_line(&diagnostic, 500)).filter(|reason| !reason.is_empty());
    Some(finding)
}

/// The address we sent to, and the one it ended at where that is another
/// (RFC 3464 2.3.1: forwarding changes the final one alone).
fn recipients(block: &Fields) -> (Option<String>, Option<String>) {
    let original = block.value("original-recipient").and_then(typed_address);
    let last = block.value("final-recipient").and_then(typed_address);
    let actual = block.value("x-actual-recipient").and_then(typed_address);
    let recipient = original.or_else(|| last.clone()).or(actual);
    let last = last.filter(|last| recipient.as_ref().is_some_and(|first| !first.eq_ignore_ascii_case(last)));
    (recipient, last)
}

fn has_original(block: &Fields) -> bool {
    block.value("original-recipient").and_then(typed_address).is_some()
}

/// Why it failed: the diagnostic decides; where that says nothing, the words for
/// people do.
fn why(status: Option<String>, diagnostic: &str, block: &Fields, mail: &Mail<'_>) -> (Bounce, String, Option<String>) {
    let enhanced = precise(status, diagnostic);
    let code = find_code(diagnostic).unwrap_or(0);
    let (kind, because) = bounce::explain(code, enhanced.as_deref(), diagnostic);
    let vague = enhanced.as_deref().is_none_or(|status| matches!(status, "5.0.0" | "4.0.0" | "5.0" | "4.0"))
        || kind == Bounce::Unknown;
    if vague && !because.starts_with("text") {
        let body = mail.body();
        let (recipient, last) = recipients(block);
        let named = [last, recipient].into_iter().flatten().collect::<Vec<_>>();
        let notice = daemon::passage_about(daemon::notice(&body), &named);
        let (code, status) = (find_code(notice).unwrap_or(code), find_status(notice).or(enhanced.clone()));
        let (kind, because) = bounce::explain(code, status.as_deref(), notice);
        if kind != Bounce::Unknown {
            return (kind, because, status);
        }
    }
    (kind, because, enhanced)
}

/// The status in the block, unless it says nothing and the diagnostic has a better one.
fn precise(status: Option<String>, diagnostic: &str) -> Option<String> {
    let said = find_status(diagnostic);
    match (&status, &said) {
        (None, _) => said,
        (Some(status), Some(_)) if status.ends_with(".0.0") => said,
        _ => status,
    }
}

/// Where blocks name no address, the words for people or X-Failed-Recipients do,
/// if they name exactly as many.
fn fill_recipients(findings: &mut [Finding], mail: &Mail<'_>) {
    if findings.iter().all(|finding| finding.recipient.is_some()) {
        return;
    }
    let known: Vec<_> = findings.iter().filter_map(|finding| finding.recipient.clone()).collect();
    let named = daemon::failed_recipients(mail);
    let mut spare = named.into_iter().filter(|address| !known.contains(address));
    for finding in findings.iter_mut().filter(|finding| finding.recipient.is_none()) {
        finding.recipient = spare.next();
    }
}

/// Reads a disposition notification. It is no answer by a person, and can be a bounce.
pub(super) fn read_disposition(mail: &Mail<'_>) -> Option<Vec<Finding>> {
    let part = mail.parts_of(&DISPOSITION_PARTS).next()?;
    let fields = Fields::parse(&part.text);
    let disposition = fields.value("disposition").unwrap_or_default().to_ascii_lowercase();
    let verb = disposition.rsplit(';').next().unwrap_or_default().trim();
    let verb = verb.split('/').next().unwrap_or_default();
    let line = fields.find("disposition").map_or(0, |field| field.line);
    let (recipient, last) = recipients(&fields);
    let body = mail.body();
    let (kind, because) = bounce::explain(0, None, daemon::notice(&body));
    // Dovecot reports a full mailbox as "deleted" by itself.
    let bounced = verb == "deleted" && disposition.contains("automatic-action") && kind != Bounce::Unknown;
    let mut finding = match bounced {
        true => Finding::new(
            ResponseKind::Bounce(kind),
            0.9,
            Evidence::new(&part.media, line, format!("mdn.bounce: {because}"), &disposition),
        ),
        false => Finding::new(
            ResponseKind::Other,
            0.95,
            Evidence::new(&part.media, line, format!("mdn.{}", one_line(verb, 20)), &disposition),
        ),
    };
    (finding.recipient, finding.final_recipient) = (recipient, last);
    finding.recipient_is_original = has_original(&fields);
    finding.reason = bounced.then(|| one_line(daemon::notice(&body), 500));
    Some(vec![finding])
}

/// `smtp; 550 ...` without its type.
fn untyped(diagnostic: &str) -> String {
    match diagnostic.split_once(';') {
        Some((kind, rest)) if kind.len() < 20 && !kind.contains(' ') => rest.trim().to_owned(),
        _ => diagnostic.trim().to_owned(),
    }
}

/// The first enhanced status in a text that is no piece of an address or version.
pub(super) fn find_status(text: &str) -> Option<String> {
    static STATUS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:^|[^0-9.])([245]\.\d{1,3}\.\d{1,3})(?:$|[^0-9.]|\.(?:$|\D))").expect("a valid expression")
    });
    STATUS.captures(text).map(|found| found[1].to_owned())
}

/// The first SMTP reply code in a text that says no.
pub(super) fn find_code(text: &str) -> Option<u16> {
    static CODE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?:^|[^0-9A-Za-z.-])([45][0-5]\d)(?:[ -]|$)").expect("a valid expression"));
    CODE.captures(text).and_then(|found| found[1].parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_no_address_for_a_status() {
        assert_eq!(find_status("host mx[192.5.1.1] said: 550 5.1.1 x").as_deref(), Some("5.1.1"));
        assert_eq!(find_status("from 5.1.1.9"), None);
        assert_eq!(find_code("said: 550-5.1.1 x"), Some(550));
    }

    #[test]
    fn keeps_the_more_precise_status() {
        assert_eq!(precise(Some("5.0.0".into()), "550 5.1.1 x").as_deref(), Some("5.1.1"));
        assert_eq!(precise(Some("5.2.2".into()), "550 5.1.1 x").as_deref(), Some("5.2.2"));
    }
}
