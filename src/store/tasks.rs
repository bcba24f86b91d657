//! Tasks: what a person has to do, and that it is done.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::changes::{Change, log_changes};
use super::words::{instant, maybe_instant, micros, parse};
use super::{Consequence, Result, Store, StoreError, reading, transaction};
use crate::model::act::Act;
use crate::model::id::{ContactId, PlanId, ResponseId, TaskId, UserId};
use crate::model::task::TaskKind;

/// One task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskRow {
    /// Its id.
    pub id: TaskId,
    /// What kind.
    pub kind: TaskKind,
    /// Who; none for the operator.
    pub user: Option<UserId>,
    /// About whom.
    pub contact: Option<ContactId>,
    /// The plan it came from.
    pub plan: Option<PlanId>,
    /// The response it came from.
    pub response: Option<ResponseId>,
    /// What to do.
    pub note: String,
    /// By when.
    pub due_on: jiff::civil::Date,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was done.
    pub done_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct TaskSql {
    id: i64,
    kind: String,
    user_id: Option<i64>,
    contact_id: Option<i64>,
    plan_id: Option<i64>,
    response_id: Option<i64>,
    note: String,
    due_on: String,
    created_at: i64,
    done_at: Option<i64>,
}

impl TryFrom<TaskSql> for TaskRow {
    type Error = StoreError;

    fn try_from(row: TaskSql) -> Result<Self> {
        Ok(Self {
            id: TaskId(row.id),
            kind: parse(&row.kind, "a task's kind")?,
            user: row.user_id.map(UserId),
            contact: row.contact_id.map(ContactId),
            plan: row.plan_id.map(PlanId),
            response: row.response_id.map(ResponseId),
            note: row.note,
            due_on: row.due_on.parse().map_err(|_| StoreError::Word { value: row.due_on, expected: "a date" })?,
            created_at: instant(row.created_at)?,
            done_at: maybe_instant(row.done_at)?,
        })
    }
}

impl Store {
    /// Open tasks of a user (all users' where none is given), or every task about a contact.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn tasks(&self, user: Option<UserId>, contact: Option<ContactId>) -> Result<Vec<TaskRow>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, TaskSql>(
                "SELECT id, kind, user_id, contact_id, plan_id, response_id, note, due_on, created_at, done_at FROM task
                 WHERE ($1 IS NULL OR user_id = $1) AND ($2 IS NULL OR contact_id = $2) AND ($2 IS NOT NULL OR done_at IS NULL)
                 ORDER BY due_on, id",
            )
            .bind(user.map(|id| id.0))
            .bind(contact.map(|id| id.0))
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter().map(TaskRow::try_from).collect()
    }

    /// Carries out consequences that belong to no response and no result: a call step's task, a note.
    ///
    /// # Errors
    /// The database does not answer; then none happened.
    pub async fn carry_out(&self, act: &Act, consequences: &[Consequence]) -> Result<()> {
        let ids = self.reserve(Consequence::ids_needed(consequences) + 1).await?;
        transaction!(self, tx => {
            let mut free = ids.clone();
            super::consequences::apply_consequences!(tx, act, &mut free, consequences);
        });
        Ok(())
    }

    /// Marks a task as done.
    ///
    /// # Errors
    /// There is no such open task, or the database does not answer.
    pub async fn finish_task(&self, act: &Act, task: TaskId) -> Result<()> {
        let base = self.reserve(1).await?.start;
        transaction!(self, tx => {
            let done = sqlx::query("UPDATE task SET done_at = $2 WHERE id = $1 AND done_at IS NULL")
                .bind(task.0)
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if done == 0 {
                return Err(StoreError::Absent { what: "open task", key: task.to_string() });
            }
            log_changes!(tx, act, base, None, &[Change::new("task", task, json!({ "done_at": [null, act.at.to_string()] }))]);
        });
        Ok(())
    }
}
