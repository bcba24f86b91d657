//! The timeline of one contact.

use jiff::Timestamp;
use serde::Serialize;

use super::words::{instant, parse};
use super::{Result, Store, reading};
use crate::model::address::Channel;
use crate::model::id::{ContactId, DeliveryId, ResponseId};
use crate::model::touchpoint::Direction;

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineRow {
    /// When.
    pub at: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// How.
    pub channel: Channel,
    /// A word for what it is.
    pub kind: String,
    /// One line for people.
    pub summary: String,
    /// The delivery.
    pub delivery: Option<DeliveryId>,
    /// The response.
    pub response: Option<ResponseId>,
}

impl Store {
    /// What happened between us and a contact, oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn timeline(&self, contact: ContactId) -> Result<Vec<TimelineRow>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (i64, String, String, String, String, Option<i64>, Option<i64>)>(
                "SELECT at, direction, channel, kind, summary, delivery_id, response_id FROM touchpoint
                 WHERE contact_id = $1 ORDER BY at, id",
            )
            .bind(contact.0)
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .map(|(at, direction, channel, kind, summary, delivery, response)| {
                Ok(TimelineRow {
                    at: instant(at)?,
                    direction: parse(&direction, "a direction")?,
                    channel: parse(&channel, "a channel")?,
                    kind,
                    summary,
                    delivery: delivery.map(DeliveryId),
                    response: response.map(ResponseId),
                })
            })
            .collect()
    }
}
