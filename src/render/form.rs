//! The form of a letter: all that is the same for the clients of one pattern, rendered, parsed
//! and laid out once, with slots where their words go. See [`super::words`].

use handlebars::Context;
use serde_json::Value;

use super::block::{Block, Run};
use super::engine::{Engine, Search, parts};
use super::letter::Letter;
use super::mention::{blank, find};
use super::mistake::{MistakeKind, RenderMistake};
use super::set::Kind;
use super::shield::{CONTENT, FOOTER, clean, escape_html, strip, strip_html};
use super::slotted::{Inside, Slotted, fill, has_slots};
use super::{html, markdown, text};

/// What the law wants in every letter: MFL 9 and 20 §§, CAN-SPAM, CASL.
pub(super) const LAWFUL: [&str; 3] = ["sender.legal_name", "sender.postal_address", "links.opt_out"];

/// Longest text or HTML of a letter.
const MAX_PART_BYTES: usize = 1024 * 1024;

/// A letter without anybody's words.
pub(super) struct Form {
    /// The name of its template.
    name: String,
    written: Vec<Block>,
    footer: Vec<Block>,
    /// The letter for paper, where it has one of its own.
    paper: Option<Vec<Block>>,
    html: Slotted,
    /// The text part around the letter's own text.
    frame: Slotted,
    content: Text,
    foot: Text,
    /// The lines of the law that must be looked for in each client's letter.
    unproven: Vec<(Part, &'static str)>,
}

/// A letter's words, filled in.
pub(super) struct Filled {
    pub(super) html: String,
    pub(super) text: String,
    pub(super) blocks: Vec<Block>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Html,
    Text,
}

/// The text of the letter or of its footer.
enum Text {
    /// From a template of its own.
    Own(Slotted),
    /// From blocks: laid out already, those without slots.
    Blocks(Vec<Option<String>>),
}

impl Form {
    /// Renders the letter for `data`, which has words or stand-ins for them.
    pub(super) fn new(engine: &Engine, letter: &Letter<'_>, data: &Value) -> Result<Self, Vec<RenderMistake>> {
        let mistakes = gaps(engine, letter, data);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let context = Context::from(data.clone());
        Self::compose(engine, letter, &context).map_err(|mistake| vec![mistake])
    }

    fn compose(engine: &Engine, letter: &Letter<'_>, data: &Context) -> Result<Self, RenderMistake> {
        let (language, name) = (letter.language, letter.template);
        let written = blocks(engine, letter, name, data)?;
        let footer = blocks(engine, letter, "footer", data)?;
        let fax = format!("{name}.fax");
        let paper = engine.find(Kind::Markdown, language, &fax).map(|_| blocks(engine, letter, &fax, data));
        let content = match engine.find(Kind::Text, language, name) {
            Some(_) => Text::Own(Slotted::read(engine.render(Kind::Text, language, name, data)?.trim_end())),
            None => Text::of(&written),
        };
        let html = match engine.find(Kind::Html, language, name) {
            Some(_) => engine.render(Kind::Html, language, name, data)?,
            None => html::html(&written),
        };
        let layout = |kind| engine.render(kind, language, "layouts/letter", data);
        let html = match whole_document(&html) {
            true => html,
            false => framed(&layout(Kind::Html)?, html.trim_end(), &html::html(&footer)),
        };
        let mut form = Self {
            name: name.to_owned(),
            foot: Text::of(&footer),
            frame: Slotted::read(layout(Kind::Text)?.trim_end()),
            html: Slotted::read(&html),
            paper: paper.transpose()?,
            unproven: Vec::new(),
            written,
            footer,
            content,
        };
        form.unproven = form.unproven(data.data())?;
        Ok(form)
    }

