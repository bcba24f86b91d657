//! What is fuzzed: each target dresses its data as one kind of mail and reads it.
//!
//! A target fails by panicking. It must hold for every input what its comment says;
//! time is the fuzzer's to watch (`-timeout`).

use jiff::civil::{Date, date};
use outreachd::respond::read::{Reading, new_text, read};

const RECEIVED: Date = date(2027, 3, 1);

/// A whole mail.
pub fn mail(data: &[u8]) {
    check(&read(data, RECEIVED));
}

/// The machine's part of a delivery report.
pub fn delivery_status(data: &[u8]) {
    let head = "From: MAILER-DAEMON@mx.vikarby.example\r\nTo: studs@fyrljus.example\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
        --b\r\n\r\nIt failed.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n";
    check(&read(&dressed(head, data, "\r\n--b--\r\n"), RECEIVED));
}

/// The machine's part of an abuse report.
pub fn feedback(data: &[u8]) {
    let head = "From: abuse@vikarby.example\r\nTo: studs@fyrljus.example\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
        --b\r\nContent-Type: message/feedback-report\r\n\r\n";
    check(&read(&dressed(head, data, "\r\n--b--\r\n"), RECEIVED));
}

/// An answer to an invitation.
pub fn calendar(data: &[u8]) {
    let head = "From: anna.lind@granvik.example\r\nTo: karin@fyrljus.example\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/calendar; method=REPLY; charset=utf-8\r\n\r\n";
    check(&read(&dressed(head, data, "\r\n"), RECEIVED));
}

/// The words of a mail system that knows no report.
pub fn notice(data: &[u8]) {
    let head = "From: MAILER-DAEMON@mx.vikarby.example\r\nReturn-Path: <>\r\nSubject: failure notice\r\n\r\n";
    check(&read(&dressed(head, data, "\r\n"), RECEIVED));
}

/// The body of a reply: what is new in it is never longer than all of it.
pub fn quotes(data: &[u8]) {
    let body = String::from_utf8_lossy(data);
    let new = new_text(&body);
    assert!(new.chars().count() <= body.chars().count(), "{new:?} of {body:?}");
}

fn dressed(head: &str, data: &[u8], tail: &str) -> Vec<u8> {
    [head.as_bytes(), data, tail.as_bytes()].concat()
}

/// There is always a finding, and nothing in it can break a terminal or a log line.
fn check(reading: &Reading) {
    assert!(!reading.findings.is_empty());
    for finding in &reading.findings {
        assert!((0.0..=1.0).contains(&finding.confidence));
        let texts = [&finding.recipient, &finding.final_recipient, &finding.reason, &finding.enhanced];
        for text in texts.into_iter().flatten().chain([&finding.evidence.rule, &finding.evidence.text]) {
            assert!(!text.contains(char::is_control), "{text:?}");
            assert!(text.len() <= 4_000, "{} bytes", text.len());
        }
    }
}
