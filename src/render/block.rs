//! A letter as blocks: what HTML, text part and fax page are all made from.

/// A block of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading.
    Heading {
        /// 1 to 6.
        level: u8,
        /// Its text.
        runs: Vec<Run>,
    },
    /// A paragraph.
    Paragraph(Vec<Run>),
    /// A list.
    List {
        /// The first number of a numbered list.
        start: Option<u64>,
        /// The items.
        items: Vec<Vec<Block>>,
    },
    /// A quotation.
    Quote(Vec<Block>),
    /// Lines that keep their breaks.
    Code(String),
    /// A line across.
    Rule,
}

/// A piece of running text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// Text in one style.
    Text {
        /// The text, without line breaks.
        text: String,
        /// Bold.
        strong: bool,
        /// Slanted.
        emphasis: bool,
        /// Where it leads; `https`, `http`, `mailto` or `tel` only.
        link: Option<String>,
    },
    /// A picture; on paper and in the text part its words stand for it.
    Picture {
        /// The file below the template folder.
        file: String,
        /// What it shows; may be empty.
        words: String,
        /// Where it leads, as a text's link.
        link: Option<String>,
    },
    /// A line break that the writer asked for.
    Break,
}

/// The plain text of `runs`, as paper and the text part show it: a link's target
/// stands behind its words, unless they are the target already.
pub(super) fn flatten(runs: &[Run]) -> Vec<(String, bool)> {
    let mut out: Vec<(String, bool)> = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let (text, strong, link) = match run {
            Run::Text { text, strong, link, .. } => (text, strong, link),
            Run::Picture { words, link, .. } => {
                let shown = link.iter().map(|target| format!(" ({target})")).collect::<String>();
                if !words.is_empty() || !shown.is_empty() {
                    out.push((format!("[{words}]{shown}"), false));
                }
                continue;
            }
            Run::Break => {
                out.push(("\n".to_owned(), false));
                continue;
            }
        };
        out.push((text.clone(), *strong));
        let Some(target) = link else { continue };
        let goes_on = matches!(runs.get(at + 1), Some(Run::Text { link: Some(next), .. }) if next == target);
        let shown = target.trim_start_matches("mailto:").trim_start_matches("tel:");
        if !goes_on && text != target && text != shown {
            out.push((format!(" ({shown})"), *strong));
        }
    }
    out
}
