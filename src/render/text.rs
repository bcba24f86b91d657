//! Blocks as plain text of 78 columns (RFC 5322 2.1.1); a long link is never broken.

use unicode_width::UnicodeWidthChar;

use super::block::{Block, Run, flatten};

const COLUMNS: usize = 78;

/// The text of `blocks`; no empty line at its end.
pub(super) fn text(blocks: &[Block]) -> String {
    lines(blocks, COLUMNS).join("\n")
}

fn lines(blocks: &[Block], width: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for block in blocks {
        if !out.is_empty() {
            out.push(String::new());
        }
        match block {
            Block::Heading { runs, .. } | Block::Paragraph(runs) => out.extend(wrap(runs, width)),
            Block::List { start, items } => out.extend(list(*start, items, width)),
            Block::Quote(blocks) => {
                out.extend(
                    lines(blocks, narrower(width, 2)).iter().map(|line| format!("> {line}").trim_end().to_owned()),
                );
            }
            Block::Code(code) => out.extend(code.lines().map(|line| format!("    {line}").trim_end().to_owned())),
            Block::Rule => out.push("---".to_owned()),
        }
    }
    out
}

fn list(start: Option<u64>, items: &[Vec<Block>], width: usize) -> Vec<String> {
    let mut out = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let mark = match start {
            Some(first) => format!("{}. ", first.saturating_add(at as u64)),
            None => "- ".to_owned(),
        };
        let blank = " ".repeat(mark.len());
        for (line_at, line) in lines(item, narrower(width, mark.len())).iter().enumerate() {
            let lead = if line_at == 0 { &mark } else { &blank };
            out.push(format!("{lead}{line}").trim_end().to_owned());
        }
    }
    out
}

/// Quotes in quotes must not leave nothing to write on.
fn narrower(width: usize, by: usize) -> usize {
    width.saturating_sub(by).max(20)
}

fn wrap(runs: &[Run], width: usize) -> Vec<String> {
    let flat: String = flatten(runs).into_iter().map(|(text, _)| text).collect();
    let mut out = Vec::new();
    for line in flat.split('\n') {
        wrap_line(line, width, &mut out);
    }
    out
}

/// As many words on a line as fit; a word that is too long has a line of its own.
fn wrap_line(line: &str, width: usize, out: &mut Vec<String>) {
    // The line begins at byte `start`; its `taken` words end at `end` and reach, with the blanks
    // behind them, over `reach` columns.
    let (mut start, mut end, mut taken, mut reach) = (0, 0, 0, 0);
    let mut at = 0;
    while at < line.len() {
        let rest = &line.as_bytes()[at..];
        let word = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let blanks = rest[word..].iter().take_while(|byte| **byte == b' ').count();
        let columns = columns(&line[at..at + word]);
        if taken > 0 && reach + columns > width {
            out.push(line[start..end].to_owned());
            (start, taken, reach) = (at, 0, 0);
        }
        (end, taken) = (at + word, taken + 1);
        reach += columns + blanks;
        at += word + blanks;
    }
    out.push(line[start..end].to_owned());
}

fn columns(word: &str) -> usize {
    if word.bytes().all(|byte| byte.is_ascii_graphic()) {
        return word.len();
    }
    let wide = |c: char| if c.is_ascii_graphic() { 1 } else { c.width().unwrap_or(0) };
    word.chars().map(wide).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

    use super::*;

    proptest! {
        #[test]
        fn breaks_lines_where_textwrap_does(text in "[a-zåä ]{0,300}", width in 20_usize..80) {
            let options = Options::new(width)
                .break_words(false)
                .word_separator(WordSeparator::AsciiSpace)
                .word_splitter(WordSplitter::NoHyphenation)
                .wrap_algorithm(WrapAlgorithm::FirstFit);
            let mut lines = Vec::new();
            wrap_line(text.trim(), width, &mut lines);
            let expected: Vec<_> = textwrap::wrap(text.trim(), options).into_iter().map(|line| line.into_owned()).collect();
            prop_assert_eq!(lines, expected);
        }
    }
}
