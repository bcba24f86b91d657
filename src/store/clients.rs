//! The client base written in bulk: batches that stage, save and publish.
//!
//! What a batch creates stays invisible to audiences until it is published; a row
//! that is already there is found by its keys and updated. An import never revives
//! a dead address and never lifts a suppression.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::changes::{Change, log_changes};
use super::words::{micros, rows};
use super::{Result, Store, reading, transaction};
use crate::model::act::Act;
use crate::model::id::{BatchId, ContactId};

/// One row of an import as it is written; texts are already checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientRecord {
    /// The id in the system the file came from.
    pub external_id: Option<String>,
    /// The company's name.
    pub company: String,
    /// Registry number, digits.
    pub org_number: Option<String>,
    /// ISO 3166 alpha-2.
    pub country: Option<String>,
    /// Town.
    pub city: Option<String>,
    /// Tier.
    pub tier: Option<String>,
    /// `company`, `sole_trader` or `private`.
    pub person_type: Option<String>,
    /// The account manager's user id.
    pub owner: Option<i64>,
    /// Needs, if the file has that column.
    pub needs: Option<Vec<String>>,
    /// Tags, if the file has that column.
    pub tags: Option<Vec<String>>,
    /// The person's name.
    pub name: String,
    /// Their first name.
    pub given_name: Option<String>,
    /// Their title.
    pub title: Option<String>,
    /// The language of their letters.
    pub language: Option<String>,
    /// IANA zone.
    pub zone: String,
    /// `field`, `country` or `default`.
    pub zone_source: String,
    /// Mail address.
    pub email: Option<String>,
    /// Fax number, E.164.
    pub fax: Option<String>,
    /// Telephone number, E.164.
    pub phone: Option<String>,
    /// What they agreed to.
    pub consents: Vec<ConsentRecord>,
    /// They opted out earlier.
    pub suppressed: bool,
    /// The last touch before the import, in microseconds.
    pub last_touch: Option<i64>,
}

/// One consent of an imported row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsentRecord {
    /// `email` or `fax`.
    pub channel: String,
    /// `consent` or `customer`.
    pub basis: String,
    /// How we know.
    pub evidence: String,
    /// Since when, in microseconds.
    pub given_at: i64,
}

/// What one call of [`Store::save_clients`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SavedClients {
    /// Contacts that are new.
    pub created: usize,
    /// Contacts that changed.
    pub updated: usize,
    /// Contacts that were already so.
    pub unchanged: usize,
}

/// One row with the ids it was given; what the statements below read from JSON.
#[derive(Serialize)]
struct Placed<'a> {
    contact: i64,
    account: i64,
    new_contact: i64,
    new_account: i64,
    company_folded: String,
    folded: String,
    #[serde(flatten)]
    record: &'a ClientRecord,
}

#[derive(Serialize)]
struct Point<'a> {
    id: i64,
    contact: i64,
    channel: &'static str,
    address: &'a str,
    folded: String,
}

/// The form by which names and addresses are compared.
fn fold(text: &str) -> String {
    text.to_lowercase()
}

const FIND_CONTACTS: &str = "
    SELECT CAST(r.key AS BIGINT), c.id, c.account_id, 1 AS way FROM json_each($1) AS r
      JOIN contact c ON c.external_id = r.value->>'external_id'
    UNION ALL
    SELECT CAST(r.key AS BIGINT), c.id, c.account_id, 2 AS way FROM json_each($1) AS r
      JOIN contact_point p ON p.folded = LOWER(r.value->>'email') AND p.channel = 'email'
      JOIN contact c ON c.id = p.contact_id
    UNION ALL
    SELECT CAST(r.key AS BIGINT), c.id, c.account_id, 3 AS way FROM json_each($1) AS r
      JOIN account a ON a.org_number = r.value->>'org_number' AND a.country = r.value->>'country'
      JOIN contact c ON c.account_id = a.id AND c.folded = r.value->>'folded'
     WHERE r.value->>'email' IS NULL AND (c.external_id IS NULL OR r.value->>'external_id' IS NULL)
    UNION ALL
    SELECT CAST(r.key AS BIGINT), c.id, c.account_id, 4 AS way FROM json_each($1) AS r
      JOIN account a ON a.folded = r.value->>'company_folded' AND (a.org_number IS NULL OR r.value->>'org_number' IS NULL)
      JOIN contact c ON c.account_id = a.id AND c.folded = r.value->>'folded'
     WHERE r.value->>'email' IS NULL AND (c.external_id IS NULL OR r.value->>'external_id' IS NULL)
    ORDER BY 1, way, 2";