    /// The lines of the law of which it is not certain that every client's letter has them.
    fn unproven(&self, data: &Value) -> Result<Vec<(Part, &'static str)>, RenderMistake> {
        let mut unproven = Vec::new();
        for path in LAWFUL {
            let Some(value) = words_at(data, path) else {
                let kind = MistakeKind::Empty { path: path.to_owned() };
                return Err(RenderMistake::at(&format!("{}.md", self.name), "", 0..0, kind));
            };
            // A stand-in that is there is there for everybody.
            let (in_html, in_text) = (self.html.has(value), self.text_has(value));
            unproven.extend((!in_html).then_some((Part::Html, path)));
            unproven.extend((!in_text).then_some((Part::Text, path)));
        }
        Ok(unproven)
    }

    fn text_has(&self, stand_in: &str) -> bool {
        let own = |text: &Text, blocks: &[Block]| match text {
            Text::Own(slotted) => slotted.has(stand_in),
            Text::Blocks(_) => has_slots(stand_in) && text::text(blocks).contains(stand_in),
        };
        self.frame.has(stand_in) || own(&self.content, &self.written) || own(&self.foot, &self.footer)
    }

    /// The letter for one client; `data` is theirs.
    pub(super) fn fill(&self, words: &[&str], data: &Value) -> Result<Filled, RenderMistake> {
        let fill_all = |blocks: &[Block]| {
            fill_blocks(blocks, words).map_err(|message| RenderMistake::of(&format!("{}.md", self.name), message))
        };
        let (written, footer) = (fill_all(&self.written)?, fill_all(&self.footer)?);
        let (content, foot) = (self.content.fill(&written, words), self.foot.fill(&footer, words));
        let text = self.frame.fill(words, strip, Inside { content: &content, footer: &foot });
        let html = self.html.fill(words, strip_html, Inside::default());
        if text.len().max(html.len()) > MAX_PART_BYTES {
            return Err(RenderMistake::of(&format!("{}.md", self.name), "the letter has more than 1 MB".to_owned()));
        }
        let text = format!("{}\n", text.trim_end());
        self.prove(data, &html, &text)?;
        let blocks = match &self.paper {
            Some(paper) => fill_all(paper)?,
            None => written,
        };
        Ok(Filled { html, text, blocks })
    }

    fn prove(&self, data: &Value, html: &str, text: &str) -> Result<(), RenderMistake> {
        for (part, path) in &self.unproven {
            let value = clean(words_at(data, path).unwrap_or_default());
            let (holds, file, name) = match part {
                Part::Html => (holds(html, &escape_html(&value)), "layouts/letter.html", "html"),
                Part::Text => (holds(text, &value), "layouts/letter.txt", "text"),
            };
            if !holds {
                let message = format!("the {name} part leaves out `{path}`, which the law wants");
                return Err(RenderMistake::of(file, message));
            }
        }
        Ok(())
    }
}

impl Text {
    fn of(blocks: &[Block]) -> Self {
        let fixed = |block: &Block| (!slotted(block)).then(|| text::text(std::slice::from_ref(block)));
        Self::Blocks(blocks.iter().map(fixed).collect())
    }

