//! Which hosts take the mail of recipients' domains, as the DNS said, and the lanes of what
//! waits for those domains.

use jiff::Timestamp;
use serde_json::json;

use super::words::{id_list, instant, micros, rows};
use super::{Result, Store, reading, transaction};
use crate::model::lane::OTHER;

/// Rows that one statement moves: no transaction may keep others waiting.
const CHUNK: usize = 500;

/// To ask for it, unless that was done since `$2`.
const WANT: &str = "
    INSERT INTO mail_domain (domain, asked_at) SELECT r.value->>'domain', 0 FROM json_each($1) AS r WHERE 1 = 1
    ON CONFLICT (domain) DO UPDATE SET asked_at = 0 WHERE mail_domain.asked_at < $2";

const KEEP: &str = "
    INSERT INTO mail_domain (domain, hosts, asked_at)
    SELECT r.value->>'domain', r.value->>'hosts', CAST(r.value->>'asked_at' AS BIGINT) FROM json_each($1) AS r WHERE 1 = 1
    ON CONFLICT (domain) DO UPDATE SET hosts = excluded.hosts, asked_at = excluded.asked_at";

/// What waits in the lane of everybody else and is for one of these domains.
const MISPLACED: &str = "
    SELECT d.id, d.domain FROM delivery d
    WHERE d.state IN ('scheduled', 'retry') AND d.lane LIKE 'email/%/other'
      AND d.domain IN (SELECT r.value->>'domain' FROM json_each($1) AS r)";

/// A lane ends with its provider.
const MOVE: &str = "
    UPDATE delivery SET lane = SUBSTR(lane, 1, LENGTH(lane) - LENGTH('other')) || $2
    WHERE state IN ('scheduled', 'retry') AND lane LIKE 'email/%/other'
      AND id IN (SELECT CAST(CAST(r.value AS TEXT) AS BIGINT) FROM json_each($1) AS r)";

/// A recipient's domain and the hosts that take its mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailDomain {
    /// The domain, an A-label in lower case.
    pub domain: String,
    /// Those that are asked first; none where it has none.
    pub hosts: Vec<String>,
    /// When the DNS said so.
    pub asked_at: Timestamp,
}

impl Store {
    /// Notes domains that the DNS is to be asked for, unless it was since `fresh_from`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn want_mail_domains(&self, domains: &[String], fresh_from: Timestamp) -> Result<()> {
        for chunk in domains.chunks(CHUNK) {
            let wanted = rows(&chunk.iter().map(|domain| json!({ "domain": domain })).collect::<Vec<_>>())?;
            transaction!(self, tx => {
                sqlx::query(WANT).bind(&wanted).bind(micros(fresh_from)).execute(&mut *tx).await?;
            });
        }
        Ok(())
    }

    /// Domains that the DNS is to be asked for, in their order, behind `after`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn wanted_mail_domains(&self, after: &str, most: i64) -> Result<Vec<String>> {
        let text = "SELECT domain FROM mail_domain WHERE asked_at = 0 AND domain > $1 ORDER BY domain LIMIT $2";
        Ok(reading!(self, conn => { sqlx::query_scalar(text).bind(after).bind(most).fetch_all(&mut *conn).await? }))
    }

    /// Keeps what the DNS said.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keep_mail_domains(&self, found: &[MailDomain]) -> Result<()> {
        let kept = found.iter().map(|one| {
            let hosts = serde_json::to_string(&one.hosts)?;
            Ok(json!({ "domain": one.domain, "hosts": hosts, "asked_at": micros(one.asked_at) }))
        });
        let kept = rows(&kept.collect::<Result<Vec<_>>>()?)?;
        transaction!(self, tx => { sqlx::query(KEEP).bind(&kept).execute(&mut *tx).await?; });
        Ok(())
    }

    /// What the DNS said since `from`.
    ///
    /// # Errors
    /// The database does not answer, or holds hosts that cannot be read.
    pub async fn mail_domains(&self, from: Timestamp) -> Result<Vec<MailDomain>> {
        let text =
            "SELECT domain, COALESCE(hosts, '[]'), asked_at FROM mail_domain WHERE asked_at >= $1 AND asked_at > 0
                    ORDER BY domain";
        let found = reading!(self, conn => {
            sqlx::query_as::<_, (String, String, i64)>(text).bind(micros(from)).fetch_all(&mut *conn).await?
        });
        let read = |(domain, hosts, asked_at): (String, String, i64)| {
            Ok(MailDomain { domain, hosts: serde_json::from_str(&hosts)?, asked_at: instant(asked_at)? })
        };
        found.into_iter().map(read).collect()
    }

    /// Drops what was asked before `until` and never since.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_mail_domains(&self, until: Timestamp) -> Result<u64> {
        let text = "DELETE FROM mail_domain WHERE asked_at > 0 AND asked_at < $1";
        Ok(transaction!(self, tx => { sqlx::query(text).bind(micros(until)).execute(&mut *tx).await?.rows_affected() }))
    }

    /// Moves what waits for these domains from the lane of everybody else to that of the
    /// provider that takes their mail; says how many deliveries.
    ///
    /// # Errors
    /// The database does not answer; what was moved so far stays.
    pub async fn move_to_providers(&self, providers: &[(String, String)]) -> Result<u64> {
        let domains = rows(&providers.iter().map(|(domain, _)| json!({ "domain": domain })).collect::<Vec<_>>())?;
        let found = reading!(self, conn => {
            sqlx::query_as::<_, (i64, String)>(MISPLACED).bind(&domains).fetch_all(&mut *conn).await?
        });
        let mut moved = 0;
        let ids: std::collections::BTreeSet<_> =
            providers.iter().map(|(_, id)| id.as_str()).filter(|id| *id != OTHER).collect();
        let provider: std::collections::HashMap<_, _> =
            providers.iter().map(|(domain, id)| (domain.as_str(), id.as_str())).collect();
        for id in ids {
            let own = found.iter().filter(|(_, domain)| provider.get(domain.as_str()) == Some(&id));
            let own: Vec<_> = own.map(|(delivery, _)| *delivery).collect();
            for chunk in own.chunks(CHUNK) {
                let chunk = id_list(chunk.iter().copied());
                moved += transaction!(self, tx => {
                    sqlx::query(MOVE).bind(chunk).bind(id).execute(&mut *tx).await?.rows_affected()
                });
            }
        }
        Ok(moved)
    }
}
