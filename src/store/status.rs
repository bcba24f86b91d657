//! Counts that reconcile: deliveries by state, plans by state, what is oldest.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::Acquire;

use super::claims::paused;
use super::lanes::{first_due, leaps, slot};
use super::pauses::campaign_is_paused;
use super::words::{maybe_instant, micros, parse};
use super::{Engine, Result, Store, reading};
use crate::model::address::Channel;
use crate::model::delivery::DeliveryState;
use crate::model::plan::PlanState;

/// Deliveries of one campaign, channel and state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateCount {
    /// The campaign; none for digests and notices.
    pub campaign: Option<String>,
    /// The channel.
    pub channel: Channel,
    /// The state.
    pub state: DeliveryState,
    /// How many.
    pub count: i64,
}

/// How everything stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Deliveries by campaign, channel and state.
    pub deliveries: Vec<StateCount>,
    /// Plans by campaign and state.
    pub plans: Vec<(String, PlanState, i64)>,
    /// Matched and left out by campaign.
    pub matched: Vec<(String, i64, i64)>,
    /// Since when the oldest unpaused delivery is due.
    pub oldest_due: Option<Timestamp>,
    /// Responses a person must look at.
    pub to_review: i64,
    /// Open tasks.
    pub open_tasks: i64,
}

impl Status {
    /// Every campaign that has matched anybody, has plans or has sent, by name.
    pub fn campaigns(&self) -> BTreeSet<&str> {
        let sent = self.deliveries.iter().filter_map(|row| row.campaign.as_deref());
        let planned = self.plans.iter().map(|(campaign, _, _)| campaign.as_str());
        let matched = self.matched.iter().map(|(campaign, _, _)| campaign.as_str());
        sent.chain(planned).chain(matched).collect()
    }

    /// How many deliveries of a campaign (`None`: digests and notices) stand in one of `states`.
    pub fn count(&self, campaign: Option<&str>, states: &[DeliveryState]) -> i64 {
        let of = self.deliveries.iter().filter(|row| row.campaign.as_deref() == campaign);
        of.filter(|row| states.contains(&row.state)).map(|row| row.count).sum()
    }

    /// What was sent and what became of it, on one line whose two sides are equal:
    /// `48 e-mails + 1 fax = 48 accepted + 1 rejected + 0 uncertain + 0 open`.
    /// What a rule skipped or an ended plan cancelled is named where there is any.
    pub fn sum_line(&self, campaign: Option<&str>) -> String {
        let left: Vec<_> =
            [(Channel::Email, "e-mail", "e-mails"), (Channel::Fax, "fax", "faxes"), (Channel::Call, "call", "calls")]
                .into_iter()
                .map(|(channel, one, many)| (self.sent_by(campaign, channel), one, many))
                .filter(|(count, _, _)| *count > 0)
                .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
                .collect();
        let left = if left.is_empty() { "0 e-mails".to_owned() } else { left.join(" + ") };
        let right: Vec<_> = ENDS
            .iter()
            .map(|(name, states)| (self.count(campaign, states), *name))
            .filter(|(count, name)| *count > 0 || *name != NOT_SENT)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        format!("{left} = {}", right.join(" + "))
    }

    fn sent_by(&self, campaign: Option<&str>, channel: Channel) -> i64 {
        let of = self.deliveries.iter().filter(|row| row.campaign.as_deref() == campaign && row.channel == channel);
        of.map(|row| row.count).sum()
    }
}

const NOT_SENT: &str = "not sent";

/// Every state stands in exactly one of these, so that the sum adds up.
const ENDS: [(&str, &[DeliveryState]); 5] = [
    ("accepted", &[DeliveryState::Accepted]),
    ("rejected", &[DeliveryState::Rejected]),
    ("uncertain", &[DeliveryState::Uncertain]),
    (
        "open",
        &[
            DeliveryState::Scheduled,
            DeliveryState::Claimed,
            DeliveryState::Handoff,
            DeliveryState::Submitted,
            DeliveryState::Retry,
            DeliveryState::Held,
        ],
    ),
    (NOT_SENT, &[DeliveryState::Skipped, DeliveryState::Cancelled]),
];

/// Whether no pause of its own, its campaign's, its domain's or its contact's holds delivery `d`
/// at `$1`, and it is due.
macro_rules! is_free {
    () => {
        concat!(
            "d.lane = step.lane AND d.due_at <= $1 AND ",
            slot!("d.due_at"),
            " <= ",
            slot!("$1"),
            " AND (d.purpose <> 'campaign' OR NOT ",
            paused!("$1"),
            ")"
        )
    };
}

/// Since when the first delivery is due that no pause holds. It leaps from lane to lane,
/// and over those of a paused campaign: all deliveries of a lane are of one campaign.
const OLDEST_DUE: &str = concat!(
    "WITH ",
    leaps!(),
    " SELECT MIN(at) FROM (SELECT ",
    first_due!(is_free!()),
    " AS at FROM step JOIN delivery f ON f.id = (SELECT d.id FROM delivery d
            WHERE d.state IN ('scheduled', 'retry') AND d.lane = step.lane ORDER BY ",
    slot!("d.due_at"),
    ", d.id LIMIT 1)
      WHERE f.purpose <> 'campaign' OR NOT ",
    campaign_is_paused!("f.campaign", "$1"),
    ") AS t"
);