const FIND_ACCOUNTS: &str = "
    SELECT CAST(r.key AS BIGINT), a.id, 1 AS way FROM json_each($1) AS r
      JOIN account a ON a.org_number = r.value->>'org_number' AND a.country = r.value->>'country'
    UNION ALL
    SELECT CAST(r.key AS BIGINT), a.id, 2 AS way FROM json_each($1) AS r
      JOIN account a ON a.folded = r.value->>'company_folded' AND (a.org_number IS NULL OR r.value->>'org_number' IS NULL)
    ORDER BY 1, way, 2";

const INSERT_ACCOUNTS: &str = "
    INSERT INTO account (id, name, folded, org_number, country, city, tier, person_type, owner_id, batch_id)
    SELECT CAST(r.value->>'account' AS BIGINT), r.value->>'company', r.value->>'company_folded', r.value->>'org_number',
           r.value->>'country', r.value->>'city', r.value->>'tier', r.value->>'person_type',
           CAST(r.value->>'owner' AS BIGINT), $2
    FROM json_each($1) AS r WHERE CAST(r.value->>'new_account' AS BIGINT) = 1";

const UPDATE_ACCOUNTS: &str = "
    UPDATE account SET name = n.company, folded = n.company_folded,
        country = COALESCE(n.country, account.country), city = COALESCE(n.city, account.city),
        org_number = COALESCE(n.org_number, account.org_number), tier = COALESCE(n.tier, account.tier),
        person_type = COALESCE(n.person_type, account.person_type), owner_id = COALESCE(n.owner, account.owner_id)
    FROM (SELECT CAST(r.value->>'account' AS BIGINT) AS account, r.value->>'company' AS company,
                 r.value->>'company_folded' AS company_folded, r.value->>'country' AS country, r.value->>'city' AS city,
                 r.value->>'org_number' AS org_number, r.value->>'tier' AS tier, r.value->>'person_type' AS person_type,
                 CAST(r.value->>'owner' AS BIGINT) AS owner
          FROM json_each($1) AS r WHERE CAST(r.value->>'new_account' AS BIGINT) = 0) AS n
    WHERE account.id = n.account AND (
        n.company <> account.name
        OR n.country IS NOT NULL AND n.country IS DISTINCT FROM account.country
        OR n.city IS NOT NULL AND n.city IS DISTINCT FROM account.city
        OR n.org_number IS NOT NULL AND n.org_number IS DISTINCT FROM account.org_number
        OR n.tier IS NOT NULL AND n.tier IS DISTINCT FROM account.tier
        OR n.person_type IS NOT NULL AND n.person_type IS DISTINCT FROM account.person_type
        OR n.owner IS NOT NULL AND n.owner IS DISTINCT FROM account.owner_id)
    RETURNING account.id";

const INSERT_CONTACTS: &str = "
    INSERT INTO contact (id, account_id, external_id, name, folded, given_name, title, language, zone, zone_source, last_touch, batch_id)
    SELECT CAST(r.value->>'contact' AS BIGINT), CAST(r.value->>'account' AS BIGINT), r.value->>'external_id', r.value->>'name',
           r.value->>'folded', r.value->>'given_name', r.value->>'title', r.value->>'language', r.value->>'zone',
           r.value->>'zone_source', CAST(r.value->>'last_touch' AS BIGINT), $2
    FROM json_each($1) AS r WHERE CAST(r.value->>'new_contact' AS BIGINT) = 1";

