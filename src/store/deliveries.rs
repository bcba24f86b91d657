//! Deliveries: created once by their key, listed, resolved by a person.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::changes::{Change, log_changes};
use super::words::{instant, maybe, maybe_instant, micros, parse, rows, word};
use super::{Result, Store, StoreError, reading, transaction};
use crate::model::act::Act;
use crate::model::address::{Address, Channel};
use crate::model::delivery::{DeliveryState, Outcome, Purpose};
use crate::model::id::{ContactId, DeliveryId, PlanId, RevisionId, UserId};

/// A delivery about to be created.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// What makes it the only one: `plan/<id>/<step>/<contact>/<channel>`, `digest/<user>/<date>`.
    pub key: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it goes.
    pub address: Address,
    /// The client it goes to.
    pub contact: Option<ContactId>,
    /// The user it goes to.
    pub user: Option<UserId>,
    /// The plan it is a step of.
    pub plan: Option<PlanId>,
    /// The campaign, for a step.
    pub campaign: Option<String>,
    /// The step.
    pub step: Option<String>,
    /// The variant drawn for this contact.
    pub variant: Option<String>,
    /// The version it is rendered from.
    pub revision: Option<RevisionId>,
    /// The same letter goes by this channel if the address turns out dead.
    pub fallback: Option<Channel>,
    /// The handoff must find a consent for its channel.
    pub needs_consent: bool,
    /// The sender's slug.
    pub sender: String,
    /// What shares a limit with it: `email/<relay>` or `fax`.
    pub lane: String,
    /// What is already composed (a digest), as JSON.
    pub payload: Option<Value>,
    /// When it may go.
    pub due_at: Timestamp,
    /// When it may not go any more.
    pub not_after: Option<Timestamp>,
}

/// One delivery.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeliveryRow {
    /// Its id.
    pub id: DeliveryId,
    /// Its key.
    pub key: String,
    /// What it is for.
    pub purpose: Purpose,
    /// How it goes.
    pub channel: Channel,
    /// Where it goes.
    pub address: String,
    /// The client it goes to.
    pub contact: Option<ContactId>,
    /// The user it goes to.
    pub user: Option<UserId>,
    /// The plan it is a step of.
    pub plan: Option<PlanId>,
    /// The campaign.
    pub campaign: Option<String>,
    /// The step.
    pub step: Option<String>,
    /// The variant.
    pub variant: Option<String>,
    /// The version it is rendered from.
    pub revision: Option<RevisionId>,
    /// The fallback that is still open.
    pub fallback: Option<Channel>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why, where a rule decided.
    pub reason: Option<String>,
    /// When it may go, or goes again.
    pub due_at: Timestamp,
    /// When it may not go any more.
    pub not_after: Option<Timestamp>,
    /// How often it was tried.
    pub tries: i64,
    /// The id at the fax gateway.
    pub gateway_id: Option<String>,
    /// The Message-ID.
    pub message_id: Option<String>,
    /// What became known later.
    pub outcome: Option<Outcome>,
    /// When.
    pub outcome_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The inputs that were frozen at the first handoff, as JSON.
    #[serde(skip)]
    pub frozen: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(super) struct DeliverySql {
    pub(super) id: i64,
    key: String,
    purpose: String,
    channel: String,
    address: String,
    contact_id: Option<i64>,
    user_id: Option<i64>,
    plan_id: Option<i64>,
    campaign: Option<String>,
    step: Option<String>,
    variant: Option<String>,
    revision_id: Option<i64>,
    fallback: Option<String>,
    state: String,
    reason: Option<String>,
    due_at: i64,
    not_after: Option<i64>,
    tries: i64,
    gateway_id: Option<String>,
    message_id: Option<String>,
    outcome: Option<String>,
    outcome_at: Option<i64>,
    finished_at: Option<i64>,
    frozen: Option<String>,
}

pub(super) const COLUMNS: &str = "d.id, d.key, d.purpose, d.channel, d.address, d.contact_id, d.user_id, d.plan_id, d.campaign, d.step,
    d.variant, d.revision_id, d.fallback, d.state, d.reason, d.due_at, d.not_after, d.tries, d.gateway_id, d.message_id, d.outcome,
    d.outcome_at, d.finished_at, d.frozen";

impl TryFrom<DeliverySql> for DeliveryRow {
    type Error = StoreError;