/// Counted by the indexes alone, but for the few that are under way. What waits is counted
/// lane by lane: a lane's deliveries are of one campaign and one channel.
const COUNT_DELIVERIES: &str = "
    SELECT campaign, channel, state, CAST(SUM(n) AS BIGINT) FROM (
        SELECT f.campaign, f.channel, s.state, CASE s.state WHEN 'retry' THEN w.retries ELSE w.n - w.retries END AS n
        FROM (SELECT d.lane, MIN(d.id) AS one, COUNT(*) AS n, COUNT(CASE WHEN d.state = 'retry' THEN 1 END) AS retries
              FROM delivery d WHERE d.state IN ('scheduled', 'retry') GROUP BY d.lane) AS w
        CROSS JOIN delivery f CROSS JOIN (SELECT 'scheduled' AS state UNION ALL SELECT 'retry') AS s WHERE f.id = w.one
        UNION ALL
        SELECT campaign, channel, state, COUNT(*) FROM delivery
        WHERE state = 'claimed' OR state = 'handoff' OR state = 'submitted' OR state = 'uncertain' OR state = 'held'
        GROUP BY campaign, channel, state
        UNION ALL
        SELECT campaign, channel, state, COUNT(*) FROM delivery
        WHERE state IN ('accepted', 'rejected', 'skipped', 'cancelled') GROUP BY campaign, channel, state) AS t
    WHERE n > 0 GROUP BY campaign, channel, state ORDER BY campaign, channel, state";

impl Store {
    /// How everything stands at `now`: one snapshot, so that the counts reconcile while
    /// the daemon works.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn status(&self, now: Timestamp) -> Result<Status> {
        let is_postgres = matches!(self.engine, Engine::Postgres(_));
        let (deliveries, plans, matched, oldest, review, tasks) = reading!(self, conn => {
            let mut conn = conn.begin().await?;
            if is_postgres {
                // SQLite's transactions are snapshots; PostgreSQL's must be asked to be.
                sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *conn).await?;
            }
            let deliveries = sqlx::query_as::<_, (Option<String>, String, String, i64)>(COUNT_DELIVERIES).fetch_all(&mut *conn).await?;
            let plans = sqlx::query_as::<_, (String, String, i64)>(
                "SELECT campaign, state, CAST(SUM(n) AS BIGINT) FROM (
                    SELECT campaign, state, COUNT(*) AS n FROM plan GROUP BY run, revision_id, state, stop_reason, campaign) AS t
                 GROUP BY campaign, state ORDER BY campaign, state",
            ).fetch_all(&mut *conn).await?;
            let matched = sqlx::query_as::<_, (String, i64, i64)>(
                "SELECT campaign, COUNT(*), COUNT(left_out) FROM membership GROUP BY campaign ORDER BY campaign",
            ).fetch_all(&mut *conn).await?;
            let oldest = sqlx::query_scalar::<_, Option<i64>>(OLDEST_DUE).bind(micros(now)).fetch_one(&mut *conn).await?;
            let review = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM response WHERE review = 1").fetch_one(&mut *conn).await?;
            let tasks = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM task WHERE done_at IS NULL").fetch_one(&mut *conn).await?;
            (deliveries, plans, matched, oldest, review, tasks)
        });
        Ok(Status {
            deliveries: deliveries
                .into_iter()
                .map(|(campaign, channel, state, count)| {
                    Ok(StateCount {
                        campaign,
                        channel: parse(&channel, "a channel")?,
                        state: parse(&state, "a state")?,
                        count,
                    })
                })
                .collect::<Result<_>>()?,
            plans: plans
                .into_iter()
                .map(|(campaign, state, count)| Ok((campaign, parse(&state, "a plan's state")?, count)))
                .collect::<Result<_>>()?,
            matched,
            oldest_due: maybe_instant(oldest)?,
            to_review: review,
            open_tasks: tasks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(rows: &[(Option<&str>, Channel, DeliveryState, i64)]) -> Status {
        let row = |(campaign, channel, state, count): &(Option<&str>, Channel, DeliveryState, i64)| StateCount {
            campaign: campaign.map(str::to_owned),
            channel: *channel,
            state: *state,
            count: *count,
        };
        Status {
            deliveries: rows.iter().map(row).collect(),
            plans: vec![],
            matched: vec![],
            oldest_due: None,
            to_review: 0,
            open_tasks: 0,
        }
    }

    #[test]
    fn sums_a_campaign_up_on_one_line() {
        let status = status(&[
            (Some("led"), Channel::Email, DeliveryState::Accepted, 47),
            (Some("led"), Channel::Email, DeliveryState::Rejected, 1),
            (Some("led"), Channel::Fax, DeliveryState::Accepted, 1),
            (None, Channel::Email, DeliveryState::Accepted, 1),
        ]);
        assert_eq!(
            status.sum_line(Some("led")),
            "48 e-mails + 1 fax = 48 accepted + 1 rejected + 0 uncertain + 0 open"
        );
        assert_eq!(status.sum_line(None), "1 e-mail = 1 accepted + 0 rejected + 0 uncertain + 0 open");
        assert_eq!(status.sum_line(Some("x")), "0 e-mails = 0 accepted + 0 rejected + 0 uncertain + 0 open");
    }

    #[test]
    fn both_sides_are_equal_whatever_the_states() {
        use DeliveryState as State;
        let all = [
            State::Scheduled,
            State::Claimed,
            State::Handoff,
            State::Submitted,
            State::Accepted,
            State::Retry,
            State::Rejected,
            State::Uncertain,
            State::Held,
            State::Skipped,
            State::Cancelled,
        ];
        let rows: Vec<_> = all.into_iter().map(|state| (Some("led"), Channel::Fax, state, 3)).collect();
        let line = status(&rows).sum_line(Some("led"));
        assert_eq!(line, "33 faxes = 3 accepted + 3 rejected + 3 uncertain + 18 open + 6 not sent");
    }
}
