//! One client: a contact with its company, as a row of the file tells it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::cell::Cells;
use super::field::Field;
use super::{Options, country, value};
use crate::model::account::PersonType;
use crate::model::address::{EmailAddress, PhoneNumber};
use crate::model::contact::ZoneSource;
use crate::model::language::Language;
use crate::model::text::Line;

/// One good row. It is staged as JSON in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRow {
    /// The line it starts in, from 1.
    pub line: usize,
    /// How a later import finds the same client.
    pub key: RowKey,
    /// The company.
    pub account: AccountFields,
    /// The person.
    pub contact: ContactFields,
    /// Express consent to e-mail.
    pub consent_email: Option<Evidence>,
    /// Express consent to fax.
    pub consent_fax: Option<Evidence>,
    /// They asked not to be written to. An import sets this and never takes it back.
    pub suppressed: bool,
    /// The day they last heard from us.
    pub last_touch: Option<Date>,
}

/// What a row tells of the company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFields {
    /// Its name.
    pub name: Line,
    /// Its registry number: ten digits for a Swedish one.
    pub org_number: Option<String>,
    /// ISO 3166 alpha-2, upper case; the default where the file names none.
    pub country: String,
    /// Its town.
    pub city: Option<Line>,
    /// Its tier, in upper case.
    pub tier: Option<Line>,
    /// What the law sees in it.
    pub person_type: Option<PersonType>,
    /// What it needs, sorted, in lower case.
    pub needs: Vec<String>,
    /// Its tags, sorted, in lower case.
    pub tags: Vec<String>,
    /// Its account manager.
    pub owner: Option<EmailAddress>,
}

/// What a row tells of the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactFields {
    /// The whole name.
    pub name: Line,
    /// The first name, if it is known apart.
    pub given_name: Option<Line>,
    /// The title or role.
    pub title: Option<Line>,
    /// The language letters are written in.
    pub language: Option<Language>,
    /// IANA time zone.
    pub zone: String,
    /// Where the zone came from.
    pub zone_source: ZoneSource,
    /// Mail address.
    pub email: Option<EmailAddress>,
    /// Fax number.
    pub fax: Option<PhoneNumber>,
    /// Telephone number.
    pub phone: Option<PhoneNumber>,
}

/// How we know that somebody consented, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// A fair, a form, a contract, in the file's words.
    pub text: String,
    /// The day it was given.
    pub date: Date,
}

/// How an import finds a client again: the first of these that the row has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKey {
    /// The contact's id in the other system.
    ExternalId(String),
    /// The folded mail address.
    Email(String),
    /// The company and the person's folded name.
    Named {
        /// The registry number, or the company's folded name without one.
        organisation: String,
        /// The person's folded name.
        name: String,
    },
}

impl RowKey {
    /// The key as one text: `id:F-1001`, `email:anna@granvik.example`, `name:5599800019/anna lind`.
    pub fn to_text(&self) -> String {
        match self {
            Self::ExternalId(id) => format!("id:{id}"),
            Self::Email(email) => format!("email:{email}"),
            Self::Named { organisation, name } => format!("name:{organisation}/{name}"),
        }
    }
}

/// What a record tells, and the keys that no other record of the file may have.
pub(super) struct Told {
    /// The row; it counts only if the cells have no complaints.
    pub(super) row: Option<ClientRow>,
    /// Its keys, the first of which is the row's, each with the field that shows it.
    pub(super) keys: Vec<(RowKey, Field)>,
}

/// Reads a record that starts in `line`; what is wrong is left in `cells`.
pub(super) fn read(cells: &mut Cells<'_>, line: usize, options: &Options) -> Told {
    let external = cells.value(Field::ExternalId, |text| value::whole_number(text).map(|()| text.to_owned()));
    let (account, country) = account(cells, options);
    let contact = contact(cells, &country, options);
    let consent_email = consent(cells, Field::ConsentEmail, Field::ConsentEmailDate, options.today);
    let consent_fax = consent(cells, Field::ConsentFax, Field::ConsentFaxDate, options.today);
    let suppressed = cells.value(Field::OptedOut, value::flag).unwrap_or(false);
    let last_touch = cells.value(Field::LastTouch, |text| value::date(text, options.today));
    let (Some(account), Some(contact)) = (account, contact) else { return Told { row: None, keys: Vec::new() } };
    let keys = keys(external, &account, &contact);
    let key = keys.first().map(|(key, _)| key.clone());
    let row =
        key.map(|key| ClientRow { line, key, account, contact, consent_email, consent_fax, suppressed, last_touch });
    Told { row, keys }
}

