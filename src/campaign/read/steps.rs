//! `[[step]]`: what goes out one after the other, and by which channel.

use std::ops::Range;

use crate::config::table::Table;
use crate::config::value::Value;
use crate::model::address::Channel;
use crate::model::campaign::{Step, Variant, Wait, Window};
use crate::model::text::Line;

use super::super::duration::parse_wait;
use super::super::places::{Part, Place, Places};
use super::{LATE, noted, read_window, report_twin};

/// The keys of a step.
pub(super) const KEYS: [&str; 11] =
    ["id", "channel", "wait", "template", "subject", "fallback", "variants", "note", "late", "send", "attachments"];
const CHANNELS: [(&str, Channel); 3] = [("email", Channel::Email), ("fax", Channel::Fax), ("call", Channel::Call)];
/// The zone and the days may differ by step; what to do when late has its own key.
const SEND: [&str; 3] = ["days", "hours", "zone"];

/// Reads the steps; one whose id or channel cannot be read is left out.
pub(super) fn read(tables: Vec<Table<'_>>, send: &Window, places: &mut Places) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_first_letter = true;
    for (position, table) in tables.into_iter().enumerate() {
        let mut reading = StepReading { table, is_first: position == 0, is_first_letter, places };
        let step = reading.read(send);
        let reader = reading.table.reader();
        let Some((step, span)) = step else {
            // What a step of an unknown channel would have been, nobody knows: no second message.
            is_first_letter = false;
            continue;
        };
        is_first_letter &= step.channel != Channel::Email;
        let known = steps.iter().any(|known| known.id == step.id);
        match places.find(&Place::Step(step.id.clone(), Part::Id)) {
            Some(first) if known => report_twin(reader, "step", &step.id, &first, &span),
            _ => steps.push(step),
        }
    }
    steps
}

struct StepReading<'r, 'p> {
    table: Table<'r>,
    is_first: bool,
    is_first_letter: bool,
    places: &'p mut Places,
}

