//! A strict reader of TOML: keys are taken out one by one, each mistake is kept
//! with its place, and the reading goes on.
//!
//! One mistake makes one message. A misspelt key is reported once, and its value
//! then stands for the key that was meant, so that nothing else is missed or
//! doubled. It knows no section of any file; [`super`] and the campaign reader do.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::mistake::{Mistake, did_you_mean};

use super::value::Value;

/// The prefix of the environment variables that override a key.
pub(super) const PREFIX: &str = "OUTREACHD_";

/// One file that is being read, and the mistakes found in it so far.
#[derive(Debug)]
pub struct Reader<'r> {
    file: &'r Path,
    text: &'r str,
    /// The names of overriding variables, one a line. A span beyond the text points here.
    variables: String,
    mistakes: RefCell<Vec<Mistake>>,
}

impl<'r> Reader<'r> {
    /// A reader of `text`, which stands in `file`.
    pub fn new(file: &'r Path, text: &'r str) -> Self {
        Self { file, text, variables: String::new(), mistakes: RefCell::default() }
    }

    /// The same, with the names of the variables that override keys of the file.
    pub(super) fn with_variables<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.variables = names.into_iter().collect::<Vec<_>>().join("\n");
        self
    }

    /// Where the name of an overriding variable stands, as a span beyond the text.
    pub(super) fn find_variable(&self, name: &str) -> Range<usize> {
        let line_starts = std::iter::once(0).chain(self.variables.match_indices('\n').map(|(at, _)| at + 1));
        let start = line_starts.zip(self.variables.lines()).find(|(_, line)| *line == name).map_or(0, |(at, _)| at);
        let start = start + self.text.len() + 1;
        start..start + name.len()
    }

    /// The name of the variable a span points at, unless it points into the file.
    pub(super) fn variable_at(&self, span: &Range<usize>) -> Option<&str> {
        let offset = self.text.len() + 1;
        let start = span.start.checked_sub(offset)?;
        self.variables.get(start..span.end.checked_sub(offset)?)
    }

    /// Parses the text; where its syntax is broken, only that is reported, once a line.
    pub fn parse(&self) -> Option<DeTable<'r>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return Some(root.into_inner());
        }
        let mut last_line = 0;
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let mistake = self.mistake(&span, self.syntax_message(error.message(), &span));
            if mistake.line != last_line {
                last_line = mistake.line;
                self.push(mistake);
            }
        }
        None
    }

    /// What the parser says, in words of a person where it has none.
    fn syntax_message(&self, message: &str, span: &Range<usize>) -> String {
        let rest = self.text.get(span.start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let rest = rest.split('#').next().unwrap_or_default().trim();
        match (message, self.text.get(span.clone())) {
            ("duplicate key", Some(key)) => format!("the key `{key}` is given twice"),
            (message, _) if message.starts_with("string values must be quoted") => match rest {
                "" => "the value is missing".to_owned(),
                _ => "a text stands in quotes".to_owned(),
            },
            (message, _) => message.lines().next().unwrap_or_default().to_owned(),
        }
    }

    /// The root table, whose keys are `keys`; none where the syntax is broken.
    pub fn root(&'r self, entries: DeTable<'r>, keys: &[&'static str]) -> Table<'r> {
        Table::open(self, "", 0..0, entries, keys)
    }

    /// A mistake at `span`, not yet kept.
    pub fn mistake(&self, span: &Range<usize>, message: impl Into<String>) -> Mistake {
        if self.variable_at(span).is_some() {
            let offset = self.text.len() + 1;
            return Mistake::at("environment", &self.variables, span.start - offset..span.end - offset, message);
        }
        let mut mistake = Mistake::at(self.file, self.text, span.clone(), message);
        if span.is_empty() {
            mistake.excerpt = None;
        }
        mistake
    }

    /// Keeps a mistake.
    pub fn push(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    /// Keeps a mistake at `span`.
    pub fn report(&self, span: &Range<usize>, message: impl Into<String>) {
        self.push(self.mistake(span, message));
    }

    /// The line a span begins in, from 1.
    pub fn line_of(&self, span: &Range<usize>) -> usize {
        self.mistake(span, "").line
    }

    /// How many mistakes were found so far.
    pub fn count(&self) -> usize {
        self.mistakes.borrow().len()
    }

    /// Everything found, in the order of the file.
    pub fn into_mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        mistakes
    }
}

/// A table whose keys are taken out one by one.
#[derive(Debug)]
pub struct Table<'r> {
    reader: &'r Reader<'r>,
    label: String,
    span: Range<usize>,
    entries: DeTable<'r>,
    had_unknown: bool,
}

impl<'r> Table<'r> {
    /// Opens a table that may have `keys` and no other; misspelt ones are reported
    /// and then stand for what was meant.
    pub(super) fn open(
        reader: &'r Reader<'r>,
        label: impl Into<String>,
        span: Range<usize>,
        entries: DeTable<'r>,
        keys: &[&'static str],
    ) -> Self {
        let mut table = Self { reader, label: label.into(), span, entries, had_unknown: false };
        let unknown: Vec<_> = table
            .entries
            .keys()
            .filter(|key| !keys.contains(&key.get_ref().as_ref()))
            .map(|key| (key.get_ref().to_string(), key.span()))
            .collect();
        table.had_unknown = !unknown.is_empty();
        for (key, span) in unknown {
            table.correct(&key, &span, keys);
        }
        table
    }

    /// Reports an unknown key and puts its value where it was probably meant to be.
    fn correct(&mut self, key: &str, span: &Range<usize>, keys: &[&'static str]) {
        let absent = keys.iter().copied().filter(|known| !self.entries.contains_key(*known));
        let meant = did_you_mean(key, absent).or_else(|| did_you_mean(key, keys.iter().copied()));
        let value = self.entries.remove(key);
        self.reader.push(self.unknown(key, span, meant, keys));
        let (Some(meant), Some(value)) = (meant, value) else { return };
        if !self.entries.contains_key(meant) {
            self.entries.insert(Spanned::new(span.clone(), meant.into()), value);
        }
    }

    fn unknown(&self, key: &str, span: &Range<usize>, meant: Option<&str>, keys: &[&'static str]) -> Mistake {
        if let Some(variable) = self.reader.variable_at(span) {
            let mistake = self.reader.mistake(span, format!("unknown variable `{variable}`"));
            let Some(meant) = meant else {
                return mistake
                    .hint("a variable is named after a key, as OUTREACHD_WEB__LISTEN after `listen` in [web]");
            };
            let name = variable.strip_prefix(PREFIX).unwrap_or(variable);
            let name = name.replacen(&key.to_uppercase(), &meant.to_uppercase(), 1);
            return mistake.aside(format!("did you mean `{PREFIX}{name}`?"));
        }
        let mistake = self.reader.mistake(span, format!("unknown key `{key}`"));
        match meant {
            Some(meant) => mistake.aside(format!("did you mean `{meant}`?")),
            None => mistake.hint(format!("the keys here are {}", enumerate(keys.iter().copied(), "and"))),
        }
    }

    /// Takes a key out, if it is there.
    pub fn take(&mut self, key: &'static str) -> Option<Value<'r>> {
        let (written, value) = self.entries.remove_entry(key)?;
        let span = value.span();
        Some(Value::new(self.reader, key, written.span(), span, value.into_inner()))
    }

    /// Takes a key out that must be there.
    pub fn need(&mut self, key: &'static str) -> Option<Value<'r>> {
        let value = self.take(key);
        if value.is_none() {
            self.miss(key);
        }
        value
    }

    /// Takes a section out, `[key]`, if it is there.
    pub fn section(&mut self, key: &'static str, keys: &[&'static str]) -> Option<Table<'r>> {
        self.take(key)?.table(format!("[{key}]"), keys)
    }

    /// Takes a section out, `[key]`, that must be there.
    pub fn need_section(&mut self, key: &'static str, keys: &[&'static str]) -> Option<Table<'r>> {
        if !self.entries.contains_key(key) {
            self.reader.report(&self.span, format!("missing table `[{key}]`"));
        }
        self.section(key, keys)
    }

    /// Takes every `[[key]]` out.
    pub fn sections(&mut self, key: &'static str, keys: &[&'static str]) -> Vec<Table<'r>> {
        self.take(key).map(|value| value.tables(keys)).unwrap_or_default()
    }

    /// Takes every `[[key]]` out, of which there must be one.
    pub fn need_sections(&mut self, key: &'static str, keys: &[&'static str]) -> Vec<Table<'r>> {
        let written = self.entries.get(key);
        let empty = written.is_some_and(|list| matches!(list.get_ref(), DeValue::Array(items) if items.is_empty()));
        if empty || written.is_none() {
            let span = written.map_or(self.span.clone(), Spanned::span);
            self.reader.report(&span, format!("missing table `[[{key}]]`; at least one is needed"));
        }
        self.sections(key, keys)
    }

    /// Reports that `key` is missing.
    pub fn miss(&self, key: &str) {
        let place = if self.label.is_empty() { String::new() } else { format!(" in `{}`", self.label) };
        self.reader.report(&self.span, format!("missing key `{key}`{place}"));
    }

    /// Whether nothing is left in it and nothing unknown was.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.had_unknown
    }

    /// Where it begins: its header, or its braces.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The reader it belongs to.
    pub fn reader(&self) -> &'r Reader<'r> {
        self.reader
    }
}

/// "`a`, `b` and `c`", or with another conjunction.
pub(super) fn enumerate<'a>(words: impl IntoIterator<Item = &'a str>, conjunction: &str) -> String {
    let mut words: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} {conjunction} {last}", words.join(", ")),
        last => last.unwrap_or_default(),
    }
}
