//! Which lanes have something waiting, found by leaps over the index of what is due: a
//! step a lane, however many deliveries wait in it.

use jiff::Timestamp;

use super::words::{instant, maybe_instant, micros};
use super::{Result, Store, reading};

/// Each step asks the index for the first entry behind the last lane; grouping would read
/// every entry.
const WAITING: &str = "
    WITH RECURSIVE step (lane) AS (
        SELECT (SELECT d.lane FROM delivery d WHERE d.state IN ('scheduled', 'retry') ORDER BY d.lane LIMIT 1)
        UNION ALL
        SELECT (SELECT d.lane FROM delivery d WHERE d.state IN ('scheduled', 'retry') AND d.lane > step.lane
                ORDER BY d.lane LIMIT 1)
        FROM step WHERE step.lane IS NOT NULL)
    SELECT lane, (SELECT d.due_at FROM delivery d WHERE d.state IN ('scheduled', 'retry') AND d.lane = step.lane
                  ORDER BY d.due_at LIMIT 1)
    FROM step WHERE lane IS NOT NULL ORDER BY lane";

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

    /// Which campaigns are paused at `now`, and until when; no name stands for all of them.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn paused_campaigns(&self, now: Timestamp) -> Result<Vec<(Option<String>, Option<Timestamp>)>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (Option<String>, Option<i64>)>(
                "SELECT CASE WHEN scope = 'campaign' THEN value END, until FROM pause
                 WHERE ended_at IS NULL AND scope IN ('all', 'campaign') AND (until IS NULL OR until > $1)",
            )
            .bind(micros(now))
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter().map(|(campaign, until)| Ok((campaign, maybe_instant(until)?))).collect()
    }
}
