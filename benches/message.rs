//! What one letter costs before it leaves: render, MIME, and a signature of each kind.
//!
//! `cargo bench --bench message` prints the median of many rounds, in microseconds.

#![expect(clippy::unwrap_used, reason = "a bench that cannot set its scene stops there")]

use std::hint::black_box;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use jiff::ZonedDateTime;
use outreachd::config::dkim::{Algorithm, DkimKey, generate};
use outreachd::config::{Dkim, SecretRef};
use outreachd::model::address::EmailAddress;
use outreachd::model::language::Language;
use outreachd::render::{Email, Letter, ListId, MailHead, Renderer, Subject, TemplateSet, Unsubscribe, email, sign};
use secrecy::ExposeSecret;
use serde_json::json;

const ROUNDS: usize = 2_000;

/// The median of all rounds, in microseconds.
fn median(mut work: impl FnMut()) -> f64 {
    let mut rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2].as_secs_f64() * 1e6
}

fn key(algorithm: Algorithm) -> DkimKey {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, generate(algorithm).unwrap().pem.expose_secret()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (selector, domain) = ("2027a".to_owned(), "fyrljus.example".to_owned());
    DkimKey::load(&Dkim { selector, domain, key: SecretRef::File(path), retired: false }).unwrap()
}

fn main() {
    let data = json!({
        "contact": { "name": "Anna Lind", "given_name": "Anna", "title": null },
        "account": { "name": "Granvik Verkstad AB", "city": "Granvik", "country": "SE" },
        "owner": { "name": "Karin Ek", "title": "Kundansvarig", "phone": "070-174 06 90" },
        "sender": {
            "company": "Fyrljus AB",
            "legal_name": "Fyrljus AB",
            "postal_address": "Lyktgatan 4, 123 45 Ljusdala",
        },
        "campaign": { "id": "led-i-lagret", "title": "LED i lagret, våren 2027" },
        "links": { "opt_out": "https://ut.fyrljus.example/u/aebagbafaydqqcik" },
    });
    let renderer = Renderer::new(&TemplateSet::starter()).unwrap();
    let subject = Subject::Template("En ljusmätning hos {{account.name}}");
    let letter = Letter { template: "led/matning", subject, data: &data, language: Language::Sv };
    let address = |text: &str| EmailAddress::parse(text).unwrap();
    let (from, to) = (address("hej@fyrljus.example"), address("anna.lind@granvik.example"));
    let date: ZonedDateTime = "2027-03-01T08:34:09+01:00[Europe/Stockholm]".parse().unwrap();
    let head = MailHead {
        from_name: "Karin Ek",
        from: &from,
        reply_to: None,
        to_name: "Anna Lind",
        to: &to,
        message_id: "aibagbafaydqqcik@fyrljus.example",
        date: &date,
        boundary_seed: "aibagbafaydqqcik",
        in_reply_to: None,
        references: &[],
        list_id: Some(ListId { title: "LED i lagret, våren 2027", id: "led-i-lagret.fyrljus.example" }),
        unsubscribe: Some(Unsubscribe { url: "https://ut.fyrljus.example/u/aebagbafaydqqcik", mailto: None }),
        delivery_token: Some("aibagbafaydqqcik"),
        feedback_id: Some("led-i-lagret:matning:campaign:fyrljus"),
        auto_submitted: false,
    };
    let rendered = renderer.letter(&letter).unwrap();
    let mail: Email = email(&rendered, &head).unwrap();
    let (rsa, ed25519) = (key(Algorithm::Rsa), key(Algorithm::Ed25519));
    let at = date.timestamp();
    let signed = |keys: &[&DkimKey]| median(|| drop(black_box(sign(mail.clone(), keys, at).unwrap())));
    let lines = [
        ("render", median(|| drop(black_box(renderer.letter(&letter).unwrap())))),
        ("MIME", median(|| drop(black_box(email(&rendered, &head).unwrap())))),
        ("rsa-sha256, 2048 bits", signed(&[&rsa])),
        ("ed25519-sha256", signed(&[&ed25519])),
        ("both", signed(&[&rsa, &ed25519])),
    ];
    let mut out = std::io::stdout().lock();
    writeln!(out, "one letter of {} bytes, median of {ROUNDS}", mail.bytes.len()).unwrap();
    for (what, micros) in lines {
        writeln!(out, "{what:<24}{micros:>8.1} us").unwrap();
    }
}
