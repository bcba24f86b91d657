//! One letter for one contact: subject, HTML, text part, and blocks for paper.
//!
//! The law's lines (legal name, postal address, opt-out) are looked for in what
//! was rendered, not in the template: a layout that lost them fails here.

use std::sync::Arc;

use handlebars::Context;
use serde_json::Value;

use super::block::Block;
use super::engine::{Engine, Search};
use super::file::{File, MAX_LETTER_BYTES};
use super::mention::{blank, find};
use super::mistake::{MistakeKind, RenderMistake, TemplateMistake};
use super::set::{Kind, TemplateSet};
use super::shield::{CONTENT, FOOTER, clean, escape_html};
use super::{html, markdown, picture, text};
use crate::model::language::Language;

/// How a subject that is an answer already begins: as the standard says, in Swedish, in German.
const REPLIES: [&str; 3] = ["re:", "sv:", "aw:"];

/// The compiled templates of a revision; cheap to clone.
#[derive(Clone)]
pub struct Renderer(Arc<Engine>);

/// A letter to render.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// The template's name without its ending, `led/intro`.
    pub template: &'a str,
    /// What stands in the subject.
    pub subject: Subject<'a>,
    /// `contact`, `account`, `owner`, `sender`, `campaign` and `links` (with `opt_out`).
    /// A field that is not known is null, never absent.
    pub data: &'a Value,
    /// The language of greeting, signature and footer.
    pub language: Language,
}

