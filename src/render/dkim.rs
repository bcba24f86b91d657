//! DKIM signatures over a finished mail (RFC 6376, RFC 8463): relaxed/relaxed.
//!
//! Pure, as the room is: the instant in `t=` is a parameter, and both algorithms
//! draw nothing from chance, so the same mail is signed with the same bytes. (That
//! rules out signers that read the clock themselves.) The keys are `config`'s.

use std::fmt::Write;

use data_encoding::BASE64;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::mail::Email;
use super::{RenderError, sha256_hex};
use crate::config::dkim::DkimKey;

/// What a signature covers, if the mail has it: what a reader sees or a mailbox
/// provider acts on. `X-` headers are left to whoever passes the mail on.
const COVERED: [&str; 17] = [
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "feedback-id",
    "auto-submitted",
    "content-disposition",
];
/// Characters of `b=` on a line; with the blank before them below 78.
const FOLD: usize = 72;

/// The mail with a signature of each key before it.
///
/// # Errors
/// A key does not sign.
pub fn sign(mail: Email, keys: &[&DkimKey], at: Timestamp) -> Result<Email, RenderError> {
    if keys.is_empty() {
        return Ok(mail);
    }
    let (head, body) = split(&mail.bytes);
    let covered = Covered::of(&head);
    let body_hash = BASE64.encode(&Sha256::digest(relaxed_body(body)));
    let mut bytes = Vec::with_capacity(mail.bytes.len() + 1024 * keys.len());
    for key in keys {
        let field = unsigned(key, &covered.names, &body_hash, at);
        let data = format!("{}{}", covered.canonical, relaxed_field("dkim-signature", &field));
        let signature = BASE64.encode(&key.sign(data.as_bytes())?);
        bytes.extend_from_slice(b"DKIM-Signature:");
        bytes.extend_from_slice(field.as_bytes());
        for line in signature.as_bytes().chunks(FOLD) {
            bytes.extend_from_slice(b"\r\n ");
            bytes.extend_from_slice(line);
        }
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(&mail.bytes);
    Ok(Email { sha256: sha256_hex(&bytes), bytes })
}

/// The head's lines with their breaks, and the body.
fn split(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(bytes.len(), |at| at + 2);
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes.get(end + 2..).unwrap_or_default())
}

/// The header fields under a signature.
struct Covered {
    /// For `h=`, in the order of `canonical`.
    names: Vec<&'static str>,
    /// All of them in relaxed form, each with its line break.
    canonical: String,
}

impl Covered {
    fn of(head: &str) -> Self {
        let fields = fields(head);
        let (mut names, mut canonical) = (Vec::new(), String::new());
        for name in COVERED {
            // The last of several comes first (RFC 6376 5.4.2); this room writes one of each.
            for (_, value) in fields.iter().rev().filter(|(written, _)| written.eq_ignore_ascii_case(name)) {
                names.push(name);
                canonical.push_str(&relaxed_field(name, value));
                canonical.push_str("\r\n");
            }
        }
        // Once more than there are: a second From that somebody adds breaks the signature.
        names.insert(0, "from");
        Self { names, canonical }
    }
}

/// Names and values, folds still in them.
fn fields(head: &str) -> Vec<(&str, &str)> {
    let mut fields = Vec::new();
    let mut start = 0;
    for (at, _) in head.match_indices("\r\n") {
        if head[at + 2..].starts_with([' ', '\t']) {
            continue;
        }
        fields.extend(head[start..at].split_once(':'));
        start = at + 2;
    }
    fields
}

/// The signature's own field, up to where the signature goes.
fn unsigned(key: &DkimKey, names: &[&str], body_hash: &str, at: Timestamp) -> String {
    let mut out = format!(" v=1; a={}; c=relaxed/relaxed;\r\n d={};", key.algorithm().tag(), key.domain());
    let _ = write!(out, " s={}; t={};\r\n", key.selector(), at.as_second());
    let mut line = " h=".to_owned();
    for (place, name) in names.iter().enumerate() {
        if line.len() + name.len() + 1 > FOLD {
            let _ = write!(out, "{line}\r\n");
            line = " ".to_owned();
        }
        line.push_str(name);
        line.push(if place + 1 < names.len() { ':' } else { ';' });
    }
    let _ = write!(out, "{line}\r\n bh={body_hash};\r\n b=");
    out
}

/// RFC 6376 3.4.2, without the line break at its end.
fn relaxed_field(name: &str, value: &str) -> String {
    format!("{name}:{}", value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
}

/// RFC 6376 3.4.4: blanks in a row become one, none at a line's end, no empty lines at the end.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 2);
    let mut kept = 0;
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut blank = false;
        for byte in line {
            if matches!(byte, b' ' | b'\t') {
                blank = true;
                continue;
            }
            if std::mem::take(&mut blank) {
                out.push(b' ');
            }
            out.push(*byte);
        }
        let is_empty = out.len() == kept || out.ends_with(b"\r\n");
        out.extend_from_slice(b"\r\n");
        if !is_empty {
            kept = out.len();
        }
    }
    out.truncate(kept);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonicalises_as_the_example_of_the_standard() {
        // RFC 6376 3.4.5.
        let head = "A: X\r\nB : Y\t\r\n\tZ  \r\n";
        let relaxed: Vec<_> =
            fields(head).iter().map(|(name, value)| relaxed_field(&name.trim_end().to_lowercase(), value)).collect();
        assert_eq!(relaxed, ["a:X", "b:Y Z"]);
        assert_eq!(relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C\r\nD E\r\n");
    }

    #[test]
    fn canonicalises_bodies_that_are_nearly_nothing() {
        for (body, relaxed) in [
            (&b""[..], &b""[..]),
            (b"\r\n\r\n", b""),
            (b" \r\n", b""),
            (b"a", b"a\r\n"),
            (b"\r\na\r\n", b"\r\na\r\n"),
            (b"a\r\n\r\nb\r\n \r\n", b"a\r\n\r\nb\r\n"),
        ] {
            assert_eq!(relaxed_body(body), relaxed, "{body:?}");
        }
    }

    #[test]
    fn covers_each_field_once_and_the_sender_twice() {
        let covered = Covered::of("X-A: 1\r\nFrom: a@b.example\r\nSubject: x\r\n  y\r\nList-Unsubscribe: <u>\r\n");
        assert_eq!(covered.names, ["from", "from", "subject", "list-unsubscribe"]);
        assert_eq!(covered.canonical, "from:a@b.example\r\nsubject:x y\r\nlist-unsubscribe:<u>\r\n");
    }
}
