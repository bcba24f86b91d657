//! The deliveries that a response may belong to, found by what it carries.

use jiff::Timestamp;
use serde_json::json;

use super::words::{micros, parse, rows};
use super::{Result, Store, StoreError, reading};
use crate::model::address::Channel;
use crate::model::delivery::Purpose;
use crate::model::id::{ContactId, DeliveryId, PlanId, UserId};

/// A delivery that a response may belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TieCandidate {
    /// The delivery.
    pub delivery: DeliveryId,
    /// What it was for.
    pub purpose: Purpose,
    /// How it went.
    pub channel: Channel,
    /// Its address in folded form.
    pub folded: String,
    /// Its contact.
    pub contact: Option<ContactId>,
    /// Its plan.
    pub plan: Option<PlanId>,
    /// Its user, for a digest.
    pub user: Option<UserId>,
    /// Its campaign.
    pub campaign: Option<String>,
    /// Its Message-ID.
    pub message_id: Option<String>,
}

#[derive(sqlx::FromRow)]
struct TieSql {
    id: i64,
    purpose: String,
    channel: String,
    folded: String,
    contact_id: Option<i64>,
    plan_id: Option<i64>,
    user_id: Option<i64>,
    campaign: Option<String>,
    message_id: Option<String>,
}

impl TryFrom<TieSql> for TieCandidate {
    type Error = StoreError;

    fn try_from(row: TieSql) -> Result<Self> {
        Ok(Self {
            delivery: DeliveryId(row.id),
            purpose: parse(&row.purpose, "a purpose")?,
            channel: parse(&row.channel, "a channel")?,
            folded: row.folded,
            contact: row.contact_id.map(ContactId),
            plan: row.plan_id.map(PlanId),
            user: row.user_id.map(UserId),
            campaign: row.campaign,
            message_id: row.message_id,
        })
    }
}

const TIE_COLUMNS: &str =
    "d.id, d.purpose, d.channel, d.folded, d.contact_id, d.plan_id, d.user_id, d.campaign, d.message_id";

impl Store {
    /// The delivery with this id, as something a response may belong to.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn tie_by_id(&self, delivery: DeliveryId) -> Result<Option<TieCandidate>> {
        let text = format!("SELECT {TIE_COLUMNS} FROM delivery d WHERE d.id = $1");
        let row = reading!(self, conn => {
            sqlx::query_as::<_, TieSql>(sqlx::AssertSqlSafe(text)).bind(delivery.0).fetch_optional(&mut *conn).await?
        });
        row.map(TieCandidate::try_from).transpose()
    }

    /// The deliveries with one of these Message-IDs.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn tie_by_message_id(&self, ids: &[String]) -> Result<Vec<TieCandidate>> {
        let list: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
        let list = rows(&list)?;
        let text = format!(
            "SELECT {TIE_COLUMNS} FROM delivery d
             WHERE d.message_id IN (SELECT r.value->>'id' FROM json_each($1) AS r) ORDER BY d.id DESC"
        );
        let found = reading!(self, conn => {
            sqlx::query_as::<_, TieSql>(sqlx::AssertSqlSafe(text)).bind(list).fetch_all(&mut *conn).await?
        });
        found.into_iter().map(TieCandidate::try_from).collect()
    }

    /// The newest sent delivery to each of these addresses since an instant.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn tie_by_address(&self, folded: &[String], since: Timestamp) -> Result<Vec<TieCandidate>> {
        let list: Vec<_> = folded.iter().map(|address| json!({ "a": address })).collect();
        let list = rows(&list)?;
        let text = format!(
            "SELECT {TIE_COLUMNS} FROM delivery d
             WHERE d.folded IN (SELECT r.value->>'a' FROM json_each($1) AS r) AND d.created_at >= $2
               AND d.state IN ('handoff', 'submitted', 'accepted', 'uncertain', 'retry')
             ORDER BY d.created_at DESC, d.id DESC LIMIT 20"
        );
        let found = reading!(self, conn => {
            sqlx::query_as::<_, TieSql>(sqlx::AssertSqlSafe(text)).bind(list).bind(micros(since)).fetch_all(&mut *conn).await?
        });
        found.into_iter().map(TieCandidate::try_from).collect()
    }
}