/// The company, and its country even where the company's name is missing.
fn account(cells: &mut Cells<'_>, options: &Options) -> (Option<AccountFields>, String) {
    let name = cells.required(Field::Company);
    let country = cells.value(Field::Country, country::code).unwrap_or_else(|| options.country.clone());
    let org_number = cells.value(Field::OrgNumber, |text| value::org_number(text, &country));
    let city = cells.line(Field::City);
    let tier = cells.value(Field::Tier, |text| Line::parse(&text.to_uppercase()).map_err(|error| error.to_string()));
    let person_type = cells.value(Field::PersonType, value::person_type);
    let needs = cells.value(Field::Needs, |text| Ok(value::list(text))).unwrap_or_default();
    let tags = cells.value(Field::Tags, |text| Ok(value::list(text))).unwrap_or_default();
    let owner = cells.value(Field::Owner, value::email);
    let code = country.clone();
    let account =
        name.map(|name| AccountFields { name, org_number, country, city, tier, person_type, needs, tags, owner });
    (account, code)
}

fn contact(cells: &mut Cells<'_>, country: &str, options: &Options) -> Option<ContactFields> {
    let (name, given_name) = names(cells);
    let title = cells.line(Field::Title);
    let language = cells.value(Field::Language, value::language);
    let (zone, zone_source) = zone(cells, country, options);
    let email = cells.value(Field::Email, value::email);
    let fax = cells.value(Field::Fax, |text| value::phone(text, country));
    let phone = cells.value(Field::Phone, |text| value::phone(text, country));
    name.map(|name| ContactFields { name, given_name, title, language, zone, zone_source, email, fax, phone })
}

/// The whole name, put together from its parts where it has no column, and the first name.
fn names(cells: &mut Cells<'_>) -> (Option<Line>, Option<Line>) {
    let before = cells.complaints.len();
    let whole = cells.line(Field::Name);
    let given = cells.line(Field::GivenName);
    let family = cells.line(Field::FamilyName);
    if whole.is_some() || cells.complaints.len() > before {
        return (whole, given);
    }
    let parts: Vec<&str> = [&given, &family].into_iter().flatten().map(Line::as_str).collect();
    let joined = Line::parse(&parts.join(" ")).ok().filter(|_| !parts.is_empty());
    if joined.is_none() {
        let shown = [Field::Name, Field::GivenName, Field::FamilyName].into_iter().find(|field| cells.has(*field));
        cells.complain(shown.unwrap_or(Field::Name), "is empty");
    }
    (joined, given)
}

fn zone(cells: &mut Cells<'_>, country: &str, options: &Options) -> (String, ZoneSource) {
    if let Some(zone) = cells.value(Field::Zone, value::zone) {
        return (zone, ZoneSource::Field);
    }
    match country::zone(country) {
        Some(zone) => (zone.to_owned(), ZoneSource::Country),
        None => (options.zone.clone(), ZoneSource::Default),
    }
}

fn consent(cells: &mut Cells<'_>, field: Field, date: Field, today: Date) -> Option<Evidence> {
    let since = cells.value(date, |text| value::date(text, today));
    let said = cells.line(field)?;
    let evidence = value::evidence(said.as_str(), since, today);
    evidence.unwrap_or_else(|why| {
        cells.complain(field, &why);
        None
    })
}

/// A row's keys. A mail address is one even behind an external id: two rows with one
/// mailbox would get each letter twice.
fn keys(external: Option<String>, account: &AccountFields, contact: &ContactFields) -> Vec<(RowKey, Field)> {
    let external = external.map(|id| (RowKey::ExternalId(id), Field::ExternalId));
    let email = contact.email.as_ref().map(|email| (RowKey::Email(email.folded()), Field::Email));
    let mut keys: Vec<(RowKey, Field)> = external.into_iter().chain(email).collect();
    if keys.is_empty() {
        let organisation = account.org_number.clone().unwrap_or_else(|| fold_name(&account.name));
        keys.push((RowKey::Named { organisation, name: fold_name(&contact.name) }, Field::Company));
    }
    keys
}

/// A name by which two spellings of it are found to be the same.
fn fold_name(name: &Line) -> String {
    let words: Vec<String> = name.as_str().split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}
