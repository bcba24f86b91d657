//! Saves what was read of a client file, in chunks under a batch that becomes visible
//! at once.
//!
//! Rows of one company are made to agree first, since the store sees a chunk at a time.
//! An import that was killed leaves a batch that nobody sees; the next one of the same
//! file finds its rows by their keys and takes them over. Audiences read the rest.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::company::Companies;
use super::read::{NoOwner, read_owned};
use super::row::{ClientRow, Evidence, RowKey};
use super::{Field, ImportError, Mapping, Options, Reading};
use crate::config::Config;
use crate::model::act::{Act, Source};
use crate::model::address::EmailAddress;
use crate::model::mistake::Mistake;
use crate::model::text::Line;
use crate::model::user::User;
use crate::policy::local;
use crate::store::{ClientRecord, ConsentRecord, SavedClients, Store, StoreError};

/// How many rows one transaction saves: some tens of milliseconds on SQLite.
const CHUNK: usize = 500;

/// How a file is to be imported.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Which of our fields stands under which of their headers, where names alone don't tell.
    pub mapping: Option<Mapping>,
    /// Only say what is wrong with the file, and write nothing.
    pub dry_run: bool,
}

/// What an import did, or in a dry run would do.
#[derive(Clone, Debug, Serialize)]
pub struct ImportReport {
    /// The file as it was named.
    pub file: PathBuf,
    /// Nothing was written.
    pub dry_run: bool,
    /// The good rows.
    pub rows: usize,
    /// Clients that are new.
    pub created: usize,
    /// Known clients that changed; in a dry run all known ones.
    pub updated: usize,
    /// Known clients that were already so.
    pub unchanged: usize,
    /// The bad rows.
    pub refused: usize,
    /// Everything wrong, in the file's order.
    pub mistakes: Vec<Mistake>,
    /// Headers that mean nothing to us; their columns were not read.
    pub unmapped_headers: Vec<String>,
}

/// Why a file was not imported.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ImportError),
    /// The store could not do it.
    #[error("the import broke off: {0}; import the file again, nothing will be doubled")]
    Store(#[from] StoreError),
}

/// Imports the client file `file`, whose content is `bytes`.
///
/// Bad rows are left out and told in the report; the good ones become visible together.
/// `on_progress` hears how many rows are saved, of how many.
///
/// # Errors
/// The file cannot be read at all, or the store does not answer; then no new client of
/// it is visible, and importing it again mends that.
pub async fn run(
    store: &Store,
    config: &Config,
    act: &Act,
    file: &Path,
    bytes: &[u8],
    request: Request,
    mut on_progress: impl FnMut(usize, usize),
) -> Result<ImportReport, RunError> {
    let users = store.users().await?;
    let dry_run = request.dry_run;
    let reading = check(&users, config, act, file, bytes, request.mapping)?;
    let records = records(&reading, &users, config);
    let mut report = ImportReport::of(file, dry_run, &reading);
    if dry_run {
        for chunk in records.chunks(CHUNK) {
            report.updated += store.count_known(chunk).await?;
        }
        report.created = records.len() - report.updated;
        return Ok(report);
    }
    if records.is_empty() {
        return Ok(report);
    }
    let act = act.clone().via(Source::Import);
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    let batch = store.begin_batch(&act, &name).await?;
    let mut saved = SavedClients::default();
    on_progress(0, records.len());
    for chunk in records.chunks(CHUNK) {
        let part = store.save_clients(&act, batch, chunk).await?;
        saved.created += part.created;
        saved.updated += part.updated;
        saved.unchanged += part.unchanged;
        on_progress(saved.created + saved.updated + saved.unchanged, records.len());
    }
    store.publish_batch(&act, batch, saved, reading.bad_rows).await?;
    (report.created, report.updated, report.unchanged) = (saved.created, saved.updated, saved.unchanged);
    Ok(report)
}