const UPDATE_CONTACTS: &str = "
    UPDATE contact SET name = n.name, folded = n.folded, account_id = n.account,
        external_id = COALESCE(n.external_id, contact.external_id),
        given_name = COALESCE(n.given_name, contact.given_name), title = COALESCE(n.title, contact.title),
        language = COALESCE(n.language, contact.language), zone = n.zone, zone_source = n.zone_source,
        last_touch = CASE WHEN n.last_touch IS NULL OR n.last_touch < contact.last_touch THEN contact.last_touch ELSE n.last_touch END
    FROM (SELECT CAST(r.value->>'contact' AS BIGINT) AS contact, CAST(r.value->>'account' AS BIGINT) AS account,
                 r.value->>'external_id' AS external_id, r.value->>'name' AS name, r.value->>'folded' AS folded,
                 r.value->>'given_name' AS given_name, r.value->>'title' AS title, r.value->>'language' AS language,
                 r.value->>'zone' AS zone, r.value->>'zone_source' AS zone_source, CAST(r.value->>'last_touch' AS BIGINT) AS last_touch
          FROM json_each($1) AS r WHERE CAST(r.value->>'new_contact' AS BIGINT) = 0) AS n
    WHERE contact.id = n.contact AND (
        n.name <> contact.name OR n.account <> contact.account_id OR n.zone <> contact.zone
        OR n.external_id IS NOT NULL AND n.external_id IS DISTINCT FROM contact.external_id
        OR n.given_name IS NOT NULL AND n.given_name IS DISTINCT FROM contact.given_name
        OR n.title IS NOT NULL AND n.title IS DISTINCT FROM contact.title
        OR n.language IS NOT NULL AND n.language IS DISTINCT FROM contact.language
        OR n.last_touch IS NOT NULL AND n.last_touch > COALESCE(contact.last_touch, 0))
    RETURNING contact.id";

/// What an import that never ended had created is taken over by the one that finds it again.
const ADOPT_ACCOUNTS: &str = "
    UPDATE account SET batch_id = $2
    WHERE batch_id <> $2 AND id IN (SELECT CAST(r.value->>'account' AS BIGINT) FROM json_each($1) AS r)
      AND EXISTS (SELECT 1 FROM batch b WHERE b.id = account.batch_id AND b.published_at IS NULL)";

const ADOPT_CONTACTS: &str = "
    UPDATE contact SET batch_id = $2
    WHERE batch_id <> $2 AND id IN (SELECT CAST(r.value->>'contact' AS BIGINT) FROM json_each($1) AS r)
      AND EXISTS (SELECT 1 FROM batch b WHERE b.id = contact.batch_id AND b.published_at IS NULL)
    RETURNING id";

/// A file that still names a dead address takes nothing away: the live one was found since.
/// The rows drive it: a list that is looked through again for each point takes minutes.
const RETIRE_POINTS: &str = "
    UPDATE contact_point SET state = 'invalid', reason = 'replaced'
    FROM (SELECT CAST(r.value->>'contact' AS BIGINT) AS contact, r.value->>'channel' AS channel, r.value->>'folded' AS folded
          FROM json_each($1) AS r) AS n
    WHERE contact_point.contact_id = n.contact AND contact_point.channel = n.channel
      AND contact_point.folded <> n.folded AND contact_point.state = 'valid'
      AND NOT EXISTS (SELECT 1 FROM contact_point d WHERE d.contact_id = n.contact AND d.channel = n.channel
              AND d.folded = n.folded AND d.state = 'invalid' AND COALESCE(d.reason, '') <> 'replaced')
    RETURNING contact_id";