    fn try_from(row: DeliverySql) -> Result<Self> {
        Ok(Self {
            id: DeliveryId(row.id),
            key: row.key,
            purpose: parse(&row.purpose, "a purpose")?,
            channel: parse(&row.channel, "a channel")?,
            address: row.address,
            contact: row.contact_id.map(ContactId),
            user: row.user_id.map(UserId),
            plan: row.plan_id.map(PlanId),
            campaign: row.campaign,
            step: row.step,
            variant: row.variant,
            revision: row.revision_id.map(RevisionId),
            fallback: maybe(row.fallback.as_deref(), "a channel")?,
            state: parse(&row.state, "a delivery's state")?,
            reason: row.reason,
            due_at: instant(row.due_at)?,
            not_after: maybe_instant(row.not_after)?,
            tries: row.tries,
            gateway_id: row.gateway_id,
            message_id: row.message_id,
            outcome: maybe(row.outcome.as_deref(), "an outcome")?,
            outcome_at: maybe_instant(row.outcome_at)?,
            finished_at: maybe_instant(row.finished_at)?,
            frozen: row.frozen,
        })
    }
}

/// Which deliveries to list; every given part must hold.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// In one of these states.
    pub states: Vec<DeliveryState>,
    /// To this contact.
    pub contact: Option<ContactId>,
    /// Of this campaign.
    pub campaign: Option<String>,
    /// The only one with this id.
    pub id: Option<DeliveryId>,
}

impl DeliveryFilter {
    /// What is asked for and nothing else, so that an index can answer it: `$2` is the contact,
    /// `$3` the campaign, `$4` the id. The words of states are our own.
    fn conditions(&self) -> String {
        let given = |is_given: bool, number: u8, condition: &str| {
            // Every parameter must stand in the text, or PostgreSQL does not know its type.
            if is_given { condition.to_owned() } else { format!("CAST(${number} AS BIGINT) IS NULL") }
        };
        let mut all = vec![
            given(self.contact.is_some(), 2, "d.contact_id = $2"),
            if self.campaign.is_some() { "d.campaign = $3".into() } else { "CAST($3 AS TEXT) IS NULL".into() },
            given(self.id.is_some(), 4, "d.id = $4"),
        ];
        if !self.states.is_empty() {
            let states: Vec<_> = self.states.iter().map(|state| format!("d.state = '{}'", word(state))).collect();
            all.push(format!("({})", states.join(" OR ")));
        }
        all.join(" AND ")
    }
}

/// Each row is made text once: SQLite would make it anew for every column that is read from it.
const INSERT: &str = "
    WITH r AS MATERIALIZED (SELECT value FROM json_each($1))
    INSERT INTO delivery (id, key, purpose, channel, address, folded, domain, contact_id, user_id, plan_id, campaign, step, variant,
        revision_id, fallback, needs_consent, sender, lane, payload, state, due_at, not_after, tries, created_at, awaited)
    SELECT CAST(r.value->>'id' AS BIGINT), r.value->>'key', r.value->>'purpose', r.value->>'channel', r.value->>'address',
        r.value->>'folded', r.value->>'domain', CAST(r.value->>'contact' AS BIGINT), CAST(r.value->>'user' AS BIGINT),
        CAST(r.value->>'plan' AS BIGINT), r.value->>'campaign', r.value->>'step', r.value->>'variant',
        CAST(r.value->>'revision' AS BIGINT), r.value->>'fallback', CAST(r.value->>'needs_consent' AS BIGINT), r.value->>'sender',
        r.value->>'lane', r.value->>'payload', 'scheduled', CAST(r.value->>'due_at' AS BIGINT),
        CAST(r.value->>'not_after' AS BIGINT), 0, $2,
        CASE WHEN EXISTS (SELECT 1 FROM plan p WHERE p.id = CAST(r.value->>'plan' AS BIGINT) AND p.step = r.value->>'step'
                  AND p.state = 'active' AND p.delivery_id IS NULL) THEN 1 ELSE 0 END
    FROM r WHERE 1 = 1
    ON CONFLICT (key) DO NOTHING";

const TIE_PLANS: &str = "
    WITH r AS MATERIALIZED (SELECT value FROM json_each($1))
    UPDATE plan SET delivery_id = n.id
    FROM (SELECT CAST(r.value->>'id' AS BIGINT) AS id, CAST(r.value->>'plan' AS BIGINT) AS plan, r.value->>'step' AS step
          FROM r) AS n
    WHERE plan.id = n.plan AND plan.step = n.step AND plan.state = 'active' AND plan.delivery_id IS NULL";

/// The ids of those that were there already, where some were.
const KNOWN: &str = "
    SELECT d.key, d.id FROM json_each($1) AS r CROSS JOIN delivery d WHERE d.key = r.value->>'key'";

