//! The envelope's inside: MIME by lettre's builder, the same bytes every time.
//!
//! lettre asks the clock for a Date and chance for a boundary unless it gets both,
//! and panics on CR or LF in a display name; all three are kept from it here.

use std::time::SystemTime;

use data_encoding::BASE64;
use jiff::ZonedDateTime;
use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, MessageBuilder, MultiPart, SinglePart};

use super::file::File;
use super::shield::clean;
use super::{RenderError, Rendered, quoted, sha256_hex};
use crate::model::address::EmailAddress;

/// What stands above a mail's body. Names are tamed here; identifiers must be clean.
#[derive(Clone, Debug)]
pub struct MailHead<'a> {
    /// The display name it comes from.
    pub from_name: &'a str,
    /// The address it comes from.
    pub from: &'a EmailAddress,
    /// Where answers go, if not there.
    pub reply_to: Option<&'a EmailAddress>,
    /// The recipient's name; may be empty.
    pub to_name: &'a str,
    /// The recipient's address.
    pub to: &'a EmailAddress,
    /// The Message-ID without its angle brackets.
    pub message_id: &'a str,
    /// The Date, in the sender's zone; frozen with the delivery.
    pub date: &'a ZonedDateTime,
    /// What the MIME boundary is made from; frozen with the delivery.
    pub boundary_seed: &'a str,
    /// The Message-ID it answers, without angle brackets.
    pub in_reply_to: Option<&'a str>,
    /// The thread's Message-IDs, oldest first, without angle brackets.
    pub references: &'a [String],
    /// The campaign as a list (RFC 2919).
    pub list_id: Option<ListId<'a>>,
    /// How to opt out (RFC 2369, RFC 8058); required of everything promotional.
    pub unsubscribe: Option<Unsubscribe<'a>>,
    /// The delivery's token, by which a bounce finds it where relays change Message-IDs.
    pub delivery_token: Option<&'a str>,
    /// `campaign:step:purpose:SenderId` for Gmail's postmaster figures; nothing in it
    /// tells one recipient from another.
    pub feedback_id: Option<&'a str>,
    /// `Auto-Submitted: auto-generated` (RFC 3834): it silences holiday replies, so
    /// it belongs on digests and notices; on letters only where the sender asks for it.
    pub auto_submitted: bool,
}

/// A List-Id.
#[derive(Clone, Copy, Debug)]
pub struct ListId<'a> {
    /// What people see, `LED i lagret, våren 2027`.
    pub title: &'a str,
    /// A name below the sender's domain, `led-i-lagret.fyrljus.example`.
    pub id: &'a str,
}

/// Where an opt-out goes.
#[derive(Clone, Copy, Debug)]
pub struct Unsubscribe<'a> {
    /// The one-click address, `https://`.
    pub url: &'a str,
    /// The address that takes a mail instead, with subject, without `mailto:`.
    pub mailto: Option<&'a str>,
}

/// A mail as it leaves; not yet dot-stuffed, which is the transport's.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    /// Header and body, CRLF; ASCII but for addresses beyond it (RFC 6532).
    pub bytes: Vec<u8>,
    /// Their SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Email({} bytes, {})", self.bytes.len(), self.sha256)
    }
}

/// A letter as a mail.
///
/// # Errors
/// An identifier or address that cannot stand in its header.
pub fn email(rendered: &Rendered, head: &MailHead<'_>) -> Result<Email, RenderError> {
    let Rendered { subject, html, text, pictures, attachments, .. } = rendered;
    build(subject, head, |builder| {
        let body = related(alternative(text, html, head), pictures, head);
        Ok(builder.multipart(mixed(body, attachments, head))?)
    })
}

/// A mail from texts that are composed already: digests and notices.
///
/// # Errors
/// An identifier or address that cannot stand in its header.
pub fn plain(subject: &str, text: &str, html: Option<&str>, head: &MailHead<'_>) -> Result<Email, RenderError> {
    build(subject, head, |builder| match html {
        Some(html) => Ok(builder.multipart(alternative(text, html, head))?),
        None => Ok(builder.singlepart(part(ContentType::TEXT_PLAIN, text))?),
    })
}

fn build(
    subject: &str,
    head: &MailHead<'_>,
    body: impl FnOnce(MessageBuilder) -> Result<Message, RenderError>,
) -> Result<Email, RenderError> {
    let mut builder = Message::builder()
        // A placeholder: without one lettre reads the clock. The true Date replaces it below.
        .date(SystemTime::UNIX_EPOCH)
        .from(mailbox(head.from_name, head.from, "From")?)
        .to(mailbox(head.to_name, head.to, "To")?);
    if let Some(reply_to) = head.reply_to {
        builder = builder.reply_to(mailbox(head.from_name, reply_to, "Reply-To")?);
    }
    builder = builder.subject(line(subject));
    for value in identifiers(head)? {
        builder = builder.raw_header(value);
    }
    let mut message = body(builder)?;
    let date = head.date.strftime("%a, %d %b %Y %H:%M:%S %z").to_string();
    message.headers_mut().insert_raw(raw("Date", date));
    let bytes = message.formatted();
    Ok(Email { sha256: sha256_hex(&bytes), bytes })
}

