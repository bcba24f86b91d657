//! Letter gaps: contacts who chose to get letters less often, and which letters that puts off.
//!
//! What is gone or going counts, whatever campaign and channel it went by; what bounced or was
//! refused reached nobody and does not. The choice itself holds at once, by [`too_soon`] in
//! claim and handoff; `schedule` then gives what waits its new date.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;

use super::changes::{Change, log_changes};
use super::consequences::apply_consequences;
use super::words::{id_list, instant, maybe_instant, micros, rows};
use super::{Consequence, Result, Store, reading, transaction};
use crate::model::act::Act;
use crate::model::id::{ContactId, DeliveryId, RevisionId};

/// That a contact chose to get letters less often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LetterGap {
    /// At most one letter in so many days.
    pub days: i64,
    /// The letter on whose page they chose it.
    pub delivery: DeliveryId,
    /// When.
    pub at: Timestamp,
    /// The last letter that is gone, or is about to go.
    pub last_letter: Option<Timestamp>,
}

impl LetterGap {
    /// Before when no letter may go that is not written yet.
    pub fn free_at(&self) -> Option<Timestamp> {
        self.behind(self.last_letter?)
    }

    /// Before when no other letter may go than that of `letter`.
    pub fn behind(&self, letter: Timestamp) -> Option<Timestamp> {
        letter.checked_add(SignedDuration::from_hours(self.days.saturating_mul(24))).ok()
    }
}

/// A letter to a contact who chose a gap lately, in the order in which they get them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapLetter {
    /// Whose.
    pub contact: ContactId,
    /// What they chose.
    pub gap: LetterGap,
    /// The letter.
    pub delivery: DeliveryId,
    /// The version it is written by.
    pub revision: Option<RevisionId>,
    /// Its step.
    pub step: Option<String>,
    /// It waits for its time; a letter that does not is gone or going.
    pub waits: bool,
    /// A try of it failed for now: it bears the date of that.
    pub begun: bool,
    /// When it went, or is due.
    pub at: Timestamp,
}

/// Where a letter goes that would come too soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutOff {
    /// The letter.
    pub delivery: DeliveryId,
    /// Its new time and the end of that window; none cancels it, and its plan goes on behind it.
    pub to: Option<(Timestamp, Timestamp)>,
}

