//! Where each row of an import goes: to a known client or a new one. Pure.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::json;

use super::changes::Change;
use super::{ClientRecord, ConsentRecord, SavedClients};
use crate::model::id::BatchId;

/// One row with the ids it was given; what the statements below read from JSON.
#[derive(Serialize)]
pub(super) struct Placed<'a> {
    pub(super) contact: i64,
    pub(super) account: i64,
    pub(super) new_contact: i64,
    pub(super) new_account: i64,
    pub(super) company_folded: String,
    pub(super) folded: String,
    #[serde(flatten)]
    pub(super) record: &'a ClientRecord,
}

#[derive(Serialize)]
pub(super) struct Point<'a> {
    id: i64,
    contact: i64,
    channel: &'static str,
    address: &'a str,
    folded: String,
}

/// The form by which names and addresses are compared.
pub(super) fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// What [`FIND_CONTACTS`] and [`FIND_ACCOUNTS`] look for.
pub(super) fn lookup(records: &[ClientRecord]) -> Vec<serde_json::Value> {
    let row = |record: &ClientRecord| {
        json!({
            "external_id": record.external_id, "email": record.email.as_deref().map(fold), "org_number": record.org_number,
            "country": record.country, "folded": fold(&record.name), "company_folded": fold(&record.company),
        })
    };
    records.iter().map(row).collect()
}

/// Gives each row its contact and account: known ones where a key matches, new ids elsewhere.
pub(super) fn place<'a>(
    records: &'a [ClientRecord],
    contacts: &[(i64, i64, i64, i32)],
    accounts: &[(i64, i64, i32)],
    next: &mut impl FnMut() -> i64,
) -> Vec<Placed<'a>> {
    let mut fresh: HashMap<(Option<String>, String), i64> = HashMap::new();
    let row = |(index, record): (usize, &'a ClientRecord)| {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let contact = contacts.iter().find(|(row, ..)| *row == index);
        let account = known_account(index, contact.map(|(_, _, account, _)| *account), accounts);
        let key = match &record.org_number {
            Some(number) => (record.country.clone(), number.clone()),
            None => (None, fold(&record.company)),
        };
        let (account, new_account) = match (account, fresh.get(&key)) {
            (Some(id), _) => (id, 0),
            (None, Some(id)) => (*id, 1),
            (None, None) => {
                let id = next();
                fresh.insert(key, id);
                (id, 1)
            }
        };
        Placed {
            contact: contact.map_or_else(&mut *next, |(_, id, ..)| *id),
            account,
            new_contact: i64::from(contact.is_none()),
            new_account,
            company_folded: fold(&record.company),
            folded: fold(&record.name),
            record,
        }
    };
    records.iter().enumerate().map(row).collect()
}

/// The account of a row: by its registry number, else by its name; where several have that
/// name, the one its contact is at.
fn known_account(row: i64, contacts: Option<i64>, accounts: &[(i64, i64, i32)]) -> Option<i64> {
    let mut found = accounts.iter().filter(|(of, ..)| *of == row);
    let first = found.next()?;
    let own = found.find(|(_, id, _)| first.2 == 2 && Some(*id) == contacts);
    Some(own.unwrap_or(first).1)
}

/// One row for each new account: several contacts of one company make one account.
pub(super) fn first_of_account<'a, 'b>(placed: &'b [Placed<'a>]) -> Vec<&'b Placed<'a>> {
    let mut seen = std::collections::HashSet::new();
    placed.iter().filter(|row| row.new_account == 1 && seen.insert(row.account)).collect()
}

pub(super) fn points<'a>(placed: &'a [Placed<'a>], next: &mut impl FnMut() -> i64) -> Vec<Point<'a>> {
    let mut points = Vec::new();
    for row in placed {
        let record = row.record;
        for (channel, address) in [("email", &record.email), ("fax", &record.fax), ("call", &record.phone)] {
            if let Some(address) = address {
                points.push(Point { id: next(), contact: row.contact, channel, address, folded: fold(address) });
            }
        }
    }
    points
}

pub(super) fn marks(placed: &[Placed<'_>]) -> Vec<serde_json::Value> {
    let mut marks = Vec::new();
    for row in placed {
        for (kind, list) in [("need", &row.record.needs), ("tag", &row.record.tags)] {
            let Some(list) = list else { continue };
            // A row without a mark still says that the kind is to be replaced.
            marks.push(json!({ "account": row.account, "kind": kind, "mark": null }));
            marks.extend(list.iter().map(|mark| json!({ "account": row.account, "kind": kind, "mark": mark })));
        }
    }
    marks
}

pub(super) fn consents(placed: &[Placed<'_>], next: &mut impl FnMut() -> i64) -> Vec<serde_json::Value> {
    let all = placed.iter().flat_map(|row| row.record.consents.iter().map(move |consent| (row.contact, consent)));
    let row = |(contact, consent): (i64, &ConsentRecord)| {
        json!({
            "id": next(), "contact": contact, "channel": consent.channel, "basis": consent.basis,
            "evidence": consent.evidence, "given_at": consent.given_at,
        })
    };
    all.map(row).collect()
}

/// What an import took over from one that never ended is new: nobody has seen it yet.
pub(super) fn count(placed: &[Placed<'_>], adopted: &[i64], changed: &[i64], changed_accounts: &[i64]) -> SavedClients {
    let mut saved = SavedClients::default();
    for row in placed {
        match row.new_contact {
            1 => saved.created += 1,
            _ if adopted.contains(&row.contact) => saved.created += 1,
            _ if changed.contains(&row.contact) || changed_accounts.contains(&row.account) => saved.updated += 1,
            _ => saved.unchanged += 1,
        }
    }
    saved
}

/// What a batch creates is one change in all (see [`Store::publish_batch`]); what it changes, one a contact.
pub(super) fn changes(placed: &[Placed<'_>], changed: &[i64], batch: BatchId) -> Vec<Change> {
    let updated = placed.iter().filter(|row| row.new_contact == 0 && changed.contains(&row.contact));
    updated.map(|row| Change::new("contact", row.contact, json!({ "import": batch, "line": row.record }))).collect()
}
