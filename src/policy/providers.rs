//! Which provider takes the mail of a domain: those that count all their domains
//! together are given one queue and one limit.
//!
//! Pure. The well-known ones are data, `providers.toml`; the configuration adds to them.

use std::collections::BTreeMap;

use crate::model::lane::OTHER;

const WELL_KNOWN: &str = include_str!("providers.toml");

/// The providers by domain.
#[derive(Clone)]
pub struct Providers {
    /// Domains; one that begins with `.` stands for every name below it.
    by_domain: BTreeMap<String, String>,
}

impl Default for Providers {
    /// The well-known ones.
    fn default() -> Self {
        let known: BTreeMap<String, Vec<String>> = toml::from_str(WELL_KNOWN).expect("the data file is read in a test");
        let mut providers = Self { by_domain: BTreeMap::new() };
        for (id, domains) in known {
            providers.add(&id, domains.iter().map(String::as_str));
        }
        providers
    }
}

impl Providers {
    /// Gives domains to a provider, taking them from another if need be.
    pub fn add<'a>(&mut self, id: &str, domains: impl IntoIterator<Item = &'a str>) {
        for domain in domains {
            let key = domain.strip_prefix('*').unwrap_or(domain);
            self.by_domain.insert(key.to_owned(), id.to_owned());
        }
    }

    /// The provider of a domain (an A-label in lower case), or [`OTHER`].
    pub fn of(&self, domain: &str) -> &str {
        let below = domain.match_indices('.').map(|(at, _)| &domain[at..]);
        let found = std::iter::once(domain).chain(below).find_map(|key| self.by_domain.get(key));
        found.map_or(OTHER, String::as_str)
    }

    /// The providers' ids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let ids: std::collections::BTreeSet<_> = self.by_domain.values().map(String::as_str).collect();
        ids.into_iter()
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Providers({} of {} domains)", self.ids().count(), self.by_domain.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_great_ones_and_leaves_the_rest_alone() {
        let providers = Providers::default();
        assert_eq!(
            ["hotmail.se", "gmail.com", "aol.com", "me.com"].map(|domain| providers.of(domain)),
            ["microsoft", "google", "yahoo", "apple"]
        );
        assert_eq!(
            ["granvik.example", "notgmail.com", "mail.gmail.com"].map(|domain| providers.of(domain)),
            [OTHER; 3]
        );
        assert_eq!(providers.of("granvik.onmicrosoft.com"), "microsoft");
    }

    #[test]
    fn gives_a_domain_to_the_last_that_names_it() {
        let mut providers = Providers::default();
        providers.add("granvik", ["granvik.example", "*.granvik.example", "gmail.com"]);
        assert_eq!(
            ["granvik.example", "a.b.granvik.example", "gmail.com"].map(|domain| providers.of(domain)),
            ["granvik"; 3]
        );
        assert!(providers.ids().any(|id| id == "granvik") && providers.ids().any(|id| id == "google"));
    }

    #[test]
    fn names_no_domain_twice() {
        let known: BTreeMap<String, Vec<String>> = toml::from_str(WELL_KNOWN).unwrap();
        let mut all: Vec<_> = known.into_values().flatten().collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
