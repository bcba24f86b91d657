//! Which lanes have something waiting, found by leaps over the index of what is due: a
//! step a lane, however many deliveries wait in it.

use jiff::Timestamp;

use super::pauses::campaign_pauses;
use super::words::{instant, maybe_instant, micros};
use super::{Result, Store, reading};

/// The five minutes that an instant lies in, as the index of what is due counts them. By the
/// instant itself each new row would land in another page: letters of one hour are a million.
macro_rules! slot {
    ($at:literal) => {
        concat!("(", $at, " / 300000000)")
    };
}

/// The lanes in which something waits, one by one: each step asks the index for the first
/// entry behind the last lane; grouping would read every entry.
macro_rules! leaps {
    () => {
        "RECURSIVE step (lane) AS (
            SELECT (SELECT d.lane FROM delivery d WHERE d.state IN ('scheduled', 'retry') ORDER BY d.lane LIMIT 1)
            UNION ALL
            SELECT (SELECT d.lane FROM delivery d WHERE d.state IN ('scheduled', 'retry') AND d.lane > step.lane
                    ORDER BY d.lane LIMIT 1)
            FROM step WHERE step.lane IS NOT NULL)"
    };
}

/// When the first of the deliveries `d` that fit `$which` is due: the least of the first five minutes.
macro_rules! first_due {
    ($($which:tt)+) => {
        concat!(
            "(SELECT MIN(d.due_at) FROM delivery d WHERE d.state IN ('scheduled', 'retry') AND ", $($which)+, " AND ",
            $crate::store::lanes::slot!("d.due_at"), " = (SELECT ", $crate::store::lanes::slot!("d.due_at"),
            " FROM delivery d WHERE d.state IN ('scheduled', 'retry') AND ", $($which)+,
            " ORDER BY ", $crate::store::lanes::slot!("d.due_at"), " LIMIT 1))"
        )
    };
}

pub(super) use {first_due, leaps, slot};

const WAITING: &str = concat!(
    "WITH ",
    leaps!(),
    " SELECT lane, ",
    first_due!("d.lane = step.lane"),
    " FROM step WHERE lane IS NOT NULL ORDER BY lane"
);

const NEXT_DUE: &str = concat!(
    "SELECT MIN(at) FROM (SELECT COALESCE((SELECT MIN(d.due_at) FROM delivery d
            WHERE d.lane = $1 AND d.state IN ('scheduled', 'retry') AND ",
    slot!("d.due_at"),
    " = ",
    slot!("$2"),
    " AND d.due_at > $2), ",
    first_due!("d.lane = $1 AND ", slot!("d.due_at"), " > ", slot!("$2")),
    ") AS at UNION ALL SELECT MIN(until) FROM pause WHERE ended_at IS NULL AND until > $2) AS t"
);

impl Store {
    /// The lanes in which something waits, and since when or until when.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn waiting_lanes(&self) -> Result<Vec<(String, Timestamp)>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (String, Option<i64>)>(WAITING).fetch_all(&mut *conn).await?
        });
        // Another statement may have emptied a lane between its two looks.
        let waiting = rows.into_iter().filter_map(|(lane, at)| Some((lane, at?)));
        waiting.map(|(lane, at)| Ok((lane, instant(at)?))).collect()
    }

    /// When the next delivery of a lane is due, or one that is due stops being paused.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_due_at(&self, lane: &str, now: Timestamp) -> Result<Option<Timestamp>> {
        let at = reading!(self, conn => {
            sqlx::query_scalar::<_, Option<i64>>(
                NEXT_DUE,
            )
            .bind(lane)
            .bind(micros(now))
            .fetch_one(&mut *conn)
            .await?
        });
        maybe_instant(at)
    }

    /// Which campaigns are paused at `now`, and until when; no name stands for all of them.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn paused_campaigns(&self, now: Timestamp) -> Result<Vec<(Option<String>, Option<Timestamp>)>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (Option<String>, Option<i64>)>(
                concat!("SELECT campaign, until FROM ", campaign_pauses!("$1"), " AS held"),
            )
            .bind(micros(now))
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter().map(|(campaign, until)| Ok((campaign, maybe_instant(until)?))).collect()
    }
}
