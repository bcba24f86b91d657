//! What letters lack, gathered over all contacts: one mistake for one place, with how
//! many contacts meet it, whom it is about, and what to do.

use std::collections::{BTreeMap, BTreeSet};

use super::super::CampaignFile;
use super::super::letter::StepLetter;
use super::Files;
use crate::model::id::ContactId;
use crate::model::mistake::Mistake;
use crate::render::{MistakeKind, RenderMistake};
use crate::store::Client;

/// Companies or persons that a hint names.
const NAMED: usize = 3;

/// Companies or persons that are told apart; a million of them would fill the memory.
const COUNTED: usize = 1000;

/// What a text falls back to, for the fields that letters often lean on.
const FALLBACKS: [(&str, &str, &str); 3] = [
    ("account.city", "er ort", "your town"),
    ("contact.title", "ansvarig", "in charge"),
    ("contact.given_name", "du", "there"),
];

/// A mistake of one letter as `check` prints it: in the template, or in the campaign
/// file where its subject is at fault.
pub(super) fn placed(mistake: &RenderMistake, letter: &StepLetter<'_>, file: &CampaignFile, files: &Files) -> Mistake {
    let shown = mistake.mistake(&files.template_folder);
    if mistake.template != "subject" {
        return shown;
    }
    let subject = letter.subject.unwrap_or_default();
    let byte = |column: usize| subject.char_indices().nth(column).map_or(subject.len(), |(at, _)| at);
    let (from, until) = (byte(mistake.column - 1), byte(mistake.column - 1 + mistake.width));
    let inner = if mistake.width == 0 { 0..subject.len() } else { from..until };
    let place = letter.subject_place();
    Mistake { aside: shown.aside, ..file.places.mistake_within(&place, inner, shown.message) }
}

/// One place and the contacts that meet it.
struct Gap {
    mistake: Mistake,
    kind: MistakeKind,
    /// How many contacts meet it, and the last of them: one comes with all of its letters.
    contacts: usize,
    last: Option<(usize, ContactId)>,
    /// The first few by name, and as many as are worth a count.
    names: Vec<String>,
    seen: BTreeSet<String>,
    campaigns: BTreeSet<usize>,
}

/// All gaps found so far.
#[derive(Default)]
pub(super) struct Gaps(BTreeMap<(std::path::PathBuf, usize, usize, MistakeKind), Gap>);

impl Gaps {
    /// Adds all that one contact meets in one campaign.
    pub(super) fn add_all(&mut self, gaps: &[(Mistake, MistakeKind)], client: &Client, campaign: usize) {
        for (mistake, kind) in gaps {
            self.add(mistake, kind, client, campaign);
        }
    }

    fn add(&mut self, mistake: &Mistake, kind: &MistakeKind, client: &Client, campaign: usize) {
        let key = (mistake.file.clone(), mistake.line, mistake.column, kind.clone());
        let gap = self.0.entry(key).or_insert_with(|| Gap {
            mistake: mistake.clone(),
            kind: kind.clone(),
            contacts: 0,
            last: None,
            names: Vec::new(),
            seen: BTreeSet::new(),
            campaigns: BTreeSet::new(),
        });
        gap.campaigns.insert(campaign);
        if gap.last.replace((campaign, client.contact.id)) != Some((campaign, client.contact.id)) {
            gap.contacts += 1;
        }
        let name = who(kind, client);
        if gap.seen.len() < COUNTED && gap.seen.insert(name.clone()) && gap.names.len() < NAMED {
            gap.names.push(name);
        }
    }

    /// The mistakes; `contacts` has how many each campaign was rendered for.
    pub(super) fn into_mistakes(self, contacts: &[usize], swedish: bool) -> Vec<Mistake> {
        let total = |gap: &Gap| gap.campaigns.iter().filter_map(|at| contacts.get(*at)).sum::<usize>();
        self.0.into_values().map(|gap| gap.told(total(&gap), swedish)).collect()
    }
}

impl Gap {
    fn told(&self, total: usize, swedish: bool) -> Mistake {
        let mut mistake = self.mistake.clone();
        let share = format!("{} of {total} contacts", self.contacts);
        match &self.kind {
            // It is the same for everybody, and was found without any of them.
            MistakeKind::Missing { .. } => mistake,
            MistakeKind::Empty { path } => {
                mistake.message = format!("{} for {share}", mistake.message);
                mistake.hint(self.cure(path, swedish))
            }
            MistakeKind::Other(_) if self.contacts < total => {
                mistake.message = format!("{} for {share}", mistake.message);
                mistake.hint(format!("as for {}", self.named()))
            }
            MistakeKind::Other(_) => mistake,
        }
    }

    fn cure(&self, path: &str, swedish: bool) -> String {
        let known = FALLBACKS.iter().find(|(name, ..)| *name == path);
        let fallback = known.map_or("...", |(_, sv, en)| if swedish { sv } else { en });
        let or = format!("or write {{{{or {path} \"{fallback}\"}}}}");
        match path.split_once('.') {
            Some(("sender" | "links", _)) => format!("set it in the configuration, {or}"),
            Some(("owner", field)) => format!("{} has no {field}; appoint them again with it,\n{or}", self.named()),
            _ => format!("fill it in for {},\n{or}", self.named()),
        }
    }

    fn named(&self) -> String {
        let shown = self.names.join(", ");
        match self.seen.len().saturating_sub(self.names.len()) {
            0 => shown,
            more if self.seen.len() == COUNTED => format!("{shown} and at least {more} more"),
            more => format!("{shown} and {more} more"),
        }
    }
}

/// Who is named for a gap: the manager for the manager's own fields, else the company.
fn who(kind: &MistakeKind, client: &Client) -> String {
    let of_owner = matches!(kind, MistakeKind::Empty { path } if path.starts_with("owner."));
    match &client.owner {
        Some(owner) if of_owner => owner.name.to_string(),
        _ => client.account.name.to_string(),
    }
}
