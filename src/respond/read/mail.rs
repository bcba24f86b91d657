//! One parsed mail: its headers as fields, its parts as text, within limits.
//!
//! Nested messages are one part each; what stands in them is never searched for
//! addresses, only their headers are looked at by [`super::returned`].

use std::borrow::Cow;
use std::panic::catch_unwind;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};

use crate::model::text::tame;

use super::fields::{Fields, address_in, addresses_in};
use super::{html, one_line};

/// Bytes of a mail that are read; what a mail says stands in front.
const MOST_BYTES: usize = 4 << 20;
/// Parts that are read.
const MOST_PARTS: usize = 200;
/// Containers (multipart, message) that are read, and so the depth of nesting.
const MOST_CONTAINERS: usize = 20;
/// Characters of text that are looked at in one part.
const MOST_TEXT: usize = 256 << 10;

/// A mail.
pub(super) struct Mail<'x> {
    message: Message<'x>,
    /// The headers, unfolded.
    pub(super) headers: Fields,
    /// The parts that are no containers, in their order.
    pub(super) parts: Vec<Part<'x>>,
}

/// One part that holds no others.
pub(super) struct Part<'x> {
    /// The media type in lower case (`text/plain`).
    pub(super) media: String,
    /// The content as text, decoded; of a nested message the headers alone.
    pub(super) text: Cow<'x, str>,
    /// It is named or marked as an attachment.
    attached: bool,
}

impl<'x> Mail<'x> {
    /// Parses what fits the limits.
    pub(super) fn parse(raw: &'x [u8]) -> Option<Self> {
        let raw = within_limits(raw);
        // The parser promises not to panic; a mail that proves it wrong must not
        // stop the ones behind it.
        let message = catch_unwind(|| MessageParser::default().parse(raw)).ok().flatten()?;
        let mut headers = Fields::default();
        for (at, (name, value)) in message.headers_raw().enumerate().take(500) {
            headers.push(name, value, at + 1);
        }
        let mut parts: Vec<Part<'x>> = message.parts.iter().take(MOST_PARTS).filter_map(Part::of).collect();
        if parts.iter().all(|part| part.text.trim().is_empty() || part.media.starts_with("multipart/")) {
            parts.extend(unparted(raw));
        }
        Some(Self { message, headers, parts })
    }

    /// The parts of one media type.
    pub(super) fn parts_of(&self, media: &[&str]) -> impl Iterator<Item = &Part<'x>> {
        self.parts.iter().filter(move |part| media.contains(&part.media.as_str()))
    }

    /// The words of the mail: the text parts, or else the HTML as text.
    pub(super) fn body(&self) -> Cow<'_, str> {
        let mut texts = self.parts.iter().filter(|part| part.media == "text/plain" && !part.attached);
        if let Some(first) = texts.next().filter(|part| !part.text.trim().is_empty()) {
            let more: Vec<_> = texts.take(3).collect();
            if more.is_empty() {
                return Cow::Borrowed(&first.text);
            }
            let all = std::iter::once(first).chain(more).map(|part| part.text.as_ref());
            return Cow::Owned(all.collect::<Vec<_>>().join("\n"));
        }
        match self.parts.iter().find(|part| part.media == "text/html") {
            Some(html) => Cow::Owned(html::to_text(&html.text)),
            None => Cow::Borrowed(self.parts.iter().find(|part| part.is_text()).map_or("", |part| &part.text)),
        }
    }

    /// The subject, decoded.
    pub(super) fn subject(&self) -> &str {
        self.message.subject().unwrap_or_default()
    }

    pub(super) fn message_id(&self) -> Option<String> {
        ids(self.headers.value("message-id")?).next()
    }

    pub(super) fn sender(&self) -> Option<String> {
        let parsed = self.message.from().and_then(Address::first).and_then(|from| from.address());
        parsed.and_then(address_in).or_else(|| address_in(self.headers.value("from")?))
    }

    pub(super) fn sender_name(&self) -> Option<String> {
        let name = self.message.from()?.first()?.name()?;
        Some(one_line(name, 200)).filter(|name| !name.is_empty())
    }

    pub(super) fn date(&self) -> Option<Timestamp> {
        let date = self.message.date().filter(|date| date.is_valid())?;
        Timestamp::from_second(date.to_timestamp()).ok()
    }

    /// The day from which its dates count: that of its Date, unless that is nonsense
    /// or close to the local day it came on, which is right about midnight.
    pub(super) fn written_on(&self, received: Date) -> Date {
        let Some(dated) = self.date().map(|date| TimeZone::UTC.to_datetime(date).date()) else { return received };
        let earlier = dated < received.saturating_sub(1.day());
        if earlier && dated.year() >= 2000 { dated } else { received }
    }

    pub(super) fn references(&self) -> Vec<String> {
        let both = ["in-reply-to", "references"].into_iter().flat_map(|name| self.headers.all(name));
        distinct(both.flat_map(ids).take(100))
    }

    pub(super) fn addressed_to(&self) -> Vec<String> {
        const NAMES: [&str; 8] = [
            "envelope-to",
            "x-envelope-to",
            "delivered-to",
            "x-original-to",
            "x-forwarded-to",
            "to",
            "cc",
            "apparently-to",
        ];
        let values = NAMES.into_iter().flat_map(|name| self.headers.all(name));
        distinct(values.flat_map(|value| addresses_in(value).map(|(_, address)| address)).take(100))
    }

    /// The return path is `<>`: a machine wrote.
    pub(super) fn has_null_return_path(&self) -> bool {
        self.headers.find("return-path").is_some_and(|field| matches!(field.value.trim(), "" | "<>"))
    }
}

