//! Letters before judges who are not ours: dkimpy on the signatures, behind a real
//! Postfix, and SpamAssassin on the form.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{Timestamp, ZonedDateTime};
use outreachd::clock::Clock;
use outreachd::config::dkim::{Algorithm, DkimKey, generate};
use outreachd::config::{Dkim, Relay, SecretRef, Tls};
use outreachd::model::address::EmailAddress;
use outreachd::model::language::Language;
use outreachd::render::{Letter, ListId, MailHead, Renderer, Subject, TemplateSet, Unsubscribe, email, sign};
use outreachd::transport::Verdict;
use outreachd::transport::smtp::{Connector, Envelope, Message};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::services::{RealMail, delivered_to, real_mail};

/// The starter's letters and their subjects; a follow-up continues the first.
const LETTERS: [(&str, Subject<'_>); 5] = [
    ("led/intro", Subject::Template("Vad kostar ljuset i lagret?")),
    ("led/referens", Subject::Thread("En ljusmätning hos Granvik Verkstad AB")),
    ("led/matning", Subject::Thread("En ljusmätning hos Granvik Verkstad AB")),
    ("led/avslut", Subject::Template("Ska jag sluta höra av mig?")),
    ("brev/kundbrev", Subject::Template("Tre saker om ljus på jobbet")),
];
const PNG: &[u8] = include_bytes!("../../docs/demo.png");

/// Whether Debian's package is there; under CI it must be.
fn has(program: &mut Command, package: &str) -> bool {
    let output = program.stdin(Stdio::null()).output();
    let there = output.is_ok_and(|output| output.status.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "letters must be verified under CI, and {package} is not installed");
        let _ = writeln!(std::io::stderr(), "skipped: letters are verified with {package}");
    }
    there
}

fn has_dkimpy() -> bool {
    has(Command::new("/usr/bin/python3").args(["-c", "import dkim, nacl"]), "python3-dkim")
}

