//! Which variables a template mentions, where, and under which conditions.
//!
//! Handlebars' strict mode lets a null render as nothing ("Hej !") and accepts
//! `{{#if missing}}`, so every mention is looked up before anything is rendered.
//! Inside `each` and `with` the names mean something else and strict mode is all
//! there is.

use std::ops::Range;

use handlebars::Template;
use handlebars::template::{DecoratorTemplate, HelperTemplate, Parameter, TemplateElement};
use serde_json::Value;

use super::mistake::TemplateMistake;

/// The helpers a template may call with arguments.
const HELPERS: [&str; 11] = ["or", "and", "not", "eq", "ne", "gt", "gte", "lt", "lte", "len", "lookup"];
/// Those of them to which it is all one what stands in a field, if only something does.
const WORDLESS: [&str; 3] = ["or", "and", "not"];

/// What a template mentions.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Its variables.
    pub(super) mentions: Vec<Mention>,
    /// Its partials.
    pub(super) includes: Vec<Include>,
    /// Its slots for the letter and the footer, if it is a layout.
    pub(super) slots: Vec<String>,
    /// It looks at fields that are not among its mentions.
    pub(super) looks_further: bool,
    /// What it writes depends on the words in a field, not only on whether there are any.
    pub(super) compares: bool,
}

/// A variable in a template.
#[derive(Debug)]
pub(super) struct Mention {
    /// The paths of which one must hold something; the first names the mention.
    pub(super) any_of: Vec<Vec<String>>,
    /// Whether it must hold something, or only exist.
    pub(super) filled: bool,
    /// Where it stands in the source.
    pub(super) span: Range<usize>,
    guards: Vec<Guard>,
}

/// A partial in a template.
#[derive(Debug)]
pub(super) struct Include {
    /// Its name.
    pub(super) name: String,
    /// Where it stands in the source.
    pub(super) span: Range<usize>,
    /// The names that its arguments hide.
    pub(super) shadows: Vec<String>,
    /// Its names are looked up elsewhere than at the root.
    pub(super) rebased: bool,
    guards: Vec<Guard>,
}

/// A condition around a mention.
#[derive(Clone, Debug)]
enum Guard {
    /// The variable is truthy, or is not.
    Truthy(Vec<String>, bool),
    /// A condition this module does not work out.
    Unknown,
}

impl Mention {
    /// Whether this mention is rendered for `data`; unsure counts as no.
    pub(super) fn reached(&self, data: &Value) -> bool {
        reached(&self.guards, data)
    }

    /// The variable as the writer named it.
    pub(super) fn path(&self) -> String {
        self.any_of.last().map(|path| path.join(".")).unwrap_or_default()
    }
}

impl Include {
    /// Whether this partial is rendered for `data`; unsure counts as no.
    pub(super) fn reached(&self, data: &Value) -> bool {
        reached(&self.guards, data)
    }
}

fn reached(guards: &[Guard], data: &Value) -> bool {
    guards.iter().all(|guard| match guard {
        Guard::Truthy(path, wanted) => find(data, path).is_some_and(truthy) == *wanted,
        Guard::Unknown => false,
    })
}

/// The value at a path; below a null there are nulls.
pub(super) fn find<'a>(data: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(data, |value, name| match value {
        Value::Null => Some(&Value::Null),
        value => value.get(name),
    })
}

/// Whether a value would leave a gap in the text.
pub(super) fn blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        // Most values begin with a character that nothing takes out.
        Value::String(text) if text.bytes().next().is_some_and(|byte| byte.is_ascii_graphic()) => false,
        Value::String(text) => super::shield::clean(text).trim().is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(_) | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Handlebars' own notion, so that guards agree with `{{#if}}`.
fn truthy(value: &Value) -> bool {
    use handlebars::JsonTruthy;
    value.is_truthy(false)
}