/// Whether campaign delivery `d` would come too soon at `$now` for a contact who chose a gap.
/// Of two that are claimed at a time the first alone may go.
macro_rules! too_soon {
    ($now:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM letter_gap g WHERE g.contact_id = d.contact_id AND EXISTS (
                SELECT 1 FROM delivery o WHERE o.contact_id = g.contact_id AND o.id <> d.id AND o.purpose = 'campaign'
                  AND COALESCE(o.outcome, '') <> 'bounced'
                  AND (o.state IN ('handoff', 'submitted') OR (o.state = 'claimed' AND o.id < d.id)
                    OR (o.state IN ('accepted', 'uncertain') AND COALESCE(o.finished_at, o.due_at) > ",
            $now,
            " - g.days * 86400000000))))"
        )
    };
}

pub(super) use too_soon;

/// Letters that count: gone, going, or waiting to.
macro_rules! counts {
    () => {
        "d.purpose = 'campaign' AND d.state NOT IN ('rejected', 'skipped', 'cancelled') AND COALESCE(d.outcome, '') <> 'bounced'"
    };
}

const GAPS: &str = concat!(
    "SELECT g.contact_id, g.days, g.delivery_id, g.at, (SELECT MAX(COALESCE(d.finished_at, d.due_at)) FROM delivery d
            WHERE d.contact_id = g.contact_id AND ",
    counts!(),
    ") FROM json_each($1) AS r JOIN letter_gap g ON g.contact_id = CAST(CAST(r.value AS TEXT) AS BIGINT)"
);

const LETTERS: &str = concat!(
    "SELECT g.contact_id, g.days, g.delivery_id AS page, g.at AS chosen_at, d.id, d.revision_id, d.step, d.state,
            COALESCE(d.finished_at, d.due_at) AS letter_at
     FROM letter_gap g JOIN delivery d ON d.contact_id = g.contact_id WHERE g.at >= $1 AND d.state <> 'held' AND ",
    counts!(),
    " ORDER BY g.contact_id, CASE WHEN d.state IN ('scheduled', 'retry') THEN 1 ELSE 0 END, letter_at, d.id"
);

const PUT_OFF: &str = "
    UPDATE delivery SET state = CASE WHEN n.due_at IS NULL THEN 'cancelled' ELSE delivery.state END, reason = 'less_often',
        due_at = COALESCE(n.due_at, delivery.due_at), not_after = COALESCE(n.not_after, delivery.not_after),
        finished_at = CASE WHEN n.due_at IS NULL THEN $2 ELSE NULL END
    FROM (SELECT CAST(r.value->>'delivery' AS BIGINT) AS delivery, CAST(r.value->>'due_at' AS BIGINT) AS due_at,
                 CAST(r.value->>'not_after' AS BIGINT) AS not_after FROM json_each($1) AS r) AS n
    WHERE delivery.id = n.delivery AND delivery.state IN ('scheduled', 'retry')";

/// The plan's own date follows that of its letter.
const PUT_OFF_PLANS: &str = "
    UPDATE plan SET next_at = n.due_at, closes_at = n.not_after
    FROM (SELECT CAST(r.value->>'delivery' AS BIGINT) AS delivery, CAST(r.value->>'due_at' AS BIGINT) AS due_at,
                 CAST(r.value->>'not_after' AS BIGINT) AS not_after FROM json_each($1) AS r) AS n
    WHERE plan.delivery_id = n.delivery AND plan.state = 'active' AND plan.delivery_id IS NOT NULL AND n.due_at IS NOT NULL";

#[derive(sqlx::FromRow)]
struct GapLetterSql {
    contact_id: i64,
    days: i64,
    page: i64,
    chosen_at: i64,
    id: i64,
    revision_id: Option<i64>,
    step: Option<String>,
    state: String,
    letter_at: i64,
}

impl GapLetterSql {
    fn letter(self) -> Result<GapLetter> {
        let gap = LetterGap {
            days: self.days,
            delivery: DeliveryId(self.page),
            at: instant(self.chosen_at)?,
            last_letter: None,
        };
        Ok(GapLetter {
            contact: ContactId(self.contact_id),
            gap,
            delivery: DeliveryId(self.id),
            revision: self.revision_id.map(RevisionId),
            step: self.step,
            waits: matches!(self.state.as_str(), "scheduled" | "retry"),
            begun: self.state == "retry",
            at: instant(self.letter_at)?,
        })
    }
}

impl Store {
    /// Which of these contacts chose to get letters less often.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn letter_gaps(&self, contacts: &[ContactId]) -> Result<HashMap<ContactId, LetterGap>> {
        let ids = id_list(contacts.iter().map(|id| id.0));
        let found = reading!(self, conn => {
            sqlx::query_as::<_, (i64, i64, i64, i64, Option<i64>)>(GAPS).bind(ids).fetch_all(&mut *conn).await?
        });
        let gap = |(contact, days, delivery, at, last): (i64, i64, i64, i64, Option<i64>)| {
            let (delivery, at, last_letter) = (DeliveryId(delivery), instant(at)?, maybe_instant(last)?);
            Ok((ContactId(contact), LetterGap { days, delivery, at, last_letter }))
        };
        found.into_iter().map(gap).collect()
    }

    /// Keeps that a contact wants at most one letter in `days`, with what follows from it. Where
    /// they chose it before, or have opted out, nothing changes; says whether something did.
    ///
    /// # Errors
    /// The database does not answer; then nothing changed.
    pub async fn keep_letter_gap(
        &self,
        act: &Act,
        (contact, delivery): (ContactId, DeliveryId),
        days: i64,
        consequences: &[Consequence],
    ) -> Result<bool> {
        let ids = self.reserve(Consequence::ids_needed(consequences) + 2).await?;
        let kept = transaction!(self, tx => {
            let kept = sqlx::query(
                "INSERT INTO letter_gap (contact_id, days, delivery_id, at) SELECT $1, $2, $3, $4
                 WHERE NOT EXISTS (SELECT 1 FROM suppression s WHERE s.scope = 'contact' AND s.value = CAST($1 AS TEXT)
                    AND s.reason = 'opt_out' AND s.lifted_at IS NULL)
                 ON CONFLICT (contact_id) DO NOTHING",
            )
            .bind(contact.0)
            .bind(days)
            .bind(delivery.0)
            .bind(micros(act.at))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if kept > 0 {
                let changes = [Change::new("contact", contact, json!({ "letter_gap_days": [null, days] }))];
                log_changes!(tx, act, ids.start, None, &changes);
                let mut rest = ids.start + 1..ids.end;
                apply_consequences!(tx, act, &mut rest, consequences);
            }
            kept
        });
        Ok(kept > 0)
    }

    /// Takes a letter gap back that was chosen on the page of `delivery` at `since` or later,
    /// and no other; what it put off stays put off. Says whether there was one.
    ///
    /// # Errors
    /// The database does not answer; then nothing changed.
    pub async fn drop_letter_gap(
        &self,
        act: &Act,
        (contact, delivery): (ContactId, DeliveryId),
        since: Timestamp,
        consequences: &[Consequence],
    ) -> Result<bool> {
        let ids = self.reserve(Consequence::ids_needed(consequences) + 2).await?;
        let dropped = transaction!(self, tx => {
            let dropped = sqlx::query_scalar::<_, i64>(
                "DELETE FROM letter_gap WHERE contact_id = $1 AND delivery_id = $2 AND at >= $3 RETURNING days",
            )
            .bind(contact.0)
            .bind(delivery.0)
            .bind(micros(since))
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(days) = dropped {
                let changes = [Change::new("contact", contact, json!({ "letter_gap_days": [days, null] }))];
                log_changes!(tx, act, ids.start, None, &changes);
                let mut rest = ids.start + 1..ids.end;
                apply_consequences!(tx, act, &mut rest, consequences);
            }
            dropped.is_some()
        });
        Ok(dropped)
    }

    /// The letters of contacts who chose a gap at `since` or later: contact by contact what is
    /// gone or going, then what waits, each by its time.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn gap_letters(&self, since: Timestamp) -> Result<Vec<GapLetter>> {
        let found = reading!(self, conn => {
            sqlx::query_as::<_, GapLetterSql>(LETTERS).bind(micros(since)).fetch_all(&mut *conn).await?
        });
        found.into_iter().map(GapLetterSql::letter).collect()
    }

    /// Gives letters that wait another time, and their plans with them, or cancels them; what
    /// does not wait any more stays as it is.
    ///
    /// # Errors
    /// The database does not answer; then none moved.
    pub async fn put_off(&self, act: &Act, letters: &[PutOff]) -> Result<u64> {
        let list: Vec<_> = letters
            .iter()
            .map(|letter| {
                let (due_at, not_after) = letter.to.map(|(at, closes)| (micros(at), micros(closes))).unzip();
                json!({ "delivery": letter.delivery, "due_at": due_at, "not_after": not_after })
            })
            .collect();
        let list = rows(&list)?;
        let moved = transaction!(self, tx => {
            let moved = sqlx::query(PUT_OFF).bind(list.clone()).bind(micros(act.at)).execute(&mut *tx).await?.rows_affected();
            sqlx::query(PUT_OFF_PLANS).bind(list).execute(&mut *tx).await?;
            moved
        });
        Ok(moved)
    }
}