/// A plan may be tied to a delivery that was there already; then it waits for that one.
const AWAIT: &str = "
    UPDATE delivery SET awaited = 1
    WHERE awaited = 0 AND id IN (SELECT CAST(r.value->>'id' AS BIGINT) FROM json_each($1) AS r)
      AND EXISTS (SELECT 1 FROM plan p WHERE p.delivery_id = delivery.id AND p.state = 'active' AND p.delivery_id IS NOT NULL)";

/// The fallback of a bounced delivery is open until its fax is created; then it is taken.
const TAKE_FALLBACKS: &str = "
    UPDATE delivery SET fallback = NULL
    FROM (SELECT CAST(r.value->>'plan' AS BIGINT) AS plan, r.value->>'step' AS step, r.value->>'channel' AS channel
          FROM json_each($1) AS r) AS n
    WHERE delivery.plan_id = n.plan AND delivery.step = n.step AND delivery.fallback = n.channel
      AND delivery.outcome = 'bounced'";

impl Store {
    /// Creates deliveries, and ties each step's to its plan. One whose key exists is left as it is.
    /// Says how many are new.
    ///
    /// # Errors
    /// The database does not answer; then none was created.
    pub async fn create_deliveries(&self, act: &Act, new: &[NewDelivery]) -> Result<u64> {
        let base = self.reserve(new.len()).await?.start;
        let mut list: Vec<_> = (base..).zip(new).map(|(id, new)| InsertRow::new(id, new)).collect();
        let text = rows(&list)?;
        // What takes another's place has no fallback of its own.
        let taking: Vec<_> = list.iter().filter(|row| row.plan.is_some() && row.fallback.is_none()).collect();
        let taking = if taking.is_empty() { None } else { Some(rows(&taking)?) };
        let created = transaction!(self, tx => {
            let created = sqlx::query(INSERT).bind(text.clone()).bind(micros(act.at)).execute(&mut *tx).await?.rows_affected();
            if created == new.len() as u64 {
                sqlx::query(TIE_PLANS).bind(text).execute(&mut *tx).await?;
            } else {
                let known = sqlx::query_as::<_, (String, i64)>(KNOWN).bind(text).fetch_all(&mut *tx).await?;
                let known: HashMap<_, _> = known.into_iter().collect();
                for row in &mut list {
                    row.id = known.get(row.key).copied().unwrap_or(row.id);
                }
                let text = rows(&list)?;
                sqlx::query(TIE_PLANS).bind(text.clone()).execute(&mut *tx).await?;
                sqlx::query(AWAIT).bind(text).execute(&mut *tx).await?;
            }
            if let Some(taking) = &taking {
                sqlx::query(TAKE_FALLBACKS).bind(taking.clone()).execute(&mut *tx).await?;
            }
            created
        });
        Ok(created)
    }

