//! Contacts whose letters differ in their words alone: the same fields are known of them,
//! so the same places of a template are reached and the same ones are empty.
//!
//! Pure. `letters` renders the first of each kind and takes what they lack for the rest;
//! a million contacts are of some dozens of kinds.

use crate::model::address::{Channel, PhoneNumber};
use crate::model::campaign::Campaign;
use crate::model::language::Language;
use crate::model::text::Line;
use crate::render::TemplateSet;
use crate::store::Client;

/// Words by which a template can look at what a field says, not only whether it says anything.
const LOOKS: [&str; 10] = ["eq", "ne", "gt", "gte", "lt", "lte", "len", "lookup", "each", "with"];

/// Which fields are known of a contact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    language: Option<Language>,
    country: Option<String>,
    known: [bool; 9],
    owner: Option<[bool; 2]>,
}

impl Kind {
    /// The kind of `client`.
    pub(super) fn of(client: &Client) -> Self {
        let (contact, account) = (&client.contact, &client.account);
        let number = |number: &Option<PhoneNumber>| number.is_some();
        Self {
            language: contact.language,
            country: account.country.clone(),
            known: [
                says(Some(&contact.name)),
                says(contact.given_name.as_ref()),
                says(contact.title.as_ref()),
                contact.email.is_some(),
                number(&contact.fax),
                number(&contact.phone),
                says(account.city.as_ref()),
                account.org_number.as_ref().is_some_and(|number| !number.trim().is_empty()),
                says(account.tier.as_ref()),
            ],
            owner: client
                .owner
                .as_ref()
                .filter(|owner| owner.active)
                .map(|owner| [says(owner.title.as_ref()), owner.phone.is_some()]),
        }
    }
}

fn says(line: Option<&Line>) -> bool {
    line.is_some_and(|line| !line.as_str().trim().is_empty())
}

/// Whether some letter of a campaign looks at what a field says. Then each contact's letter
/// may be another one. Unsure counts as yes.
pub(super) fn looks_at_values(templates: &TemplateSet, campaign: &Campaign) -> bool {
    let steps = campaign.steps.iter().filter(|step| step.channel != Channel::Call);
    let subjects = steps.flat_map(|step| {
        let variants = step.variants.iter().filter_map(|variant| variant.subject.as_deref());
        step.subject.as_deref().into_iter().chain(variants)
    });
    templates.iter().map(|(_, text)| text).chain(subjects).any(looks)
}

fn looks(text: &str) -> bool {
    let tags = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    let mut words = tags.flat_map(|tag| tag.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')));
    words.any(|word| LOOKS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_look_at_a_value_from_a_look_whether_there_is_one() {
        assert!(!looks("Hej {{or contact.given_name \"du\"}}{{#if account.city}} i {{account.city}}{{/if}}, eq with"));
        assert!(looks("{{#if (eq account.tier \"A\")}}Välkommen{{/if}}"));
        assert!(looks("{{#each account.tags}}{{this}}{{/each}}"));
    }

    #[test]
    fn starter_letters_look_at_no_values() {
        assert!(!TemplateSet::starter().iter().any(|(_, text)| looks(text)));
    }
}
