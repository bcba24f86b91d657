//! One client's record: account, contact, points, consents, suppressions, pauses.

use jiff::Timestamp;
use serde::Serialize;

use super::words::{instant, maybe, maybe_instant, parse};
use super::{PauseRow, Result, Store, StoreError, pauses, reading};
use crate::model::account::Account;
use crate::model::address::{Channel, EmailAddress, PhoneNumber};
use crate::model::consent::{Basis, Consent};
use crate::model::contact::Contact;
use crate::model::id::{AccountId, ContactId, UserId};
use crate::model::suppression::{Reason, Scope};
use crate::model::text::Line;
use crate::model::user::User;

/// Everything a letter, a page or a person needs to know about one contact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Client {
    /// The person.
    pub contact: Contact,
    /// The company.
    pub account: Account,
    /// The account manager.
    pub owner: Option<User>,
    /// The last touch, from the timeline or an import.
    pub last_touch: Option<Timestamp>,
}

/// One contact point as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PointRow {
    /// Its channel.
    pub channel: Channel,
    /// The address.
    pub address: String,
    /// It can be used.
    pub valid: bool,
    /// Why not, if it can't.
    pub reason: Option<String>,
}

/// One suppression that touches a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SuppressionRow {
    /// What it covers.
    pub scope: Scope,
    /// Which one: a contact's id, a folded address, a domain.
    pub value: String,
    /// Why.
    pub reason: Reason,
    /// Who or what set it.
    pub actor: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when, if it was lifted.
    pub lifted_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct ClientSql {
    id: i64,
    account_id: i64,
    name: String,
    given_name: Option<String>,
    title: Option<String>,
    language: Option<String>,
    zone: String,
    zone_source: String,
    last_touch: Option<i64>,
    email: Option<String>,
    fax: Option<String>,
    phone: Option<String>,
    account_name: String,
    org_number: Option<String>,
    country: Option<String>,
    city: Option<String>,
    tier: Option<String>,
    person_type: Option<String>,
    owner_id: Option<i64>,
    needs: String,
    tags: String,
}

/// The columns of [`ClientSql`]; `$1` is a JSON array of contact ids.
const SELECT_CLIENTS: &str = "
    SELECT c.id, c.account_id, c.name, c.given_name, c.title, c.language, c.zone, c.zone_source, c.last_touch,
           (SELECT MIN(p.address) FROM contact_point p WHERE p.contact_id = c.id AND p.channel = 'email' AND p.state = 'valid') AS email,
           (SELECT MIN(p.address) FROM contact_point p WHERE p.contact_id = c.id AND p.channel = 'fax' AND p.state = 'valid') AS fax,
           (SELECT MIN(p.address) FROM contact_point p WHERE p.contact_id = c.id AND p.channel = 'call' AND p.state = 'valid') AS phone,
           a.name AS account_name, a.org_number, a.country, a.city, a.tier, a.person_type, a.owner_id,
           COALESCE((SELECT string_agg(m.mark, '\n') FROM account_mark m WHERE m.account_id = a.id AND m.kind = 'need'), '') AS needs,
           COALESCE((SELECT string_agg(m.mark, '\n') FROM account_mark m WHERE m.account_id = a.id AND m.kind = 'tag'), '') AS tags
    FROM json_each($1) AS r
    JOIN contact c ON c.id = CAST(CAST(r.value AS TEXT) AS BIGINT)
    JOIN account a ON a.id = c.account_id
    ORDER BY c.id";

/// Contacts of whom `$1` (as typed, folded, a pattern, a number) is an address or an id.
const BY_KEY: &str = "
    SELECT id FROM contact WHERE id = $4 UNION SELECT id FROM contact WHERE external_id = $1
    UNION SELECT id FROM contact WHERE external_id IS NOT NULL AND LOWER(external_id) = $2
    UNION SELECT contact_id FROM contact_point WHERE folded = $2";

/// Contacts of whom it is the whole name or company.
const BY_NAME: &str = "
    SELECT id FROM contact WHERE folded = $2
    UNION SELECT c.id FROM account a JOIN contact c ON c.account_id = a.id WHERE a.folded = $2";

/// Contacts of whose name or company it is a part. All have to be looked through.
const BY_PART: &str = r"
    SELECT id FROM contact WHERE folded LIKE '%' || $3 || '%' ESCAPE '\'
    UNION SELECT c.id FROM account a JOIN contact c ON c.account_id = a.id WHERE a.folded LIKE '%' || $3 || '%' ESCAPE '\'";

/// A person's words as a pattern for LIKE that means only themselves.
fn escape_like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

