//! Reading what comes back, through the public face: each kind of mail once,
//! and hostile mail. Accuracy and speed over labelled mail: `benches/responses.rs`.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, like the test")]

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::civil::{Date, date};
use outreachd::model::response::{Bounce, ResponseKind};
use outreachd::respond::read::{Finding, Reading, new_text, read};
use proptest::prelude::*;

const TODAY: Date = date(2027, 3, 1);

fn fixture(name: &str) -> Reading {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mail").join(name);
    read(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())), TODAY)
}

fn only(reading: &Reading) -> &Finding {
    assert_eq!(reading.findings.len(), 1, "{:#?}", reading.findings);
    &reading.findings[0]
}

#[test]
fn reads_each_kind_of_mail() {
    let cases = [
        ("dsn-no-mailbox.eml", "bounce.no_mailbox", Some("oskar.nyman@bergtorp.example")),
        ("dsn-policy.eml", "bounce.policy", Some("maria.falk@hedlunda.example")),
        ("dsn-full-auto-submitted.eml", "bounce.full", Some("anna.lind@granvik.example")),
        ("dsn-delayed.eml", "delayed", Some("anna.lind@granvik.example")),
        ("dsn-delivered.eml", "delivered", Some("anna.lind@granvik.example")),
        ("dsn-bare-status.eml", "bounce.disabled", Some("per.aberg@soderholm.example")),
        ("dsn-forwarded.eml", "bounce.no_mailbox", Some("anna.lind@granvik.example")),
        ("dsn-access-denied.eml", "bounce.no_mailbox", Some("oskar.nyman@bergtorp.example")),
        ("mdn-displayed.eml", "other", Some("anna.lind@granvik.example")),
        ("mdn-quota.eml", "bounce.full", Some("anna.lind@granvik.example")),
        ("daemon-qmail.eml", "bounce.no_mailbox", Some("oskar.nyman@bergtorp.example")),
        ("daemon-exim.eml", "bounce.no_domain", Some("info@vikarby.example")),
        ("feedback-abuse.eml", "complaint", Some("sara.wik@almby.example")),
        ("feedback-auth-failure.eml", "complaint.auth_failure", None),
        ("opt-out-mailto.eml", "opt_out.mailto", None),
        ("reply-opt-out.eml", "opt_out.in_reply", None),
        ("reply-interested.eml", "human.interested", None),
        ("reply-not-now.eml", "human.not_now", None),
        ("reply-not-interested.eml", "human.not_interested", None),
        ("reply-referral.eml", "human.referral", None),
        ("reply-question.eml", "human.question", None),
        ("reply-html.eml", "human.interested", None),
        ("auto-out-of-office.eml", "auto.out_of_office", None),
        ("auto-german.eml", "auto.out_of_office", None),
        ("auto-left.eml", "auto.left_company", None),
        ("auto-ack.eml", "auto.ack", None),
        ("newsletter.eml", "other", None),
        ("calendar-reply.eml", "other", None),
    ];
    for (name, kind, recipient) in cases {
        let reading = fixture(name);
        let finding = only(&reading);
        assert_eq!(finding.kind.name(), kind, "{name}: {finding:#?}");
        assert_eq!(finding.recipient.as_deref(), recipient, "{name}");
    }
}

#[test]
fn ties_a_bounce_to_its_delivery_in_every_way() {
    let reading = fixture("dsn-no-mailbox.eml");
    assert_eq!(reading.returned_headers.message_id.as_deref(), Some("d7.4zk1xb@fyrljus.example"));
    assert_eq!(reading.returned_headers.delivery.as_deref(), Some("ae3xk5d2qcrw7mzbtn4uvy6f"));
    assert_eq!(reading.returned_headers.envelope_id.as_deref(), Some("attempt-7"));
    assert!(reading.addressed_to.contains(&"studs+ae3xk5d2qcrw7mzbtn4uvy6f@fyrljus.example".to_owned()));
    let finding = only(&reading);
    assert_eq!(finding.enhanced.as_deref(), Some("5.1.1"));
    assert_eq!(finding.reason.as_deref(), Some("550 5.1.1 <oskar.nyman@bergtorp.example>: no such user"));
    assert_eq!(finding.evidence.part, "message/delivery-status");
}

