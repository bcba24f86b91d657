//! One letter for one contact: subject, HTML, text part, and blocks for paper.
//!
//! A letter is rendered once for all clients of one pattern ([`super::form`]) and then filled
//! with each one's words. The law's lines (legal name, postal address, opt-out) are looked for
//! in what was rendered, not in the template: a layout that lost them fails here.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use handlebars::Context;
use serde_json::Value;

use super::block::Block;
use super::engine::{Engine, Reads};
use super::file::{File, MAX_LETTER_BYTES};
use super::form::{Form, LAWFUL};
use super::merge::Numbers;
use super::mistake::{MistakeKind, RenderMistake, TemplateMistake};
use super::picture;
use super::set::{Kind, TemplateSet};
use super::shield::{clean, strip};
use super::slotted::{Inside, Slotted};
use super::words::{Words, every_path, stand_ins};
use crate::model::language::Language;

/// How a subject that is an answer already begins: as the standard says, in Swedish, in German.
const REPLIES: [&str; 3] = ["re:", "sv:", "aw:"];

/// Forms that a revision keeps: its letters, times the patterns of their clients.
const MOST_FORMS: usize = 128;

/// The compiled templates of a revision; cheap to clone.
#[derive(Clone)]
pub struct Renderer(Arc<Press>);

/// The templates, and what came of them so far.
struct Press {
    engine: Engine,
    /// What each letter or line looks at, by name and language; a line's name is its source.
    reads: Mutex<HashMap<(String, Language), Arc<Reading>>>,
    letters: Mutex<HashMap<FormKey, Arc<Form>>>,
    lines: Mutex<HashMap<FormKey, Arc<Slotted>>>,
    numbers: Numbers,
}

/// Name, language and pattern.
type FormKey = (String, Language, String);

/// What one letter looks at.
struct Reading {
    paths: Vec<Vec<String>>,
    looks_further: bool,
    compares: bool,
}

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
        Engine::new(set).map(|engine| Self(Arc::new(Press::new(engine))))
    }

    /// Whether there is a letter of that name.
    pub fn has(&self, template: &str, language: Language) -> bool {
        self.0.engine.find(Kind::Markdown, language, template).is_some()
    }

    /// Whether the letter has a text of its own in that language (`led/intro.en.md`).
    pub fn speaks(&self, template: &str, language: Language) -> bool {
        self.0.engine.speaks(language, template)
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
            let file = match self.0.engine.beside.get(name) {
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
        self.0.engine.beside.keys().map(String::as_str)
    }

    /// How the numbers in its letters are written.
    pub fn numbers(&self) -> &Numbers {
        &self.0.numbers
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
        self.0.subject(letter).map_err(|mut mistakes| mistakes.swap_remove(0))
    }

    fn try_letter(&self, letter: &Letter<'_>) -> Result<Rendered, Vec<RenderMistake>> {
        let subject = self.0.subject(letter);
        let form = self.0.form(letter);
        let (subject, (form, words)) = match (subject, form) {
            (Ok(subject), Ok(form)) => (subject, form),
            (subject, form) => {
                let (in_letter, in_subject) = (form.err().unwrap_or_default(), subject.err().unwrap_or_default());
                return Err(in_letter.into_iter().chain(in_subject).collect());
            }
        };
        let filled = form.fill(&words, letter.data).map_err(|mistake| vec![mistake])?;
        let (html, pictures) = picture::embed(filled.html, &self.0.engine.beside)
            .map_err(|no| vec![self.0.no_picture(letter.template, &no.name, no.why)])?;
        let (text, blocks) = (filled.text, filled.blocks);
        Ok(Rendered { subject, html, text, blocks, pictures, attachments: Vec::new() })
    }
}

impl Press {
    fn new(engine: Engine) -> Self {
        Self {
            engine,
            reads: Mutex::default(),
            letters: Mutex::default(),
            lines: Mutex::default(),
            numbers: Numbers::default(),
        }
    }