    /// The text for one client, whose words are in `blocks` already.
    fn fill(&self, blocks: &[Block], words: &[&str]) -> String {
        let laid_out = match self {
            Self::Own(slotted) => return slotted.fill(words, strip, Inside::default()),
            Self::Blocks(laid_out) => laid_out,
        };
        let mut out = String::with_capacity(4096);
        for (at, (laid_out, block)) in laid_out.iter().zip(blocks).enumerate() {
            if at > 0 {
                out.push_str("\n\n");
            }
            match laid_out {
                Some(text) => out.push_str(text),
                None => out.push_str(&text::text(std::slice::from_ref(block))),
            }
        }
        out
    }
}

/// What is missing from the parts that will be used.
fn gaps(engine: &Engine, letter: &Letter<'_>, data: &Value) -> Vec<RenderMistake> {
    let (name, language) = (letter.template, letter.language);
    if engine.find(Kind::Markdown, language, name).is_none() {
        return vec![RenderMistake::of(&format!("{name}.md"), format!("there is no template `{name}.md`"))];
    }
    let mut search = Search::new(language, data);
    for (kind, name) in parts(name) {
        if let Some(compiled) = engine.find(kind, language, &name) {
            engine.gaps(&mut search, kind, compiled, &[]);
        }
    }
    search.found
}

fn blocks(engine: &Engine, letter: &Letter<'_>, name: &str, data: &Context) -> Result<Vec<Block>, RenderMistake> {
    let source = engine.render(Kind::Markdown, letter.language, name, data)?;
    let file = engine.find(Kind::Markdown, letter.language, name).map_or(name, |compiled| &compiled.file);
    markdown::blocks(&source).map_err(|message| RenderMistake::of(file, message))
}

/// A layout with the letter and its footer in it.
fn framed(layout: &str, content: &str, footer: &str) -> String {
    // One pass: what is put in is never searched for the other slot.
    let mut out = String::with_capacity(layout.len() + content.len() + footer.len());
    for c in layout.chars() {
        match c {
            CONTENT => out.push_str(content),
            FOOTER => out.push_str(footer),
            c => out.push(c),
        }
    }
    format!("{}\n", out.trim_end())
}

fn whole_document(html: &str) -> bool {
    let head: String = html.trim_start().chars().take(9).collect::<String>().to_ascii_lowercase();
    head.starts_with("<!doctype") || head.starts_with("<html")
}

/// The words in a field, if there are any.
fn words_at<'a>(data: &'a Value, path: &str) -> Option<&'a str> {
    let names: Vec<String> = path.split('.').map(str::to_owned).collect();
    find(data, &names).filter(|value| !blank(value)).and_then(Value::as_str)
}

/// Whether `value` stands in `part`, perhaps with other white space between its words.
fn holds(part: &str, value: &str) -> bool {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    part.contains(value.trim()) || one_line(part).contains(&one_line(value))
}

/// Whether words go into a block.
fn slotted(block: &Block) -> bool {
    let any = |blocks: &[Block]| blocks.iter().any(slotted);
    match block {
        Block::Heading { runs, .. } | Block::Paragraph(runs) => runs.iter().any(|run| match run {
            Run::Text { text, link, .. } => has_slots(text) || link.as_deref().is_some_and(has_slots),
            Run::Picture { words, link, .. } => has_slots(words) || link.as_deref().is_some_and(has_slots),
            Run::Break => false,
        }),
        Block::List { items, .. } => items.iter().any(|item| any(item)),
        Block::Quote(blocks) => any(blocks),
        Block::Code(code) => has_slots(code),
        Block::Rule => false,
    }
}

/// Blocks with a client's words in them.
///
/// # Errors
/// A link that leads nowhere a letter may point to, by those words.
fn fill_blocks(blocks: &[Block], words: &[&str]) -> Result<Vec<Block>, String> {
    let filled = |block: &Block| {
        Ok(match block {
            Block::Heading { level, runs } => Block::Heading { level: *level, runs: fill_runs(runs, words)? },
            Block::Paragraph(runs) => Block::Paragraph(fill_runs(runs, words)?),
            Block::List { start, items } => {
                let items: Result<_, String> = items.iter().map(|item| fill_blocks(item, words)).collect();
                Block::List { start: *start, items: items? }
            }
            Block::Quote(blocks) => Block::Quote(fill_blocks(blocks, words)?),
            Block::Code(code) => Block::Code(fill(code, words)),
            Block::Rule => Block::Rule,
        })
    };
    blocks.iter().map(filled).collect()
}