/// The same letter twice: as text and as HTML.
fn alternative(text: &str, html: &str, head: &MailHead<'_>) -> MultiPart {
    let parts = MultiPart::alternative().boundary(boundary(head, ""));
    parts.singlepart(part(ContentType::TEXT_PLAIN, text)).singlepart(part(ContentType::TEXT_HTML, html))
}

/// The letter and the pictures that stand in it (RFC 2387).
fn related(letter: MultiPart, pictures: &[File], head: &MailHead<'_>) -> MultiPart {
    if pictures.is_empty() {
        return letter;
    }
    let boundary = boundary(head, "/related");
    let kind = format!("multipart/related; type=\"multipart/alternative\"; boundary=\"{boundary}\"");
    let mut parts = MultiPart::related().boundary(boundary).multipart(letter);
    for picture in pictures {
        let name = picture.file_name().to_owned();
        let attached = Attachment::new_inline_with_name(picture.content_id(), name);
        parts = parts.singlepart(attached.body(encoded(picture), media_type(picture)));
    }
    // lettre leaves out `type`, which RFC 2387 3.1 wants.
    parts.headers_mut().set(ContentType::parse(&kind).expect("the kind is written above"));
    parts
}

/// The letter and what is attached to it.
fn mixed(letter: MultiPart, attachments: &[File], head: &MailHead<'_>) -> MultiPart {
    if attachments.is_empty() {
        return letter;
    }
    let mut parts = MultiPart::mixed().boundary(boundary(head, "/mixed")).multipart(letter);
    for file in attachments {
        let attached = Attachment::new(line(file.file_name()));
        parts = parts.singlepart(attached.body(encoded(file), media_type(file)));
    }
    parts
}

/// One from the frozen seed for each level: `=_` stands in no quoted-printable, `_` in no base64.
fn boundary(head: &MailHead<'_>, level: &str) -> String {
    let seed = format!("{}{level}", head.boundary_seed);
    format!("=_{}", &sha256_hex(seed.as_bytes())[..32])
}

fn encoded(file: &File) -> Body {
    Body::new_with_encoding(file.bytes().to_vec(), ContentTransferEncoding::Base64).expect("base64 holds every file")
}

fn media_type(file: &File) -> ContentType {
    ContentType::parse(file.media_type()).expect("the media types are a table of constants")
}

/// Quoted-printable always: it cannot hold a bare CR or LF, a line over 76, or the
/// boundary, whose `=_` it never writes.
fn part(kind: ContentType, text: &str) -> SinglePart {
    let body = Body::dangerous_pre_encoded(quoted::encode(text), ContentTransferEncoding::QuotedPrintable);
    SinglePart::builder().header(kind).body(body)
}

fn line(text: &str) -> String {
    clean(text).trim().to_owned()
}

fn mailbox(name: &str, address: &EmailAddress, header: &'static str) -> Result<Mailbox, RenderError> {
    let name = line(name);
    let address = lettre::Address::new(address.local(), address.domain());
    let address = address.map_err(|_| RenderError::Address { name: header })?;
    Ok(Mailbox::new(Some(name).filter(|name| !name.is_empty()), address))
}

/// Headers that hold no words: written here, as lettre would encode long ones.
fn identifiers(head: &MailHead<'_>) -> Result<Vec<HeaderValue>, RenderError> {
    let mut out = Vec::new();
    out.push(raw("Message-ID", bracketed("Message-ID", head.message_id)?));
    if let Some(id) = head.in_reply_to {
        out.push(raw("In-Reply-To", bracketed("In-Reply-To", id)?));
    }
    if !head.references.is_empty() {
        let ids: Result<Vec<_>, _> = head.references.iter().map(|id| bracketed("References", id)).collect();
        out.push(raw("References", ids?.join("\r\n ")));
    }
    if let Some(list) = head.list_id {
        let id = bracketed("List-Id", list.id)?;
        let title = phrase(&line(list.title));
        out.push(raw("List-Id", if title.is_empty() { id } else { format!("{title}\r\n {id}") }));
    }
    if let Some(unsubscribe) = head.unsubscribe {
        let mut value = bracketed("List-Unsubscribe", unsubscribe.url)?;
        if let Some(mailto) = unsubscribe.mailto {
            value.push_str(&format!(",\r\n {}", bracketed("List-Unsubscribe", &format!("mailto:{mailto}"))?));
        }
        out.push(raw("List-Unsubscribe", value));
        out.push(raw("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
    }
    if let Some(id) = head.feedback_id {
        out.push(raw("Feedback-ID", visible("Feedback-ID", id)?.to_owned()));
    }
    if let Some(token) = head.delivery_token {
        out.push(raw("X-Outreachd-Delivery", visible("X-Outreachd-Delivery", token)?.to_owned()));
    }
    if head.auto_submitted {
        out.push(raw("Auto-Submitted", "auto-generated".to_owned()));
    }
    Ok(out)
}

fn raw(name: &'static str, encoded: String) -> HeaderValue {
    let raw = encoded.replace("\r\n", "");
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), raw, encoded)
}

