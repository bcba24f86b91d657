//! Which provider takes the mail of a domain: those that count all their domains
//! together are given one queue and one limit.
//!
//! Pure. The well-known ones are data, `providers.toml`; the configuration adds to them,
//! domains as well as the hosts that take the mail of many more. Which hosts these are for
//! a domain, the DNS knows, and [`crate::mx`] asks it.

use std::collections::BTreeMap;

use crate::model::lane::OTHER;

const WELL_KNOWN: &str = include_str!("providers.toml");

/// The providers by domain.
#[derive(Clone)]
pub struct Providers {
    /// Domains; one that begins with `.` stands for every name below it.
    by_domain: BTreeMap<String, String>,
    /// Hosts that take mail, likewise.
    by_host: BTreeMap<String, String>,
}

impl Default for Providers {
    /// The well-known ones.
    fn default() -> Self {
        let known: BTreeMap<String, Vec<String>> = toml::from_str(WELL_KNOWN).expect("the data file is read in a test");
        let mut providers = Self { by_domain: BTreeMap::new(), by_host: BTreeMap::new() };
        for (id, domains) in known {
            providers.add(&id, domains.iter().map(String::as_str));
        }
        providers
    }
}

impl Providers {
    /// Gives domains to a provider, taking them from another if need be.
    pub fn add<'a>(&mut self, id: &str, domains: impl IntoIterator<Item = &'a str>) {
        insert(&mut self.by_domain, id, domains);
    }

    /// Gives hosts that take mail to a provider, and with them every domain whose MX they are.
    pub fn add_hosts<'a>(&mut self, id: &str, hosts: impl IntoIterator<Item = &'a str>) {
        insert(&mut self.by_host, id, hosts);
    }

    /// The provider of a domain (an A-label in lower case), or [`OTHER`].
    pub fn of(&self, domain: &str) -> &str {
        find(&self.by_domain, domain).unwrap_or(OTHER)
    }

    /// The provider whose host is the first of these that belongs to one, or [`OTHER`].
    pub fn of_hosts<'a>(&self, hosts: impl IntoIterator<Item = &'a str>) -> &str {
        hosts.into_iter().find_map(|host| find(&self.by_host, host)).unwrap_or(OTHER)
    }

    /// Whether the hosts of a domain say anything.
    pub fn has_hosts(&self) -> bool {
        !self.by_host.is_empty()
    }

    /// The providers' ids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let ids: std::collections::BTreeSet<_> =
            self.by_domain.values().chain(self.by_host.values()).map(String::as_str).collect();
        ids.into_iter()
    }
}

/// `*.` at the beginning stands for every name below.
fn insert<'a>(of: &mut BTreeMap<String, String>, id: &str, names: impl IntoIterator<Item = &'a str>) {
    for name in names {
        of.insert(name.strip_prefix('*').unwrap_or(name).to_owned(), id.to_owned());
    }
}

fn find<'a>(of: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let below = name.match_indices('.').map(|(at, _)| &name[at..]);
    std::iter::once(name).chain(below).find_map(|key| of.get(key)).map(String::as_str)
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
    fn knows_a_domain_by_the_hosts_that_take_its_mail() {
        let mut providers = Providers::default();
        assert!(!providers.has_hosts());
        providers.add_hosts("molnet", ["*.mail.molnet.example", "mx.molnet.example"]);
        let of = |hosts: &[&str]| providers.of_hosts(hosts.iter().copied()).to_owned();
        assert_eq!(of(&["granvik-se.mail.molnet.example"]), "molnet");
        assert_eq!(of(&["mx1.granvik.example", "mx.molnet.example"]), "molnet");
        assert_eq!((of(&["mail.molnet.example"]), of(&[])), (OTHER.to_owned(), OTHER.to_owned()));
        assert_eq!(providers.of("granvik.example"), OTHER, "only the DNS knows that");
        assert!(providers.ids().any(|id| id == "molnet"));
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
