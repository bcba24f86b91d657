//! Compiled templates: handlebars in strict mode, one registry per language and
//! kind, so that a partial is found in the letter's own language and every value
//! is escaped for what is being written.
//!
//! Templates reach nothing but their data and their partials; what they write is
//! capped, and partials cannot include themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use handlebars::{
    Context, Handlebars, RenderContext, RenderErrorReason, Renderable, Template, TemplateErrorReason, WriteOutput,
};
use serde_json::Value;

use super::callable::{Capped, FirstFilled, Greeting, Slot};
use super::mention::{self, Outline, blank, find};
use super::mistake::{MistakeKind, RenderMistake, TemplateMistake};
use super::picture::Files;
use super::set::{Kind, TemplateSet};
use super::shield::{CONTENT, FOOTER, clean, escape_html, shield};
use crate::model::language::Language;
use crate::model::mistake::did_you_mean;

const LANGUAGES: [Language; 2] = [Language::Sv, Language::En];
/// Compiled subjects that are kept; the letters of a thread have none.
const MAX_LINES: usize = 64;
const MAX_NESTING: usize = 32;
/// Partials that one letter may come to include, counted with repetition.
const MAX_PARTIALS: usize = 1_000;

/// A template that was read without mistakes.
pub(super) struct Compiled {
    pub(super) file: String,
    pub(super) source: String,
    template: Template,
    outline: Outline,
}

/// What templates look at in the data.
#[derive(Default)]
pub(super) struct Reads {
    /// The fields they name.
    pub(super) paths: BTreeSet<Vec<String>>,
    /// They may look at others too.
    pub(super) looks_further: bool,
    /// What they write depends on the words in a field, not only on whether there are any.
    pub(super) compares: bool,
}

impl Reads {
    fn add(&mut self, outline: &Outline) {
        self.paths.extend(outline.mentions.iter().flat_map(|mention| mention.any_of.iter().cloned()));
        self.looks_further |= outline.looks_further;
        self.compares |= outline.compares;
    }
}

/// The templates that may have a part in a letter.
pub(super) fn parts(letter: &str) -> Vec<(Kind, String)> {
    let mut parts = Kind::ALL.map(|kind| (kind, letter.to_owned())).to_vec();
    parts.push((Kind::Markdown, format!("{letter}.fax")));
    parts.push((Kind::Markdown, "footer".to_owned()));
    parts.extend([Kind::Html, Kind::Text].map(|kind| (kind, "layouts/letter".to_owned())));
    parts
}

/// Every template of a revision, compiled.
pub(super) struct Engine {
    files: BTreeMap<(Kind, Option<Language>, String), Compiled>,
    registries: BTreeMap<(Kind, Language), Handlebars<'static>>,
    /// What can go with a letter.
    pub(super) beside: Files,
    /// Subjects that were compiled; a campaign has a few, and each of its letters has one.
    lines: Mutex<HashMap<String, Arc<Compiled>>>,
}

