//! Pauses: what delays without ending, over everything, a campaign, a domain or a contact.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::changes::{Change, log_changes};
use super::words::{instant, maybe_instant, micros};
use super::{Result, Store, StoreError, reading, transaction};
use crate::model::act::Act;
use crate::model::id::ContactId;

/// What pauses campaigns at `$now`: one `campaign` and `until` a pause; no campaign stands for
/// all of them. The one text behind all who ask, as a subquery.
macro_rules! campaign_pauses {
    ($now:literal) => {
        concat!(
            "(SELECT CASE WHEN u.scope = 'campaign' THEN u.value END AS campaign, u.until FROM pause u
              WHERE u.ended_at IS NULL AND u.scope IN ('all', 'campaign') AND (u.until IS NULL OR u.until > ",
            $now,
            "))"
        )
    };
}

/// Whether a pause of its own or of all holds the campaign that column `$campaign` names at `$now`.
macro_rules! campaign_is_paused {
    ($campaign:literal, $now:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM ",
            $crate::store::pauses::campaign_pauses!($now),
            " AS held WHERE held.campaign IS NULL OR held.campaign = ",
            $campaign,
            ")"
        )
    };
}

pub(super) use {campaign_is_paused, campaign_pauses};

/// What a pause covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "scope", content = "value", rename_all = "snake_case")]
pub enum PauseScope {
    /// Every campaign.
    All,
    /// One campaign.
    Campaign(String),
    /// Every address at a domain: its server refuses us.
    Domain(String),
    /// One person, who is away.
    Contact(ContactId),
}

impl PauseScope {
    pub(super) fn columns(&self) -> (&'static str, String) {
        match self {
            Self::All => ("all", String::new()),
            Self::Campaign(id) => ("campaign", id.clone()),
            Self::Domain(domain) => ("domain", domain.clone()),
            Self::Contact(id) => ("contact", id.to_string()),
        }
    }

    fn parse(scope: &str, value: String) -> Result<Self> {
        match scope {
            "all" => Ok(Self::All),
            "campaign" => Ok(Self::Campaign(value)),
            "domain" => Ok(Self::Domain(value)),
            "contact" => value
                .parse()
                .map(ContactId)
                .map(Self::Contact)
                .map_err(|_| StoreError::Word { value, expected: "a contact's id" }),
            other => Err(StoreError::Word { value: other.to_owned(), expected: "a pause's scope" }),
        }
    }
}

/// One pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PauseRow {
    /// What it covers.
    #[serde(flatten)]
    pub scope: PauseScope,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when, if it ends by itself.
    pub until: Option<Timestamp>,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
pub(super) struct PauseSql {
    scope: String,
    value: String,
    reason: String,
    actor: String,
    at: i64,
    until: Option<i64>,
    ended_at: Option<i64>,
}

impl TryFrom<PauseSql> for PauseRow {
    type Error = StoreError;

    fn try_from(row: PauseSql) -> Result<Self> {
        Ok(Self {
            scope: PauseScope::parse(&row.scope, row.value)?,
            reason: row.reason,
            actor: row.actor,
            at: instant(row.at)?,
            until: maybe_instant(row.until)?,
            ended_at: maybe_instant(row.ended_at)?,
        })
    }
}

impl Store {
    /// Pauses `scope` from the act's instant, until it is resumed or until `until`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn pause(&self, act: &Act, scope: &PauseScope, reason: &str, until: Option<Timestamp>) -> Result<()> {
        let ids = self.reserve(2).await?;
        let (word, value) = scope.columns();
        let changes = [Change::new(
            "pause",
            ids.start,
            json!({ "scope": [null, word], "value": [null, value], "reason": [null, reason] }),
        )];
        transaction!(self, tx => {
            sqlx::query("INSERT INTO pause (id, scope, value, reason, actor, at, until) VALUES ($1, $2, $3, $4, $5, $6, $7)")
                .bind(ids.start)
                .bind(word)
                .bind(value.clone())
                .bind(reason)
                .bind(act.actor.clone())
                .bind(micros(act.at))
                .bind(until.map(micros))
                .execute(&mut *tx)
                .await?;
            log_changes!(tx, act, ids.start + 1, None, &changes);
        });
        Ok(())
    }

    /// Ends every pause of exactly this scope; says how many there were. That over
    /// everything ends the one of a restored database too.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn resume(&self, act: &Act, scope: &PauseScope) -> Result<u64> {
        let base = self.reserve(1).await?.start;
        let (word, value) = scope.columns();
        let changes =
            [Change::new("pause", format!("{word}:{value}"), json!({ "ended_at": [null, act.at.to_string()] }))];
        let ended = transaction!(self, tx => {
            let ended = sqlx::query("UPDATE pause SET ended_at = $3, ended_by = $4 WHERE scope = $1 AND ($1 = 'all' OR value = $2) AND ended_at IS NULL")
                .bind(word)
                .bind(value.clone())
                .bind(micros(act.at))
                .bind(act.actor.clone())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let changes = if ended > 0 { &changes[..] } else { &[] };
            log_changes!(tx, act, base, None, changes);
            ended
        });
        Ok(ended)
    }

    /// Every pause in force at `now`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn pauses(&self, now: Timestamp) -> Result<Vec<PauseRow>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, PauseSql>(
                "SELECT scope, value, reason, actor, at, until, ended_at FROM pause
                 WHERE ended_at IS NULL AND (until IS NULL OR until > $1) ORDER BY at, id",
            )
            .bind(micros(now))
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter().map(PauseRow::try_from).collect()
    }
}
