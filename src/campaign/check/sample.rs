//! Each letter for a client who has everything: what is missing then is missing for
//! everybody, so it is a mistake in the template. Needs no database.

use serde_json::Value;

use super::super::CampaignFile;
use super::super::letter::{StepLetter, letters};
use super::{Files, gaps, words};
use crate::config::Config;
use crate::model::account::Account;
use crate::model::contact::{Contact, ZoneSource};
use crate::model::id::{AccountId, ContactId};
use crate::model::language::Language;
use crate::model::mistake::Mistake;
use crate::model::text::Line;
use crate::render::{Letter, Renderer, Subject, merge};
use crate::store::Client;

/// The mistakes that every contact of the campaign would meet.
pub(super) fn mistakes(file: &CampaignFile, files: &Files, config: &Config, renderer: &Renderer) -> Vec<Mistake> {
    // A sender that is not there is told by itself; its letters are looked at all the same.
    let sender = words::sender_of(&file.campaign, config).or(config.senders.first());
    let Some(sender) = sender else { return Vec::new() };
    let mut data =
        merge::data(renderer.numbers(), &nobody(), sender, &config.company, &file.campaign, "https://out.example/u/x");
    fill(&mut data);
    let mut found = Vec::new();
    let own = file.campaign.language;
    for letter in letters(&file.campaign).into_iter().filter(|letter| renderer.has(letter.template, own)) {
        let written = |language: &Language| *language == own || renderer.speaks(letter.template, *language);
        for language in [Language::Sv, Language::En].into_iter().filter(written) {
            let letter_in = Letter { template: letter.template, subject: subject(&letter), data: &data, language };
            let mistakes = renderer.mistakes(&letter_in);
            found.extend(mistakes.iter().map(|mistake| gaps::placed(mistake, &letter, file, files)));
        }
    }
    found
}

/// The subject of a letter as it is checked: a thread's was checked with its first letter.
pub(super) fn subject<'a>(letter: &StepLetter<'a>) -> Subject<'a> {
    letter.subject.map_or(Subject::Thread("x"), Subject::Template)
}

/// Fills every field that nobody knows.
fn fill(data: &mut Value) {
    match data {
        Value::Null => *data = "x".into(),
        Value::Object(fields) => fields.values_mut().for_each(fill),
        _ => {}
    }
}

fn nobody() -> Client {
    let line = |text: &str| Line::parse(text).expect("the text has no control characters");
    let contact = Contact {
        id: ContactId(0),
        account: AccountId(0),
        name: line("x"),
        given_name: None,
        title: None,
        language: None,
        zone: "UTC".into(),
        zone_source: ZoneSource::Default,
        email: None,
        fax: None,
        phone: None,
    };
    let account = Account {
        id: AccountId(0),
        name: line("x"),
        org_number: None,
        country: None,
        city: None,
        tier: None,
        person_type: None,
        owner: None,
        needs: Vec::new(),
        tags: Vec::new(),
    };
    Client { contact, account, owner: None, last_touch: None }
}