/// Where a subject comes from.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A template, from a step or a variant.
    Template(&'a str),
    /// The subject of the thread's first letter as it was rendered: it is data by
    /// now and is not rendered again. "Re: " is put before it.
    Thread(&'a str),
    /// The subject as it was rendered before, with [`Renderer::subject`].
    Rendered(&'a str),
}

/// A rendered letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line without control characters.
    pub subject: String,
    /// The HTML part, a whole document.
    pub html: String,
    /// The text part.
    pub text: String,
    /// The letter without layout and footer, for the fax page.
    pub blocks: Vec<Block>,
    /// The pictures that stand in the HTML part.
    pub pictures: Vec<File>,
    /// What is attached; [`Renderer::attachments`] finds it.
    pub attachments: Vec<File>,
}

impl Renderer {
    /// Compiles the templates of a revision.
    ///
    /// # Errors
    /// All mistakes that show without a contact.
    pub fn new(set: &TemplateSet) -> Result<Self, Vec<TemplateMistake>> {
        Engine::new(set).map(|engine| Self(Arc::new(engine)))
    }

    /// Whether there is a letter of that name.
    pub fn has(&self, template: &str, language: Language) -> bool {
        self.0.find(Kind::Markdown, language, template).is_some()
    }

    /// Whether the letter has a text of its own in that language (`led/intro.en.md`).
    pub fn speaks(&self, template: &str, language: Language) -> bool {
        self.0.speaks(language, template)
    }

    /// Everything that is wrong with a letter for this contact; none if it can be sent.
    pub fn mistakes(&self, letter: &Letter<'_>) -> Vec<RenderMistake> {
        match self.try_letter(letter) {
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes,
        }
    }

    /// The files of these names, to be attached.
    ///
    /// # Errors
    /// For the first that cannot be: which one, and why.
    pub fn attachments(&self, names: &[String]) -> Result<Vec<File>, (usize, String)> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        for (at, name) in names.iter().enumerate() {
            let file = match self.0.beside.get(name) {
                Some(Ok(file)) => file,
                Some(Err(why)) => return Err((at, format!("`{name}` {why}"))),
                None if !super::file::is_known(name) => {
                    return Err((at, format!("`{name}` {}", super::file::unknown_ending())));
                }
                None => return Err((at, format!("there is no file `{name}` in the template folder"))),
            };
            bytes += file.bytes().len();
            if bytes > MAX_LETTER_BYTES {
                return Err((at, format!("with `{name}` the letter has more than {} MB", MAX_LETTER_BYTES >> 20)));
            }
            found.push(file.clone());
        }
        Ok(found)
    }

    /// The names of the files that letters could be given.
    pub fn attachable(&self) -> impl Iterator<Item = &str> {
        self.0.beside.keys().map(String::as_str)
    }

    /// Renders a letter.
    ///
    /// # Errors
    /// The first mistake; [`Renderer::mistakes`] has them all.
    pub fn letter(&self, letter: &Letter<'_>) -> Result<Rendered, RenderMistake> {
        self.try_letter(letter).map_err(|mut mistakes| mistakes.swap_remove(0))
    }

    /// Renders the subject alone.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn subject(&self, letter: &Letter<'_>) -> Result<String, RenderMistake> {
        let line = context(letter).and_then(|data| self.line(letter, &data));
        line.map_err(|mut mistakes| mistakes.swap_remove(0))
    }

    fn try_letter(&self, letter: &Letter<'_>) -> Result<Rendered, Vec<RenderMistake>> {
        let data = context(letter)?;
        let mut mistakes = self.gaps(letter, data.data());
        let subject = self.line(letter, &data).map_err(|found| mistakes.extend(found));
        let (Ok(subject), true) = (subject, mistakes.is_empty()) else { return Err(mistakes) };
        self.compose(letter, subject, &data).map_err(|mistake| vec![mistake])
    }

    /// What is missing from the parts that will be used.
    fn gaps(&self, letter: &Letter<'_>, data: &Value) -> Vec<RenderMistake> {
        let mut search = Search::new(letter.language, data);
        let fax = format!("{}.fax", letter.template);
        let (kinds, engine, language) = (Kind::ALL, &*self.0, letter.language);
        let mut parts = kinds.map(|kind| (kind, letter.template)).to_vec();
        parts.push((Kind::Markdown, &fax));
        if engine.find(Kind::Markdown, language, letter.template).is_none() {
            let name = letter.template;
            return vec![RenderMistake::of(&format!("{name}.md"), format!("there is no template `{name}.md`"))];
        }
        parts.extend([(Kind::Markdown, "footer"), (Kind::Html, "layouts/letter"), (Kind::Text, "layouts/letter")]);
        for (kind, name) in parts {
            if let Some(compiled) = engine.find(kind, language, name) {
                engine.gaps(&mut search, kind, compiled, &[]);
            }
        }
        search.found
    }

    fn line(&self, letter: &Letter<'_>, data: &Context) -> Result<String, Vec<RenderMistake>> {
        let subject = match letter.subject {
            Subject::Template(source) => self.0.render_line(letter.language, source, data)?,
            Subject::Rendered(subject) => subject.to_owned(),
            // "Re: " in every language: RFC 5322 3.6.5 knows no other, and mail programs that
            // count by subject would take "Sv: Re: " for a new thread.
            Subject::Thread(first) => match first.get(..3) {
                Some(head) if REPLIES.iter().any(|reply| head.eq_ignore_ascii_case(reply)) => first.to_owned(),
                _ => format!("Re: {first}"),
            },
        };
        let subject = clean(&subject).trim().to_owned();
        if subject.is_empty() {
            return Err(vec![RenderMistake::of("subject", "the subject is empty")]);
        }
        Ok(subject)
    }

    fn compose(&self, letter: &Letter<'_>, subject: String, data: &Context) -> Result<Rendered, RenderMistake> {
        let (engine, language, name) = (&*self.0, letter.language, letter.template);
        let written = self.blocks(letter, name, data)?;
        let footer = self.blocks(letter, "footer", data)?;
        let fax = format!("{name}.fax");
        let blocks = match engine.find(Kind::Markdown, language, &fax) {
            Some(_) => self.blocks(letter, &fax, data)?,
            None => written.clone(),
        };
        let text = match engine.find(Kind::Text, language, name) {
            Some(_) => engine.render(Kind::Text, language, name, data)?,
            None => text::text(&written),
        };
        let html = match engine.find(Kind::Html, language, name) {
            Some(_) => engine.render(Kind::Html, language, name, data)?,
            None => html::html(&written),
        };
        let text = self.frame(Kind::Text, letter, text.trim_end(), &text::text(&footer), data)?;
        let html = match whole_document(&html) {
            true => html,
            false => self.frame(Kind::Html, letter, html.trim_end(), &html::html(&footer), data)?,
        };
        let (html, pictures) =
            picture::embed(html, &engine.beside).map_err(|no| self.no_picture(name, &no.name, no.why))?;
        let rendered = Rendered { subject, html, text, blocks, pictures, attachments: Vec::new() };
        lawful(letter, data.data(), &rendered)?;
        Ok(rendered)
    }

    fn blocks(&self, letter: &Letter<'_>, name: &str, data: &Context) -> Result<Vec<Block>, RenderMistake> {
        let source = self.0.render(Kind::Markdown, letter.language, name, data)?;
        let file = self.0.find(Kind::Markdown, letter.language, name).map_or(name, |compiled| &compiled.file);
        markdown::blocks(&source).map_err(|message| RenderMistake::of(file, message))
    }

    /// A picture that is not there, at the place that names it.
    fn no_picture(&self, letter: &str, name: &str, why: String) -> RenderMistake {
        match self.0.naming(letter, name) {
            Some((at, span)) => RenderMistake::at(&at.file, &at.source, span, MistakeKind::Other(why)),
            None => RenderMistake::of(&format!("{letter}.md"), why),
        }
    }

    fn frame(
        &self,
        kind: Kind,
        letter: &Letter<'_>,
        content: &str,
        footer: &str,
        data: &Context,
    ) -> Result<String, RenderMistake> {
        let layout = self.0.render(kind, letter.language, "layouts/letter", data)?;
        // One pass: what is put in is never searched for the other slot.
        let mut out = String::with_capacity(layout.len() + content.len() + footer.len());
        for c in layout.chars() {
            match c {
                CONTENT => out.push_str(content),
                FOOTER => out.push_str(footer),
                c => out.push(c),
            }
        }
        Ok(format!("{}\n", out.trim_end()))
    }
}

