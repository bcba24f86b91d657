//! Quoted-printable text (RFC 2045 6.7): clean lines in, wire lines out, in one pass.
//!
//! The same bytes as lettre's own encoder gives, which a test holds: a letter that is sent
//! again must be the same letter, whichever version of the program rendered it first.

use memchr::{memchr_iter, memchr2};

/// RFC 2045 6.7 (5): an encoded line, without its CRLF.
const COLUMNS: usize = 76;

/// `text` as the body of a part: CRLF between lines, no bare CR, no NUL, nothing but ASCII.
pub(super) fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 4);
    let mut start = 0;
    for end in memchr_iter(b'\n', text.as_bytes()) {
        line(&text.as_bytes()[start..end], &mut out);
        out.extend_from_slice(b"\r\n");
        start = end + 1;
    }
    line(&text.as_bytes()[start..], &mut out);
    out
}

/// One line of text.
fn line(text: &[u8], out: &mut Vec<u8>) {
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if memchr2(b'\r', 0, text).is_some() {
        let kept: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\r' | 0)).collect();
        return line(&kept, out);
    }
    // A blank at the end of a line would be lost on the way (RFC 2045 6.7 (3)).
    let (mut rest, blank) = match text {
        [rest @ .., blank @ (b' ' | b'\t')] => (rest, Some(*blank)),
        rest => (rest, None),
    };
    let mut line = Line { out, column: 0 };
    while !rest.is_empty() {
        let plain = plain_run(rest);
        line.plain(&rest[..plain], plain == rest.len() && blank.is_none());
        rest = &rest[plain..];
        if let Some((byte, behind)) = rest.split_first() {
            line.escaped(*byte, behind.is_empty() && blank.is_none());
            rest = behind;
        }
    }
    if let Some(blank) = blank {
        line.escaped(blank, true);
    }
}

/// What is written, and how much of it stands on its last line.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    column: usize,
}

impl Line<'_> {
    /// Columns that are free; the last line needs none for the `=` of a soft break.
    fn room(&self, is_last: bool) -> usize {
        (COLUMNS - usize::from(!is_last)).saturating_sub(self.column)
    }

    fn plain(&mut self, mut run: &[u8], is_last: bool) {
        while run.len() > self.room(is_last) {
            let (fits, behind) = run.split_at(self.room(false));
            self.out.extend_from_slice(fits);
            self.soft_break();
            run = behind;
        }
        self.out.extend_from_slice(run);
        self.column += run.len();
    }

    fn escaped(&mut self, byte: u8, is_last: bool) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        if self.room(is_last) < 3 {
            self.soft_break();
        }
        self.out.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        self.column += 3;
    }

    fn soft_break(&mut self) {
        self.out.extend_from_slice(b"=\r\n");
        self.column = 0;
    }
}

/// How many bytes stand for themselves, from the first one on. Chunk by chunk, which the
/// compiler turns into wide instructions: each letter passes here whole.
fn plain_run(bytes: &[u8]) -> usize {
    let all_plain = |chunk: &[u8]| chunk.iter().fold(true, |all, byte| all & is_plain(*byte));
    let chunks = bytes.chunks_exact(16).take_while(|chunk| all_plain(chunk)).count();
    chunks * 16 + bytes[chunks * 16..].iter().take_while(|byte| is_plain(**byte)).count()
}

fn is_plain(byte: u8) -> bool {
    ((b' '..=b'~').contains(&byte) & (byte != b'=')) | (byte == b'\t')
}

#[cfg(test)]
mod tests {
    use lettre::message::Body;
    use lettre::message::header::ContentTransferEncoding;
    use proptest::prelude::*;

    use super::*;

    fn by_lettre(text: &str) -> Vec<u8> {
        let text = text.replace("\r\n", "\n").replace(['\r', '\0'], "").replace('\n', "\r\n");
        Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable).unwrap().into_vec()
    }

    #[test]
    fn escapes_what_is_not_plain_and_blanks_at_the_end() {
        assert_eq!(encode("å=1 \nb\r\0\n"), b"=C3=A5=3D1=20\r\nb\r\n");
    }

    proptest! {
        #[test]
        fn writes_the_bytes_that_lettre_writes(text in "([a-c =\t\r\n\0åä.]|[a-z ]{60,80}){0,40}") {
            prop_assert_eq!(String::from_utf8(encode(&text)).unwrap(), String::from_utf8(by_lettre(&text)).unwrap());
        }
    }
}
