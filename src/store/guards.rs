//! What the guard counts, and what it found.

use jiff::Timestamp;
use serde::Serialize;

use super::consequences::apply_consequences;
use super::words::{instant, micros, parse, rows, word};
use super::{Consequence, PauseScope, Result, Store, reading, transaction};
use crate::model::act::Act;
use crate::policy::guard::{Excess, Share, Tally};

/// The letters of one campaign that one sender's name stands under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignTally {
    /// The campaign.
    pub campaign: String,
    /// The sender's slug.
    pub sender: String,
    /// Since when its letters are counted: the span's beginning, or when it was last resumed.
    pub since: Timestamp,
    /// Its letters.
    pub tally: Tally,
}

/// How far a finding goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The operator was told.
    Warn,
    /// The campaign was paused.
    Pause,
}

/// Something the guard found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardFinding {
    /// The campaign.
    pub campaign: String,
    /// The sender, where all its campaigns together are over the limit.
    pub sender: Option<String>,
    /// How far it goes.
    pub verdict: Finding,
    /// The figures.
    pub excess: Excess,
    /// When.
    pub at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct FindingSql {
    campaign: String,
    sender: Option<String>,
    verdict: String,
    rate: String,
    count: i64,
    letters: i64,
    threshold: i64,
    at: i64,
}

impl TryFrom<FindingSql> for GuardFinding {
    type Error = super::StoreError;

    fn try_from(row: FindingSql) -> Result<Self> {
        let limit = Share::new(u32::try_from(row.threshold).unwrap_or(0));
        let rate = parse(&row.rate, "a rate")?;
        Ok(Self {
            campaign: row.campaign,
            sender: row.sender,
            verdict: parse(&row.verdict, "a finding")?,
            excess: Excess { rate, count: row.count, letters: row.letters, limit },
            at: instant(row.at)?,
        })
    }
}

/// What a resumed campaign did before is not held against it: a person has looked.
const SPANS: &str = "
    SELECT c.id, CASE WHEN COALESCE(MAX(u.ended_at), 0) > $1 THEN MAX(u.ended_at) ELSE $1 END
    FROM campaign c LEFT JOIN pause u ON u.scope = 'campaign' AND u.value = c.id AND u.ended_at IS NOT NULL
    GROUP BY c.id ORDER BY c.id";

/// The conditions are those of the index `delivery_bad`, word by word, so that it is used.
const BAD: &str = "
    SELECT d.campaign, d.sender, s.since,
        COUNT(CASE WHEN d.outcome = 'bounced' OR (d.state = 'rejected' AND d.reason LIKE 'bounce.%') THEN 1 END),
        COUNT(CASE WHEN d.outcome = 'complained' THEN 1 END)
    FROM (SELECT r.value->>'campaign' AS campaign, CAST(r.value->>'since' AS BIGINT) AS since FROM json_each($1) AS r) AS s
    JOIN delivery d ON d.campaign = s.campaign AND d.finished_at >= s.since
    WHERE d.purpose = 'campaign' AND d.channel = 'email' AND (d.outcome IN ('bounced', 'complained') OR d.state = 'rejected')
    GROUP BY d.campaign, d.sender, s.since ORDER BY d.campaign, d.sender";

/// And these those of `delivery_ended`.
const ENDED: &str = "
    SELECT d.campaign, d.sender, s.since, COUNT(*)
    FROM (SELECT r.value->>'campaign' AS campaign, CAST(r.value->>'since' AS BIGINT) AS since FROM json_each($1) AS r) AS s
    JOIN delivery d ON d.campaign = s.campaign AND d.finished_at >= s.since
    WHERE d.purpose = 'campaign' AND d.channel = 'email' AND d.state IN ('accepted', 'rejected')
    GROUP BY d.campaign, d.sender, s.since ORDER BY d.campaign, d.sender";