/// Reads a client file and holds its owners against `users`; writes and asks nothing.
///
/// # Errors
/// The file cannot be read at all.
pub fn check(
    users: &[User],
    config: &Config,
    act: &Act,
    file: &Path,
    bytes: &[u8],
    mapping: Option<Mapping>,
) -> Result<Reading, ImportError> {
    let company = &config.company;
    let today = local::date(&zone(&company.zone), act.at);
    let options = Options { mapping, country: company.country.clone(), zone: company.zone.clone(), today };
    let active: HashMap<String, bool> = users.iter().map(|user| (user.email.folded(), user.active)).collect();
    let appointed = |owner: &EmailAddress| {
        let why = match active.get(&owner.folded()) {
            Some(true) => return Ok(()),
            Some(false) => "was dismissed",
            None => "is nobody who was appointed",
        };
        let hint = format!(
            "appoint them first: outreachd --as HEAD manager appoint {} --name NAME --reason WHY",
            owner.as_str()
        );
        Err(NoOwner { why, hint })
    };
    read_owned(file, bytes, &options, &appointed)
}

impl ImportReport {
    /// The report of a reading of which nothing has been saved.
    pub fn of(file: &Path, dry_run: bool, reading: &Reading) -> Self {
        Self {
            file: file.to_owned(),
            dry_run,
            rows: reading.rows.len(),
            created: 0,
            updated: 0,
            unchanged: 0,
            refused: reading.bad_rows,
            mistakes: reading.mistakes.clone(),
            unmapped_headers: reading.unmapped_headers.clone(),
        }
    }
}

/// A zone that was checked when it came in; UTC where this machine has lost it since.
fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

fn records(reading: &Reading, users: &[User], config: &Config) -> Vec<ClientRecord> {
    let companies = Companies::of(&reading.rows);
    let owners: HashMap<String, i64> = users.iter().map(|user| (user.email.folded(), user.id.0)).collect();
    let has = |field| reading.fields.contains(&field);
    let marks = (has(Field::Needs), has(Field::Tags));
    let ours = zone(&config.company.zone);
    reading.rows.iter().map(|row| record(row, &companies, &owners, marks, &ours)).collect()
}

fn record(
    row: &ClientRow,
    companies: &Companies,
    owners: &HashMap<String, i64>,
    (has_needs, has_tags): (bool, bool),
    ours: &TimeZone,
) -> ClientRecord {
    let (account, contact) = (companies.of_row(row), &row.contact);
    let consents = [("email", &row.consent_email), ("fax", &row.consent_fax)];
    ClientRecord {
        external_id: match &row.key {
            RowKey::ExternalId(id) => Some(id.clone()),
            RowKey::Email(_) | RowKey::Named { .. } => None,
        },
        company: account.name.as_str().to_owned(),
        org_number: account.org_number.clone(),
        country: Some(account.country.clone()),
        city: text(account.city.as_ref()),
        tier: text(account.tier.as_ref()),
        person_type: account.person_type.map(|kind| word(&kind)),
        owner: account.owner.as_ref().and_then(|owner| owners.get(&owner.folded()).copied()),
        needs: has_needs.then(|| account.needs.clone()),
        tags: has_tags.then(|| account.tags.clone()),
        name: contact.name.as_str().to_owned(),
        given_name: text(contact.given_name.as_ref()),
        title: text(contact.title.as_ref()),
        language: contact.language.map(|language| word(&language)),
        zone: contact.zone.clone(),
        zone_source: word(&contact.zone_source),
        email: contact.email.as_ref().map(|email| email.as_str().to_owned()),
        fax: contact.fax.as_ref().map(|fax| fax.as_str().to_owned()),
        phone: contact.phone.as_ref().map(|phone| phone.as_str().to_owned()),
        consents: consents
            .into_iter()
            .filter_map(|(channel, said)| Some(consent(channel, said.as_ref()?, ours)))
            .collect(),
        suppressed: row.suppressed,
        // By the client's own clock, so that its record shows the day that stood in the file.
        last_touch: row.last_touch.map(|date| micros(&zone(&contact.zone), date)),
    }
}

/// What a file can tell is an express consent; a sale is known from elsewhere.
fn consent(channel: &str, evidence: &Evidence, ours: &TimeZone) -> ConsentRecord {
    ConsentRecord {
        channel: channel.to_owned(),
        basis: "consent".to_owned(),
        evidence: evidence.text.clone(),
        given_at: micros(ours, evidence.date),
    }
}

fn text(line: Option<&Line>) -> Option<String> {
    line.map(|line| line.as_str().to_owned())
}

fn micros(zone: &TimeZone, date: Date) -> i64 {
    local::start_of_day(zone, date).map_or(0, |at| at.as_microsecond())
}

/// The word by which a plain enum is stored.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("only enums of plain words are recorded so, not {other:?}"),
    }
}
