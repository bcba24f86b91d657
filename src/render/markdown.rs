//! Markdown to blocks. Merge data in it is shielded and is brought back here.
//!
//! Raw HTML is refused: it has no form on paper or in the text part; whoever wants
//! it lays an `.html` file beside the letter. A picture has words beside it.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::block::{Block, Run};
use super::shield::unshield;
use super::slotted::has_slots;

/// Where the parser stands: the open blocks, inmost last.
#[derive(Default)]
struct Builder {
    /// Finished and half-finished blocks of each open container.
    stack: Vec<Vec<Block>>,
    /// Items and first number of each open list.
    lists: Vec<(Option<u64>, Vec<Vec<Block>>)>,
    runs: Vec<Run>,
    code: Option<String>,
    strong: usize,
    emphasis: usize,
    link: Option<String>,
    /// A picture's file and its words so far.
    picture: Option<(String, String)>,
}

/// Parses shielded Markdown.
///
/// # Errors
/// Says what the Markdown holds that a letter cannot.
pub(super) fn blocks(source: &str) -> Result<Vec<Block>, String> {
    let mut builder = Builder { stack: vec![Vec::new()], ..Builder::default() };
    for event in Parser::new_ext(source, Options::empty()) {
        builder.take(event)?;
    }
    builder.close_paragraph();
    Ok(builder.stack.pop().unwrap_or_default())
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(tag) => self.open(tag)?,
            Event::End(tag) => self.close(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => self.text(&text),
            Event::SoftBreak => self.text(" "),
            Event::HardBreak => self.runs.push(Run::Break),
            Event::Rule => self.push(Block::Rule),
            Event::Html(html) | Event::InlineHtml(html) => {
                let tag: String = unshield(html.trim()).chars().take(30).collect();
                return Err(format!("HTML such as `{tag}` belongs in an `.html` file beside the letter"));
            }
            Event::InlineMath(_) | Event::DisplayMath(_) | Event::FootnoteReference(_) | Event::TaskListMarker(_) => {}
        }
        Ok(())
    }

    fn open(&mut self, tag: Tag<'_>) -> Result<(), String> {
        match tag {
            Tag::Strong => self.strong += 1,
            Tag::Emphasis => self.emphasis += 1,
            Tag::Link { dest_url, .. } => self.link = Some(target(&dest_url)?),
            Tag::Image { dest_url, .. } => self.picture = Some((picture(&dest_url)?, String::new())),
            Tag::CodeBlock(_) => self.code = Some(String::new()),
            Tag::List(start) => {
                self.close_paragraph();
                self.lists.push((start, Vec::new()));
            }
            Tag::Item | Tag::BlockQuote(_) => {
                self.close_paragraph();
                self.stack.push(Vec::new());
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Strong => self.strong -= 1,
            TagEnd::Emphasis => self.emphasis -= 1,
            TagEnd::Link => self.link = None,
            TagEnd::Image => {
                if let Some((file, words)) = self.picture.take() {
                    self.runs.push(Run::Picture { file, words, link: self.link.clone() });
                }
            }
            TagEnd::Paragraph => self.close_paragraph(),
            TagEnd::Heading(level) => {
                let runs = std::mem::take(&mut self.runs);
                self.push(Block::Heading { level: level as u8, runs: trimmed(runs) });
            }
            TagEnd::CodeBlock => {
                let code = self.code.take().unwrap_or_default();
                self.push(Block::Code(unshield(code.trim_end())));
            }
            TagEnd::Item => {
                let item = self.leave();
                if let Some((_, items)) = self.lists.last_mut() {
                    items.push(item);
                }
            }
            TagEnd::List(_) => {
                if let Some((start, items)) = self.lists.pop() {
                    self.push(Block::List { start, items });
                }
            }
            TagEnd::BlockQuote(_) => {
                let quoted = self.leave();
                self.push(Block::Quote(quoted));
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some((_, words)) = &mut self.picture {
            words.push_str(&unshield(text));
            return;
        }
        if let Some(code) = &mut self.code {
            code.push_str(text);
            return;
        }
        let (strong, emphasis, link) = (self.strong > 0, self.emphasis > 0, self.link.clone());
        let text = unshield(text);
        if let Some(Run::Text { text: last, strong: s, emphasis: e, link: l }) = self.runs.last_mut()
            && (*s, *e, &*l) == (strong, emphasis, &link)
        {
            last.push_str(&text);
            return;
        }
        self.runs.push(Run::Text { text, strong, emphasis, link });
    }

    fn push(&mut self, block: Block) {
        if let Some(open) = self.stack.last_mut() {
            open.push(block);
        }
    }

    /// Tight list items hold text without a paragraph of its own.
    fn close_paragraph(&mut self) {
        let runs = trimmed(std::mem::take(&mut self.runs));
        if !runs.is_empty() {
            self.push(Block::Paragraph(runs));
        }
    }

    fn leave(&mut self) -> Vec<Block> {
        self.close_paragraph();
        self.stack.pop().unwrap_or_default()
    }
}

/// Runs without white space beside their breaks and at their ends.
fn trimmed(mut runs: Vec<Run>) -> Vec<Run> {
    while runs.last() == Some(&Run::Break) {
        runs.pop();
    }
    let count = runs.len();
    for at in 0..count {
        let before = at == 0 || runs[at - 1] == Run::Break;
        let after = at + 1 == count || runs[at + 1] == Run::Break;
        let Run::Text { text, .. } = &mut runs[at] else { continue };
        if before {
            *text = text.trim_start().to_owned();
        }
        if after {
            *text = text.trim_end().to_owned();
        }
    }
    runs.retain(|run| !matches!(run, Run::Text { text, .. } if text.is_empty()));
    runs
}

/// The file of a picture: one of the template folder, named by the template itself.
fn picture(target: &str) -> Result<String, String> {
    let name = target.trim_start_matches("./");
    if unshield(name) != name || has_slots(name) {
        return Err("a picture's file is named by the letter, not by what is filled in".to_owned());
    }
    if name.is_empty() || name.starts_with('/') || name.contains(':') {
        return Err("a picture is a file of the template folder, as ![lamp](bilder/lampa.png)".to_owned());
    }
    Ok(name.to_owned())
}

/// A link's target, where it leads somewhere a letter may point to. One that a client's words
/// are part of is looked at again when they are there.
fn target(shielded: &str) -> Result<String, String> {
    let target = unshield(shielded);
    if has_slots(&target) { Ok(target.trim().to_owned()) } else { leads_out(&target) }
}

/// The target of a link as it will stand in the letter.
pub(super) fn leads_out(target: &str) -> Result<String, String> {
    let target = target.trim();
    let scheme = target.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let known = matches!(scheme.as_deref(), Some("https" | "http" | "mailto" | "tel"));
    // A blank would let one value put words behind the link in text and on paper.
    if !known || target.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("a link must begin with https:, http:, mailto: or tel: and hold no blanks".to_owned());
    }
    Ok(target.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::shield::shield;
    use super::*;

    fn plain(text: &str) -> Run {
        Run::Text { text: text.to_owned(), strong: false, emphasis: false, link: None }
    }

    #[test]
    fn keeps_hostile_data_literal_wherever_it_stands() {
        for hostile in ["# h", "<b>x</b>", "[x](http://evil.example)", "- a", "1.", "***", "    code", "&lt;", "`x`"] {
            let source = format!("{}\n\nHej {}.", shield(hostile), shield(hostile));
            let expected = vec![
                Block::Paragraph(vec![plain(hostile.trim_start())]),
                Block::Paragraph(vec![plain(&format!("Hej {hostile}."))]),
            ];
            assert_eq!(blocks(&source).unwrap(), expected, "{hostile}");
        }
    }

    #[test]
    fn keeps_data_literal_that_only_the_template_around_completes() {
        assert_eq!(blocks(&format!("{}. Hej", shield("1986"))).unwrap(), [Block::Paragraph(vec![plain("1986. Hej")])]);
        assert_eq!(blocks(&format!("<{}>", shield("b"))).unwrap(), [Block::Paragraph(vec![plain("<b>")])]);
        assert_eq!(blocks(&format!("&{};", shield("amp"))).unwrap(), [Block::Paragraph(vec![plain("&amp;")])]);
    }

    #[test]
    fn refuses_links_that_run_script() {
        assert!(blocks(&format!("[x]({})", shield("javascript:alert(1)"))).is_err());
        assert!(blocks("<script>x</script>").is_err());
        assert!(blocks("![x](https://a.example/p.png)").is_err());
        assert!(blocks(&format!("![x]({})", shield("bilder/lampa.png"))).is_err());
    }

    #[test]
    fn keeps_a_picture_with_its_words_and_where_it_leads() {
        let read = blocks("[![Lampa **A**](./bilder/lampa.png)](https://a.example/x)").unwrap();
        let link = Some("https://a.example/x".to_owned());
        let picture = Run::Picture { file: "bilder/lampa.png".into(), words: "Lampa A".into(), link };
        assert_eq!(read, [Block::Paragraph(vec![picture])]);
    }

    #[test]
    fn reads_lists_and_breaks() {
        let read = blocks("- a\n- **b**\n\nx\\\ny").unwrap();
        let bold = Run::Text { text: "b".into(), strong: true, emphasis: false, link: None };
        let items = vec![vec![Block::Paragraph(vec![plain("a")])], vec![Block::Paragraph(vec![bold])]];
        let lines = vec![plain("x"), Run::Break, plain("y")];
        assert_eq!(read, [Block::List { start: None, items }, Block::Paragraph(lines)]);
    }
}