impl Engine {
    /// Compiles a set and checks what can be checked without a contact.
    pub(super) fn new(set: &TemplateSet) -> Result<Self, Vec<TemplateMistake>> {
        let mut engine = Self {
            files: BTreeMap::new(),
            registries: BTreeMap::new(),
            beside: set.all_files().clone(),
            lines: Mutex::default(),
        };
        let mut mistakes = Vec::new();
        for (file, source) in set.iter() {
            let Some((kind, language, name)) = name_of(file) else { continue };
            match compile(file, source) {
                Ok(compiled) => drop(engine.files.insert((kind, language, name), compiled)),
                Err(found) => mistakes.extend(found),
            }
        }
        if mistakes.is_empty() {
            mistakes = engine.lacks();
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        for language in LANGUAGES {
            for kind in Kind::ALL {
                engine.registries.insert((kind, language), engine.registry(kind, language));
            }
        }
        Ok(engine)
    }

    /// The template of that name in that language, or the one for all languages.
    pub(super) fn find(&self, kind: Kind, language: Language, name: &str) -> Option<&Compiled> {
        let of = |language| self.files.get(&(kind, language, name.to_owned()));
        of(Some(language)).or_else(|| of(None))
    }

    /// Where a file is named: in the letter's own templates if it is there, else in any.
    pub(super) fn naming(&self, letter: &str, name: &str) -> Option<(&Compiled, std::ops::Range<usize>)> {
        let own = |compiled: &&Compiled| compiled.file.starts_with(&format!("{letter}."));
        let place = |compiled: &'_ Compiled| compiled.source.find(name).map(|at| at..at + name.len());
        let all = || self.files.values();
        let found = all().filter(own).find(|compiled| place(compiled).is_some());
        let found = found.or_else(|| all().find(|compiled| place(compiled).is_some()))?;
        Some((found, place(found)?))
    }

    /// Whether the letter has a text of its own in that language.
    pub(super) fn speaks(&self, language: Language, name: &str) -> bool {
        self.files.contains_key(&(Kind::Markdown, Some(language), name.to_owned()))
    }

    /// What the parts of a letter look at.
    pub(super) fn reads(&self, letter: &str, language: Language) -> Reads {
        let mut reads = Reads::default();
        let mut seen = BTreeSet::new();
        for (kind, name) in parts(letter) {
            self.read(&mut reads, &mut seen, (kind, &name), language);
        }
        reads
    }

    fn read(
        &self,
        reads: &mut Reads,
        seen: &mut BTreeSet<(Kind, String)>,
        (kind, name): (Kind, &str),
        language: Language,
    ) {
        let Some(compiled) = self.find(kind, language, name) else { return };
        if !seen.insert((kind, name.to_owned())) {
            return;
        }
        reads.add(&compiled.outline);
        for include in &compiled.outline.includes {
            self.read(reads, seen, (kind, &include.name), language);
        }
    }

    /// What a line that stands in a campaign looks at.
    pub(super) fn line_reads(&self, language: Language, source: &str) -> Result<Reads, Vec<RenderMistake>> {
        let compiled = self.line(source)?;
        let (mut reads, mut seen) = (Reads::default(), BTreeSet::new());
        reads.add(&compiled.outline);
        for include in &compiled.outline.includes {
            self.read(&mut reads, &mut seen, (Kind::Text, &include.name), language);
        }
        Ok(reads)
    }

    /// Renders a template of the set.
    pub(super) fn render(
        &self,
        kind: Kind,
        language: Language,
        name: &str,
        data: &Context,
    ) -> Result<String, RenderMistake> {
        let compiled = self
            .find(kind, language, name)
            .ok_or_else(|| RenderMistake::of(name, format!("there is no template `{name}`")))?;
        self.write(kind, language, compiled, data)
    }

    /// Renders a line that stands in a campaign, not in the set.
    pub(super) fn render_line(
        &self,
        language: Language,
        source: &str,
        data: &Context,
    ) -> Result<String, Vec<RenderMistake>> {
        let compiled = self.line(source)?;
        let mut search = Search::new(language, data.data());
        self.gaps(&mut search, Kind::Text, &compiled, &[]);
        if !search.found.is_empty() {
            return Err(search.found);
        }
        self.write(Kind::Text, language, &compiled, data).map_err(|mistake| vec![mistake])
    }

    fn line(&self, source: &str) -> Result<Arc<Compiled>, Vec<RenderMistake>> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = lines.get(source) {
            return Ok(Arc::clone(compiled));
        }
        let compiled =
            compile("subject", source).map_err(|found| found.into_iter().map(rendered).collect::<Vec<_>>())?;
        let compiled = Arc::new(compiled);
        if lines.len() >= MAX_LINES {
            lines.clear();
        }
        lines.insert(source.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }

    fn write(
        &self,
        kind: Kind,
        language: Language,
        compiled: &Compiled,
        data: &Context,
    ) -> Result<String, RenderMistake> {
        let registry = self.registries.get(&(kind, language)).expect("new() made one for each kind and language");
        let mut capped = Capped::default();
        let mut output = WriteOutput::new(&mut capped);
        let mut context = RenderContext::new(Some(&compiled.file));
        let result = compiled.template.render(registry, data, &mut context, &mut output);
        result.map_err(|error| self.explain(compiled, &error))?;
        String::from_utf8(capped.into_bytes())
            .map_err(|_| RenderMistake::of(&compiled.file, "writes something that is no text"))
    }

    /// Everything that would be missing from a template for the data, partials included.
    pub(super) fn gaps(&self, search: &mut Search<'_>, kind: Kind, compiled: &Compiled, shadows: &[String]) {
        let data = search.data;
        for mention in compiled.outline.mentions.iter().filter(|mention| mention.reached(data)) {
            if mention.any_of.iter().any(|path| shadows.contains(&path[0])) {
                continue;
            }
            let values: Vec<_> = mention.any_of.iter().map(|path| find(data, path)).collect();
            let gap = match values.iter().position(Option::is_none) {
                Some(missing) => {
                    let path = mention.any_of[missing].join(".");
                    let meant = did_you_mean(&path, paths(data).iter().map(String::as_str)).map(str::to_owned);
                    MistakeKind::Missing { path, meant }
                }
                None if mention.filled && values.iter().flatten().all(|value| blank(value)) => {
                    MistakeKind::Empty { path: mention.path() }
                }
                None => continue,
            };
            let mistake = RenderMistake::at(&compiled.file, &compiled.source, mention.span.clone(), gap);
            if !search.found.contains(&mistake) {
                search.found.push(mistake);
            }
        }
        for include in compiled.outline.includes.iter().filter(|include| !include.rebased && include.reached(data)) {
            let Some(partial) = self.find(kind, search.language, &include.name) else { continue };
            let shadows = [shadows, &include.shadows].concat();
            if search.seen.insert((kind, include.name.clone(), shadows.clone())) {
                self.gaps(search, kind, partial, &shadows);
            }
        }
    }

    fn explain(&self, compiled: &Compiled, error: &handlebars::RenderError) -> RenderMistake {
        let named = error.template_name.as_deref().unwrap_or(&compiled.file);
        let place = self.files.values().find(|file| file.file == named).unwrap_or(compiled);
        let start = mention::offset(&place.source, error.line_no.unwrap_or(1), error.column_no.unwrap_or(1));
        let kind = match error.reason() {
            RenderErrorReason::MissingVariable(Some(path)) => MistakeKind::Missing { path: path.clone(), meant: None },
            RenderErrorReason::MissingVariable(None) => MistakeKind::Other("names a variable that is not there".into()),
            RenderErrorReason::IOError(_) => MistakeKind::Other("writes more than 512 kB".into()),
            reason => MistakeKind::Other(reason.to_string()),
        };
        RenderMistake::at(&place.file, &place.source, start..start, kind)
    }

    fn registry(&self, kind: Kind, language: Language) -> Handlebars<'static> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        // It would write merge data to the log.
        registry.unregister_helper("log");
        registry.register_escape_fn(match kind {
            Kind::Markdown => shield as fn(&str) -> String,
            Kind::Html => clean_html,
            Kind::Text => clean,
        });
        registry.register_helper("or", Box::new(FirstFilled));
        registry.register_helper("greeting", Box::new(Greeting(language)));
        registry.register_helper("content", Box::new(Slot(CONTENT)));
        registry.register_helper("footer", Box::new(Slot(FOOTER)));
        // The files for all languages come first, so that a language's own replace them.
        for of in [None, Some(language)] {
            for ((_, _, name), compiled) in self.files.iter().filter(|((k, l, _), _)| (*k, *l) == (kind, of)) {
                registry.register_template(name, compiled.template.clone());
            }
        }
        registry
    }

