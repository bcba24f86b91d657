//! The text part: 60 columns, items hanging beside their numbers.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use super::sheet::{Entry, Section, Sheet};

const COLUMNS: usize = 60;
/// The space a number takes, as long as there are fewer than a hundred.
const INDENT: usize = 3;

/// The sheet as text, ending with the link if there is anything to open.
pub(super) fn text(sheet: &Sheet, link: &str) -> String {
    let mut text = String::new();
    for line in &sheet.opening {
        push(&mut text, "", "", line);
    }
    for section in &sheet.sections {
        push_section(&mut text, section);
    }
    if !sheet.sections.is_empty() {
        // Never wrapped: a broken link is none.
        text.push_str(&format!("\n{}:\n{link}\n", sheet.link_label));
    }
    text
}

fn push_section(text: &mut String, section: &Section) {
    text.push_str(&format!("\n{}\n", section.heading));
    for entry in &section.entries {
        push_entry(text, entry);
    }
    if let Some(more) = &section.more {
        push(text, &" ".repeat(INDENT), &" ".repeat(INDENT), more);
    }
}

fn push_entry(text: &mut String, entry: &Entry) {
    let number = entry.number.map(|number| format!("{number} ")).unwrap_or_default();
    let width = INDENT.max(number.len());
    let (hanging, indent) = (format!("{number:<width$}"), " ".repeat(width));
    let title = [&entry.who, &entry.what].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(": ");
    let quote = entry.quote.as_ref().map(|quote| format!("\"{quote}\""));
    let title = Some(title).filter(|title| !title.is_empty());
    let mut first = Some(hanging);
    for line in title.iter().chain(&quote).chain(&entry.lines) {
        let start = first.take().unwrap_or_else(|| indent.clone());
        push(text, &start, &indent, line);
    }
}

/// Adds one line of the sheet, wrapped; a no-break space holds what belongs together and ends as a space.
fn push(text: &mut String, first: &str, rest: &str, line: &str) {
    let options = Options::new(COLUMNS)
        .initial_indent(first)
        .subsequent_indent(rest)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::Custom(joint));
    for wrapped in textwrap::wrap(line, options) {
        text.push_str(wrapped.replace('\u{a0}', " ").trim_end());
        text.push('\n');
    }
}

/// Where our own long words may be broken; a client's words and numbers never are.
fn joint(word: &str) -> Vec<usize> {
    const HEAD: &str = "kontroll";
    if word.starts_with("kontrollgruppen") { vec![HEAD.len()] } else { vec![] }
}