/// Reads what `template` mentions, and what it must not hold.
pub(super) fn outline(file: &str, source: &str, template: &Template) -> (Outline, Vec<TemplateMistake>) {
    let mut walk = Walk { file, source, outline: Outline::default(), mistakes: Vec::new(), guards: Vec::new() };
    walk.template(template, false);
    (walk.outline, walk.mistakes)
}

struct Walk<'a> {
    file: &'a str,
    source: &'a str,
    outline: Outline,
    mistakes: Vec<TemplateMistake>,
    guards: Vec<Guard>,
}

impl Walk<'_> {
    fn template(&mut self, template: &Template, rebased: bool) {
        for (at, element) in template.elements.iter().enumerate() {
            let start = template.mapping.get(at).map_or(0, |place| offset(self.source, place.0, place.1));
            match element {
                TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
                TemplateElement::Expression(call) => self.expression(call, start, rebased),
                TemplateElement::HelperBlock(call) => self.block(call, start, rebased),
                TemplateElement::PartialExpression(call) => self.include(call, start, rebased),
                TemplateElement::HtmlExpression(_) => {
                    self.refuse(start, "`{{{` and `{{&` would let data become markup; write `{{`");
                }
                TemplateElement::PartialBlock(_) => self.refuse(start, "write a partial as `{{> name}}`"),
                TemplateElement::DecoratorExpression(_) | TemplateElement::DecoratorBlock(_) => {
                    self.refuse(start, "decorators are not known here");
                }
                _ => self.refuse(start, "is not known here"),
            }
        }
    }

    fn expression(&mut self, call: &HelperTemplate, start: usize, rebased: bool) {
        let name = call.name.as_name().unwrap_or_default();
        if !call.params.is_empty() || !call.hash.is_empty() {
            return self.call(call, name, start, rebased);
        }
        match name {
            "greeting" => {
                let any_of = ["given_name", "name"].map(|field| vec!["contact".to_owned(), field.to_owned()]);
                self.mention(any_of.to_vec(), true, start, "greeting");
            }
            "content" | "footer" => self.outline.slots.push(name.to_owned()),
            _ => {
                if let Parameter::Subexpression(inner) = &call.name
                    && let TemplateElement::Expression(inner) = inner.as_element()
                {
                    return self.expression(inner, start, rebased);
                }
                if let Some(path) = self.path(name, rebased) {
                    self.mention(vec![path], true, start, name);
                }
            }
        }
    }

    fn call(&mut self, call: &HelperTemplate, name: &str, start: usize, rebased: bool) {
        if !HELPERS.contains(&name) {
            let known = HELPERS.join(", ");
            return self.refuse(start, &format!("there is no helper `{name}`; there are {known}"));
        }
        self.outline.compares |= !WORDLESS.contains(&name);
        let paths = call.params.iter().map(|param| match param {
            Parameter::Path(_) => param.as_name().and_then(|raw| self.path(raw, rebased)),
            _ => None,
        });
        let paths: Option<Vec<_>> = paths.collect();
        if let Some(any_of) = paths.filter(|_| name == "or") {
            let shown = call.params.last().and_then(Parameter::as_name).unwrap_or_default().to_owned();
            self.mention(any_of, true, start, &shown);
        }
        self.arguments(call.params.iter().chain(call.hash.values()), start, rebased);
    }

    /// What is only looked at must exist; it may be empty.
    fn arguments<'p>(&mut self, params: impl Iterator<Item = &'p Parameter>, start: usize, rebased: bool) {
        for param in params {
            match param {
                Parameter::Path(_) => {
                    let raw = param.as_name().unwrap_or_default();
                    if let Some(path) = self.path(raw, rebased) {
                        self.mention(vec![path], false, start, raw);
                    }
                }
                Parameter::Subexpression(inner) => {
                    if let TemplateElement::Expression(call) = inner.as_element() {
                        let name = call.name.as_name().unwrap_or_default();
                        if !HELPERS.contains(&name) {
                            self.refuse(start, &format!("there is no helper `{name}`"));
                        }
                        self.outline.compares |= !WORDLESS.contains(&name);
                        self.arguments(call.params.iter().chain(call.hash.values()), start, rebased);
                    }
                }
                _ => {}
            }
        }
    }

    fn block(&mut self, call: &HelperTemplate, start: usize, rebased: bool) {
        let name = call.name.as_name().unwrap_or_default();
        if !["if", "unless", "each", "with"].contains(&name) {
            return self.refuse(start, &format!("there is no block `{name}`; there are if, unless, each, with"));
        }
        self.arguments(call.params.iter().chain(call.hash.values()), start, rebased);
        let path = match call.params.first() {
            Some(param @ Parameter::Path(_)) => param.as_name().and_then(|raw| self.path(raw, rebased)),
            _ => None,
        };
        let tests = name == "if" || name == "unless";
        self.outline.looks_further |= !tests;
        let guard = |wanted| match &path {
            Some(path) if tests => Guard::Truthy(path.clone(), wanted == (name == "if")),
            _ => Guard::Unknown,
        };
        for (inner, wanted) in [(&call.template, true), (&call.inverse, false)] {
            let Some(inner) = inner else { continue };
            self.guards.push(guard(wanted));
            self.template(inner, rebased || (!tests && wanted));
            self.guards.pop();
        }
    }

    fn include(&mut self, call: &DecoratorTemplate, start: usize, rebased: bool) {
        let Parameter::Name(name) = &call.name else {
            return self.refuse(start, "name the partial itself, `{{> name}}`");
        };
        self.arguments(call.params.iter().chain(call.hash.values()), start, rebased);
        self.outline.looks_further |= !call.params.is_empty();
        self.outline.includes.push(Include {
            name: name.clone(),
            span: self.place(start, name),
            shadows: call.hash.keys().cloned().collect(),
            rebased: rebased || !call.params.is_empty(),
            guards: self.guards.clone(),
        });
    }

    /// The names of a path from the root.
    fn path(&mut self, raw: &str, rebased: bool) -> Option<Vec<String>> {
        let path = segments(raw, rebased);
        self.outline.looks_further |= path.is_none();
        path
    }

    fn mention(&mut self, any_of: Vec<Vec<String>>, filled: bool, start: usize, shown: &str) {
        let span = self.place(start, shown);
        self.outline.mentions.push(Mention { any_of, filled, span, guards: self.guards.clone() });
    }

    fn refuse(&mut self, start: usize, message: &str) {
        self.mistakes.push(TemplateMistake::at(self.file, self.source, start..start + 2, message));
    }

    /// Where `shown` first stands as a whole word at or after `start`.
    fn place(&self, start: usize, shown: &str) -> Range<usize> {
        let part_of_word = |c: char| c.is_alphanumeric() || "_-./@".contains(c);
        for (at, found) in self.source[start..].match_indices(shown) {
            let (at, end) = (start + at, start + at + found.len());
            let before = self.source[..at].chars().next_back().is_some_and(part_of_word);
            let after = self.source[end..].chars().next().is_some_and(part_of_word);
            if !before && !after {
                return at..end;
            }
        }
        start..start
    }
}

/// The names of a path from the root; none if it starts elsewhere.
fn segments(raw: &str, rebased: bool) -> Option<Vec<String>> {
    let path = match raw.strip_prefix("@root.").or(raw.strip_prefix("@root/")) {
        Some(path) => path,
        None if rebased => return None,
        None => raw.trim_start_matches("this.").trim_start_matches("./"),
    };
    if path.is_empty() || path == "this" || path.contains("..") || path.contains(['@', '[', '\'']) {
        return None;
    }
    Some(path.split(['.', '/']).map(str::to_owned).collect())
}

/// The byte at a line and column, both from 1.
pub(super) fn offset(source: &str, line: usize, column: usize) -> usize {
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &source[start.min(source.len())..];
    let ahead: usize = rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    start + ahead
}