impl<'r> StepReading<'r, '_> {
    fn read(&mut self, send: &Window) -> Option<(Step, Range<usize>)> {
        let id_value = self.table.need("id");
        let span = id_value.as_ref().map(Value::span);
        let id = id_value.and_then(Value::slug);
        let name = id.clone().unwrap_or_default();
        if let (Some(id), Some(span)) = (&id, &span) {
            self.places.note(Place::Step(id.clone(), Part::Id), span.clone());
        }
        let channel = self.table.need("channel").and_then(|value| value.word(&CHANNELS));
        let wait = self.read_wait();
        let late = self.table.take("late").and_then(|value| value.word(&LATE));
        let own = self.table.take("send").and_then(|value| value.table("send", &SEND));
        let send = own.map(|table| {
            let window = read_window(Some(table), send);
            Window { late: late.unwrap_or(window.late), ..window }
        });
        let channel = channel?;
        self.refuse_strangers(channel);
        let template = self.read_template(channel, &name);
        let subject = self.read_subject(&name);
        let fallback = self.read_fallback(channel);
        let note = self.read_note(channel, &name);
        let has_subject = subject.is_some();
        let variants = self.read_variants(channel, has_subject, &name);
        let attachments = self.read_attachments(&name);
        let step =
            Step { id: id?, channel, wait, template, subject, fallback, variants, note, late, send, attachments };
        Some((step, span?))
    }

    fn read_wait(&mut self) -> Wait {
        let value = if self.is_first { self.table.take("wait") } else { self.table.need("wait") };
        let Some(value) = value else { return Wait::Hours(0) };
        if self.is_first {
            value.report("has nothing to wait for in the first step, which goes at the campaign's `start`");
        }
        value.parse(parse_wait).unwrap_or(Wait::Hours(0))
    }

    /// Reports the keys that a step of this channel has no use for.
    fn refuse_strangers(&mut self, channel: Channel) {
        let strangers: &[&'static str] = match channel {
            Channel::Email | Channel::Fax => &["note"],
            Channel::Call => &["template", "subject", "fallback", "variants"],
        };
        let what = match channel {
            Channel::Call => "a call",
            Channel::Email | Channel::Fax => "a letter",
        };
        for key in strangers {
            if let Some(value) = self.table.take(key) {
                let reader = value.reader();
                reader.report(&value.key_span(), format!("{what} has no `{key}`"));
            }
        }
    }

    fn read_template(&mut self, channel: Channel, step: &str) -> Option<String> {
        let value = match channel {
            Channel::Email | Channel::Fax => self.table.need("template"),
            Channel::Call => return None,
        };
        noted(value, Place::Step(step.to_owned(), Part::Template), self.places).and_then(read_template_name)
    }

    fn read_subject(&mut self, step: &str) -> Option<String> {
        let value = self.table.take("subject");
        let value = noted(value, Place::Step(step.to_owned(), Part::Subject), self.places)?;
        value.parse(Line::parse).map(Into::into)
    }

    fn read_note(&mut self, channel: Channel, step: &str) -> Option<String> {
        if channel != Channel::Call {
            return None;
        }
        let value = self.table.need("note");
        let value = noted(value, Place::Step(step.to_owned(), Part::Note), self.places)?;
        value.parse(Line::parse).map(Into::into)
    }

    fn read_fallback(&mut self, channel: Channel) -> Option<Channel> {
        let value = self.table.take("fallback")?;
        let other = match channel {
            Channel::Email => ("fax", Channel::Fax),
            Channel::Fax => ("email", Channel::Email),
            Channel::Call => return None,
        };
        value.word(&[other])
    }

    /// Reads the names of files; whether they are there, the check says.
    fn read_attachments(&mut self, step: &str) -> Vec<String> {
        let Some(value) = self.table.take("attachments") else { return Vec::new() };
        let mut names: Vec<String> = Vec::new();
        for value in value.list().unwrap_or_default() {
            let (reader, span) = (value.reader(), value.span());
            let Some(name) = value.text() else { continue };
            if names.contains(&name) {
                reader.report(&span, format!("`{name}` is attached twice"));
                continue;
            }
            self.places.note(Place::Step(step.to_owned(), Part::Attachment(names.len())), span);
            names.push(name);
        }
        names
    }

    /// Reads the variants and says where a subject is missing, once a letter.
    fn read_variants(&mut self, channel: Channel, has_subject: bool, step: &str) -> Vec<Variant> {
        let needs_subject = self.is_first_letter && channel == Channel::Email && !has_subject;
        let Some(value) = self.table.take("variants") else {
            if needs_subject {
                self.report_missing_subject(step);
            }
            return Vec::new();
        };
        let (reader, span) = (value.reader(), value.span());
        let items = value.list().unwrap_or_default();
        if items.len() == 1 {
            reader.report(&span, "`variants` has one variant; it takes two to choose from");
        }
        let mut variants: Vec<Variant> = Vec::new();
        let mut seen: Vec<(String, Range<usize>)> = Vec::new();
        for item in items {
            let Some((variant, id_span)) = self.read_variant(item, step, needs_subject) else { continue };
            match seen.iter().find(|(id, _)| *id == variant.id) {
                Some((id, first)) => report_twin(reader, "variant", id, first, &id_span),
                None => seen.push((variant.id.clone(), id_span)),
            }
            variants.push(variant);
        }
        variants
    }

    fn report_missing_subject(&self, step: &str) {
        let reader = self.table.reader();
        // The subject was written and found wanting: that was said at its own place.
        if self.places.find(&Place::Step(step.to_owned(), Part::Subject)).is_some() {
            return;
        }
        let mistake = reader.mistake(&self.table.span(), "the first letter needs a `subject`");
        reader.push(mistake.hint("later letters may go without one: they continue the thread"));
    }

    fn read_variant(&mut self, value: Value<'r>, step: &str, needs_subject: bool) -> Option<(Variant, Range<usize>)> {
        let mut table = value.table("variants", &["id", "subject", "template"])?;
        let id_value = table.need("id");
        let span = id_value.as_ref().map(Value::span);
        let id = id_value.and_then(Value::slug);
        let (subject, template) = (table.take("subject"), table.take("template"));
        if needs_subject && subject.is_none() {
            table.miss("subject");
        } else if subject.is_none() && template.is_none() {
            table.reader().report(&table.span(), "a variant needs a `subject` or a `template` of its own");
        }
        let place = |part: fn(String) -> Part| Place::Step(step.to_owned(), part(id.clone().unwrap_or_default()));
        let subject = noted(subject, place(Part::VariantSubject), self.places);
        let subject = subject.and_then(|value| value.parse(Line::parse)).map(Into::into);
        let template = noted(template, place(Part::VariantTemplate), self.places).and_then(read_template_name);
        Some((Variant { id: id?, subject, template }, span?))
    }
}

/// A template's name below the template folder, without its ending.
fn read_template_name(value: Value<'_>) -> Option<String> {
    let (reader, span) = (value.reader(), value.span());
    let name = value.text()?;
    let endings = [".md", ".mjml", ".html", ".txt"];
    if let Some(bare) = endings.iter().find_map(|ending| name.strip_suffix(ending)) {
        let mistake = reader.mistake(&span, "`template` is named without its ending");
        reader.push(mistake.aside(format!("did you mean `{bare}`?")));
        return Some(bare.to_owned());
    }
    let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    if name.split('/').all(part) {
        return Some(name);
    }
    reader.report(&span, "`template` is a name below the template folder, as led/intro");
    None
}