fn fill_runs(runs: &[Run], words: &[&str]) -> Result<Vec<Run>, String> {
    let target = |link: &Option<String>| match link {
        Some(link) if has_slots(link) => markdown::leads_out(&fill(link, words)).map(Some),
        link => Ok(link.clone()),
    };
    let filled = |run: &Run| {
        Ok(match run {
            Run::Text { text, strong, emphasis, link } => {
                Run::Text { text: fill(text, words), strong: *strong, emphasis: *emphasis, link: target(link)? }
            }
            Run::Picture { file, words: shown, link } => {
                Run::Picture { file: file.clone(), words: fill(shown, words), link: target(link)? }
            }
            Run::Break => Run::Break,
        })
    };
    runs.iter().map(filled).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::letter::Subject;
    use super::super::set::TemplateSet;
    use super::super::words::{Words, every_path, stand_ins};
    use super::*;
    use crate::model::language::Language;

    const LETTER: &str = "# Ljuset hos {{account.name}}\n\n{{greeting}} **{{contact.name}}**, _{{account.city}}_.\n\n\
         - {{contact.title}}\n- {{or contact.note \"inget\"}}\n\n{{#if contact.note}}Ni skrev: {{contact.note}}{{/if}}\n\n\
         > {{account.name}}\n\n`{{contact.name}}` [hit](https://x.example/{{account.code}})\\\nslut\n\n{{> signature}}\n";

    fn data(name: &str, city: &str, note: Option<&str>) -> Value {
        json!({
            "contact": { "name": name, "given_name": null, "title": "Chef", "note": note },
            "account": { "name": city, "city": city, "code": "a7" },
            "owner": { "name": "Karin Ek", "title": "Kundansvarig", "phone": "070-174 06 90" },
            "sender": { "company": "Fyrljus AB", "legal_name": "Fyrljus AB", "postal_address": "Lyktgatan 4, Ljusdala" },
            "campaign": { "id": "led", "title": "LED" },
            "links": { "opt_out": "https://ut.fyrljus.example/o/aeba" },
            "language": "sv",
        })
    }

    fn engine() -> Engine {
        let mut set = TemplateSet::builtin();
        set.insert("x.md", LETTER);
        Engine::new(&set).unwrap()
    }

    /// With stand-ins that are filled, and with the words themselves.
    fn both_ways(engine: &Engine, data: &Value) -> [Filled; 2] {
        let letter = Letter { template: "x", subject: Subject::Rendered("x"), data, language: Language::Sv };
        let paths = every_path(data);
        let words = Words::of(data, &paths).words;
        let form = Form::new(engine, &letter, &stand_ins(data, &paths)).unwrap();
        let own = Form::new(engine, &letter, data).unwrap();
        assert!(form.unproven.is_empty() && own.unproven.len() == 2 * LAWFUL.len());
        [form.fill(&words, data).unwrap(), own.fill(&[], data).unwrap()]
    }

    #[test]
    fn refuses_a_link_that_a_clients_words_lead_astray() {
        let engine = engine();
        let mut data = data("Anna", "Granvik", None);
        data["account"]["code"] = "a b".into();
        let letter = Letter { template: "x", subject: Subject::Rendered("x"), data: &data, language: Language::Sv };
        let paths = every_path(&data);
        let form = Form::new(&engine, &letter, &stand_ins(&data, &paths)).unwrap();
        let refused = form.fill(&Words::of(&data, &paths).words, &data).err().unwrap();
        assert!(refused.to_string().contains("a link must begin with"), "{refused}");
    }

    #[test]
    fn puts_no_words_where_data_holds_a_stand_in() {
        let (engine, hostile) = (engine(), "\u{F0200}\u{F0201}x");
        for filled in both_ways(&engine, &data(hostile, "Granvik", Some(hostile))) {
            assert!(!filled.text.contains("Chef\n\nx") && !filled.text.contains('\u{F0200}'), "{}", filled.text);
            assert!(filled.text.contains("Ni skrev: x"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn fills_in_what_the_words_themselves_would_have_made(
            name in "[a-zåäö0-9*_<>&#!.,-][a-zåäö0-9 *_<>&#!.,-]{0,12}[a-zåäö*.]",
            city in "[A-ZÅÄÖ][a-zåäö`\\[\\]()\"']{1,14}",
            note in proptest::option::of("[a-z0-9]{1,5}( [a-z*]{1,9}){0,20}"),
        ) {
            let [filled, own] = both_ways(&engine(), &data(&name, &city, note.as_deref()));
            prop_assert_eq!(&filled.text, &own.text);
            prop_assert_eq!(&filled.html, &own.html);
            prop_assert_eq!(&filled.blocks, &own.blocks);
        }
    }
}