fn line(text: String) -> Result<Line> {
    Line::parse(&text).map_err(|_| StoreError::Word { value: "a broken line".into(), expected: "one line of text" })
}

fn marks(text: &str) -> Vec<String> {
    let mut marks: Vec<_> = text.split('\n').filter(|mark| !mark.is_empty()).map(str::to_owned).collect();
    marks.sort();
    marks
}

fn email(text: Option<String>) -> Result<Option<EmailAddress>> {
    let parsed = text.map(|text| EmailAddress::parse(&text)).transpose();
    parsed.map_err(|_| StoreError::Word { value: "a broken address".into(), expected: "an e-mail address" })
}

fn number(text: Option<String>) -> Result<Option<PhoneNumber>> {
    let parsed = text.map(|text| PhoneNumber::from_e164(&text)).transpose();
    parsed.map_err(|_| StoreError::Word { value: "a broken number".into(), expected: "a telephone number" })
}

impl ClientSql {
    fn contact(&self) -> Result<Contact> {
        Ok(Contact {
            id: ContactId(self.id),
            account: AccountId(self.account_id),
            name: line(self.name.clone())?,
            given_name: self.given_name.clone().map(line).transpose()?,
            title: self.title.clone().map(line).transpose()?,
            language: maybe(self.language.as_deref(), "a language")?,
            zone: self.zone.clone(),
            zone_source: parse(&self.zone_source, "where a zone came from")?,
            email: email(self.email.clone())?,
            fax: number(self.fax.clone())?,
            phone: number(self.phone.clone())?,
        })
    }

    fn account(self) -> Result<Account> {
        Ok(Account {
            id: AccountId(self.account_id),
            name: line(self.account_name)?,
            org_number: self.org_number,
            country: self.country,
            city: self.city.map(line).transpose()?,
            tier: self.tier.map(line).transpose()?,
            person_type: maybe(self.person_type.as_deref(), "a person type")?,
            owner: self.owner_id.map(UserId),
            needs: marks(&self.needs),
            tags: marks(&self.tags),
        })
    }
}

