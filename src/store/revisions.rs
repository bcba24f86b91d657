//! Applied campaigns: immutable revisions, their templates, and enrolment.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::changes::{Change, log_changes};
use super::plans::EnrolmentRow;
use super::words::{instant, maybe_instant, micros, rows};
use super::{Result, Store, StoreError, reading, transaction};
use crate::model::act::Act;
use crate::model::campaign::Campaign;
use crate::model::id::RevisionId;
use crate::model::plan::Enrolment;

/// A campaign about to be applied.
#[derive(Clone, Debug)]
pub struct NewRevision {
    /// The checked campaign.
    pub campaign: Campaign,
    /// The TOML it came from.
    pub source: String,
    /// Template names and texts.
    pub templates: BTreeMap<String, String>,
    /// For a cron start: when its first run begins.
    pub next_run_at: Option<Timestamp>,
}

/// One applied version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AppliedRevision {
    /// Its id.
    pub id: RevisionId,
    /// 1, 2, 3, ... within the campaign.
    pub version: i64,
    /// The campaign as it was checked.
    pub campaign: Campaign,
    /// The TOML it came from.
    #[serde(skip)]
    pub source: String,
    /// Template names and the hashes of their texts.
    #[serde(skip)]
    pub templates: BTreeMap<String, String>,
    /// Who applied it.
    pub actor: String,
    /// When.
    pub applied_at: Timestamp,
    /// When a cron campaign's next run begins.
    pub next_run_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct RevisionSql {
    id: i64,
    version: i64,
    compiled: String,
    source: String,
    templates: String,
    actor: String,
    applied_at: i64,
    next_run_at: Option<i64>,
}

impl TryFrom<RevisionSql> for AppliedRevision {
    type Error = StoreError;

    fn try_from(row: RevisionSql) -> Result<Self> {
        Ok(Self {
            id: RevisionId(row.id),
            version: row.version,
            campaign: serde_json::from_str(&row.compiled)?,
            source: row.source,
            templates: serde_json::from_str(&row.templates)?,
            actor: row.actor,
            applied_at: instant(row.applied_at)?,
            next_run_at: maybe_instant(row.next_run_at)?,
        })
    }
}

const INSERT_MEMBERSHIPS: &str = "
    INSERT INTO membership (campaign, run, contact_id, revision_id, left_out, facts, at)
    SELECT $2, $3, CAST(r.value->>'contact' AS BIGINT), $4, r.value->>'left_out', r.value->>'facts', $5
    FROM json_each($1) AS r WHERE 1 = 1
    ON CONFLICT (campaign, run, contact_id) DO UPDATE SET revision_id = excluded.revision_id,
        left_out = excluded.left_out, facts = excluded.facts, at = excluded.at";

const INSERT_PLANS: &str = "
    INSERT INTO plan (id, campaign, run, revision_id, contact_id, account_id, state, step, next_at, closes_at, started_at)
    SELECT $6 + r.key, $2, $3, $4, CAST(r.value->>'contact' AS BIGINT), CAST(r.value->>'account' AS BIGINT), 'active',
           r.value->>'step', CAST(r.value->>'next_at' AS BIGINT), CAST(r.value->>'closes_at' AS BIGINT), $5
    FROM json_each($1) AS r WHERE r.value->>'left_out' IS NULL
    ON CONFLICT (campaign, run, contact_id) DO NOTHING";

const SELECT_REVISION: &str = "
    SELECT r.id, r.version, r.compiled, r.source, r.templates, r.actor, r.applied_at,
           (SELECT c.next_run_at FROM campaign c WHERE c.revision_id = r.id) AS next_run_at
    FROM revision r";