#[test]
fn keeps_the_address_we_sent_to_when_mail_was_forwarded() {
    let reading = fixture("dsn-forwarded.eml");
    assert_eq!(only(&reading).recipient.as_deref(), Some("anna.lind@granvik.example"));
    assert_eq!(only(&reading).final_recipient.as_deref(), Some("gone@elsewhere.example"));
}

#[test]
fn reads_every_recipient_of_one_report() {
    let kinds: Vec<_> = fixture("dsn-two-recipients.eml").findings.into_iter().map(|f| (f.recipient, f.kind)).collect();
    assert_eq!(
        kinds,
        [
            (Some("anna.lind@granvik.example".into()), ResponseKind::Bounce(Bounce::Full)),
            (Some("lars.moberg@dalkarra.example".into()), ResponseKind::Delayed),
        ]
    );
}

#[test]
fn hears_interest_in_a_reply() {
    let reading = fixture("reply-interested.eml");
    let finding = only(&reading);
    assert_eq!(finding.new_text.as_deref(), Some("Det låter intressant. Kan ni titta förbi på torsdag?"));
    assert_eq!((finding.evidence.rule.as_str(), finding.confidence), ("sv.interested.visit", 0.96));
    assert_eq!(finding.evidence.text, "titta förbi");
    assert_eq!(reading.references[0], "d1.4zk1xb@fyrljus.example");
    assert_eq!(reading.from_name.as_deref(), Some("Anna Lind"));
}

#[test]
fn reads_the_day_to_come_back_at() {
    assert_eq!(only(&fixture("reply-not-now.eml")).until, Some(date(2027, 8, 23)));
    assert_eq!(only(&fixture("auto-out-of-office.eml")).until, Some(date(2027, 3, 15)));
    assert_eq!(only(&fixture("auto-german.eml")).until, Some(date(2027, 3, 15)));
}

#[test]
fn names_the_person_to_ask_instead() {
    assert_eq!(only(&fixture("reply-referral.eml")).referred_to.as_deref(), Some("nils.berg@granvik.example"));
    assert_eq!(only(&fixture("auto-left.eml")).referred_to.as_deref(), Some("nils.berg@granvik.example"));
}

#[test]
fn takes_no_opt_out_from_our_own_quoted_line() {
    let raw = "From: Anna <anna@granvik.example>\r\nSubject: SV: Ljus\r\n\r\nJa tack, gärna!\r\n\r\n\
               Den 1 mars 2027 08:34 skrev Karin Ek <karin@fyrljus.example>:\r\n> Avregistrera mig från listan\r\n";
    assert_eq!(only(&read(raw.as_bytes(), TODAY)).kind.name(), "human.interested");
}

#[test]
fn tames_what_a_hostile_server_says() {
    let raw = "From: MAILER-DAEMON@x.example\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n\
               Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
               Diagnostic-Code: smtp; 550 \u{202e}<script>\u{7} no such user\r\n";
    let reading = read(raw.as_bytes(), TODAY);
    assert_eq!(only(&reading).reason.as_deref(), Some("550 <script> no such user"));
}

#[test]
fn reads_a_tower_of_parts_in_time() {
    let mut raw = String::from("From: a@b.example\r\n");
    for level in 0..5_000 {
        raw.push_str(&format!("Content-Type: multipart/mixed; boundary=\"b{level}\"\r\n\r\n--b{level}\r\n"));
    }
    let wide: String =
        (0..20_000).map(|_| "--w\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n".to_owned()).collect();
    let wide = format!("Content-Type: multipart/digest; boundary=w\r\n\r\n{wide}");
    let long_line = format!("From: a@b.example\r\n\r\n{}", "on 1 a@".repeat(200_000));
    for hostile in [raw, wide, long_line] {
        let begin = Instant::now();
        assert!(!read(hostile.as_bytes(), TODAY).findings.is_empty());
        assert!(begin.elapsed() < Duration::from_secs(2), "unoptimised code has some slack");
    }
}

#[derive(serde::Deserialize)]
struct Notices {
    notice: Vec<Notice>,
}

/// A notice in words alone, and what must be read.
#[derive(serde::Deserialize)]
struct Notice {
    name: String,
    from: String,
    subject: String,
    body: String,
    recipients: Vec<String>,
    kinds: Vec<String>,
}

