//! The message on the wire: what is refused in it, and dot stuffing; pure.

use crate::transport::{Reply, Verdict};

/// RFC 5321 4.5.3.1.6: a text line, without its CRLF.
const MAX_LINE_BYTES: usize = 998;

/// The end of a message. It is sent apart from the message, see [`super::Session::body`].
pub(super) const DOT: &[u8] = b".\r\n";

/// Looks for what must not go on the wire; call it before [`super::Session::begin`].
///
/// A bare CR or LF is how a second message is smuggled past a server that ends
/// lines more generously than we do; NUL and lines over 998 bytes are refused or
/// mangled on the way.
///
/// # Errors
/// The message would not be sent; the verdict is a rejection that says why.
pub fn check_message(message: &[u8]) -> Result<(), Verdict> {
    flaw(message).map_or(Ok(()), |why| Err(Verdict::Rejected(Reply::made_here(554, "5.6.0", why))))
}

/// Whether the message has bytes over 127, which a relay must be asked for (RFC 6152).
/// Ours has some only where an address beyond ASCII stands in a header (RFC 6532): its bodies
/// are quoted-printable or base64, its other headers encoded words.
pub fn has_eight_bits(message: &[u8]) -> bool {
    !message.is_ascii()
}

/// What is wrong with the message, if anything. Counts over the whole message, which the
/// compiler turns into wide instructions: each mail passes here twice on its way out.
fn flaw(message: &[u8]) -> Option<&'static str> {
    let count = |wanted: u8| message.iter().filter(|byte| **byte == wanted).count();
    let pairs = message.iter().zip(message.get(1..).unwrap_or_default());
    let ends = pairs.filter(|pair| *pair.0 == b'\r' && *pair.1 == b'\n').count();
    if count(b'\r') != ends || count(b'\n') != ends {
        return Some("the message has a bare CR or LF");
    }
    if count(0) > 0 {
        return Some("the message has a NUL");
    }
    let is_long = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).len() > MAX_LINE_BYTES;
    message.split(|byte| *byte == b'\n').any(is_long).then_some("the message has a line over 998 bytes")
}

/// The message with its dots doubled (RFC 5321 4.5.2), ended by CRLF and without the final dot.
///
/// # Errors
/// As [`check_message`].
pub(super) fn stuff(message: &[u8]) -> Result<Vec<u8>, Verdict> {
    check_message(message)?;
    let mut stuffed = Vec::with_capacity(message.len() + message.len() / 64 + 2);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    if !stuffed.is_empty() && !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    Ok(stuffed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_each_dot_that_begins_a_line() {
        assert_eq!(stuff(b".\r\n..a\r\nb.\r\n.").unwrap(), b"..\r\n...a\r\nb.\r\n..\r\n");
    }

    #[test]
    fn refuses_bare_line_breaks_and_nul() {
        for message in [&b"a\n.\r\n"[..], b"a\r.\r\n", b"a\r\r\nb", b"a\r", b"\n", b"a\0"] {
            assert!(matches!(check_message(message), Err(Verdict::Rejected(_))), "{message:?}");
        }
        assert!(check_message(b"a\r\n\r\nb\r\n").is_ok());
    }

    #[test]
    fn refuses_a_line_over_998_bytes() {
        assert!(check_message(&[b'a'; 998]).is_ok());
        assert!(check_message(&[b'a'; 999]).is_err());
    }

    proptest! {
        #[test]
        fn never_holds_the_end_of_a_message_and_unstuffs_to_what_went_in(lines in proptest::collection::vec("[.ab]{0,4}", 1..20)) {
            let message = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
            let stuffed = String::from_utf8(stuff(message.as_bytes()).unwrap()).unwrap();
            prop_assert!(stuffed.split("\r\n").all(|line| line != "."));
            let back = stuffed.split_inclusive("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect::<String>();
            prop_assert_eq!(back, message);
        }
    }
}
