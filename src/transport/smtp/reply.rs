//! Reads an SMTP reply from its lines (RFC 5321 4.2), with caps; pure.

use crate::model::text::tame;
use crate::transport::Reply;

/// Lines of one reply; a server that sends more is not talking SMTP to us.
const MAX_LINES: usize = 64;

/// A reply of which some lines have come.
#[derive(Default)]
pub(super) struct Draft {
    code: u16,
    lines: usize,
    enhanced: Option<String>,
    text: String,
}

impl Draft {
    /// Takes the next line, without its line break; gives the reply with the last one.
    ///
    /// # Errors
    /// The line is no line of this reply.
    pub(super) fn push(&mut self, line: &[u8]) -> Result<Option<Reply>, &'static str> {
        let (code, more) = head(line)?;
        if self.lines > 0 && code != self.code {
            return Err("its lines have different codes");
        }
        if self.lines == MAX_LINES {
            return Err("it has too many lines");
        }
        let line = tame(&String::from_utf8_lossy(line));
        if self.lines == 0 {
            self.enhanced = line.get(4..).and_then(|rest| enhanced(code, rest));
        } else {
            self.text.push('\n');
        }
        self.text.push_str(line.trim_end());
        self.code = code;
        self.lines += 1;
        if more {
            return Ok(None);
        }
        let Self { enhanced, text, .. } = std::mem::take(self);
        Ok(Some(Reply { code, enhanced, text }))
    }
}

/// The code of a line, and whether another line follows.
fn head(line: &[u8]) -> Result<(u16, bool), &'static str> {
    let (digits, rest) = line.split_at_checked(3).ok_or("a line is shorter than its code")?;
    if !digits.iter().all(u8::is_ascii_digit) || !matches!(digits[0], b'2'..=b'5') {
        return Err("a line does not begin with a code");
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.first() {
        None | Some(b' ') => Ok((code, false)),
        Some(b'-') => Ok((code, true)),
        Some(_) => Err("a line does not begin with a code"),
    }
}

/// The enhanced code at the start of a text, if its class is that of `code` (RFC 2034 4).
fn enhanced(code: u16, text: &str) -> Option<String> {
    let word = text.split(' ').next()?;
    let parts: Vec<&str> = word.split('.').collect();
    let numeric = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let agrees = parts.len() == 3 && parts.iter().all(numeric) && parts[0] == (code / 100).to_string();
    agrees.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Option<Reply>, &'static str> {
        let mut draft = Draft::default();
        let mut last = Ok(None);
        for line in lines {
            last = draft.push(line.as_bytes());
        }
        last
    }

    #[test]
    fn keeps_every_line_and_the_enhanced_code() {
        let reply = read(&["550-5.1.1 no such", "550 5.1.1 user here"]).unwrap().unwrap();
        assert_eq!((reply.code, reply.enhanced.as_deref()), (550, Some("5.1.1")));
        assert_eq!(reply.text, "550-5.1.1 no such\n550 5.1.1 user here");
    }

    #[test]
    fn disbelieves_an_enhanced_code_of_another_class() {
        assert_eq!(read(&["550 2.1.1 well"]).unwrap().unwrap().enhanced, None);
        assert_eq!(read(&["250 1.2.3.4 greets you"]).unwrap().unwrap().enhanced, None);
    }

    #[test]
    fn takes_a_bare_code_and_bytes_that_are_no_text() {
        assert_eq!(read(&["354"]).unwrap().unwrap().code, 354);
        assert_eq!(Draft::default().push(b"250 \xff\x1b[2Jok").unwrap().unwrap().text, "250 \u{fffd}[2Jok");
    }

    #[test]
    fn refuses_what_is_no_reply() {
        assert!(read(&["HTTP/1.1 400 Bad Request"]).is_err());
        assert!(read(&["25"]).is_err());
        assert!(read(&["999 what"]).is_err());
        assert!(read(&["250-one", "550 two"]).is_err());
    }

    #[test]
    fn refuses_a_reply_without_end() {
        let mut draft = Draft::default();
        let end = (0..1000).find_map(|_| draft.push(b"250-and more").err());
        assert_eq!(end, Some("it has too many lines"));
    }
}