const ORIGINAL: &str = "Received: from karin by mx.fyrljus.example; Mon, 1 Mar 2027 08:33:59 +0100\n\
    From: Karin Ek <karin@fyrljus.example>\nTo: gunnar@almby.example\nSubject: Ljus i lagret\n\n\
    Skriv till <sara@almby.example>: user unknown\n";

impl Notice {
    fn raw(&self) -> String {
        let body = self.body.replace("ORIGINAL", ORIGINAL);
        let head = format!("From: {}\nSubject: {}\nTo: studs@fyrljus.example\n", self.from, self.subject);
        format!("{head}Content-Type: text/plain; charset=utf-8\n\n{body}").replace('\n', "\r\n")
    }
}

fn notices() -> Vec<Notice> {
    toml::from_str::<Notices>(include_str!("reading/notices.toml")).unwrap().notice
}

#[test]
fn reads_the_notice_of_each_mail_system() {
    for notice in notices() {
        let reading = read(notice.raw().as_bytes(), TODAY);
        let named: Vec<_> = reading.findings.iter().filter_map(|f| f.recipient.clone()).collect();
        assert_eq!(named, notice.recipients, "{}: {:#?}", notice.name, reading.findings);
        let kinds: Vec<_> = reading.findings.iter().map(|f| f.kind.name()).collect();
        assert_eq!(kinds, notice.kinds, "{}: {:#?}", notice.name, reading.findings);
    }
}

#[test]
fn a_person_who_writes_about_a_bounce_is_no_bounce() {
    for notice in notices() {
        let raw = format!(
            "From: Anna Lind <anna.lind@granvik.example>\r\nTo: karin@fyrljus.example\r\nSubject: Sv: Ljus\r\n\
             In-Reply-To: <77@ut.fyrljus.example>\r\n\r\nDet här fick jag när jag skrev till Oskar:\r\n{}",
            notice.body.replace("ORIGINAL", ORIGINAL)
        );
        let kind = only(&read(raw.as_bytes(), TODAY)).kind;
        assert!(matches!(kind, ResponseKind::Human(_) | ResponseKind::OptOut(_)), "{}: {kind:?}", notice.name);
    }
}

fn fixtures() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mail");
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files.chain(notices().into_iter().map(|notice| notice.raw().into_bytes())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn never_panics_on_arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(!read(&bytes, TODAY).findings.is_empty());
    }

    #[test]
    fn never_panics_on_mutated_mail(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let all = fixtures();
        let mut mail = which.get(&all).clone();
        for (at, byte) in changes {
            let at = at.index(mail.len());
            mail[at] = byte;
        }
        mail.truncate(cut.index(mail.len()) + 1);
        prop_assert!(!read(&mail, TODAY).findings.is_empty());
    }

    #[test]
    fn never_panics_on_arbitrary_words(text in "\\PC{0,300}") {
        let _ = new_text(&text);
        let raw = format!("From: a@b.example\r\nSubject: Autosvar\r\n\r\n{text}");
        prop_assert!(!read(raw.as_bytes(), TODAY).findings.is_empty());
    }
}

#[test]
fn an_absence_with_a_null_return_path_is_no_bounce() {
    for (text, kind) in [
        ("Anna Lind no longer works at Granvik. Please contact nils.berg@granvik.example.", "auto.left_company"),
        ("I am out of the office and temporarily unavailable. Mail that could not wait: nils@granvik.example", "auto."),
        ("Ich bin nicht im Büro. Ihre Nachricht konnte nicht gelesen werden.", "auto."),
    ] {
        let raw = format!(
            "Return-Path: <>\r\nFrom: Anna Lind <anna.lind@granvik.example>\r\nAuto-Submitted: auto-replied\r\n\
             Subject: Automatic reply\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
        );
        let found = only(&read(raw.as_bytes(), TODAY)).kind.name();
        assert!(found.starts_with(kind), "{text}: {found}");
    }
}

#[test]
fn reads_words_that_were_saved_without_headers() {
    let reading = read("Ja tack, gärna!\n\n> Passar torsdag?\n".as_bytes(), TODAY);
    assert_eq!(only(&reading).new_text.as_deref(), Some("Ja tack, gärna!"));
    assert_eq!(reading.subject, None);
}