    /// The form of a letter for this client, and their words.
    fn form<'a>(&self, letter: &Letter<'a>) -> Result<(Arc<Form>, Vec<&'a str>), Vec<RenderMistake>> {
        let reading = self.reading(letter.template, letter, |engine, name| {
            let mut reads = engine.reads(name, letter.language);
            // Looked for in the letter, whether a template names them or not.
            reads.paths.extend(LAWFUL.map(|path| path.split('.').map(str::to_owned).collect()));
            Ok(reads)
        })?;
        let make = |data: &Value| Form::new(&self.engine, letter, &with_language(letter, data)?);
        self.find(&self.letters, letter.template, letter, &reading, make)
    }

    fn subject(&self, letter: &Letter<'_>) -> Result<String, Vec<RenderMistake>> {
        let subject = match letter.subject {
            Subject::Template(source) => self.line(source, letter)?,
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

    fn line(&self, source: &str, letter: &Letter<'_>) -> Result<String, Vec<RenderMistake>> {
        let language = letter.language;
        let reading = self.reading(source, letter, |engine, source| engine.line_reads(language, source))?;
        let make = |data: &Value| {
            let context = Context::from(with_language(letter, data)?);
            self.engine.render_line(language, source, &context).map(|line| Slotted::read(&line))
        };
        let (line, words) = self.find(&self.lines, source, letter, &reading, make)?;
        Ok(line.fill(&words, strip, Inside::default()))
    }

    /// What a letter or a line looks at; every field, if that cannot be told.
    fn reading(
        &self,
        name: &str,
        letter: &Letter<'_>,
        read: impl FnOnce(&Engine, &str) -> Result<Reads, Vec<RenderMistake>>,
    ) -> Result<Arc<Reading>, Vec<RenderMistake>> {
        let key = (name.to_owned(), letter.language);
        if let Some(reading) = kept(&self.reads, &key) {
            return Ok(reading);
        }
        let Reads { paths, looks_further, compares } = read(&self.engine, name)?;
        let reading = Reading { paths: paths.into_iter().collect(), looks_further, compares };
        Ok(keep(&self.reads, key, reading))
    }

    /// What `make` makes of the data, shared by all clients of the same pattern; and the words
    /// of this one.
    fn find<'a, T>(
        &self,
        forms: &Mutex<HashMap<FormKey, Arc<T>>>,
        name: &str,
        letter: &Letter<'a>,
        reading: &Reading,
        make: impl FnOnce(&Value) -> Result<T, Vec<RenderMistake>>,
    ) -> Result<(Arc<T>, Vec<&'a str>), Vec<RenderMistake>> {
        // Where a template compares words, none can stand in for others.
        if reading.compares {
            return Ok((Arc::new(make(letter.data)?), Vec::new()));
        }
        let all = reading.looks_further.then(|| every_path(letter.data));
        let paths = all.as_ref().unwrap_or(&reading.paths);
        let Words { pattern, words } = Words::of(letter.data, paths);
        let key = (name.to_owned(), letter.language, pattern);
        let form = match kept(forms, &key) {
            Some(form) => form,
            None => keep(forms, key, make(&stand_ins(letter.data, paths))?),
        };
        Ok((form, words))
    }

    /// A picture that is not there, at the place that names it.
    fn no_picture(&self, letter: &str, name: &str, why: String) -> RenderMistake {
        match self.engine.naming(letter, name) {
            Some((at, span)) => RenderMistake::at(&at.file, &at.source, span, MistakeKind::Other(why)),
            None => RenderMistake::of(&format!("{letter}.md"), why),
        }
    }
}

fn kept<K: Hash + Eq, T>(map: &Mutex<HashMap<K, Arc<T>>>, key: &K) -> Option<Arc<T>> {
    map.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
}

fn keep<K: Hash + Eq, T>(map: &Mutex<HashMap<K, Arc<T>>>, key: K, value: T) -> Arc<T> {
    let (mut map, value) = (map.lock().unwrap_or_else(PoisonError::into_inner), Arc::new(value));
    if map.len() >= MOST_FORMS {
        map.clear();
    }
    map.insert(key, Arc::clone(&value));
    value
}

/// The data with the letter's language, for the layout.
fn with_language(letter: &Letter<'_>, data: &Value) -> Result<Value, Vec<RenderMistake>> {
    let mut data = data.clone();
    let Some(fields) = data.as_object_mut() else {
        return Err(vec![RenderMistake::of(letter.template, "the merge data is no object")]);
    };
    fields.insert("language".to_owned(), letter.language.code().into());
    Ok(data)
}
