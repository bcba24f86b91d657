//! The message on the wire: what is refused in it, and dot stuffing; pure.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr2};

use crate::transport::{Reply, Verdict};

/// RFC 5321 4.5.3.1.6: a text line, without its CRLF.
const MAX_LINE_BYTES: usize = 998;

/// The end of a message. It is sent apart from the message, see [`super::Session::body`].
pub(super) const DOT: &[u8] = b".\r\n";

/// A message that may go on the wire: looked through, and with its dots doubled.
///
/// A bare CR or LF is how a second message is smuggled past a server that ends lines more
/// generously than we do; NUL and lines over 998 bytes are refused or mangled on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    size: usize,
    has_eight_bits: bool,
    /// Ended by CRLF and without the final dot.
    stuffed: Cow<'a, [u8]>,
}

impl<'a> Message<'a> {
    /// Looks through a message; call it before [`super::Session::begin`].
    ///
    /// # Errors
    /// The message would not be sent; the verdict is a rejection that says why.
    pub fn check(message: &'a [u8]) -> Result<Self, Verdict> {
        let dots = dots(message).map_err(|why| Verdict::Rejected(Reply::made_here(554, "5.6.0", why)))?;
        let stuffed = if dots.is_empty() && (message.is_empty() || message.ends_with(b"\r\n")) {
            Cow::Borrowed(message)
        } else {
            Cow::Owned(stuff(message, &dots))
        };
        Ok(Self { size: message.len(), has_eight_bits: !message.is_ascii(), stuffed })
    }

    /// Its bytes before their dots were doubled (RFC 1870).
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether it has bytes over 127, which a relay must be asked for (RFC 6152). Ours have
    /// some only where an address beyond ASCII stands in a header (RFC 6532): their bodies are
    /// quoted-printable or base64, their other headers encoded words.
    pub fn has_eight_bits(&self) -> bool {
        self.has_eight_bits
    }

    pub(super) fn stuffed(&self) -> &[u8] {
        &self.stuffed
    }
}

/// Where lines begin with a dot; or what is wrong with the message.
fn dots(message: &[u8]) -> Result<Vec<usize>, &'static str> {
    let (mut dots, mut start) = (Vec::new(), 0);
    let mut take = |start: usize, line: &[u8]| {
        match memchr2(b'\r', 0, line).map(|at| line[at]) {
            Some(0) => return Err("the message has a NUL"),
            Some(_) => return Err("the message has a bare CR or LF"),
            None if line.len() > MAX_LINE_BYTES => return Err("the message has a line over 998 bytes"),
            None => {}
        }
        if line.first() == Some(&b'.') {
            dots.push(start);
        }
        Ok(())
    };
    for end in memchr_iter(b'\n', message) {
        let line = message[start..end].strip_suffix(b"\r").ok_or("the message has a bare CR or LF")?;
        take(start, line)?;
        start = end + 1;
    }
    take(start, &message[start..])?;
    Ok(dots)
}

/// The message with its dots doubled (RFC 5321 4.5.2), ended by CRLF and without the final dot.
fn stuff(message: &[u8], dots: &[usize]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(message.len() + dots.len() + 2);
    let mut from = 0;
    for dot in dots {
        stuffed.extend_from_slice(&message[from..*dot]);
        stuffed.push(b'.');
        from = *dot;
    }
    stuffed.extend_from_slice(&message[from..]);
    if !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stuffed(message: &[u8]) -> Vec<u8> {
        Message::check(message).unwrap().stuffed().to_vec()
    }

    #[test]
    fn doubles_each_dot_that_begins_a_line() {
        assert_eq!(stuffed(b".\r\n..a\r\nb.\r\n."), b"..\r\n...a\r\nb.\r\n..\r\n");
        assert_eq!(stuffed(b""), b"");
        assert_eq!(stuffed(b"a"), b"a\r\n");
    }

    #[test]
    fn refuses_bare_line_breaks_and_nul() {
        for message in [&b"a\n.\r\n"[..], b"a\r.\r\n", b"a\r\r\nb", b"a\r", b"\n", b"a\0"] {
            assert!(matches!(Message::check(message), Err(Verdict::Rejected(_))), "{message:?}");
        }
        assert!(Message::check(b"a\r\n\r\nb\r\n").is_ok());
    }

    #[test]
    fn refuses_a_line_over_998_bytes() {
        assert!(Message::check(&[b'a'; 998]).is_ok());
        assert!(Message::check(&[b'a'; 999]).is_err());
    }

    proptest! {
        #[test]
        fn never_holds_the_end_of_a_message_and_unstuffs_to_what_went_in(lines in proptest::collection::vec("[.ab]{0,4}", 1..20)) {
            let message = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
            let stuffed = String::from_utf8(stuffed(message.as_bytes())).unwrap();
            prop_assert!(stuffed.split("\r\n").all(|line| line != "."));
            let back = stuffed.split_inclusive("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect::<String>();
            prop_assert_eq!(back, message);
        }
    }
}