impl Store {
    /// Writes a revision and makes it the one that runs.
    ///
    /// # Errors
    /// The database does not answer; then nothing was applied.
    pub async fn apply(&self, act: &Act, new: &NewRevision) -> Result<AppliedRevision> {
        let ids = self.reserve(2).await?;
        let texts: Vec<_> =
            new.templates.values().map(|body| json!({ "hash": content_hash(body), "body": body })).collect();
        let hashes: BTreeMap<_, _> =
            new.templates.iter().map(|(name, body)| (name.clone(), content_hash(body))).collect();
        let version = transaction!(self, tx => {
            let version = sqlx::query_scalar::<_, i64>("SELECT CAST(COALESCE(MAX(version), 0) + 1 AS BIGINT) FROM revision WHERE campaign = $1")
                .bind(new.campaign.id.clone())
                .fetch_one(&mut *tx)
                .await?;
            sqlx::query("INSERT INTO content (hash, body) SELECT r.value->>'hash', r.value->>'body' FROM json_each($1) AS r WHERE 1 = 1 ON CONFLICT DO NOTHING")
                .bind(rows(&texts)?)
                .execute(&mut *tx)
                .await?;
            sqlx::query("INSERT INTO revision (id, campaign, version, compiled, source, templates, actor, applied_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(ids.start)
                .bind(new.campaign.id.clone())
                .bind(version)
                .bind(serde_json::to_string(&new.campaign)?)
                .bind(new.source.clone())
                .bind(serde_json::to_string(&hashes)?)
                .bind(act.actor.clone())
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?;
            sqlx::query("INSERT INTO campaign (id, revision_id, next_run_at) VALUES ($1, $2, $3)
                         ON CONFLICT (id) DO UPDATE SET revision_id = excluded.revision_id, next_run_at = excluded.next_run_at")
                .bind(new.campaign.id.clone())
                .bind(ids.start)
                .bind(new.next_run_at.map(micros))
                .execute(&mut *tx)
                .await?;
            let diff = json!({ "version": [version - 1, version] });
            log_changes!(tx, act, ids.start + 1, None, &[Change::new("campaign", &new.campaign.id, diff)]);
            version
        });
        Ok(AppliedRevision {
            id: RevisionId(ids.start),
            version,
            campaign: new.campaign.clone(),
            source: new.source.clone(),
            templates: hashes,
            actor: act.actor.clone(),
            applied_at: act.at,
            next_run_at: new.next_run_at,
        })
    }

    /// Writes the enrolment decisions of one run: memberships for all, plans for those who start.
    /// A contact that has a plan of this run already keeps it.
    ///
    /// # Errors
    /// The database does not answer; then none was written.
    pub async fn enrol(
        &self,
        act: &Act,
        revision: &AppliedRevision,
        run: &str,
        enrolments: &[Enrolment],
    ) -> Result<u64> {
        let base = self.reserve(enrolments.len()).await?.start;
        let list = rows(&enrolments.iter().map(EnrolmentRow::from).collect::<Vec<_>>())?;
        let started = transaction!(self, tx => {
            sqlx::query(INSERT_MEMBERSHIPS)
                .bind(list.clone())
                .bind(revision.campaign.id.clone())
                .bind(run)
                .bind(revision.id.0)
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?;
            sqlx::query(INSERT_PLANS)
                .bind(list)
                .bind(revision.campaign.id.clone())
                .bind(run)
                .bind(revision.id.0)
                .bind(micros(act.at))
                .bind(base)
                .execute(&mut *tx)
                .await?
                .rows_affected()
        });
        Ok(started)
    }

    /// Moves a cron campaign's next run.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_next_run(&self, campaign: &str, at: Option<Timestamp>) -> Result<()> {
        transaction!(self, tx => {
            sqlx::query("UPDATE campaign SET next_run_at = $2 WHERE id = $1")
                .bind(campaign)
                .bind(at.map(micros))
                .execute(&mut *tx)
                .await?;
        });
        Ok(())
    }

    /// The revisions that run, one a campaign.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn running(&self) -> Result<Vec<AppliedRevision>> {
        let text = const_str(SELECT_REVISION, " WHERE r.id IN (SELECT revision_id FROM campaign) ORDER BY r.campaign");
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, RevisionSql>(sqlx::AssertSqlSafe(text)).fetch_all(&mut *conn).await?
        });
        rows.into_iter().map(AppliedRevision::try_from).collect()
    }

    /// The running revision of one campaign.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find_running(&self, campaign: &str) -> Result<Option<AppliedRevision>> {
        Ok(self.running().await?.into_iter().find(|revision| revision.campaign.id == campaign))
    }

    /// One revision.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn get_revision(&self, id: RevisionId) -> Result<AppliedRevision> {
        let text = const_str(SELECT_REVISION, " WHERE r.id = $1");
        let row = reading!(self, conn => {
            sqlx::query_as::<_, RevisionSql>(sqlx::AssertSqlSafe(text)).bind(id.0).fetch_optional(&mut *conn).await?
        });
        row.ok_or_else(|| StoreError::Absent { what: "revision", key: id.to_string() })?.try_into()
    }

    /// The template texts of a revision, by name.
    ///
    /// # Errors
    /// A text is missing, or the database does not answer.
    pub async fn template_texts(&self, revision: &AppliedRevision) -> Result<BTreeMap<String, String>> {
        let wanted: Vec<_> = revision.templates.values().map(|hash| json!({ "hash": hash })).collect();
        let list = rows(&wanted)?;
        let found = reading!(self, conn => {
            sqlx::query_as::<_, (String, String)>(
                "SELECT hash, body FROM content WHERE hash IN (SELECT r.value->>'hash' FROM json_each($1) AS r)",
            )
            .bind(list)
            .fetch_all(&mut *conn)
            .await?
        });
        let bodies: BTreeMap<_, _> = found.into_iter().collect();
        let text = |(name, hash): (&String, &String)| match bodies.get(hash) {
            Some(body) => Ok((name.clone(), body.clone())),
            None => Err(StoreError::Absent { what: "template", key: name.clone() }),
        };
        revision.templates.iter().map(text).collect()
    }
}

fn const_str(head: &str, tail: &str) -> String {
    format!("{head}{tail}")
}

/// The key under which a template's text is stored: its SHA-256 in hexadecimal.
fn content_hash(body: &str) -> String {
    use sha2::{Digest, Sha256};
    data_encoding::HEXLOWER.encode(&Sha256::digest(body.as_bytes()))
}
