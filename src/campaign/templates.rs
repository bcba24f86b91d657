//! Which templates a campaign's letters are made from: theirs, the layouts, the
//! footers, and every partial that one of these includes.
//!
//! And which files go with them. So a revision changes only when something changes that its letters could show.

use std::collections::{BTreeMap, BTreeSet};

use super::letter::letters;
use crate::model::campaign::Campaign;
use crate::render::{File, TemplateSet};

/// The texts of `set` that the letters of `campaign` are made from, by file name.
pub(super) fn reachable(set: &TemplateSet, campaign: &Campaign) -> BTreeMap<String, String> {
    let mut wanted: Vec<String> = letters(campaign).iter().map(|letter| letter.template.to_owned()).collect();
    wanted.extend(wanted.clone().iter().map(|name| format!("{name}.fax")));
    wanted.extend(["footer".to_owned(), "layouts/letter".to_owned()]);
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut found = BTreeMap::new();
    while let Some(name) = wanted.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        for (file, text) in set.iter().filter(|(file, _)| bare(file) == name) {
            found.insert(file.to_owned(), text.to_owned());
            wanted.extend(includes(text));
        }
    }
    found
}

/// The files that those letters carry: the attachments of the steps, and every file that one
/// of `texts` names.
pub(super) fn carried<'s>(
    set: &'s TemplateSet,
    campaign: &Campaign,
    texts: &BTreeMap<String, String>,
) -> Vec<&'s File> {
    let attached: BTreeSet<&str> =
        campaign.steps.iter().flat_map(|step| &step.attachments).map(String::as_str).collect();
    let whole = set.files().filter_map(|(name, file)| Some((name, file.ok()?)));
    let named = |name: &str| attached.contains(name) || texts.values().any(|text| text.contains(name));
    whole.filter(|(name, _)| named(name)).map(|(_, file)| file).collect()
}

/// The name by which a file is included: `partials/signature.sv.md` is `signature`.
pub(super) fn bare(file: &str) -> &str {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let stem = stem.strip_suffix(".sv").or_else(|| stem.strip_suffix(".en")).unwrap_or(stem);
    stem.strip_prefix("partials/").unwrap_or(stem)
}

/// The names behind each `{{>` of a text.
fn includes(text: &str) -> Vec<String> {
    let tags = text.split("{{").skip(1).map(|tag| tag.trim_start_matches(['~', '#']));
    let names = tags.filter_map(|tag| tag.strip_prefix('>'));
    let name =
        |rest: &str| rest.trim_start().chars().take_while(|c| !c.is_whitespace() && !"}~".contains(*c)).collect();
    names.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_names_of_partials() {
        assert_eq!(includes("{{> signature}} {{~>  a/b ~}} {{#> c x=1}} {{x}}"), ["signature", "a/b", "c"]);
        assert_eq!([bare("partials/signature.sv.md"), bare("led/intro.fax.md")], ["signature", "led/intro.fax"]);
    }
}
