//! Fields of the form `Name: value`: headers and the blocks of machine reports.
//!
//! It unfolds and keeps; what a field means is the reader's.

use unicode_normalization::char::is_combining_mark;

use crate::model::text::tame;

/// Fields in their order, names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<Field>);

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: String,
    /// The line in the text it was read from, from 1.
    pub(super) line: usize,
}

/// More fields than this are no header.
const MOST_FIELDS: usize = 500;

impl Fields {
    /// Reads fields up to the first blank line.
    pub(super) fn parse(text: &str) -> Self {
        Self::blocks(text).into_iter().next().unwrap_or_default()
    }

    /// Reads blocks of fields that blank lines part, as in RFC 3464 2.1.
    pub(super) fn blocks(text: &str) -> Vec<Self> {
        let mut blocks = vec![Self::default()];
        for (at, line) in text.lines().enumerate() {
            let block = blocks.last_mut().expect("there is a first block");
            if line.trim().is_empty() {
                if !block.0.is_empty() {
                    blocks.push(Self::default());
                }
                continue;
            }
            if block.0.len() < MOST_FIELDS {
                block.push_line(line, at + 1);
            }
        }
        blocks.retain(|block| !block.0.is_empty());
        blocks
    }

    fn push_line(&mut self, line: &str, at: usize) {
        if line.starts_with([' ', '\t'])
            && let Some(last) = self.0.last_mut()
        {
            last.value.push(' ');
            last.value.push_str(line.trim());
            return;
        }
        let named = line.split_once(':').filter(|(name, _)| is_name(name.trim()));
        match (named, self.0.last_mut()) {
            (Some((name, value)), _) => self.push(name, value, at),
            // A server's answer of several lines that nobody folded.
            (None, Some(last)) => {
                last.value.push(' ');
                last.value.push_str(line.trim());
            }
            (None, None) => {}
        }
    }

    /// Adds a field.
    pub(super) fn push(&mut self, name: &str, value: &str, line: usize) {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        self.0.push(Field { name: name.trim().to_ascii_lowercase(), value: tame(&value), line });
    }

    /// Adds the fields of another block.
    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// The first field of this (lower-case) name.
    pub(super) fn find(&self, name: &str) -> Option<&Field> {
        self.0.iter().find(|field| field.name == name)
    }

    /// The first value of this name that is not empty.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|field| field.name == name).map(|field| field.value.trim());
        values.find(|value| !value.is_empty())
    }

    /// Each value of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |field| field.name == name).map(|field| field.value.trim())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() < 80 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The address in a typed value (`rfc822; a@b.example`), with RFC 3461 xtext undone.
pub(super) fn typed_address(value: &str) -> Option<String> {
    let (kind, rest) = value.split_once(';').unwrap_or(("", value));
    if kind.trim().eq_ignore_ascii_case("utf-8") {
        return address_in(&decode_unitext(rest.trim()));
    }
    let found = address_in(rest.trim())?;
    // xtext escapes `+` and `=`; only where the type says rfc822 and it decodes to an address.
    let decoded = if kind.trim().eq_ignore_ascii_case("rfc822") { decode_xtext(&found) } else { found };
    address_in(&decoded)
}

/// Undoes the `\x{2B}` of RFC 6533 3.
fn decode_unitext(text: &str) -> String {
    let mut parts = text.split("\\x{");
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let coded = part.split_once('}').filter(|(hex, _)| hex.len() <= 6);
        match coded.and_then(|(hex, rest)| Some((char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, rest))) {
            Some((c, rest)) => {
                decoded.push(c);
                decoded.push_str(rest);
            }
            None => decoded.push_str(part),
        }
    }
    decoded
}

fn decode_xtext(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('+') {
        decoded.push_str(head);
        let code = tail.get(..2).filter(|hex| hex.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)));
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|byte| matches!(byte, b'+' | b'=' | b'@')) {
            Some(byte) => {
                decoded.push(char::from(byte));
                rest = &tail[2..];
            }
            None => {
                decoded.push('+');
                rest = tail;
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

/// The first e-mail address in a text, in lower-case domain form.
pub(super) fn address_in(text: &str) -> Option<String> {
    addresses_in(text).next().map(|(_, address)| address)
}

/// Each e-mail address in a text with the byte it begins at.
pub(super) fn addresses_in(text: &str) -> impl Iterator<Item = (usize, String)> {
    text.match_indices('@').filter_map(|(at, _)| {
        let local_from = text[..at].rfind(|c| !is_local(c)).map_or(0, |i| i + char_len(text, i));
        let domain = &text[at + 1..];
        let end = domain.find(|c: char| !(c.is_alphanumeric() || c == '-' || c == '.')).unwrap_or(domain.len());
        let domain = domain[..end].trim_end_matches(['.', '-']);
        let local = &text[local_from..at];
        // X.400 form: "dda:SMTP=a@b".
        let local = local.rsplit_once("SMTP=").map_or(local, |(_, local)| local);
        let local = local.trim_start_matches(['\'', '=', '/', '`', '*', '.']);
        let fits = !local.is_empty() && local.len() <= 128 && domain.contains('.') && domain.len() <= 253;
        fits.then(|| (at - local.len(), format!("{local}@{}", domain.to_lowercase())))
    })
}

fn char_len(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

fn is_local(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c) || "!#$%&'*+-/=?^_{|}~.`".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfolds_values_and_parts_blocks() {
        let blocks = Fields::blocks("A: 1\r\n 2\r\n\r\n\r\nB: x\r\nno colon here\r\n");
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0].value("a"), Some("1 2"));
        assert_eq!(blocks[1].value("b"), Some("x no colon here"));
    }

    #[test]
    fn finds_the_address_in_a_typed_value() {
        assert_eq!(typed_address("rfc822; Anna@Granvik.Example").as_deref(), Some("Anna@granvik.example"));
        assert_eq!(typed_address("rfc822;a+2Bb@c.example").as_deref(), Some("a+b@c.example"));
        assert_eq!(typed_address("<a@b.example>:").as_deref(), Some("a@b.example"));
        assert_eq!(typed_address("rfc822; |/usr/bin/procmail"), None);
        assert_eq!(typed_address("utf-8;åsa\\x{2B}x@Granvik.example").as_deref(), Some("åsa+x@granvik.example"));
        assert_eq!(typed_address("utf-8; a\u{30a}sa@c.example").as_deref(), Some("a\u{30a}sa@c.example"));
    }
}
