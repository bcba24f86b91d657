//! Text that may stand in a header line, and what is refused in it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One line of text without control characters or bidirectional overrides:
/// safe in a mail header, on a fax page and on a terminal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Line(String);

/// Why a text is no [`Line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// CR, LF or another vertical break: header injection.
    #[error("holds a line break")]
    Break,
    /// A control character, NUL among them.
    #[error("holds the control character U+{:04X}", *.0 as u32)]
    Control(char),
    /// A character that reverses the reading direction and so can disguise text.
    #[error("holds the bidirectional control U+{:04X}", *.0 as u32)]
    Bidi(char),
}

impl Line {
    /// Parses one line; surrounding white space is dropped.
    ///
    /// # Errors
    /// A line break, another control character or a bidirectional control.
    pub fn parse(text: &str) -> Result<Self, LineError> {
        let text = text.trim_matches([' ', '\t', '\u{a0}']);
        match text.chars().find_map(refusal) {
            Some(refused) => Err(refused),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why `c` may not stand in a line, if so.
fn refusal(c: char) -> Option<LineError> {
    match c {
        '\r' | '\n' | '\u{0b}' | '\u{0c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(LineError::Break),
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some(LineError::Bidi(c))
        }
        c if c.is_control() => Some(LineError::Control(c)),
        _ => None,
    }
}

/// `text` with every character that a [`Line`] refuses taken out, for text that
/// is shown but was not ours to refuse (a reply's subject, a server's answer).
pub fn tame(text: &str) -> String {
    let spaced = text.chars().map(|c| if refusal(c) == Some(LineError::Break) || c == '\t' { ' ' } else { c });
    spaced.filter(|c| refusal(*c).is_none()).collect()
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Line {
    type Error = LineError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Line> for String {
    fn from(line: Line) -> Self {
        line.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_would_start_a_new_header() {
        assert_eq!(Line::parse("Anna\r\nBcc: x@y.example"), Err(LineError::Break));
        assert_eq!(Line::parse("Anna\0"), Err(LineError::Control('\0')));
        assert_eq!(Line::parse("Anna\u{202e}"), Err(LineError::Bidi('\u{202e}')));
    }

    #[test]
    fn tames_hostile_text_to_one_line() {
        assert_eq!(tame("a\r\nb\u{202e}c\0"), "a  bc");
    }
}