/// The data with the letter's language, for the layout.
fn context(letter: &Letter<'_>) -> Result<Context, Vec<RenderMistake>> {
    let mut data = letter.data.clone();
    let Some(fields) = data.as_object_mut() else {
        return Err(vec![RenderMistake::of(letter.template, "the merge data is no object")]);
    };
    fields.insert("language".to_owned(), letter.language.code().into());
    Ok(Context::from(data))
}

fn whole_document(html: &str) -> bool {
    let head: String = html.trim_start().chars().take(9).collect::<String>().to_ascii_lowercase();
    head.starts_with("<!doctype") || head.starts_with("<html")
}

/// MFL 9 and 20 §§, CAN-SPAM, CASL: who sends, where they live, how to say no.
fn lawful(letter: &Letter<'_>, data: &Value, rendered: &Rendered) -> Result<(), RenderMistake> {
    for path in ["sender.legal_name", "sender.postal_address", "links.opt_out"] {
        let names: Vec<String> = path.split('.').map(str::to_owned).collect();
        let value = find(data, &names).filter(|value| !blank(value)).and_then(Value::as_str);
        let Some(value) = value else {
            let kind = MistakeKind::Empty { path: path.to_owned() };
            return Err(RenderMistake::at(&format!("{}.md", letter.template), "", 0..0, kind));
        };
        let value = clean(value);
        let (text, html) = (holds(&rendered.text, &value), holds(&rendered.html, &escape_html(&value)));
        for (part, holds) in [("text", text), ("html", html)] {
            if !holds {
                let file = format!("layouts/letter.{}", if part == "text" { "txt" } else { "html" });
                return Err(RenderMistake::of(
                    &file,
                    format!("the {part} part leaves out `{path}`, which the law wants"),
                ));
            }
        }
    }
    Ok(())
}

/// Whether `value` stands in `part`, perhaps with other white space between its words.
fn holds(part: &str, value: &str) -> bool {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    part.contains(value.trim()) || one_line(part).contains(&one_line(value))
}
