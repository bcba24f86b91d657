//! How merge data stays data inside Markdown, HTML and text.
//!
//! Markdown has no escape that holds in every place (a backslash is literal in a
//! link's target and in code), so each ASCII character of a merged value is moved
//! to a private-use code point before the Markdown is parsed and moved back after.
//! The parser sees letters that mean nothing: no emphasis, link, heading, entity
//! or tag can come from them, nor from them together with the template around.

use std::ops::Range;

use crate::model::text::tame;

/// Where ASCII is moved to: plane 15, which no text uses.
const SHIFT: u32 = 0xF_0000;

/// Stands for the letter in a layout until the letter is put there.
pub(super) const CONTENT: char = '\u{F0100}';
/// Stands for the footer in a layout until the footer is put there.
pub(super) const FOOTER: char = '\u{F0101}';

/// A merged value on its way into Markdown.
pub(super) fn shield(data: &str) -> String {
    let moved = |c: char| if c.is_ascii() { char::from_u32(SHIFT + c as u32).unwrap_or(c) } else { c };
    clean(data).chars().map(moved).collect()
}

/// The text again, as it was meant, after the Markdown is parsed.
pub(super) fn unshield(text: &str) -> String {
    // Code points of planes 12 to 15 begin with this byte in UTF-8; most text has none.
    if !text.as_bytes().contains(&0xF3) {
        return text.to_owned();
    }
    let back = |c: char| match (c as u32).checked_sub(SHIFT) {
        Some(ascii @ 0..0x80) => char::from_u32(ascii).unwrap_or(c),
        _ => c,
    };
    text.chars().map(back).collect()
}

/// A merged value as one line without control characters, bidirectional controls
/// and the code points that this module uses itself. A stand-in is let through.
pub(super) fn clean(data: &str) -> String {
    without(data, SHIFT..SHIFT + 0x200)
}

/// The same of a client's own words, where stand-ins are data like any other.
pub(super) fn strip(words: &str) -> String {
    without(words, SHIFT..SHIFT + 0x400)
}

fn without(data: &str, ours: Range<u32>) -> String {
    // The usual value: nothing in it is taken out.
    if data.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return data.to_owned();
    }
    tame(data).chars().filter(|c| !ours.contains(&(*c as u32))).collect()
}

/// A client's words as HTML.
pub(super) fn strip_html(words: &str) -> String {
    escape_html(&strip(words))
}

/// Text as HTML, in an element or a quoted attribute.
pub(super) fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'')) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_data_out_of_the_parsers_sight_and_back() {
        let hostile = "# <b>[x](http://e.example)**&amp; 1.";
        assert!(!shield(hostile).bytes().any(|b| b.is_ascii()));
        assert_eq!(unshield(&shield(hostile)), hostile);
    }

    #[test]
    fn drops_its_own_code_points_from_data() {
        assert_eq!(shield("\u{F0023}\u{F0100}å"), "å");
    }
}
