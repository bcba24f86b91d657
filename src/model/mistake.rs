//! A mistake in a file that a person wrote: where it is, what it is, how to mend it.
//!
//! `check` and `import` collect all of them; `cli` prints them as
//! `file:line:column: message` with the line, a caret and a hint.

use std::path::PathBuf;

use serde::Serialize;

/// One mistake in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The file as the user named it.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters the caret underlines; 0 for none.
    pub width: usize,
    /// The line itself, for the reader.
    pub excerpt: Option<String>,
    /// What is wrong, in lower case, without a full stop.
    pub message: String,
    /// What to do about it, if more can be said; lines are broken by `\n`.
    pub hint: Option<String>,
    /// A few words that stand right behind the carets ("did you mean `template`?").
    pub aside: Option<String>,
}

impl Mistake {
    /// A mistake at a byte offset of `source`.
    pub fn at(
        file: impl Into<PathBuf>,
        source: &str,
        span: std::ops::Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        let start = source.floor_char_boundary(span.start.min(source.len()));
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |at| start + at);
        let end = source.floor_char_boundary(span.end.min(line_end)).max(start);
        Self {
            file: file.into(),
            line: source[..start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            width: source[start..end].chars().count(),
            excerpt: Some(source[line_start..line_end].trim_end_matches('\r').to_owned()),
            message: message.into(),
            hint: None,
            aside: None,
        }
    }

    /// The same with a hint below the excerpt.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a few words behind the carets.
    #[must_use]
    pub fn aside(mut self, aside: impl Into<String>) -> Self {
        self.aside = Some(aside.into());
        self
    }
}

/// The word of `known` that `written` was probably meant to be.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let close = known.into_iter().map(|word| (strsim::damerau_levenshtein(written, word), word));
    close
        .filter(|(distance, word)| *distance <= 1 + word.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters_not_bytes() {
        let source = "a = 1\nåäö = 2\n";
        let mistake = Mistake::at("f", source, 10..14, "x");
        assert_eq!((mistake.line, mistake.column, mistake.width), (2, 3, 3));
        assert_eq!(mistake.excerpt.as_deref(), Some("åäö = 2"));
    }

    #[test]
    fn guesses_the_word_that_was_meant() {
        assert_eq!(did_you_mean("tempalte", ["wait", "template"]), Some("template"));
        assert_eq!(did_you_mean("colour", ["wait", "template"]), None);
    }
}
