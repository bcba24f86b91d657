//! The client base written in bulk: batches that stage, save and publish.
//!
//! What a batch creates stays invisible to audiences until it is published; a row
//! that is already there is found by its keys and updated. An import never revives
//! a dead address and never lifts a suppression.

use serde::{Deserialize, Serialize};

use super::changes::log_changes;
use super::placing::{changes, consents, count, first_of_account, lookup, marks, place, points};
use super::words::{micros, rows};
use super::{Result, Store, reading, transaction};
use crate::model::act::Act;
use crate::model::id::BatchId;

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
}