impl Store {
    /// The records of these contacts, by id; unknown ids are left out.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn clients(&self, contacts: &[ContactId]) -> Result<Vec<Client>> {
        self.clients_of(&self.users().await?, contacts).await
    }

    /// The same by [`Store::users`] that are known already: who reads page after page asks once.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn clients_of(&self, users: &[User], contacts: &[ContactId]) -> Result<Vec<Client>> {
        let ids = super::words::id_list(contacts.iter().map(|id| id.0));
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, ClientSql>(SELECT_CLIENTS).bind(ids).fetch_all(&mut *conn).await?
        });
        rows.into_iter()
            .map(|row| {
                let owner = row.owner_id.and_then(|id| users.iter().find(|user| user.id.0 == id)).cloned();
                let last_touch = maybe_instant(row.last_touch)?;
                Ok(Client { contact: row.contact()?, account: row.account()?, owner, last_touch })
            })
            .collect()
    }

    /// One contact's record.
    ///
    /// # Errors
    /// There is no such contact, or the database does not answer.
    pub async fn get_client(&self, contact: ContactId) -> Result<Client> {
        let absent = || StoreError::Absent { what: "contact", key: contact.to_string() };
        self.clients(&[contact]).await?.into_iter().next().ok_or_else(absent)
    }

    /// Contacts by e-mail address, fax number, id, external id or a part of the name or
    /// company: whole matches first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn search_contacts(&self, query: &str, limit: i64) -> Result<Vec<ContactId>> {
        let mut found = Vec::new();
        for way in [BY_KEY, BY_NAME, BY_PART] {
            let more = self.contacts_by(way, query, limit).await?;
            found.extend(more.into_iter().filter(|id| !found.contains(id)).collect::<Vec<_>>());
            if found.len() as i64 >= limit {
                break;
            }
        }
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// The contacts that `query` means best: those it is an address or an id of; where there
    /// is none, whose whole name or company it is; where there is none, of which it is a part.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find_contacts(&self, query: &str, limit: i64) -> Result<Vec<ContactId>> {
        for way in [BY_KEY, BY_NAME, BY_PART] {
            let found = self.contacts_by(way, query, limit).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// By id; what an unpublished import brought is not there yet.
    async fn contacts_by(&self, way: &str, query: &str, limit: i64) -> Result<Vec<ContactId>> {
        let given = query.trim();
        let folded = given.to_lowercase();
        if folded.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!(
            "SELECT c.id FROM ({way}) AS t JOIN contact c ON c.id = t.id
             WHERE c.batch_id IS NULL OR EXISTS (SELECT 1 FROM batch b WHERE b.id = c.batch_id AND b.published_at IS NOT NULL)
             ORDER BY c.id LIMIT $5"
        );
        let rows = reading!(self, conn => {
            sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(text))
                .bind(given)
                .bind(folded.clone())
                .bind(escape_like(&folded))
                .bind(given.parse::<i64>().ok())
                .bind(limit)
                .fetch_all(&mut *conn)
                .await?
        });
        Ok(rows.into_iter().map(ContactId).collect())
    }

    /// A contact's id in the system it was imported from.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find_external_id(&self, contact: ContactId) -> Result<Option<String>> {
        let found = reading!(self, conn => {
            sqlx::query_scalar::<_, Option<String>>("SELECT external_id FROM contact WHERE id = $1")
                .bind(contact.0)
                .fetch_optional(&mut *conn)
                .await?
        });
        Ok(found.flatten())
    }

    /// A contact's points, dead ones too.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn points(&self, contact: ContactId) -> Result<Vec<PointRow>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (String, String, String, Option<String>)>(
                "SELECT channel, address, state, reason FROM contact_point WHERE contact_id = $1 ORDER BY channel, id",
            )
            .bind(contact.0)
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .map(|(channel, address, state, reason)| {
                Ok(PointRow { channel: parse(&channel, "a channel")?, address, valid: state == "valid", reason })
            })
            .collect()
    }

    /// A contact's consents, withdrawn ones too.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn consents(&self, contact: ContactId) -> Result<Vec<Consent>> {
        self.consents_of(&[contact]).await
    }

    /// The consents of these contacts, withdrawn ones too, oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn consents_of(&self, contacts: &[ContactId]) -> Result<Vec<Consent>> {
        let ids = super::words::id_list(contacts.iter().map(|id| id.0));
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (i64, String, String, String, i64, Option<i64>)>(
                "SELECT k.contact_id, k.channel, k.basis, k.evidence, k.given_at, k.withdrawn_at FROM json_each($1) AS r
                 JOIN consent k ON k.contact_id = CAST(CAST(r.value AS TEXT) AS BIGINT) ORDER BY k.id",
            )
            .bind(ids)
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .map(|(contact, channel, basis, evidence, given_at, withdrawn_at)| {
                Ok(Consent {
                    contact: ContactId(contact),
                    channel: parse(&channel, "a channel")?,
                    basis: parse::<Basis>(&basis, "a basis")?,
                    evidence,
                    given_at: instant(given_at)?,
                    withdrawn_at: maybe_instant(withdrawn_at)?,
                })
            })
            .collect()
    }

    /// The suppressions that touch a contact, one of its points or its domain, lifted ones too.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn suppressions(&self, contact: ContactId) -> Result<Vec<SuppressionRow>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (String, String, String, String, i64, Option<i64>)>(
                "SELECT s.scope, s.value, s.reason, s.actor, s.at, s.lifted_at FROM suppression s
                 WHERE (s.scope = 'contact' AND s.value = CAST($1 AS TEXT))
                    OR (s.scope = 'address' AND s.value IN (SELECT folded FROM contact_point WHERE contact_id = $1))
                    OR (s.scope = 'domain' AND EXISTS (SELECT 1 FROM contact_point p WHERE p.contact_id = $1
                            AND p.channel = 'email' AND p.folded LIKE '%@' || s.value))
                 ORDER BY s.at, s.id",
            )
            .bind(contact.0)
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .map(|(scope, value, reason, actor, at, lifted_at)| {
                Ok(SuppressionRow {
                    scope: parse(&scope, "a scope")?,
                    value,
                    reason: parse(&reason, "a reason")?,
                    actor,
                    at: instant(at)?,
                    lifted_at: maybe_instant(lifted_at)?,
                })
            })
            .collect()
    }

    /// The pauses in force over a contact: its own, its campaigns', its domain's, everything's.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn pauses_over(&self, contact: ContactId) -> Result<Vec<PauseRow>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, pauses::PauseSql>(
                "SELECT scope, value, reason, actor, at, until, ended_at FROM pause p
                 WHERE p.ended_at IS NULL AND (p.scope = 'all'
                    OR (p.scope = 'contact' AND p.value = CAST($1 AS TEXT))
                    OR (p.scope = 'campaign' AND p.value IN (SELECT campaign FROM plan WHERE contact_id = $1 AND state = 'active'))
                    OR (p.scope = 'domain' AND EXISTS (SELECT 1 FROM contact_point c WHERE c.contact_id = $1
                            AND c.channel = 'email' AND c.folded LIKE '%@' || p.value)))
                 ORDER BY p.at",
            )
            .bind(contact.0)
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter().map(PauseRow::try_from).collect()
    }
}