/// An address that was only replaced comes back when the file names it again; a dead one never does.
const REVIVE_POINTS: &str = "
    UPDATE contact_point SET state = 'valid', reason = NULL
    FROM (SELECT CAST(r.value->>'contact' AS BIGINT) AS contact, r.value->>'channel' AS channel, r.value->>'folded' AS folded
          FROM json_each($1) AS r) AS n
    WHERE contact_point.contact_id = n.contact AND contact_point.channel = n.channel AND contact_point.folded = n.folded
      AND contact_point.state = 'invalid' AND contact_point.reason = 'replaced'
    RETURNING contact_id";

const INSERT_POINTS: &str = "
    INSERT INTO contact_point (id, contact_id, channel, address, folded, state)
    SELECT CAST(r.value->>'id' AS BIGINT), CAST(r.value->>'contact' AS BIGINT), r.value->>'channel', r.value->>'address',
           r.value->>'folded', 'valid'
    FROM json_each($1) AS r WHERE 1 = 1
    ON CONFLICT (contact_id, channel, folded) DO NOTHING RETURNING contact_id";

const INSERT_CONSENTS: &str = "
    INSERT INTO consent (id, contact_id, channel, basis, evidence, actor, given_at)
    SELECT CAST(r.value->>'id' AS BIGINT), CAST(r.value->>'contact' AS BIGINT), r.value->>'channel', r.value->>'basis',
           r.value->>'evidence', $2, CAST(r.value->>'given_at' AS BIGINT)
    FROM json_each($1) AS r
    WHERE NOT EXISTS (SELECT 1 FROM consent k WHERE k.contact_id = CAST(r.value->>'contact' AS BIGINT)
                         AND k.channel = r.value->>'channel' AND k.evidence = r.value->>'evidence')
    RETURNING contact_id";

/// Only what the file does not name any more, so that a file that changes nothing writes nothing.
const DELETE_MARKS: &str = "
    DELETE FROM account_mark
    WHERE (account_id, kind) IN (SELECT CAST(r.value->>'account' AS BIGINT), r.value->>'kind' FROM json_each($1) AS r)
      AND (account_id, kind, mark) NOT IN (SELECT CAST(r.value->>'account' AS BIGINT), r.value->>'kind', r.value->>'mark'
              FROM json_each($1) AS r WHERE r.value->>'mark' IS NOT NULL)
    RETURNING account_id";

const INSERT_MARKS: &str = "
    INSERT INTO account_mark (account_id, kind, mark)
    SELECT DISTINCT CAST(r.value->>'account' AS BIGINT), r.value->>'kind', r.value->>'mark' FROM json_each($1) AS r
    WHERE r.value->>'mark' IS NOT NULL
    ON CONFLICT (account_id, kind, mark) DO NOTHING RETURNING account_id";