    /// Partials that are not there or go in circles, and layouts without a slot.
    fn lacks(&self) -> Vec<TemplateMistake> {
        let mut mistakes = Vec::new();
        for language in LANGUAGES {
            let footer = format!("partials/footer.{}.md", language.code());
            if self.find(Kind::Markdown, language, "footer").is_none() {
                mistakes.push(TemplateMistake::at(&footer, "", 0..0, "the footer with the opt-out line is not there"));
            }
        }
        for (kind, file) in [(Kind::Html, "layouts/letter.html"), (Kind::Text, "layouts/letter.txt")] {
            let layout = self.find(kind, Language::default(), "layouts/letter");
            let slots = layout.map(|layout| layout.outline.slots.as_slice()).unwrap_or_default();
            for slot in ["content", "footer"] {
                if slots.iter().filter(|name| *name == slot).count() != 1 {
                    let message = format!("a layout holds `{{{{{slot}}}}}` exactly once");
                    mistakes.push(TemplateMistake::at(file, "", 0..0, message));
                }
            }
        }
        for language in LANGUAGES {
            for kind in Kind::ALL {
                let mut trail = Trail { kind, language, names: Vec::new(), weights: BTreeMap::new() };
                for ((_, _, name), _) in self.files.iter().filter(|((k, ..), _)| *k == kind) {
                    self.follow(&mut trail, name, &mut mistakes);
                }
            }
        }
        let mut seen = BTreeSet::new();
        mistakes.retain(|mistake| seen.insert(mistake.to_string()));
        mistakes
    }

