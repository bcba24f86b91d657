//! Reads one Rust file far enough to know its code from its comments and
//! literals, and which rooms its paths enter.

/// A file with comments and literals blanked out, line breaks kept.
pub struct Source {
    /// The code alone.
    pub code: String,
    /// Each string literal with the line it starts on.
    pub literals: Vec<(usize, String)>,
}

/// A path that starts at the crate's root.
#[derive(Debug, PartialEq, Eq)]
pub struct Reference {
    /// The line, from 1.
    pub line: usize,
    /// The first name after the root.
    pub name: String,
}

impl Source {
    /// Splits `text` into code and literals.
    pub fn read(text: &str) -> Self {
        let mut reader = Reader { rest: text, line: 1, code: String::new(), literals: Vec::new() };
        while !reader.rest.is_empty() {
            reader.step();
        }
        Self { code: reader.code, literals: reader.literals }
    }

    /// Every path into the crate: `crate::x`, `root::x` for the name the crate has
    /// outside, `super::` chains that climb out of a room `depth` modules deep; in
    /// a group, each of its members.
    pub fn references(&self, root: &str, depth: usize) -> Vec<Reference> {
        let mut found = Vec::new();
        for word in ["crate", root] {
            for at in words(&self.code, word) {
                found.extend(self.names_after(at + word.len()));
            }
        }
        for at in words(&self.code, "super") {
            if self.code[..at].trim_end().ends_with("super::") {
                continue;
            }
            let (climbed, end) = climb(&self.code, at);
            // Inside an inline module one `super` stays in the file.
            let line_start = self.code[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let indented = self.code[line_start..].starts_with(' ');
            if climbed > depth || (climbed == depth && !indented) {
                found.extend(self.names_after(end));
            }
        }
        found.sort_by_key(|reference| reference.line);
        found
    }

    /// The line that byte `at` of the code is on, from 1.
    pub fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    fn names_after(&self, at: usize) -> Vec<Reference> {
        let Some(path) = self.code[at..].trim_start().strip_prefix("::") else { return Vec::new() };
        let path = path.trim_start();
        let start = self.code.len() - path.len();
        let Some(group) = path.strip_prefix('{') else {
            return vec![Reference { line: self.line_of(start), name: name_at(path) }];
        };
        members(group)
            .into_iter()
            .map(|offset| Reference { line: self.line_of(start + 1 + offset), name: name_at(&group[offset..]) })
            .collect()
    }
}

/// Where `word` stands in `code` as a word of its own.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !code[..*at].ends_with(part_of_name) && !code[at + word.len()..].starts_with(part_of_name))
}

fn climb(code: &str, at: usize) -> (usize, usize) {
    let (mut climbed, mut end) = (0, at);
    loop {
        climbed += 1;
        end += "super".len();
        if !code[end..].starts_with("::super") {
            return (climbed, end);
        }
        end += "::".len();
    }
}

fn name_at(path: &str) -> String {
    let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if name.is_empty() { path.chars().take(1).collect() } else { name }
}

/// Where each member of a group starts; `group` begins behind its opening brace.
fn members(group: &str) -> Vec<usize> {
    let (mut starts, mut nesting, mut awaiting) = (Vec::new(), 0_usize, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => nesting += 1,
            '}' if nesting == 0 => break,
            '}' => nesting -= 1,
            ',' if nesting == 0 => awaiting = true,
            c if awaiting && !c.is_whitespace() => {
                awaiting = false;
                starts.push(at);
            }
            _ => {}
        }
    }
    starts
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    literals: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn step(&mut self) {
        if self.rest.starts_with("//") {
            self.blank(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.blank(block_comment(self.rest));
        } else if let Some((opening, closing)) = raw_string(self.rest) {
            self.literal(opening, &closing, false);
        } else if self.rest.starts_with('"') {
            self.literal(1, "\"", true);
        } else if let Some(length) = char_literal(self.rest) {
            self.blank(length);
        } else {
            self.keep_token();
        }
    }

    /// Keeps a whole word, so that the `r` in `for"` opens no raw string.
    fn keep_token(&mut self) {
        let word = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let length = if word > 0 { word } else { self.rest.chars().next().map_or(0, char::len_utf8) };
        self.line += usize::from(self.rest.starts_with('\n'));
        self.code.push_str(&self.rest[..length]);
        self.rest = &self.rest[length..];
    }

    fn blank(&mut self, length: usize) {
        for c in self.rest[..length].chars() {
            self.code.push(if c == '\n' { '\n' } else { ' ' });
            self.line += usize::from(c == '\n');
        }
        self.rest = &self.rest[length..];
    }

    fn literal(&mut self, opening: usize, closing: &str, escapes: bool) {
        let body = &self.rest[opening..];
        let mut end = 0;
        while end < body.len() && !body[end..].starts_with(closing) {
            end += if escapes && body[end..].starts_with('\\') { 1 } else { 0 };
            end += body[end..].chars().next().map_or(0, char::len_utf8);
        }
        self.literals.push((self.line, body[..end].to_owned()));
        self.blank((opening + end + closing.len()).min(self.rest.len()));
    }
}

fn block_comment(text: &str) -> usize {
    let (mut nesting, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            nesting += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            nesting -= 1;
            at += 2;
            if nesting == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a raw string's opening, and its closing.
fn raw_string(text: &str) -> Option<(usize, String)> {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let behind = &text[prefix.len()..];
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    behind[hashes..].starts_with('"').then(|| (prefix.len() + hashes + 1, format!("\"{}", "#".repeat(hashes))))
}

/// The length of a character literal; a lifetime is none.
fn char_literal(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    let first = body.chars().next()?;
    if first == '\\' {
        let escaped = body[1..].chars().next()?.len_utf8();
        return body[1 + escaped..].find('\'').map(|end| 1 + 1 + escaped + end + 1);
    }
    body[first.len_utf8()..].starts_with('\'').then(|| 1 + first.len_utf8() + 1)
}