impl Store {
    /// Begins an import of `file`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin_batch(&self, act: &Act, file: &str) -> Result<BatchId> {
        let id = self.reserve(1).await?.start;
        transaction!(self, tx => {
            sqlx::query("INSERT INTO batch (id, file, actor, started_at, created, updated, unchanged, refused) VALUES ($1, $2, $3, $4, 0, 0, 0, 0)")
                .bind(id)
                .bind(file)
                .bind(act.actor.clone())
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?;
        });
        Ok(BatchId(id))
    }

    /// Saves some hundreds of rows of a batch in one transaction: new clients (invisible
    /// until the batch is published) and changes of known ones.
    ///
    /// # Errors
    /// The database does not answer; then none of the rows was saved.
    pub async fn save_clients(&self, act: &Act, batch: BatchId, records: &[ClientRecord]) -> Result<SavedClients> {
        let ids = self.reserve(records.len() * 12 + 1).await?;
        let saved = transaction!(self, tx => {
            let mut free = ids.clone();
            let mut next = || free.next().expect("twelve ids a row were reserved");
            let lookup = rows(&lookup(records))?;
            let contacts = sqlx::query_as::<_, (i64, i64, i64, i32)>(FIND_CONTACTS).bind(lookup.clone()).fetch_all(&mut *tx).await?;
            let accounts = sqlx::query_as::<_, (i64, i64, i32)>(FIND_ACCOUNTS).bind(lookup).fetch_all(&mut *tx).await?;
            let placed = place(records, &contacts, &accounts, &mut next);
            let list = rows(&placed)?;
            sqlx::query(INSERT_ACCOUNTS).bind(rows(&first_of_account(&placed))?).bind(batch.0).execute(&mut *tx).await?;
            let mut changed_accounts = sqlx::query_scalar::<_, i64>(UPDATE_ACCOUNTS).bind(list.clone()).fetch_all(&mut *tx).await?;
            sqlx::query(INSERT_CONTACTS).bind(list.clone()).bind(batch.0).execute(&mut *tx).await?;
            sqlx::query(ADOPT_ACCOUNTS).bind(list.clone()).bind(batch.0).execute(&mut *tx).await?;
            let adopted = sqlx::query_scalar::<_, i64>(ADOPT_CONTACTS).bind(list.clone()).bind(batch.0).fetch_all(&mut *tx).await?;
            let mut changed = sqlx::query_scalar::<_, i64>(UPDATE_CONTACTS).bind(list).fetch_all(&mut *tx).await?;

            let points = rows(&points(&placed, &mut next))?;
            changed.extend(sqlx::query_scalar::<_, i64>(RETIRE_POINTS).bind(points.clone()).fetch_all(&mut *tx).await?);
            changed.extend(sqlx::query_scalar::<_, i64>(REVIVE_POINTS).bind(points.clone()).fetch_all(&mut *tx).await?);
            changed.extend(sqlx::query_scalar::<_, i64>(INSERT_POINTS).bind(points).fetch_all(&mut *tx).await?);
            let marks = rows(&marks(&placed))?;
            let gone = sqlx::query_scalar::<_, i64>(DELETE_MARKS).bind(marks.clone()).fetch_all(&mut *tx).await?;
            let come = sqlx::query_scalar::<_, i64>(INSERT_MARKS).bind(marks).fetch_all(&mut *tx).await?;
            changed_accounts.extend(gone.into_iter().chain(come));
            let consents = rows(&consents(&placed, &mut next))?;
            let agreed = sqlx::query_scalar::<_, i64>(INSERT_CONSENTS).bind(consents).bind(act.actor.clone());
            changed.extend(agreed.fetch_all(&mut *tx).await?);
            for row in placed.iter().filter(|row| row.record.suppressed) {
                sqlx::query("INSERT INTO suppression (id, scope, value, reason, actor, at) VALUES ($1, 'contact', $2, 'opt_out', $3, $4)
                             ON CONFLICT DO NOTHING")
                    .bind(next())
                    .bind(row.contact.to_string())
                    .bind(act.actor.clone())
                    .bind(micros(act.at))
                    .execute(&mut *tx)
                    .await?;
            }
            changed.retain(|contact| !adopted.contains(contact));
            let saved = count(&placed, &adopted, &changed, &changed_accounts);
            let changes = changes(&placed, &changed, batch);
            log_changes!(tx, act, ids.end - 1 - i64::try_from(changes.len()).unwrap_or(0), Some(batch.0), &changes);
            saved
        });
        Ok(saved)
    }

    /// Makes what a batch created visible, and closes it with its figures.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn publish_batch(&self, act: &Act, batch: BatchId, saved: SavedClients, refused: usize) -> Result<()> {
        let base = self.reserve(1).await?.start;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        transaction!(self, tx => {
            sqlx::query("UPDATE batch SET published_at = $2, created = $3, updated = $4, unchanged = $5, refused = $6 WHERE id = $1")
                .bind(batch.0)
                .bind(micros(act.at))
                .bind(number(saved.created))
                .bind(number(saved.updated))
                .bind(number(saved.unchanged))
                .bind(number(refused))
                .execute(&mut *tx)
                .await?;
            let diff = json!({ "created": saved.created, "updated": saved.updated, "refused": refused });
            log_changes!(tx, act, base, Some(batch.0), &[Change::new("batch", batch, diff)]);
        });
        Ok(())
    }

    /// How many of these rows are of a contact that is there already, published or not.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn count_known(&self, records: &[ClientRecord]) -> Result<usize> {
        let lookup = rows(&lookup(records))?;
        let found = reading!(self, conn => {
            sqlx::query_as::<_, (i64, i64, i64, i32)>(FIND_CONTACTS).bind(lookup).fetch_all(&mut *conn).await?
        });
        Ok(found.iter().map(|(row, ..)| row).collect::<std::collections::HashSet<_>>().len())
    }

    /// When the newest import was published.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn last_import(&self) -> Result<Option<Timestamp>> {
        let at = reading!(self, conn => {
            sqlx::query_scalar::<_, Option<i64>>("SELECT MAX(published_at) FROM batch").fetch_one(&mut *conn).await?
        });
        super::words::maybe_instant(at)
    }

    /// How many contacts there are; what an unpublished import brought does not count.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn count_contacts(&self) -> Result<i64> {
        let count = reading!(self, conn => {
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM contact c
                 WHERE c.batch_id IS NULL OR EXISTS (SELECT 1 FROM batch b WHERE b.id = c.batch_id AND b.published_at IS NOT NULL)").fetch_one(&mut *conn).await?
        });
        Ok(count)
    }

    /// Every contact's id, in order, a page at a time.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn contact_page(&self, after: ContactId, limit: i64) -> Result<Vec<ContactId>> {
        let rows = reading!(self, conn => {
            sqlx::query_scalar::<_, i64>("SELECT id FROM contact WHERE id > $1 ORDER BY id LIMIT $2")
                .bind(after.0)
                .bind(limit)
                .fetch_all(&mut *conn)
                .await?
        });
        Ok(rows.into_iter().map(ContactId).collect())
    }
}

