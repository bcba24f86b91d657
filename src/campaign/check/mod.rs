//! The check: every campaign file, every template, every letter for every contact
//! that would get it, and all mistakes at once.
//!
//! [`files`] needs no database; [`check`] renders the letters with the merge data
//! that the daemon will use. Nothing is written.

mod alike;
mod gaps;
mod letters;
mod sample;
mod words;

pub(super) use words::sender_of;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::{CampaignError, Folder, Progress, read_folder};
use crate::config::Config;
use crate::model::mistake::{Mistake, did_you_mean};
use crate::policy::cron::Schedule;
use crate::render::{Renderer, TemplateSet};
use crate::store::Store;

/// The files as they were read.
pub struct Files {
    /// The campaigns.
    pub folder: Folder,
    /// The templates.
    pub templates: TemplateSet,
    /// The templates that could be compiled.
    pub renderer: Option<Renderer>,
    /// The folder of the templates.
    pub template_folder: PathBuf,
    /// Every mistake that shows without a contact.
    pub mistakes: Vec<Mistake>,
}

/// What was looked at in one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The campaign's id.
    pub campaign: String,
    /// Its steps.
    pub steps: usize,
    /// The contacts that each letter was rendered for.
    pub contacts: usize,
}

/// The outcome of a check.
pub struct Check {
    /// The files.
    pub files: Files,
    /// The campaigns, in the order of their files.
    pub campaigns: Vec<Checked>,
    /// Every mistake, by file and line.
    pub mistakes: Vec<Mistake>,
    /// The clients in the database; without any the letters were only parsed.
    pub clients: i64,
}

/// Reads and checks what needs no database. Without a configuration, because it has
/// mistakes of its own, senders and the names in letters are not looked at.
pub fn files(campaigns: &Path, templates: &Path, config: Option<&Config>) -> Files {
    let folder = read_folder(campaigns, |text| Schedule::parse(text).map(drop).map_err(|mistake| mistake.to_string()));
    let mut mistakes = folder.mistakes.clone();
    let set = TemplateSet::read(templates).unwrap_or_else(|error| {
        let message = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        mistakes.push(Mistake { excerpt: None, ..Mistake::at(templates, "", 0..0, message) });
        TemplateSet::builtin()
    });
    let renderer = compile(&set, templates, &mut mistakes);
    let mut files = Files { folder, templates: set, renderer, template_folder: templates.to_owned(), mistakes };
    let mut found = Vec::new();
    for file in &files.folder.campaigns {
        found.extend(words::mistakes(file, &files, config));
        if let (Some(config), Some(renderer)) = (config, &files.renderer) {
            found.extend(sample::mistakes(file, &files, config, renderer));
        }
    }
    found.extend(config.map(|config| strangers(config, &files.folder)).unwrap_or_default());
    files.mistakes.extend(found);
    sort(&mut files.mistakes);
    files
}

/// Checks the files of `config` and, where there is a database, each letter for each contact.
///
/// # Errors
/// The database does not answer.
pub async fn check(
    store: Option<&Store>,
    config: &Config,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Check, CampaignError> {
    let files = files(&config.files.campaigns, &config.files.templates, Some(config));
    let mut mistakes = files.mistakes.clone();
    let clients = match store {
        Some(store) => store.count_contacts().await?,
        None => 0,
    };
    let step_count = |file: &super::CampaignFile| (file.campaign.id.clone(), file.campaign.steps.len());
    let counted = files.folder.campaigns.iter().map(step_count);
    let mut campaigns: Vec<_> = counted.map(|(campaign, steps)| Checked { campaign, steps, contacts: 0 }).collect();
    if let (Some(store), Some(renderer)) = (store.filter(|_| clients > 0), &files.renderer) {
        let mut rendering = letters::Rendering::new(store, config, &files, renderer, now, progress);
        for (at, checked) in campaigns.iter_mut().enumerate() {
            checked.contacts = rendering.campaign(at).await?;
        }
        mistakes.extend(rendering.into_mistakes());
    }
    sort(&mut mistakes);
    Ok(Check { files, campaigns, mistakes, clients })
}

/// The configuration's limits for campaigns that have no file.
fn strangers(config: &Config, folder: &Folder) -> Vec<Mistake> {
    let ids = || folder.campaigns.iter().map(|file| file.campaign.id.as_str());
    let unknown = config.pace.campaigns.iter().filter(|(id, _)| !ids().any(|known| known == *id));
    unknown
        .map(|(id, mistake)| match did_you_mean(id, ids()) {
            Some(meant) => mistake.clone().aside(format!("did you mean `{meant}`?")),
            None => mistake.clone(),
        })
        .collect()
}

/// Compiles the templates; where some cannot be, the others alone, so that their letters are checked too.
fn compile(set: &TemplateSet, folder: &Path, mistakes: &mut Vec<Mistake>) -> Option<Renderer> {
    let found = match Renderer::new(set) {
        Ok(renderer) => return Some(renderer),
        Err(found) => found,
    };
    mistakes.extend(found.iter().map(|mistake| mistake.mistake(folder)));
    let broken: BTreeSet<String> = found.into_iter().map(|mistake| mistake.template).collect();
    Renderer::new(&set.without(&broken)).ok()
}

/// By file, line and column; the same thing is said once.
fn sort(mistakes: &mut Vec<Mistake>) {
    let place = |mistake: &Mistake| (mistake.file.clone(), mistake.line, mistake.column);
    mistakes.sort_by_key(place);
    mistakes.dedup_by(|second, first| place(second) == place(first) && second.message == first.message);
}
