//! Which lanes have something waiting, found by leaps over the index of what is due: a
//! step a lane, however many deliveries wait in it.

use jiff::Timestamp;

use super::words::instant;
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
}
