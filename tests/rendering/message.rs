//! What the standards and the mailbox providers want of a message, each by its name.

use jiff::Timestamp;
use outreachd::config::dkim::{Algorithm, DkimKey, generate};
use outreachd::config::{Dkim, SecretRef};
use outreachd::render::sign;

use super::*;

/// A message as text, with its lines unfolded.
fn unfolded(mail: &Email) -> String {
    let text = String::from_utf8(mail.bytes.clone()).unwrap();
    let head = text.split("\r\n\r\n").next().unwrap();
    head.replace("\r\n ", " ").replace("\r\n\t", " ")
}

/// The values of a header field.
fn values(mail: &Email, name: &str) -> Vec<String> {
    let head = unfolded(mail);
    let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    lines.filter(|(written, _)| written.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
}

fn key(algorithm: Algorithm) -> DkimKey {
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, generate(algorithm).unwrap().pem.expose_secret()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (selector, domain) = (format!("{algorithm}-2027"), "fyrljus.example".to_owned());
    DkimKey::load(&Dkim { selector, domain, key: SecretRef::File(path), retired: false }).unwrap()
}

fn signed(mail: Email, keys: &[&DkimKey]) -> Email {
    sign(mail, keys, Timestamp::from_second(1_803_886_449).unwrap()).unwrap()
}

fn matning() -> Email {
    mailed(&house().letter(&letter("led/matning", &anna())).unwrap())
}

#[test]
fn a4_one_click_opt_out_stands_there_and_is_signed() {
    let (rsa, ed25519) = (key(Algorithm::Rsa), key(Algorithm::Ed25519));
    let mail = signed(matning(), &[&rsa, &ed25519]);
    let opt_out = values(&mail, "List-Unsubscribe");
    assert_eq!(opt_out.len(), 1);
    assert!(
        opt_out[0].starts_with("<https://ut.fyrljus.example/") && opt_out[0].contains(">, <mailto:"),
        "{opt_out:?}"
    );
    assert_eq!(values(&mail, "List-Unsubscribe-Post"), ["List-Unsubscribe=One-Click"]);
    let signatures = values(&mail, "DKIM-Signature");
    assert_eq!(signatures.len(), 2);
    for (signature, algorithm) in signatures.iter().zip(["a=rsa-sha256;", "a=ed25519-sha256;"]) {
        assert!(signature.contains(algorithm) && signature.contains("d=fyrljus.example;"), "{signature}");
        let covered = signature.split("h=").nth(1).unwrap().split(';').next().unwrap().replace(' ', "");
        let covered: Vec<_> = covered.split(':').collect();
        assert_eq!(covered.iter().filter(|name| **name == "from").count(), 2, "{covered:?}");
        for name in [
            "to",
            "subject",
            "date",
            "message-id",
            "reply-to",
            "in-reply-to",
            "references",
            "mime-version",
            "content-type",
            "list-id",
            "list-unsubscribe",
            "list-unsubscribe-post",
            "feedback-id",
        ] {
            assert_eq!(covered.iter().filter(|covered| **covered == name).count(), 1, "{name} in {covered:?}");
        }
    }
}

#[test]
fn a9_the_message_is_one_that_every_server_takes() {
    let (rsa, ed25519) = (key(Algorithm::Rsa), key(Algorithm::Ed25519));
    let mail = signed(matning(), &[&rsa, &ed25519]);
    for name in ["Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type", "Reply-To"] {
        assert_eq!(values(&mail, name).len(), 1, "{name}");
    }
    assert_eq!(values(&mail, "Message-ID"), ["<3.matning@fyrljus.example>"]);
    assert!(values(&mail, "Content-Type")[0].starts_with("multipart/alternative;"));
    let text = String::from_utf8(mail.bytes.clone()).unwrap();
    assert!(text.is_ascii() && text.ends_with("\r\n") && !text.contains("\r\n.\r\n"));
    for line in text.split("\r\n") {
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        assert!(line.len() <= 78 || line.starts_with("List-Unsubscribe: <https:"), "{line:?}");
    }
    assert_eq!(text.matches("Content-Transfer-Encoding: quoted-printable").count(), 2);
    assert_eq!(text.matches("Content-Type: text/plain").count(), 1);
}

#[test]
fn a10_feedback_id_names_the_campaign_and_nobody() {
    let mail = matning();
    assert_eq!(values(&mail, "Feedback-ID"), ["led-i-lagret:matning:campaign:fyrljus"]);
    assert!(values(&mail, "List-Id")[0].ends_with("<led-i-lagret.fyrljus.example>"));
}

#[test]
fn a11_a_letter_says_that_a_machine_wrote_it_only_where_asked() {
    assert_eq!(values(&matning(), "Auto-Submitted"), [""; 0]);
    assert_eq!(values(&matning(), "Precedence"), [""; 0]);
}

#[test]
fn a12_an_idn_domain_goes_out_as_its_a_label() {
    let to = EmailAddress::parse("anna@räksmörgås.example").unwrap();
    let from = EmailAddress::parse("karin.ek@fyrljus.example").unwrap();
    let date = date();
    let head = head_of(&from, &to, &date);
    let mail = plain("s", "t", None, &head).unwrap();
    assert_eq!(values(&mail, "To"), ["anna@xn--rksmrgs-5wao1o.example"]);
    // A local part beyond ASCII has no other form, and stands as it is (RFC 6532).
    let to = EmailAddress::parse("åsa@räksmörgås.example").unwrap();
    let mail = plain("s", "t", None, &head_of(&from, &to, &date)).unwrap();
    assert_eq!(values(&mail, "To"), ["åsa@xn--rksmrgs-5wao1o.example"]);
}

#[test]
fn a13_nothing_in_a_field_breaks_out_of_it() {
    for hostile in ["X\r\nBcc: a@b.example", "X\nBcc: a@b.example", "X\0Y", "X\u{202e}Y", "X\u{2028}Bcc: a@b.example"] {
        let mut data = with("/contact/name", json!(hostile));
        data["contact"]["given_name"] = json!(hostile);
        let subject = Subject::Template("Till {{contact.name}}");
        let rendered = house().letter(&Letter { subject, ..letter("led/matning", &data) }).unwrap();
        let mail = mailed(&rendered);
        let text = String::from_utf8(mail.bytes.clone()).unwrap();
        assert!(values(&mail, "Bcc").is_empty() && !text.contains('\0'), "{hostile:?}");
        let read = mail_parser::MessageParser::default().parse(&mail.bytes).unwrap();
        assert!(!read.subject().unwrap().contains(['\r', '\n', '\0', '\u{202e}']), "{hostile:?}");
        assert!(!read.body_text(0).unwrap().contains(['\0', '\u{202e}']), "{hostile:?}");
    }
}

#[test]
fn signs_the_same_mail_with_the_same_bytes() {
    let (rsa, ed25519) = (key(Algorithm::Rsa), key(Algorithm::Ed25519));
    let once = signed(matning(), &[&rsa, &ed25519]);
    assert_eq!(once, signed(matning(), &[&rsa, &ed25519]));
    assert_ne!(once.sha256, signed(matning(), &[&rsa]).sha256);
    assert_eq!(signed(matning(), &[]), matning());
    let later = sign(matning(), &[&ed25519], Timestamp::from_second(1_803_886_450).unwrap()).unwrap();
    assert_ne!(later.sha256, signed(matning(), &[&ed25519]).sha256);
}