fn bracketed(name: &'static str, id: &str) -> Result<String, RenderError> {
    Ok(format!("<{}>", visible(name, id)?))
}

/// An identifier goes on the wire as it is, so nothing may end or break it. 900
/// characters keep the line below the 998 of RFC 5322 2.1.1.
fn visible<'a>(name: &'static str, id: &'a str) -> Result<&'a str, RenderError> {
    let fits = !id.is_empty() && id.len() <= 900 && id.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>');
    if fits { Ok(id) } else { Err(RenderError::Header { name }) }
}

/// Words before an identifier: quoted, or as encoded words of at most 75 (RFC 2047 2).
fn phrase(text: &str) -> String {
    if text.is_ascii() && text.len() <= 200 {
        return if text.is_empty() { String::new() } else { format!("\"{}\"", text.replace(['"', '\\'], "'")) };
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        if words.last().is_some_and(|word| word.len() + c.len_utf8() > 42) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    let encoded: Vec<_> = words.iter().map(|word| format!("=?utf-8?B?{}?=", BASE64.encode(word.as_bytes()))).collect();
    encoded.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head<'a>(from: &'a EmailAddress, to: &'a EmailAddress, date: &'a ZonedDateTime) -> MailHead<'a> {
        MailHead {
            from_name: "Karin Ek",
            from,
            reply_to: None,
            to_name: "Anna Lind",
            to,
            message_id: "abc@fyrljus.example",
            date,
            boundary_seed: "seed",
            in_reply_to: None,
            references: &[],
            list_id: None,
            unsubscribe: None,
            delivery_token: None,
            feedback_id: None,
            auto_submitted: false,
        }
    }

    fn with_head<T>(act: impl FnOnce(MailHead<'_>) -> T) -> T {
        let from = EmailAddress::parse("karin.ek@fyrljus.example").unwrap();
        let to = EmailAddress::parse("anna.lind@granvik.example").unwrap();
        let date: ZonedDateTime = "2027-03-01T08:34:09+01:00[Europe/Stockholm]".parse().unwrap();
        act(head(&from, &to, &date))
    }

    fn assert_wire(bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(text.is_ascii());
        for line in text.split("\r\n") {
            assert!(line.len() <= 998 && !line.contains(['\r', '\n', '\0']), "{line:?}");
        }
    }

    #[test]
    fn refuses_identifiers_that_would_end_their_header() {
        with_head(|head| {
            for id in ["a\r\nBcc: x@y.example", "a b@c.example", "a>b@c.example", "å@c.example", ""] {
                let mail = plain("s", "t", None, &MailHead { message_id: id, ..head.clone() });
                assert!(matches!(mail, Err(RenderError::Header { name: "Message-ID" })), "{id:?}");
            }
        });
    }

    #[test]
    fn writes_the_date_of_the_senders_zone() {
        with_head(|head| {
            let bytes = plain("s", "t", None, &head).unwrap().bytes;
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(text.matches("Date: Mon, 01 Mar 2027 08:34:09 +0100\r\n").count(), 1);
            assert_eq!(text.matches("Date:").count(), 1);
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn keeps_the_wire_clean_whatever_stands_in_names_and_bodies(
            name in "\\PC{0,80}|[\\x00-\\x1f\u{202e}a-z]{0,40}",
            body in "(?s).{0,2000}",
        ) {
            with_head(|head| {
                let list_id = Some(ListId { title: &name, id: "l.fyrljus.example" });
                let head = MailHead { from_name: &name, to_name: &name, list_id, ..head };
                let mail = plain(&name, &body, Some(&body), &head).unwrap();
                assert_wire(&mail.bytes);
                let read = mail_parser::MessageParser::default().parse(&mail.bytes).unwrap();
                assert_eq!(read.headers().iter().filter(|h| h.name().eq_ignore_ascii_case("bcc")).count(), 0);
                assert_eq!(read.parts.len(), 3);
            });
        }
    }
}