fn key(folder: &Path, algorithm: Algorithm) -> DkimKey {
    let path = folder.join(format!("{algorithm}.pem"));
    let pem = generate(algorithm).expect("a key can be made").pem;
    std::fs::write(&path, pem.expose_secret()).expect("the folder can be written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("it is ours");
    let (selector, domain) = (format!("{algorithm}2027"), "fyrljus.example".to_owned());
    DkimKey::load(&Dkim { selector, domain, key: SecretRef::File(path), retired: false }).expect("it was just made")
}

fn renderer(with_picture: bool) -> Renderer {
    let mut set = TemplateSet::starter();
    set.insert("brev/kundbrev.md", include_str!("../../src/cli/init/kundbrev.md"));
    set.add_file("bilder/lampa.png", PNG.to_vec());
    set.add_file("files/prislista våren.pdf", pdf());
    if with_picture {
        let texts: Vec<_> = set.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        for (name, text) in texts.iter().filter(|(name, _)| name.starts_with("led/") || name.starts_with("brev/")) {
            set.insert(name, format!("![En lampa]({})\n\n{text}", "bilder/lampa.png"));
        }
    }
    Renderer::new(&set).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn pdf() -> Vec<u8> {
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n\
      trailer<</Root 1 0 R>>\n%%EOF\n"
        .to_vec()
}

fn data() -> Value {
    json!({
        "contact": { "name": "Anna Lind", "given_name": "Anna", "title": "Platschef" },
        "account": { "name": "Granvik Verkstad AB", "city": "Granvik", "country": "SE" },
        "owner": { "name": "Karin Ek", "title": "Kundansvarig", "phone": "070-174 06 90", "email": "karin.ek@fyrljus.example" },
        "sender": {
            "company": "Fyrljus AB",
            "legal_name": "Fyrljus AB",
            "postal_address": "Lyktgatan 4, 120 30 Stockholm",
            "email": "svar@fyrljus.example",
            "phone": "070-174 06 05",
        },
        "campaign": { "id": "led-i-lagret", "title": "LED i lagret, våren 2027" },
        "links": { "opt_out": "https://ut.fyrljus.example/u/aebagbafaydqqcikaebagbafaydqqcikaebagbafaydq" },
    })
}

/// A letter of the starter as it would leave now, to `to`.
fn letter(
    renderer: &Renderer,
    (template, subject): (&str, Subject<'_>),
    language: Language,
    to: &str,
    attached: bool,
    keys: &[&DkimKey],
    now: Timestamp,
) -> Vec<u8> {
    let data = data();
    let mut rendered = renderer.letter(&Letter { template, subject, data: &data, language }).expect("it has no gaps");
    if attached {
        let names = ["files/prislista våren.pdf".to_owned()];
        rendered.attachments = renderer.attachments(&names).expect("the file is there");
    }
    let address = |text: &str| EmailAddress::parse(text).expect("an address of this test");
    let (from, reply_to, to) = (address("hej@fyrljus.example"), address("outreach@fyrljus.example"), address(to));
    let thread = ["aebagbafaydqqcikaebagbafaydqqcik@fyrljus.example".to_owned()];
    let is_follow_up = matches!(subject, Subject::Thread(_));
    let references = if is_follow_up { &thread[..] } else { &[] };
    let date: ZonedDateTime = now.in_tz("Europe/Stockholm").expect("the zone is known");
    let head = MailHead {
        from_name: "Karin Ek",
        from: &from,
        reply_to: Some(&reply_to),
        to_name: "Anna Lind",
        to: &to,
        message_id: "aibagbafaydqqcikaebagbafaydqqcikaebagbafaydq@fyrljus.example",
        date: &date,
        boundary_seed: "aibagbafaydqqcikaebagbafaydqqcikaebagbafaydq",
        in_reply_to: references.last().map(String::as_str),
        references,
        list_id: Some(ListId { title: "LED i lagret, våren 2027", id: "led-i-lagret.fyrljus.example" }),
        unsubscribe: Some(Unsubscribe {
            url: "https://ut.fyrljus.example/u/aebagbafaydqqcikaebagbafaydqqcikaebagbafaydq",
            mailto: Some("outreach+aebagbafaydqqcik@fyrljus.example?subject=unsubscribe"),
        }),
        delivery_token: Some("aibagbafaydqqcikaebagbafaydqqcikaebagbafaydq"),
        feedback_id: Some("led-i-lagret:intro:campaign:fyrljus"),
        auto_submitted: false,
    };
    let mail = email(&rendered, &head).expect("the head is clean");
    sign(mail, keys, now).expect("the keys sign").bytes
}

/// What dkimpy says of each signature: its algorithm and whether it holds.
fn verified(folder: &Path, mail: &[u8], keys: &[&DkimKey]) -> Vec<String> {
    let (file, records) = (folder.join("mail.eml"), folder.join("records"));
    std::fs::write(&file, mail).expect("the folder can be written");
    let lines: String = keys.iter().map(|key| format!("{} {}\n", key.record_name(), key.record())).collect();
    std::fs::write(&records, lines).expect("the folder can be written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/verify-dkim");
    let output = Command::new("/usr/bin/python3").arg(script).arg(&file).arg(&records).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

const BOTH: [&str; 2] = ["rsa-sha256 True", "ed25519-sha256 True"];

#[test]
fn dkimpy_takes_every_letter_of_the_starter_and_none_that_was_touched() {
    if !has_dkimpy() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (rsa, ed25519) = (key(folder.path(), Algorithm::Rsa), key(folder.path(), Algorithm::Ed25519));
    let (keys, now) = ([&rsa, &ed25519], Clock::System.now());
    let to = "anna.lind@granvik.example";
    for one in LETTERS {
        for (language, attached) in [(Language::Sv, false), (Language::En, true)] {
            let mail = letter(&renderer(attached), one, language, to, attached, &keys, now);
            assert_eq!(verified(folder.path(), &mail, &keys), BOTH, "{}", one.0);
        }
    }
    let mail = letter(&renderer(false), LETTERS[0], Language::Sv, to, false, &[&rsa], now);
    assert_eq!(verified(folder.path(), &mail, &keys), ["rsa-sha256 True"]);
    let mail = letter(&renderer(false), LETTERS[0], Language::Sv, "åsa.ek@granvik.example", false, &keys, now);
    assert!(!mail.is_ascii(), "RFC 6532: her address stands in To as it is");
    assert_eq!(verified(folder.path(), &mail, &keys), BOTH);
    let mail = letter(&renderer(false), LETTERS[1], Language::Sv, to, true, &keys, now);
    let text = String::from_utf8(mail).expect("a mail is ASCII");
    for (from, into) in [
        ("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", ""),
        ("List-Unsubscribe: <https://ut.", "List-Unsubscribe: <https://vi."),
        ("Feedback-ID: led", "Feedback-ID: ded"),
        ("MIME-Version:", "From: Chefen <chef@fyrljus.example>\r\nMIME-Version:"),
        ("Fyrljus AB", "Fyrkant AB"),
        ("In-Reply-To: <a", "In-Reply-To: <b"),
    ] {
        let touched = text.replacen(from, into, 1);
        assert_ne!(touched, text, "{from}");
        let said = verified(folder.path(), touched.as_bytes(), &keys);
        assert!(said.len() == 2 && said.iter().all(|line| !line.ends_with("True")), "{from}: {said:?}");
    }
}

#[tokio::test]
async fn signatures_hold_behind_postfix() {
    let Some(mail) = real_mail() else { return };
    if !has_dkimpy() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (rsa, ed25519) = (key(folder.path(), Algorithm::Rsa), key(folder.path(), Algorithm::Ed25519));
    let (keys, now) = ([&rsa, &ed25519], Clock::System.now());
    let mut relay = Relay::new("main", &mail.host, mail.smtp_port, Tls::Starttls);
    relay.ca_file = Some(mail.ca_file.clone());
    let connector = Connector::new(&relay).expect("the relay is usable");
    for (at, one) in LETTERS.into_iter().enumerate() {
        let to = format!("signed{}.{at}@clients.example", std::process::id());
        let bytes = letter(&renderer(at == 2), one, Language::Sv, &to, at % 2 == 1, &keys, now);
        let mut session = connector.connect().await.expect("Postfix answers");
        let (from, size) = ("outreach@fyrljus.example", bytes.len());
        let envelope = Envelope { from, to: &to, size, eight_bit: false, envid: None };
        session.begin(&envelope).await.expect("Postfix takes the recipient");
        let message = Message::check(&bytes).expect("the letter may leave");
        let verdict = session.body(&message).await;
        assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
        session.quit().await;
        let landed = landed(&mail, &to);
        assert_eq!(verified(folder.path(), &landed, &keys), BOTH, "{}", one.0);
    }
}

/// The mail to a client, as soon as Dovecot has it.
fn landed(mail: &RealMail, to: &str) -> Vec<u8> {
    let started = Instant::now();
    loop {
        let mails = RealMail::mails(&mail.clients_maildir);
        if let Some(found) = mails.into_iter().find(|mail| delivered_to(mail).as_deref() == Some(to)) {
            return crlf(&found);
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no mail to {to} came");
        // Nothing tells of a new file; each look is followed by a pause.
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

/// A Maildir has bare LF; on the wire it was CRLF.
fn crlf(mail: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(mail).replace("\r\n", "\n").replace('\n', "\r\n");
    text.into_bytes()
}

/// Rules of SpamAssassin that may hit with more than one point, and why each says nothing
/// about the form of a letter.
const EXCUSED: [(&str, &str); 5] = [
    ("RCVD_ILLEGAL_IP", "the Received line that this test writes names an address of RFC 5737"),
    ("HTML_IMAGE_ONLY_16", "a picture in a letter of few words, which its writer wants"),
    ("HTML_IMAGE_ONLY_20", "the same, a few words more"),
    ("HTML_IMAGE_ONLY_24", "the same, a few words more"),
    ("HTML_IMAGE_ONLY_28", "the same, a few words more"),
];

#[test]
fn spamassassin_finds_no_fault_with_the_form_of_the_starters_letters() {
    if !has(Command::new("spamassassin").arg("--version"), "spamassassin") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (rsa, ed25519) = (key(folder.path(), Algorithm::Rsa), key(folder.path(), Algorithm::Ed25519));
    let (keys, now, to) = ([&rsa, &ed25519], Clock::System.now(), "anna.lind@granvik.example");
    let mut mbox = String::new();
    let mut count = 0;
    for (with_picture, attached) in [(false, false), (false, true), (true, true)] {
        let renderer = renderer(with_picture);
        for one in LETTERS {
            for language in [Language::Sv, Language::En] {
                mbox.push_str(&arrived(&letter(&renderer, one, language, to, attached, &keys, now), now));
                count += 1;
            }
        }
    }
    // The judge is awake: a letter without a Date and a To is found out.
    let whole = arrived(&letter(&renderer(false), LETTERS[0], Language::Sv, to, false, &[], now), now);
    let maimed = whole.split_inclusive('\n').filter(|line| !line.starts_with("Date:") && !line.starts_with("To:"));
    mbox.extend(maimed);
    let (found_out, hits): (Vec<_>, Vec<_>) = judged(folder.path(), mbox.as_bytes())
        .into_iter()
        .partition(|rules| rules.iter().any(|(rule, score)| rule == "MISSING_DATE" && *score > 1.0));
    assert_eq!((found_out.len(), hits.len()), (1, count), "one verdict a letter, in no order: {hits:?}");

    let counts = |rule: &&(String, f64)| !EXCUSED.iter().any(|(name, _)| *name == rule.0);
    let bad: Vec<_> = hits.iter().flatten().filter(counts).filter(|(_, score)| *score > 1.0).collect();
    assert!(bad.is_empty(), "{bad:?}");
    // A total of 5 is spam to most servers; what is left for form and words is far below.
    let total = |rules: &Vec<(String, f64)>| rules.iter().filter(counts).map(|(_, score)| score).sum::<f64>();
    let worst = hits.iter().map(total).fold(0.0, f64::max);
    assert!(worst < 2.0, "{worst}: {hits:?}");
}

/// A mail as it lies in the mailbox, in an mbox.
fn arrived(mail: &[u8], now: Timestamp) -> String {
    let zoned = now.in_tz("Europe/Stockholm").expect("the zone is known");
    let (came, line) = (zoned.strftime("%a, %d %b %Y %H:%M:%S %z"), zoned.strftime("%a %b %e %H:%M:%S %Y"));
    let received = "from ut.fyrljus.example (ut.fyrljus.example [192.0.2.25])\n\
                    \tby mx.granvik.example (Postfix) with ESMTPS id 4Zk1Xb";
    let mail = String::from_utf8_lossy(mail).replace("\r\n", "\n");
    format!("From outreach@fyrljus.example {line}\nReceived: {received}; {came}\n{mail}\n")
}

/// The rules that each mail of `mbox` met, with their scores; nothing is asked of the net.
fn judged(folder: &Path, mbox: &[u8]) -> Vec<Vec<(String, f64)>> {
    let input = folder.join("letters.mbox");
    std::fs::write(&input, mbox).expect("the folder can be written");
    let home = format!("--prefspath={}", folder.join("prefs").display());
    let output = Command::new("spamassassin")
        .args(["--local", "--mbox", &home, "--cf=add_header all Scores _TESTSSCORES(,)_", "--cf=fold_headers 0"])
        .args(["--cf=use_bayes 0"])
        .env("HOME", folder)
        .stdin(std::fs::File::open(&input).expect("it was just written"))
        .output()
        .expect("spamassassin runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    let lines = said.lines().filter_map(|line| line.strip_prefix("X-Spam-Scores: "));
    lines.map(|line| line.split(',').filter_map(rule).collect()).collect()
}

fn rule(text: &str) -> Option<(String, f64)> {
    let (name, score) = text.trim().split_once('=')?;
    Some((name.to_owned(), score.parse().ok()?))
}
