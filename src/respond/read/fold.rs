//! Text of eight languages in one byte a letter, so that expressions stay small.
//!
//! Expressions over Unicode classes and word boundaries leave the fast automaton as
//! soon as a text holds an "å". Here every letter is one ASCII byte: a-z as they are,
//! the others as capitals, which a text in lower case has no use for.

/// Letters beyond a-z of the languages that are read; each becomes a capital.
const LETTERS: [char; 25] = [
    'å', 'ä', 'ö', 'æ', 'ø', 'é', 'è', 'ê', 'ë', 'à', 'â', 'á', 'ç', 'ü', 'ß', 'ñ', 'í', 'î', 'ï', 'ó', 'ô', 'ú', 'ù',
    'û', 'œ',
];

/// A text in one byte a character, and where each stood.
pub(super) struct Folded {
    /// The text: ASCII.
    pub(super) bytes: Vec<u8>,
    /// The offset of each character in the text it was made from, and its length at the end.
    offsets: Vec<usize>,
}

impl Folded {
    pub(super) fn of(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len());
        let mut offsets = Vec::with_capacity(text.len() + 1);
        for (at, c) in text.char_indices() {
            bytes.push(byte(c));
            offsets.push(at);
        }
        offsets.push(text.len());
        Self { bytes, offsets }
    }

    /// Where a folded character stood.
    pub(super) fn offset(&self, at: usize) -> usize {
        self.offsets[at]
    }
}

/// An expression over folded text from one over letters.
pub(super) fn pattern(pattern: &str) -> String {
    let mut classes = pattern.replace(r"\P{L}", "[^a-zA-Z]");
    for class in [r"\p{L}", r"\p{Lu}", r"\p{Ll}"] {
        classes = classes.replace(class, "[a-zA-Z]");
    }
    classes.chars().map(|c| if c.is_ascii() { c } else { char::from(byte(c)) }).collect()
}

fn byte(c: char) -> u8 {
    if let Ok(ascii) = u8::try_from(c)
        && ascii.is_ascii()
    {
        return ascii.to_ascii_lowercase();
    }
    let lower = c.to_lowercase().next().unwrap_or(c);
    if let Some(at) = LETTERS.iter().position(|letter| *letter == lower) {
        return b"ABCDEFGHIJKLMNOPQRSTUVWXY"[at];
    }
    match lower {
        '’' | '‘' | 'ʼ' | '´' => b'\'',
        '“' | '”' | '„' | '«' | '»' => b'"',
        '–' | '—' | '‐' | '‑' => b'-',
        '¿' | '¡' => 0x01,
        _ if lower.is_whitespace() => b' ',
        _ if lower.is_alphabetic() => b'Z',
        _ => 0x02,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_letter_one_byte_and_knows_where_it_stood() {
        let folded = Folded::of("Återkom på måndag");
        assert_eq!(folded.bytes, b"Aterkom pA mAndag");
        assert_eq!(folded.offset(8), "Återkom ".len());
        assert_eq!(folded.offset(17), "Återkom på måndag".len());
        assert_eq!(pattern(r"\bå\p{L}+"), r"\bA[a-zA-Z]+");
    }
}
