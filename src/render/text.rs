//! Blocks as plain text of 78 columns (RFC 5322 2.1.1); a long link is never broken.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

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
    let options = Options::new(width)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(&flat, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}
