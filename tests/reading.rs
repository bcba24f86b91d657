//! Reading what comes back, through the public face: each kind of mail once,
//! hostile mail, and accuracy over a labelled corpus where one is at hand.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, like the test")]

use std::collections::{BTreeMap, BTreeSet};
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
        ("feedback-auth-failure.eml", "other", None),
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

fn fixtures() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mail");
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
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

/// One row of a corpus' labels.csv.
type Label = BTreeMap<String, String>;

/// The labels of each message; one about several recipients has a row for each.
fn labels(folder: &Path) -> BTreeMap<String, Vec<Label>> {
    let Ok(mut rows) = csv::Reader::from_path(folder.join("labels.csv")) else { return BTreeMap::new() };
    let mut messages: BTreeMap<String, Vec<Label>> = BTreeMap::new();
    for row in rows.deserialize() {
        let row: Label = row.unwrap();
        messages.entry(row["path"].clone()).or_default().push(row);
    }
    messages
}

fn read_timed(path: &Path, slowest: &mut Duration) -> Reading {
    let raw = std::fs::read(path).unwrap();
    let begin = Instant::now();
    let reading = read(&raw, TODAY);
    *slowest = (*slowest).max(begin.elapsed());
    reading
}

#[test]
fn measures_itself_on_a_labelled_corpus() {
    let Some(corpus) = std::env::var_os("OUTREACHD_TEST_CORPUS") else {
        println!("skipped: OUTREACHD_TEST_CORPUS names no folder");
        return;
    };
    let corpus = Path::new(&corpus);
    let verbose = std::env::var_os("OUTREACHD_TEST_VERBOSE").is_some();
    for set in ["bounces-a", "bounces-b", "complaints"] {
        measure_reports(&corpus.join(set), verbose);
    }
    measure_false_bounces(&corpus.join("not-bounces"), verbose);
    for set in ["replies-discourse", "replies-crisp"] {
        measure_replies(&corpus.join(set), verbose);
    }
}

fn get<'a>(label: &'a Label, name: &str) -> &'a str {
    label.get(name).map(String::as_str).unwrap_or_default()
}

/// Right ones of all.
#[derive(Default)]
struct Score(usize, usize);

impl Score {
    fn count(&mut self, right: bool) -> bool {
        self.0 += usize::from(right);
        self.1 += 1;
        right
    }
}

fn is_of_kind(label: &str, kind: ResponseKind) -> bool {
    match label {
        "bounce" => matches!(kind, ResponseKind::Bounce(_)),
        "complaint" => kind == ResponseKind::Complaint,
        "delayed" => kind == ResponseKind::Delayed,
        "delivered" => kind == ResponseKind::Delivered,
        "human" => matches!(kind, ResponseKind::Human(_)),
        _ => matches!(kind, ResponseKind::Auto(_)),
    }
}

fn is_hard(finding: &Finding) -> bool {
    matches!(finding.kind, ResponseKind::Bounce(bounce) if bounce.is_dead_address())
}

fn measure_reports(folder: &Path, verbose: bool) {
    let (mut kinds, mut named, mut hard) = (Score::default(), Score::default(), Score::default());
    let (mut false_hard, mut slowest) = (0, Duration::ZERO);
    for (path, rows) in labels(folder) {
        if rows.iter().any(|row| get(row, "contested") == "1") {
            continue;
        }
        let reading = read_timed(&folder.join("msg").join(&path), &mut slowest);
        let got: BTreeSet<_> = reading
            .findings
            .iter()
            .filter_map(|finding| finding.recipient.as_ref())
            .map(|r| r.to_lowercase())
            .collect();
        let mut right =
            kinds.count(rows.iter().all(|row| reading.findings.iter().any(|f| is_of_kind(get(row, "label"), f.kind))));
        if rows.iter().all(|row| get(row, "recipient_certain") == "1") {
            let wanted: BTreeSet<_> = rows.iter().map(|row| get(row, "recipient").to_lowercase()).collect();
            right &= named.count(wanted == got);
        }
        for row in rows.iter().filter(|row| !get(row, "hard").is_empty()) {
            let same =
                |f: &&Finding| f.recipient.as_ref().is_some_and(|r| r.eq_ignore_ascii_case(get(row, "recipient")));
            let finding = reading.findings.iter().find(same).unwrap_or(&reading.findings[0]);
            let wanted = get(row, "hard") == "1";
            right &= hard.count(is_hard(finding) == wanted);
            false_hard += usize::from(is_hard(finding) && !wanted);
        }
        if verbose && !right {
            let want: Vec<_> =
                rows.iter().map(|r| ["label", "recipient", "status", "reason"].map(|n| get(r, n))).collect();
            println!("{path}: want {want:?}");
            for f in &reading.findings {
                println!(
                    "   got {} {:?} {:?} {}: {:?}",
                    f.kind.name(),
                    f.recipient,
                    f.enhanced,
                    f.evidence.rule,
                    f.reason
                );
            }
        }
    }
    println!(
        "{}: kind {}/{}, recipients {}/{}, hard or soft {}/{} ({false_hard} falsely hard), slowest {slowest:?}",
        folder.file_name().unwrap_or_default().display(),
        kinds.0,
        kinds.1,
        named.0,
        named.1,
        hard.0,
        hard.1
    );
}

fn measure_false_bounces(folder: &Path, verbose: bool) {
    let (mut all, mut wrong, mut slowest) = (0, 0, Duration::ZERO);
    for file in std::fs::read_dir(folder).into_iter().flatten() {
        let path = file.unwrap().path();
        let reading = read_timed(&path, &mut slowest);
        all += 1;
        let bad =
            |f: &Finding| matches!(f.kind, ResponseKind::Bounce(_) | ResponseKind::Complaint | ResponseKind::Delayed);
        if reading.findings.iter().any(bad) {
            wrong += 1;
            if verbose {
                println!("{}: {:?}", path.display(), reading.findings[0]);
            }
        }
    }
    println!("not-bounces: {wrong} false of {all}, slowest {slowest:?}");
}

fn measure_replies(folder: &Path, verbose: bool) {
    let folded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut all, mut exact) = (0, 0);
    for file in std::fs::read_dir(folder.join("in")).into_iter().flatten() {
        let path = file.unwrap().path();
        let gold = std::fs::read(folder.join("gold").join(path.file_name().unwrap())).unwrap();
        let (gold, body) = (String::from_utf8_lossy(&gold).into_owned(), std::fs::read(&path).unwrap());
        let got = new_text(&String::from_utf8_lossy(&body));
        all += 1;
        exact += usize::from(folded(&got) == folded(&gold));
        if verbose && folded(&got) != folded(&gold) {
            println!("{}:\n  got  {}\n  gold {}", path.display(), folded(&got), folded(&gold));
        }
    }
    println!("{}: replies exact {exact}/{all}", folder.file_name().unwrap_or_default().display());
}
