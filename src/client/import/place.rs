//! Where a record and its fields stand in the file, as an editor counts.
//!
//! The csv reader gives fields without their quotes and a position that may lie
//! before blank lines, so places are found in the raw text, and only for records
//! that need one.

/// A place that moves forward through a text and knows its line.
#[derive(Clone, Debug)]
pub(super) struct Place<'t> {
    text: &'t str,
    byte: usize,
    line: usize,
    line_start: usize,
}

impl<'t> Place<'t> {
    /// The start of a text.
    pub(super) fn start(text: &'t str) -> Self {
        Self { text, byte: 0, line: 1, line_start: 0 }
    }

    /// Moves on to a byte; CR LF, LF and a lone CR each end a line.
    pub(super) fn go_to(&mut self, byte: usize) {
        let bytes = self.text.as_bytes();
        for at in self.byte..byte.min(bytes.len()) {
            if bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n') {
                self.line += 1;
                self.line_start = at + 1;
            }
        }
        self.byte = self.byte.max(byte);
    }

    /// Moves on over the line ends that the csv reader skips before a record.
    pub(super) fn skip_line_ends(&mut self) {
        let rest = &self.text.as_bytes()[self.byte..];
        let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.go_to(self.byte + ends);
    }

    /// The line, from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    pub(super) fn column(&self) -> usize {
        self.text.get(self.line_start..self.byte).map_or(0, |before| before.chars().count()) + 1
    }

    /// The place of a record's field, counted from 0, when this is the record's own.
    pub(super) fn field(&self, index: usize, delimiter: u8) -> Self {
        let raw = &self.text.as_bytes()[self.byte..];
        let mut place = self.clone();
        place.go_to(self.byte + Fields::new(raw, delimiter).nth(index).map_or(0, |field| field.start));
        place
    }

    /// The index of the record's field whose quote is never closed, if there is one.
    pub(super) fn open_quote(&self, delimiter: u8) -> Option<usize> {
        Fields::new(&self.text.as_bytes()[self.byte..], delimiter).position(|field| field.open)
    }
}

/// One raw field: where it starts, and whether its quote is never closed.
struct RawField {
    start: usize,
    open: bool,
}

/// The raw fields of the first record of some bytes, by the csv reader's own rules:
/// a quote opens only at a field's very start, two quotes are one.
struct Fields<'r> {
    raw: &'r [u8],
    delimiter: u8,
    next: Option<usize>,
}

impl<'r> Fields<'r> {
    fn new(raw: &'r [u8], delimiter: u8) -> Self {
        Self { raw, delimiter, next: Some(0) }
    }

    /// The byte behind the closing quote of a quoted field that starts at `start`.
    fn behind_quote(&self, start: usize) -> Option<usize> {
        let mut at = start + 1;
        loop {
            at += self.raw.get(at..)?.iter().position(|byte| *byte == b'"')? + 1;
            if self.raw.get(at) != Some(&b'"') {
                return Some(at);
            }
            at += 1;
        }
    }
}

impl Iterator for Fields<'_> {
    type Item = RawField;

    fn next(&mut self) -> Option<RawField> {
        let start = self.next.take()?;
        let quoted = self.raw.get(start) == Some(&b'"');
        let Some(from) = (if quoted { self.behind_quote(start) } else { Some(start) }) else {
            return Some(RawField { start, open: true });
        };
        let end = self.raw[from..].iter().position(|byte| *byte == self.delimiter || matches!(byte, b'\r' | b'\n'));
        self.next = end.map(|end| from + end).filter(|end| self.raw[*end] == self.delimiter).map(|end| end + 1);
        Some(RawField { start, open: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str, from: usize) -> Vec<(usize, usize)> {
        let mut place = Place::start(text);
        place.go_to(from);
        place.skip_line_ends();
        (0..3).map(|index| place.field(index, b';')).map(|place| (place.line(), place.column())).collect()
    }

    #[test]
    fn finds_fields_behind_quotes_and_line_breaks() {
        assert_eq!(places("åä;b;c\n", 0), [(1, 1), (1, 4), (1, 6)]);
        assert_eq!(places("x\r\n\r\n\"å;\r\n\"\"ö\";b;\"c\"\r\n", 1), [(3, 1), (4, 6), (4, 8)]);
        assert_eq!(places("x\ra;b\"\";c", 1), [(2, 1), (2, 3), (2, 7)]);
    }

    #[test]
    fn finds_the_quote_that_never_closes() {
        assert_eq!(Place::start("a;\"b\nc;d").open_quote(b';'), Some(1));
        assert_eq!(Place::start("a;\"b\nc\";d\n\"e").open_quote(b';'), None);
    }
}
