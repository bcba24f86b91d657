//! What a result or a response changes beyond its own row, in the same transaction.

use std::ops::Range;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::Date;

use super::PauseScope;
use super::sets::Column::{Integer, Text};
use super::sets::Sets;
use crate::model::address::Channel;
use crate::model::delivery::Outcome;
use crate::model::id::{ContactId, DeliveryId, PlanId, ResponseId, UserId};
use crate::model::plan::StopReason;
use crate::model::suppression::{Reason, Scope};
use crate::model::task::TaskKind;
use crate::model::touchpoint::Direction;

/// One change of the client's record.
#[derive(Clone, Debug, PartialEq)]
pub enum Consequence {
    /// Something came to be known about a delivery.
    Outcome {
        /// The delivery.
        delivery: DeliveryId,
        /// What.
        outcome: Outcome,
    },
    /// An answer shows that a delivery nobody knew about has left: it is accepted.
    /// One that is not uncertain stays as it is.
    Arrived {
        /// The delivery.
        delivery: DeliveryId,
    },
    /// Nothing goes to it any more.
    Suppress {
        /// What is covered.
        scope: Scope,
        /// Which one.
        value: String,
        /// Why.
        reason: Reason,
        /// The response that caused it.
        response: Option<ResponseId>,
    },
    /// An address is dead, for every contact that has it.
    InvalidatePoint {
        /// Its channel.
        channel: Channel,
        /// The address in its folded form.
        folded: String,
        /// Why.
        reason: String,
    },
    /// Every active plan of a contact ends.
    StopPlans {
        /// Whose.
        contact: ContactId,
        /// Why.
        reason: StopReason,
    },
    /// Every consent of a contact is withdrawn.
    WithdrawConsents {
        /// Whose.
        contact: ContactId,
    },
    /// Something waits. Where it waits as long already, nothing changes.
    Pause {
        /// What.
        scope: PauseScope,
        /// Why.
        reason: String,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// A person has something to do. The operator is not told twice of the same while it is open.
    Task {
        /// What kind.
        kind: TaskKind,
        /// Who; none for the operator.
        user: Option<UserId>,
        /// About whom.
        contact: Option<ContactId>,
        /// The plan it came from.
        plan: Option<PlanId>,
        /// The response it came from.
        response: Option<ResponseId>,
        /// What to do.
        note: String,
        /// By when.
        due_on: Date,
    },
    /// The timeline gets a line.
    Touch {
        /// Whose.
        contact: ContactId,
        /// Which way.
        direction: Direction,
        /// How.
        channel: Channel,
        /// A word for what it is: `accepted`, `human.interested`, `bounce.no_mailbox`.
        kind: String,
        /// One line for people.
        summary: String,
        /// The delivery.
        delivery: Option<DeliveryId>,
        /// The response.
        response: Option<ResponseId>,
    },
}

impl Consequence {
    /// How many ids [`apply_consequences`] needs for these: a row and a change each.
    pub(super) fn ids_needed(consequences: &[Self]) -> usize {
        consequences.len() * 2
    }
}

/// The next of the reserved ids.
pub(super) fn next_id(free: &mut Range<i64>) -> i64 {
    free.next().expect("two ids a consequence were reserved")
}

pub(super) const END_PLANS: &str = "
    UPDATE plan SET state = 'stopped', stop_reason = $2, ended_at = $3, next_at = NULL WHERE contact_id = $1 AND state = 'active'";

/// What has not left yet does not leave: its plan has ended.
pub(super) const CANCEL_DELIVERIES: &str = "
    UPDATE delivery SET state = 'cancelled', reason = 'plan_ended', finished_at = $2
    WHERE contact_id = $1 AND purpose = 'campaign' AND state IN ('scheduled', 'retry', 'held')";

pub(super) static INSERT_TOUCHES: LazyLock<Sets> = LazyLock::new(|| {
    Sets::new(
        1,
        &[Integer, Integer, Text, Text, Text, Text, Integer, Integer],
        "WITH n(id, contact, direction, channel, kind, summary, delivery, response) AS (VALUES {rows})
         INSERT INTO touchpoint (id, contact_id, at, direction, channel, kind, summary, delivery_id, response_id)
         SELECT n.id, n.contact, $1, n.direction, n.channel, n.kind, n.summary, n.delivery, n.response
         FROM n WHERE n.id IS NOT NULL",
    )
});

pub(super) static LAST_TOUCHES: LazyLock<Sets> = LazyLock::new(|| {
    Sets::new(
        1,
        &[Integer],
        "WITH n(contact) AS (VALUES {rows})
         UPDATE contact SET last_touch = $1 WHERE COALESCE(last_touch, 0) < $1 AND id IN (SELECT n.contact FROM n)",
    )
});

/// A line of the timeline, as it is written.
pub(super) struct Line {
    pub(super) id: i64,
    pub(super) contact: i64,
    pub(super) direction: Direction,
    pub(super) channel: Channel,
    pub(super) kind: String,
    pub(super) summary: String,
    pub(super) delivery: Option<i64>,
    pub(super) response: Option<i64>,
}

/// Carries consequences out inside a transaction; `$free` are reserved ids.
macro_rules! apply_consequences {
    ($tx:ident, $act:expr, $free:expr, $consequences:expr) => {{
        use serde_json::json;
        use $crate::store::changes::{Change, log_changes};
        use $crate::store::consequences::{CANCEL_DELIVERIES, END_PLANS, INSERT_TOUCHES, LAST_TOUCHES, Line, next_id};
        use $crate::store::sets::{MOST_ROWS, padded};
        use $crate::store::words::{micros, word};
        let (act, list): (&$crate::model::act::Act, &[$crate::store::Consequence]) = ($act, $consequences);
        let at = micros(act.at);
        let mut changes: Vec<Change> = Vec::new();
        let mut touches: Vec<Line> = Vec::new();
        for consequence in list {
            match consequence.clone() {
                $crate::store::Consequence::Outcome { delivery, outcome } => {
                    sqlx::query("UPDATE delivery SET outcome = $2, outcome_at = $3 WHERE id = $1 AND (outcome IS NULL OR outcome = 'delivered')")
                        .bind(delivery.0).bind(word(&outcome)).bind(at).execute(&mut *$tx).await?;
                }
                $crate::store::Consequence::Arrived { delivery } => {
                    let done = sqlx::query("UPDATE delivery SET state = 'accepted', reason = 'answered', finished_at = $2 WHERE id = $1 AND state = 'uncertain'")
                        .bind(delivery.0).bind(at).execute(&mut *$tx).await?;
                    if done.rows_affected() > 0 {
                        changes.push(Change::new("delivery", delivery, json!({ "state": ["uncertain", "accepted"], "reason": "answered" })));
                    }
                }
                $crate::store::Consequence::Suppress { scope, value, reason, response } => {
                    let done = sqlx::query("INSERT INTO suppression (id, scope, value, reason, response_id, actor, at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING")
                        .bind(next_id($free)).bind(word(&scope)).bind(value.clone()).bind(word(&reason)).bind(response.map(|id| id.0))
                        .bind(act.actor.clone()).bind(at).execute(&mut *$tx).await?;
                    if done.rows_affected() > 0 && scope == $crate::model::suppression::Scope::Contact {
                        changes.push(Change::new("contact", value, json!({ "suppressed": [null, word(&reason)] })));
                    }
                }
                $crate::store::Consequence::InvalidatePoint { channel, folded, reason } => {
                    let contacts = sqlx::query_scalar::<_, i64>("UPDATE contact_point SET state = 'invalid', reason = $3 WHERE channel = $1 AND folded = $2 AND state = 'valid' RETURNING contact_id")
                        .bind(word(&channel)).bind(folded).bind(reason.clone()).fetch_all(&mut *$tx).await?;
                    changes.extend(contacts.into_iter().take(1).map(|id| Change::new("contact", id, json!({ word(&channel): ["valid", reason] }))));
                }
                $crate::store::Consequence::StopPlans { contact, reason } => {
                    let ended = sqlx::query(END_PLANS).bind(contact.0).bind(word(&reason)).bind(at).execute(&mut *$tx).await?.rows_affected();
                    sqlx::query(CANCEL_DELIVERIES).bind(contact.0).bind(at).execute(&mut *$tx).await?;
                    if ended > 0 {
                        changes.push(Change::new("contact", contact, json!({ "plans_stopped": [null, ended], "reason": word(&reason) })));
                    }
                }
                $crate::store::Consequence::WithdrawConsents { contact } => {
                    sqlx::query("UPDATE consent SET withdrawn_at = $2 WHERE contact_id = $1 AND withdrawn_at IS NULL")
                        .bind(contact.0).bind(at).execute(&mut *$tx).await?;
                }
                $crate::store::Consequence::Pause { scope, reason, until } => {
                    let (kind, value) = scope.columns();
                    let held = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM pause WHERE scope = $1 AND value = $2 AND ended_at IS NULL AND (until IS NULL OR until >= $3)")
                        .bind(kind).bind(value.clone()).bind(until.map_or(i64::MAX, micros)).fetch_one(&mut *$tx).await?;
                    if held == 0 {
                        sqlx::query("UPDATE pause SET ended_at = $3, ended_by = $4 WHERE scope = $1 AND value = $2 AND ended_at IS NULL")
                            .bind(kind).bind(value.clone()).bind(at).bind(act.actor.clone()).execute(&mut *$tx).await?;
                        sqlx::query("INSERT INTO pause (id, scope, value, reason, actor, at, until) VALUES ($1, $2, $3, $4, $5, $6, $7)")
                            .bind(next_id($free)).bind(kind).bind(value.clone()).bind(reason.clone()).bind(act.actor.clone()).bind(at)
                            .bind(until.map(micros)).execute(&mut *$tx).await?;
                        changes.push(Change::new("pause", format!("{kind}:{value}"), json!({ "reason": [null, reason] })));
                    }
                }
                $crate::store::Consequence::Task { kind, user, contact, plan, response, note, due_on } => {
                    sqlx::query("INSERT INTO task (id, kind, user_id, contact_id, plan_id, response_id, note, due_on, created_at)
                                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE $2 <> 'operate' OR NOT EXISTS (SELECT 1 FROM task t
                                    WHERE t.kind = 'operate' AND t.done_at IS NULL AND t.note = $7
                                      AND COALESCE(t.user_id, 0) = COALESCE($3, 0) AND COALESCE(t.contact_id, 0) = COALESCE($4, 0))")
                        .bind(next_id($free)).bind(word(&kind)).bind(user.map(|id| id.0)).bind(contact.map(|id| id.0)).bind(plan.map(|id| id.0))
                        .bind(response.map(|id| id.0)).bind(note).bind(due_on.to_string()).bind(at).execute(&mut *$tx).await?;
                }
                $crate::store::Consequence::Touch { contact, direction, channel, kind, summary, delivery, response } => {
                    let (contact, delivery, response) = (contact.0, delivery.map(|id| id.0), response.map(|id| id.0));
                    touches.push(Line { id: next_id($free), contact, direction, channel, kind, summary, delivery, response });
                }
            }
        }
        // The one kind that each letter has: written as a set.
        for touches in touches.chunks(MOST_ROWS) {
            let (text, nulls) = INSERT_TOUCHES.of(touches.len());
            let mut query = sqlx::query(text).bind(at);
            for line in padded(touches, nulls) {
                query = query
                    .bind(line.map(|line| line.id))
                    .bind(line.map(|line| line.contact))
                    .bind(line.map(|line| word(&line.direction)))
                    .bind(line.map(|line| word(&line.channel)))
                    .bind(line.map(|line| line.kind.clone()))
                    .bind(line.map(|line| line.summary.clone()))
                    .bind(line.and_then(|line| line.delivery))
                    .bind(line.and_then(|line| line.response));
            }
            query.execute(&mut *$tx).await?;
            let (text, nulls) = LAST_TOUCHES.of(touches.len());
            let mut query = sqlx::query(text).bind(at);
            for line in padded(touches, nulls) {
                query = query.bind(line.map(|line| line.contact));
            }
            query.execute(&mut *$tx).await?;
        }
        let base = $free.start;
        $free.start += i64::try_from(changes.len()).unwrap_or(0);
        log_changes!($tx, act, base, None, &changes);
    }};
}

pub(super) use apply_consequences;