impl<'x> Part<'x> {
    fn of(part: &mail_parser::MessagePart<'x>) -> Option<Self> {
        let media = match part.content_type() {
            Some(kind) => format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase(),
            None => "text/plain".to_owned(),
        };
        let attached = part.attachment_name().is_some()
            || part.content_disposition().is_some_and(mail_parser::ContentType::is_attachment);
        let text = match &part.body {
            PartType::Text(text) | PartType::Html(text) => capped(text.clone()),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) if media.starts_with("message/") => {
                capped(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
            }
            PartType::Binary(_) | PartType::InlineBinary(_) => Cow::Borrowed(""),
            PartType::Message(nested) => Cow::Owned(headers_of(nested)),
            PartType::Multipart(_) => return None,
        };
        let media = if matches!(part.body, PartType::Message(_)) { "message/rfc822".to_owned() } else { media };
        Some(Self { media, text, attached })
    }

    fn is_text(&self) -> bool {
        self.media.starts_with("text/")
    }
}

/// The body of a mail whose boundary is broken, as one text, and once more as a
/// delivery status where it holds one.
fn unparted(raw: &[u8]) -> Vec<Part<'static>> {
    let text = String::from_utf8_lossy(&raw[..raw.len().min(MOST_TEXT)]).replace("\r\n", "\n");
    let Some((_, body)) = text.split_once("\n\n") else { return Vec::new() };
    let part = |media: &str, text: &str| Part { media: media.into(), text: Cow::Owned(text.into()), attached: false };
    let mut parts = vec![part("text/plain", body)];
    if let Some(at) = body.find("\nFinal-Recipient:") {
        let from = body[..at].rfind("\n\n").unwrap_or(at);
        let end = body[from..].find("\n--").map_or(body.len(), |end| from + end);
        parts.push(part("message/delivery-status", &body[from..end]));
    }
    parts
}

fn headers_of(nested: &Message<'_>) -> String {
    let mut text = String::new();
    for (name, value) in nested.headers_raw().take(200) {
        text.push_str(&format!("{name}: {}\n", tame(value).trim()));
    }
    text
}

fn capped(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= MOST_TEXT {
        return text;
    }
    let end = text.floor_char_boundary(MOST_TEXT);
    Cow::Owned(text[..end].to_owned())
}

/// `raw` cut where it grows too long, too deep or into too many parts. Nesting
/// cannot be deeper than there are containers, so counting those is enough, and
/// it is done before a parser builds (and later drops) a tower of them.
fn within_limits(raw: &[u8]) -> &[u8] {
    let raw = &raw[..raw.len().min(MOST_BYTES)];
    let (mut parts, mut containers) = (0, 0);
    let mut line_from = 0;
    while line_from < raw.len() {
        let line_end = raw[line_from..].iter().position(|b| *b == b'\n').map_or(raw.len(), |i| line_from + i + 1);
        let line = &raw[line_from..line_end];
        parts += usize::from(starts_with(line, b"content-type:"));
        containers += usize::from(is_container(line));
        if parts > MOST_PARTS || containers > MOST_CONTAINERS {
            return &raw[..line_from];
        }
        line_from = line_end;
    }
    raw
}

/// A line that says `multipart/...` or `message/...`, folded or not.
fn is_container(line: &[u8]) -> bool {
    let value = match starts_with(line, b"content-type:") {
        true => &line[b"content-type:".len()..],
        false if line.starts_with(b" ") || line.starts_with(b"\t") => line,
        false => return false,
    };
    let value = value.trim_ascii_start();
    starts_with(value, b"multipart/") || starts_with(value, b"message/")
}

fn starts_with(line: &[u8], prefix: &[u8]) -> bool {
    line.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

/// The message ids in a header's value.
pub(super) fn ids(value: &str) -> impl Iterator<Item = String> {
    let bracketed = value.contains('<');
    value
        .split(|c: char| c.is_whitespace() || c == ',' || c == '<' || c == '>')
        .filter(move |word| !word.is_empty() && word.len() < 1000 && (!bracketed || word.contains('@')))
        .map(ToOwned::to_owned)
}

fn distinct(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_a_tower_of_containers() {
        let mut raw = String::from("Subject: x\r\n");
        for level in 0..10_000 {
            raw.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"));
        }
        assert!(within_limits(raw.as_bytes()).len() < raw.len() / 100);
        assert!(Mail::parse(raw.as_bytes()).is_some());
    }

    #[test]
    fn takes_ids_out_of_their_brackets() {
        let found: Vec<_> = ids("<a@x.example> <b@x.example>").collect();
        assert_eq!(found, ["a@x.example", "b@x.example"]);
    }
}