/// What [`FIND_CONTACTS`] and [`FIND_ACCOUNTS`] look for.
fn lookup(records: &[ClientRecord]) -> Vec<serde_json::Value> {
    let row = |record: &ClientRecord| {
        json!({
            "external_id": record.external_id, "email": record.email.as_deref().map(fold), "org_number": record.org_number,
            "country": record.country, "folded": fold(&record.name), "company_folded": fold(&record.company),
        })
    };
    records.iter().map(row).collect()
}

/// Gives each row its contact and account: known ones where a key matches, new ids elsewhere.
fn place<'a>(
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
fn first_of_account<'a, 'b>(placed: &'b [Placed<'a>]) -> Vec<&'b Placed<'a>> {
    let mut seen = std::collections::HashSet::new();
    placed.iter().filter(|row| row.new_account == 1 && seen.insert(row.account)).collect()
}

fn points<'a>(placed: &'a [Placed<'a>], next: &mut impl FnMut() -> i64) -> Vec<Point<'a>> {
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

fn marks(placed: &[Placed<'_>]) -> Vec<serde_json::Value> {
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

fn consents(placed: &[Placed<'_>], next: &mut impl FnMut() -> i64) -> Vec<serde_json::Value> {
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
fn count(placed: &[Placed<'_>], adopted: &[i64], changed: &[i64], changed_accounts: &[i64]) -> SavedClients {
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
fn changes(placed: &[Placed<'_>], changed: &[i64], batch: BatchId) -> Vec<Change> {
    let updated = placed.iter().filter(|row| row.new_contact == 0 && changed.contains(&row.contact));
    updated.map(|row| Change::new("contact", row.contact, json!({ "import": batch, "line": row.record }))).collect()
}
