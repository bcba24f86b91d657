//! Quoted-printable text (RFC 2045 6.7): clean lines in, wire lines out, in one pass.
//!
//! The same bytes as lettre's own encoder gives, which a test holds: a letter that is sent
//! again must be the same letter, whichever version of the program rendered it first.

/// RFC 2045 6.7 (5): an encoded line, without its CRLF.
const COLUMNS: usize = 76;

/// `text` as the body of a part: CRLF between lines, no bare CR, no NUL, nothing but ASCII.
pub(super) fn encode(text: &str) -> Vec<u8> {
    let mut line = Lines { out: Vec::with_capacity(text.len() + text.len() / 4), column: 0 };
    for (at, piece) in text.split('\n').enumerate() {
        if at > 0 {
            line.out.extend_from_slice(b"\r\n");
            line.column = 0;
        }
        let mut rest = piece.as_bytes();
        while let Some(first) = rest.first() {
            let room = &rest[..rest.len().min(COLUMNS - line.column)];
            let plain = room.iter().position(|byte| !is_plain(*byte)).unwrap_or(room.len());
            if plain > 0 {
                line.out.extend_from_slice(&rest[..plain]);
                line.column += plain;
                rest = &rest[plain..];
                continue;
            }
            match first {
                b'\r' | 0 => {}
                byte if is_plain(*byte) => line.put(&[*byte]),
                byte => line.put(&escaped(*byte)),
            }
            rest = &rest[1..];
        }
        line.close();
    }
    line.out
}

/// What is written, and how much of it stands on its last line.
struct Lines {
    out: Vec<u8>,
    column: usize,
}

impl Lines {
    /// Writes one character, on the next line if it would leave no room for the `=` of a soft
    /// break; on a full line the character before goes with it.
    fn put(&mut self, token: &[u8]) {
        if self.column + token.len() > COLUMNS {
            let moved = if self.column == COLUMNS { self.last_token() } else { 0 };
            let at = self.out.len() - moved;
            let last = self.out.split_off(at);
            self.out.extend_from_slice(b"=\r\n");
            self.out.extend_from_slice(&last);
            self.column = moved;
        }
        self.out.extend_from_slice(token);
        self.column += token.len();
    }

    /// Bytes of the character written last; only asked on a full line.
    fn last_token(&self) -> usize {
        if self.out.get(self.out.len() - 3) == Some(&b'=') { 3 } else { 1 }
    }

    /// A blank at the end of a line would be lost on the way (RFC 2045 6.7 (3)).
    fn close(&mut self) {
        let Some(blank @ (b' ' | b'\t')) = self.out.last().copied().filter(|_| self.column > 0) else { return };
        self.out.pop();
        self.column -= 1;
        self.put(&escaped(blank));
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~') && byte != b'='
}

fn escaped(byte: u8) -> [u8; 3] {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    [b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]
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
