//! Names in a campaign file that must be there: templates, senders, the fax gateway,
//! the fields of a note.

use super::super::CampaignFile;
use super::super::letter::{StepLetter, letters};
use super::super::places::{Part, Place};
use super::super::templates::bare;
use super::Files;
use crate::config::Config;
use crate::model::address::Channel;
use crate::model::campaign::{Campaign, From};
use crate::model::mistake::{Mistake, did_you_mean};

/// What a note may say of a client.
const NOTE_FIELDS: [&str; 2] = ["{{contact.name}}", "{{account.name}}"];

/// The mistakes of one campaign that show from the names alone.
pub(super) fn mistakes(file: &CampaignFile, files: &Files, config: Option<&Config>) -> Vec<Mistake> {
    let mut found = Vec::new();
    for letter in letters(&file.campaign) {
        found.extend(missing_template(file, files, &letter));
    }
    found.extend(config.and_then(|config| missing_sender(file, config)));
    if let Some(config) = config {
        found.extend(missing_gateway(file, config));
    }
    found.extend(wrong_attachments(file, files));
    found.extend(notes(&file.campaign).into_iter().filter_map(|(place, note)| wrong_note(file, &place, note)));
    found
}

fn missing_template(file: &CampaignFile, files: &Files, letter: &StepLetter<'_>) -> Option<Mistake> {
    let code = file.campaign.language.code();
    let name = letter.template;
    let there = [format!("{name}.md"), format!("{name}.{code}.md")];
    if there.iter().any(|file| files.templates.find(file).is_some()) {
        return None;
    }
    let mistake = file.places.mistake(&letter.template_place(), format!("there is no template `{name}`"));
    let is_letter = |file: &&str| file.ends_with(".md") && !file.starts_with("partials/") && !file.ends_with(".fax.md");
    let known: Vec<_> = files.templates.iter().map(|(file, _)| file).filter(is_letter).map(bare).collect();
    Some(match did_you_mean(name, known.iter().copied()) {
        Some(meant) => mistake.aside(format!("did you mean `{meant}`?")),
        None => mistake.hint(format!("write it: `{name}.md` in the template folder")),
    })
}

/// The first attachment of each step that cannot go with its letter.
fn wrong_attachments(file: &CampaignFile, files: &Files) -> Vec<Mistake> {
    let Some(renderer) = &files.renderer else { return Vec::new() };
    let mut found = Vec::new();
    for step in &file.campaign.steps {
        let Err((at, why)) = renderer.attachments(&step.attachments) else { continue };
        let mistake = file.places.mistake(&Place::Step(step.id.clone(), Part::Attachment(at)), why);
        found.push(match did_you_mean(&step.attachments[at], renderer.attachable()) {
            Some(meant) if meant != step.attachments[at] => mistake.aside(format!("did you mean `{meant}`?")),
            _ => mistake,
        });
    }
    found
}

fn missing_sender(file: &CampaignFile, config: &Config) -> Option<Mistake> {
    let From::Sender(id) = &file.campaign.from else { return None };
    if config.find_sender(Some(id)).is_some() {
        return None;
    }
    let known: Vec<_> = config.senders.iter().map(|sender| sender.id.as_str()).chain(["owner"]).collect();
    let mistake = file.places.mistake(&Place::From, format!("there is no sender `{id}`"));
    Some(match did_you_mean(id, known.iter().copied()) {
        Some(meant) => mistake.aside(format!("did you mean `{meant}`?")),
        None => mistake.hint(format!("there are {}", known.join(", "))),
    })
}

fn missing_gateway(file: &CampaignFile, config: &Config) -> Option<Mistake> {
    let step = letters(&file.campaign).into_iter().find(StepLetter::by_fax)?.step;
    let place = Place::Step(step.id.clone(), Part::Id);
    if config.fax.is_none() {
        let mistake = file.places.mistake(&place, format!("step `{}` may go by fax, and there is no [fax]", step.id));
        return Some(mistake.hint("name the gateway in the configuration, or leave the fax out of the step"));
    }
    let sender = sender_of(&file.campaign, config)?;
    if sender.fax.is_some() || sender.phone.is_some() {
        return None;
    }
    let message = format!("step `{}` may go by fax, and sender `{}` has no number", step.id, sender.id);
    Some(
        file.places
            .mistake(&place, message)
            .hint("set `fax` or `phone` of the [[sender]]; the law wants one on each page"),
    )
}

/// The sender of a campaign's letters.
pub(in crate::campaign) fn sender_of<'c>(campaign: &Campaign, config: &'c Config) -> Option<&'c crate::config::Sender> {
    config.find_sender(match &campaign.from {
        From::Owner => None,
        From::Sender(id) => Some(id),
    })
}

fn notes(campaign: &Campaign) -> Vec<(Place, &str)> {
    let calls = campaign.steps.iter().filter(|step| step.channel == Channel::Call);
    let calls = calls.filter_map(|step| Some((Place::Step(step.id.clone(), Part::Note), step.note.as_deref()?)));
    calls.chain(campaign.on.iter().map(|(kind, on)| (Place::Reaction(*kind), on.note.as_str()))).collect()
}

/// A note is filled in without handlebars, and only a few fields are.
fn wrong_note(file: &CampaignFile, place: &Place, note: &str) -> Option<Mistake> {
    let plain = NOTE_FIELDS.iter().fold(note.to_owned(), |note, field| note.replace(field, &" ".repeat(field.len())));
    let start = plain.find("{{")?;
    let end = plain[start..].find("}}").map_or(note.len(), |end| start + end + 2);
    let message = format!("a note has no `{}`", &note[start..end]);
    Some(
        file.places
            .mistake_within(place, start..end, message)
            .hint(format!("it may name {}", NOTE_FIELDS.join(" and "))),
    )
}