    /// How many templates `name` comes to render, itself included.
    fn follow(&self, trail: &mut Trail, name: &str, mistakes: &mut Vec<TemplateMistake>) -> usize {
        if let Some(weight) = trail.weights.get(name) {
            return *weight;
        }
        let Some(compiled) = self.find(trail.kind, trail.language, name) else { return 1 };
        trail.names.push(name.to_owned());
        let mut weight = 1_usize;
        for include in &compiled.outline.includes {
            let partial = self.find(trail.kind, trail.language, &include.name);
            let message = match partial {
                None => format!("there is no partial `{}`", include.name),
                Some(_) if trail.names.contains(&include.name) => format!("`{}` comes to include itself", include.name),
                Some(_) if trail.names.len() >= MAX_NESTING => "partials in partials, more than 32 deep".to_owned(),
                Some(_) => {
                    let (before, inner) = (weight, self.follow(trail, &include.name, mistakes));
                    weight = weight.saturating_add(inner);
                    // Said once, where the count first goes beyond.
                    if before.max(inner) > MAX_PARTIALS || weight <= MAX_PARTIALS {
                        continue;
                    }
                    "partials that come to more than 1000".to_owned()
                }
            };
            mistakes.push(TemplateMistake::at(&compiled.file, &compiled.source, include.span.clone(), message));
        }
        trail.names.pop();
        trail.weights.insert(name.to_owned(), weight);
        weight
    }
}

/// The way from a template down its partials.
struct Trail {
    kind: Kind,
    language: Language,
    names: Vec<String>,
    /// What was followed already.
    weights: BTreeMap<String, usize>,
}

/// A look for gaps in the parts of one letter.
pub(super) struct Search<'a> {
    language: Language,
    data: &'a Value,
    pub(super) found: Vec<RenderMistake>,
    seen: BTreeSet<(Kind, String, Vec<String>)>,
}

impl<'a> Search<'a> {
    pub(super) fn new(language: Language, data: &'a Value) -> Self {
        Self { language, data, found: Vec::new(), seen: BTreeSet::new() }
    }
}

fn clean_html(data: &str) -> String {
    escape_html(&clean(data))
}

/// `partials/signature.sv.md` is `signature`, in Swedish, in Markdown.
fn name_of(file: &str) -> Option<(Kind, Option<Language>, String)> {
    let kind = Kind::of(file)?;
    let (stem, _) = file.rsplit_once('.')?;
    let stem = stem.strip_prefix("partials/").unwrap_or(stem);
    for language in LANGUAGES {
        if let Some(name) = stem.strip_suffix(language.code()).and_then(|name| name.strip_suffix('.')) {
            return Some((kind, Some(language), name.to_owned()));
        }
    }
    Some((kind, None, stem.to_owned()))
}

fn compile(file: &str, source: &str) -> Result<Compiled, Vec<TemplateMistake>> {
    if let Some(at) = too_deep(source) {
        return Err(vec![TemplateMistake::at(file, source, at..at, "blocks in blocks, more than 32 deep")]);
    }
    let template = Template::compile_with_name(source, file.to_owned()).map_err(|error| {
        let (line, column) = error.pos().unwrap_or((1, 1));
        let at = mention::offset(source, line, column);
        let message = match error.reason() {
            // The parser names its grammar's rules, which say nothing to a writer.
            TemplateErrorReason::InvalidSyntax(_) if at >= source.trim_end().len() => {
                "the file ends before `}}` or `{{/...}}` closes what is open".to_owned()
            }
            TemplateErrorReason::InvalidSyntax(_) => {
                "cannot be read from here on; each `{{` needs its `}}`, each `{{#if}}` its `{{/if}}`".to_owned()
            }
            reason => reason.to_string(),
        };
        vec![TemplateMistake::at(file, source, at..at, message)]
    })?;
    let (outline, mistakes) = mention::outline(file, source, &template);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(Compiled { file: file.to_owned(), source: source.to_owned(), template, outline })
}

/// The parser recurses; a template that nests too deep must not reach it.
fn too_deep(source: &str) -> Option<usize> {
    let (mut blocks, mut brackets) = (0_usize, 0_usize);
    for (at, byte) in source.bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b'{' if source[at..].starts_with("{{#") || source[at..].starts_with("{{~#") => blocks += 1,
            b'{' if source[at..].starts_with("{{/") || source[at..].starts_with("{{~/") => {
                blocks = blocks.saturating_sub(1);
            }
            b'}' if source[at..].starts_with("}}") => brackets = 0,
            _ => {}
        }
        if blocks > MAX_NESTING || brackets > MAX_NESTING {
            return Some(at);
        }
    }
    None
}

fn rendered(mistake: TemplateMistake) -> RenderMistake {
    let TemplateMistake { template, line, column, width, excerpt, message } = mistake;
    RenderMistake { template, line, column, width, excerpt, kind: MistakeKind::Other(message) }
}

/// Every path in the data, to guess from.
fn paths(data: &Value) -> Vec<String> {
    let Value::Object(groups) = data else { return Vec::new() };
    let mut out = Vec::new();
    for (group, value) in groups {
        out.push(group.clone());
        if let Value::Object(fields) = value {
            out.extend(fields.keys().map(|field| format!("{group}.{field}")));
        }
    }
    out
}