    /// Bounced deliveries with an open fallback whose plans are still active.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn open_fallbacks(&self, limit: i64) -> Result<Vec<DeliveryRow>> {
        let text = format!(
            "SELECT {COLUMNS} FROM delivery d JOIN plan p ON p.id = d.plan_id
             WHERE d.fallback IS NOT NULL AND d.outcome = 'bounced' AND p.state = 'active' ORDER BY d.id LIMIT $1"
        );
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, DeliverySql>(sqlx::AssertSqlSafe(text)).bind(limit).fetch_all(&mut *conn).await?
        });
        rows.into_iter().map(DeliveryRow::try_from).collect()
    }

    /// Gives a fallback up: there is no address or no consent for it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn drop_fallbacks(&self, deliveries: &[DeliveryId]) -> Result<()> {
        let list = super::words::id_list(deliveries.iter().map(|id| id.0));
        transaction!(self, tx => {
            sqlx::query("UPDATE delivery SET fallback = NULL WHERE id IN (SELECT CAST(CAST(r.value AS TEXT) AS BIGINT) FROM json_each($1) AS r)")
                .bind(list)
                .execute(&mut *tx)
                .await?;
        });
        Ok(())
    }

    /// Deliveries by a filter, newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn deliveries(&self, filter: &DeliveryFilter, limit: i64) -> Result<Vec<DeliveryRow>> {
        let text = format!(
            "SELECT {COLUMNS} FROM delivery d WHERE {} ORDER BY d.due_at DESC, d.id DESC LIMIT $1",
            filter.conditions()
        );
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, DeliverySql>(sqlx::AssertSqlSafe(text))
                .bind(limit)
                .bind(filter.contact.map(|id| id.0))
                .bind(filter.campaign.clone())
                .bind(filter.id.map(|id| id.0))
                .fetch_all(&mut *conn)
                .await?
        });
        rows.into_iter().map(DeliveryRow::try_from).collect()
    }

    /// The accepted mails of these plans, oldest first: plan, Message-ID, frozen inputs as JSON.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn threads(&self, plans: &[PlanId]) -> Result<Vec<(PlanId, String, String)>> {
        let list = super::words::id_list(plans.iter().map(|id| id.0));
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (i64, String, String)>(
                "SELECT d.plan_id, d.message_id, d.frozen FROM json_each($1) AS r
                 JOIN delivery d ON d.plan_id = CAST(CAST(r.value AS TEXT) AS BIGINT)
                 WHERE d.channel = 'email' AND d.state IN ('accepted', 'uncertain') AND d.message_id IS NOT NULL AND d.frozen IS NOT NULL
                 ORDER BY d.due_at, d.id",
            )
            .bind(list)
            .fetch_all(&mut *conn)
            .await?
        });
        Ok(rows.into_iter().map(|(plan, message_id, frozen)| (PlanId(plan), message_id, frozen)).collect())
    }

    /// One delivery.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn get_delivery(&self, id: DeliveryId) -> Result<DeliveryRow> {
        let filter = DeliveryFilter { id: Some(id), ..Default::default() };
        let found = self.deliveries(&filter, 1).await?.into_iter().next();
        found.ok_or_else(|| StoreError::Absent { what: "delivery", key: id.to_string() })
    }

    /// Moves a delivery that waits for a person: an uncertain, held or rejected one.
    ///
    /// `to` is accepted or rejected (what really happened) or retry (send it again, or after all).
    ///
    /// # Errors
    /// It waits for nobody, or the database does not answer.
    pub async fn resolve_delivery(&self, act: &Act, id: DeliveryId, to: DeliveryState, reason: &str) -> Result<()> {
        let base = self.reserve(1).await?.start;
        let allowed = matches!(
            to,
            DeliveryState::Accepted | DeliveryState::Rejected | DeliveryState::Retry | DeliveryState::Skipped
        );
        let finished = if to.is_final() { Some(micros(act.at)) } else { None };
        let changed = transaction!(self, tx => {
            let before = sqlx::query_scalar::<_, String>("SELECT state FROM delivery WHERE id = $1").bind(id.0).fetch_optional(&mut *tx).await?;
            let changed = sqlx::query(
                "UPDATE delivery SET state = $2, reason = $3, due_at = CASE WHEN $2 = 'retry' THEN $4 ELSE due_at END,
                        not_after = CASE WHEN $2 = 'retry' THEN NULL ELSE not_after END, finished_at = $5
                 WHERE id = $1 AND state IN ('uncertain', 'held', 'rejected')",
            )
            .bind(id.0)
            .bind(word(&to))
            .bind(reason)
            .bind(micros(act.at))
            .bind(finished)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if changed == 0 || !allowed {
                return Err(StoreError::Refused(format!("delivery {id} does not wait for a decision; only uncertain, held and rejected ones do")));
            }
            log_changes!(tx, act, base, None, &[Change::new("delivery", id, json!({ "state": [before, to], "reason": reason }))]);
            changed
        });
        debug_assert_eq!(changed, 1, "ids are unique");
        Ok(())
    }
}

/// A delivery as [`INSERT`] reads it.
#[derive(Serialize)]
struct InsertRow<'a> {
    id: i64,
    key: &'a str,
    purpose: Purpose,
    channel: Channel,
    address: &'a str,
    folded: String,
    domain: &'a str,
    contact: Option<ContactId>,
    user: Option<UserId>,
    plan: Option<PlanId>,
    campaign: Option<&'a str>,
    step: Option<&'a str>,
    variant: Option<&'a str>,
    revision: Option<RevisionId>,
    fallback: Option<Channel>,
    needs_consent: i64,
    sender: &'a str,
    lane: &'a str,
    payload: Option<String>,
    due_at: i64,
    not_after: Option<i64>,
}

impl<'a> InsertRow<'a> {
    fn new(id: i64, new: &'a NewDelivery) -> Self {
        let domain = match &new.address {
            Address::Email(address) => address.domain(),
            Address::Fax(_) => "",
        };
        Self {
            id,
            key: &new.key,
            purpose: new.purpose,
            channel: new.address.channel(),
            address: new.address.as_str(),
            folded: new.address.as_str().to_lowercase(),
            domain,
            contact: new.contact,
            user: new.user,
            plan: new.plan,
            campaign: new.campaign.as_deref(),
            step: new.step.as_deref(),
            variant: new.variant.as_deref(),
            revision: new.revision,
            fallback: new.fallback,
            needs_consent: i64::from(new.needs_consent),
            sender: &new.sender,
            lane: &new.lane,
            payload: new.payload.as_ref().map(Value::to_string),
            due_at: micros(new.due_at),
            not_after: new.not_after.map(micros),
        }
    }
}