const INSERT_FINDING: &str = "
    INSERT INTO guard_finding (id, campaign, sender, verdict, rate, count, letters, threshold, at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
    WHERE NOT EXISTS (SELECT 1 FROM guard_finding f WHERE f.campaign = $2 AND f.rate = $5 AND f.verdict = $4 AND f.at >= $10)
      AND ($4 = 'warn' OR NOT EXISTS (SELECT 1 FROM pause u WHERE u.ended_at IS NULL AND (u.until IS NULL OR u.until > $9)
                                         AND u.scope = 'campaign' AND u.value = $2))";

impl Store {
    /// How the mails of each campaign went that ended since `since`, or since a person last
    /// resumed the campaign. Where none came back and none was reported, nothing is counted.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn campaign_tallies(&self, since: Timestamp) -> Result<Vec<CampaignTally>> {
        let (bad, ended) = reading!(self, conn => {
            let spans = sqlx::query_as::<_, (String, i64)>(SPANS).bind(micros(since)).fetch_all(&mut *conn).await?;
            let bad = sqlx::query_as::<_, (String, String, i64, i64, i64)>(BAD).bind(span_list(&spans)?).fetch_all(&mut *conn).await?;
            let troubled: Vec<_> = spans.into_iter().filter(|(id, _)| bad.iter().any(|(of, ..)| of == id)).collect();
            let ended = match troubled.is_empty() {
                true => Vec::new(),
                false => sqlx::query_as::<_, (String, String, i64, i64)>(ENDED).bind(span_list(&troubled)?).fetch_all(&mut *conn).await?,
            };
            (bad, ended)
        });
        ended
            .into_iter()
            .map(|(campaign, sender, since, letters)| {
                let of = bad.iter().find(|(of, by, ..)| (of, by) == (&campaign, &sender));
                let (bounced, complained) = of.map_or((0, 0), |(.., bounced, complained)| (*bounced, *complained));
                let tally = Tally { letters, bounced, complained };
                Ok(CampaignTally { campaign, sender, since: instant(since)?, tally })
            })
            .collect()
    }

    /// Writes a finding once, with what follows from it; one that pauses also pauses the
    /// campaign. Says whether it was new: not one like it since `since`, nor paused already.
    ///
    /// # Errors
    /// The database does not answer; then nothing was written.
    pub async fn record_finding(
        &self,
        act: &Act,
        finding: &GuardFinding,
        since: Timestamp,
        mut follows: Vec<Consequence>,
    ) -> Result<bool> {
        if finding.verdict == Finding::Pause {
            let scope = PauseScope::Campaign(finding.campaign.clone());
            follows.insert(0, Consequence::Pause { scope, reason: reason(finding), until: None });
        }
        let ids = self.reserve(Consequence::ids_needed(&follows) + 2).await?;
        let excess = finding.excess;
        let new = transaction!(self, tx => {
            let inserted = sqlx::query(INSERT_FINDING)
                .bind(ids.start)
                .bind(finding.campaign.clone())
                .bind(finding.sender.clone())
                .bind(word(&finding.verdict))
                .bind(word(&excess.rate))
                .bind(excess.count)
                .bind(excess.letters)
                .bind(i64::from(excess.limit.hundred_thousandths()))
                .bind(micros(finding.at))
                .bind(micros(since))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if inserted > 0 {
                let mut free = ids.start + 1..ids.end;
                apply_consequences!(tx, act, &mut free, &follows);
            }
            inserted > 0
        });
        Ok(new)
    }

    /// What the guard found since an instant, oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn guard_findings(&self, since: Timestamp) -> Result<Vec<GuardFinding>> {
        let found = reading!(self, conn => {
            sqlx::query_as::<_, FindingSql>(
                "SELECT campaign, sender, verdict, rate, count, letters, threshold, at FROM guard_finding WHERE at >= $1 ORDER BY at, id",
            )
            .bind(micros(since))
            .fetch_all(&mut *conn)
            .await?
        });
        found.into_iter().map(GuardFinding::try_from).collect()
    }
}

/// Why a campaign was paused, for `status` and `why`.
pub(super) fn reason(finding: &GuardFinding) -> String {
    match &finding.sender {
        Some(sender) => format!("sender {sender}: {}", finding.excess),
        None => finding.excess.to_string(),
    }
}

fn span_list(spans: &[(String, i64)]) -> Result<String> {
    let list: Vec<_> =
        spans.iter().map(|(campaign, since)| serde_json::json!({ "campaign": campaign, "since": since })).collect();
    rows(&list)
}
