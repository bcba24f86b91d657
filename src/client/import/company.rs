//! One company told by several rows: made one, so that no row takes from it what
//! another row gave, whichever of them is saved last.
//!
//! The first row that says something is believed; needs and tags are put together.

use std::collections::{BTreeSet, HashMap};

use super::row::{AccountFields, ClientRow};

/// What makes two rows speak of one company, as the store sees it too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Registered(String, String),
    Named(String),
}

/// The companies of a file.
pub(super) struct Companies {
    merged: HashMap<Key, AccountFields>,
    /// The registry numbers under which a name stands in the file.
    registered: HashMap<String, BTreeSet<(String, String)>>,
}

impl Companies {
    /// The companies of `rows`.
    pub(super) fn of(rows: &[ClientRow]) -> Self {
        let mut companies = Self { merged: HashMap::new(), registered: HashMap::new() };
        for row in rows {
            if let Some(number) = &row.account.org_number {
                let numbers = companies.registered.entry(folded(row)).or_default();
                numbers.insert((row.account.country.clone(), number.clone()));
            }
        }
        for row in rows {
            let key = companies.key(row);
            match companies.merged.get_mut(&key) {
                Some(known) => join(known, &row.account),
                None => drop(companies.merged.insert(key, row.account.clone())),
            }
        }
        companies
    }

    /// All that the file tells of a row's company.
    pub(super) fn of_row<'c>(&'c self, row: &'c ClientRow) -> &'c AccountFields {
        self.merged.get(&self.key(row)).unwrap_or(&row.account)
    }

    /// A row without a number belongs to the only company of that name that has one.
    fn key(&self, row: &ClientRow) -> Key {
        if let Some(number) = &row.account.org_number {
            return Key::Registered(row.account.country.clone(), number.clone());
        }
        let name = folded(row);
        match self.registered.get(&name).map(|numbers| (numbers.len(), numbers.first())) {
            Some((1, Some((country, number)))) => Key::Registered(country.clone(), number.clone()),
            _ => Key::Named(name),
        }
    }
}

fn folded(row: &ClientRow) -> String {
    row.account.name.as_str().to_lowercase()
}

fn join(known: &mut AccountFields, more: &AccountFields) {
    if known.org_number.is_none() && more.org_number.is_some() {
        known.org_number.clone_from(&more.org_number);
        known.country.clone_from(&more.country);
    }
    known.city = known.city.take().or_else(|| more.city.clone());
    known.tier = known.tier.take().or_else(|| more.tier.clone());
    known.person_type = known.person_type.or(more.person_type);
    known.owner = known.owner.take().or_else(|| more.owner.clone());
    for (marks, new) in [(&mut known.needs, &more.needs), (&mut known.tags, &more.tags)] {
        marks.extend(new.iter().cloned());
        marks.sort();
        marks.dedup();
    }
}
