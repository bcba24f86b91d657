//! Audiences: a segment rule compiled to SQL with bound values, and what enrolment must know.
//!
//! The columns a rule can reach are the allow-list below; values are always bound,
//! as one JSON array a condition.

use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::words::{instant, maybe, maybe_instant, micros, parse};
use super::{Result, Store, reading};
use crate::model::campaign::{Condition, Rule};
use crate::model::id::{AccountId, ContactId, RevisionId};
use crate::model::plan::{Candidate, LeftOut};

/// One stored enrolment decision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MembershipRow {
    /// Whom.
    pub contact: ContactId,
    /// The campaign.
    pub campaign: String,
    /// The run, empty for a campaign that runs once.
    pub run: String,
    /// The version that decided.
    pub revision: RevisionId,
    /// The rule that left them out; none started.
    pub left_out: Option<LeftOut>,
    /// What the decision looked at.
    pub facts: serde_json::Value,
    /// When.
    pub at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct CandidateSql {
    id: i64,
    name: String,
    account_id: i64,
    account_name: String,
    country: Option<String>,
    person_type: Option<String>,
    has_owner: i64,
    zone: String,
    has_email: i64,
    has_fax: i64,
    email_basis: Option<String>,
    fax_basis: Option<String>,
    suppressed: i64,
    busy_colleagues: i64,
    enrolled: i64,
    last_touch: Option<i64>,
}

const COLUMNS: &str = "
    SELECT c.id, c.name, c.account_id, a.name AS account_name, a.country, a.person_type, c.zone, c.last_touch,
        CAST(CASE WHEN EXISTS (SELECT 1 FROM users u WHERE u.id = a.owner_id AND u.active = 1) THEN 1 ELSE 0 END AS BIGINT) AS has_owner,
        CAST(CASE WHEN EXISTS (SELECT 1 FROM contact_point p WHERE p.contact_id = c.id AND p.channel = 'email' AND p.state = 'valid')
             THEN 1 ELSE 0 END AS BIGINT) AS has_email,
        CAST(CASE WHEN EXISTS (SELECT 1 FROM contact_point p WHERE p.contact_id = c.id AND p.channel = 'fax' AND p.state = 'valid')
             THEN 1 ELSE 0 END AS BIGINT) AS has_fax,
        (SELECT MIN(k.basis) FROM consent k WHERE k.contact_id = c.id AND k.channel = 'email' AND k.withdrawn_at IS NULL) AS email_basis,
        (SELECT MIN(k.basis) FROM consent k WHERE k.contact_id = c.id AND k.channel = 'fax' AND k.withdrawn_at IS NULL) AS fax_basis,
        CAST(CASE WHEN EXISTS (SELECT 1 FROM suppression s WHERE s.lifted_at IS NULL
                    AND s.scope = 'contact' AND s.value = CAST(c.id AS TEXT)) THEN 1
             WHEN EXISTS (SELECT 1 FROM contact_point p JOIN suppression s ON s.lifted_at IS NULL AND s.scope = 'address'
                    AND s.value = p.folded AND s.reason <> 'invalid' WHERE p.contact_id = c.id AND p.state = 'valid') THEN 1
             WHEN EXISTS (SELECT 1 FROM contact_point p JOIN suppression s ON s.lifted_at IS NULL AND s.scope = 'domain'
                    AND s.value = SUBSTR(p.folded, INSTR(p.folded, '@') + 1) WHERE p.contact_id = c.id AND p.channel = 'email') THEN 1
             ELSE 0 END AS BIGINT) AS suppressed,
        (SELECT COUNT(*) FROM plan q WHERE q.account_id = c.account_id AND q.state = 'active' AND q.contact_id <> c.id) AS busy_colleagues,
        CAST(CASE WHEN EXISTS (SELECT 1 FROM plan q WHERE q.contact_id = c.id AND q.campaign = $3 AND q.run = $4) THEN 1 ELSE 0 END AS BIGINT) AS enrolled";

/// Everybody who may be written about: what an unpublished import brought is not there yet.
const PUBLISHED: &str = "
    FROM contact c JOIN account a ON a.id = c.account_id
    WHERE (c.batch_id IS NULL OR EXISTS (SELECT 1 FROM batch b WHERE b.id = c.batch_id AND b.published_at IS NOT NULL))";

/// Where a page of candidates ended: the company and the contact. The default is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CandidatePlace(i64, i64);

impl CandidatePlace {
    /// Behind this one.
    pub fn behind(candidate: &Candidate) -> Self {
        Self(candidate.account.0, candidate.contact.0)
    }
}

/// A rule as SQL text and the values it binds, from `$first` on.
struct Compiled {
    text: String,
    values: Vec<String>,
    first: usize,
}

impl Compiled {
    fn bind(&mut self, value: String) -> usize {
        self.values.push(value);
        self.first + self.values.len() - 1
    }

    fn any_of<S: Serialize>(&mut self, column: &str, values: &[S]) -> String {
        let list = values.iter().map(|value| serde_json::json!({ "v": value })).collect::<serde_json::Value>();
        let number = self.bind(list.to_string());
        // What is not known is in no list; without this a NULL would make `not` leave it out too.
        format!("({column} IS NOT NULL AND {column} IN (SELECT r.value->>'v' FROM json_each(${number}) AS r))")
    }

    fn rule(&mut self, rule: &Rule, reference: Timestamp) -> Vec<String> {
        rule.0.iter().map(|condition| self.condition(condition, reference)).collect()
    }

    fn condition(&mut self, condition: &Condition, reference: Timestamp) -> String {
        match condition {
            Condition::Country(list) => self.any_of("a.country", list),
            Condition::Tier(list) => self.any_of("a.tier", list),
            Condition::City(list) => self.any_of("a.city", list),
            Condition::Language(list) => self.any_of("c.language", list),
            Condition::Needs(list) => self.marked("need", list),
            Condition::Tags(list) => self.marked("tag", list),
            Condition::Owner(list) => {
                let folded: Vec<_> = list.iter().map(|email| email.to_lowercase()).collect();
                let inner = self.any_of("u.email", &folded);
                format!("EXISTS (SELECT 1 FROM users u WHERE u.id = a.owner_id AND {inner})")
            }
            Condition::NoTouch { days } => {
                let before = reference.checked_sub((i64::from(*days) * 24).hours()).unwrap_or(Timestamp::MIN);
                let number = self.bind(micros(before).to_string());
                format!("COALESCE(c.last_touch, 0) <= CAST(${number} AS BIGINT)")
            }
            Condition::Not(rule) => {
                let parts = self.rule(rule, reference);
                if parts.is_empty() { "1 = 1".into() } else { format!("NOT ({})", parts.join(" OR ")) }
            }
        }
    }

    fn marked(&mut self, kind: &str, list: &[String]) -> String {
        let inner = self.any_of("m.mark", list);
        format!("EXISTS (SELECT 1 FROM account_mark m WHERE m.account_id = a.id AND m.kind = '{kind}' AND {inner})")
    }
}

impl Store {
    /// A page of the contacts that match `rule`, behind a place. It goes company by company,
    /// so that who draws plans needs to remember one company alone.
    ///
    /// `reference` is the instant that "no touch for N days" counts back from.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn candidates(
        &self,
        rule: &Rule,
        campaign: &str,
        run: &str,
        reference: Timestamp,
        after: CandidatePlace,
        limit: i64,
    ) -> Result<Vec<Candidate>> {
        let mut compiled = Compiled {
            text: format!("{COLUMNS} {PUBLISHED}\n AND (c.account_id, c.id) > ($1, $2)"),
            values: Vec::new(),
            first: 6,
        };
        for part in compiled.rule(rule, reference) {
            compiled.text.push_str("\n AND ");
            compiled.text.push_str(&part);
        }
        compiled.text.push_str("\n ORDER BY c.account_id, c.id LIMIT $5");
        let rows = reading!(self, conn => {
            let mut query = sqlx::query_as::<_, CandidateSql>(AssertSqlSafe(compiled.text))
                .bind(after.0)
                .bind(after.1)
                .bind(campaign)
                .bind(run)
                .bind(limit);
            for value in compiled.values {
                query = query.bind(value);
            }
            query.fetch_all(&mut *conn).await?
        });
        rows.into_iter().map(Candidate::try_from).collect()
    }

    /// How many contacts match `rule`, see [`Store::candidates`].
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn count_candidates(&self, rule: &Rule, reference: Timestamp) -> Result<u64> {
        let mut compiled = Compiled { text: format!("SELECT COUNT(*) {PUBLISHED}"), values: Vec::new(), first: 1 };
        for part in compiled.rule(rule, reference) {
            compiled.text.push_str("\n AND ");
            compiled.text.push_str(&part);
        }
        let count = reading!(self, conn => {
            let mut query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(compiled.text));
            for value in compiled.values {
                query = query.bind(value);
            }
            query.fetch_one(&mut *conn).await?
        });
        Ok(count.unsigned_abs())
    }

    /// How many contacts were decided on at a run of a campaign, by the rule that left them
    /// out; `None` are those who started.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn count_memberships(&self, campaign: &str, run: &str) -> Result<Vec<(Option<LeftOut>, u64)>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (Option<String>, i64)>(
                "SELECT left_out, COUNT(*) FROM membership WHERE campaign = $1 AND run = $2 GROUP BY left_out",
            )
            .bind(campaign)
            .bind(run)
            .fetch_all(&mut *conn)
            .await?
        });
        let row = |(reason, count): (Option<String>, i64)| {
            Ok((maybe(reason.as_deref(), "why one is left out")?, count.unsigned_abs()))
        };
        rows.into_iter().map(row).collect()
    }

    /// The enrolment decisions about one contact, or about all contacts of a campaign.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn memberships(&self, contact: Option<ContactId>, campaign: Option<&str>) -> Result<Vec<MembershipRow>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (i64, String, String, i64, Option<String>, String, i64)>(
                "SELECT contact_id, campaign, run, revision_id, left_out, facts, at FROM membership
                 WHERE ($1 IS NULL OR contact_id = $1) AND ($2 IS NULL OR campaign = $2) ORDER BY at, contact_id",
            )
            .bind(contact.map(|id| id.0))
            .bind(campaign)
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .map(|(contact, campaign, run, revision, left_out, facts, at)| {
                Ok(MembershipRow {
                    contact: ContactId(contact),
                    campaign,
                    run,
                    revision: RevisionId(revision),
                    left_out: maybe(left_out.as_deref(), "why one is left out")?,
                    facts: serde_json::from_str(&facts)?,
                    at: instant(at)?,
                })
            })
            .collect()
    }
}

impl TryFrom<CandidateSql> for Candidate {
    type Error = super::StoreError;

    fn try_from(row: CandidateSql) -> Result<Self> {
        Ok(Self {
            contact: ContactId(row.id),
            name: row.name,
            account: AccountId(row.account_id),
            account_name: row.account_name,
            country: row.country,
            person_type: row.person_type.as_deref().map(|text| parse(text, "a person type")).transpose()?,
            has_owner: row.has_owner == 1,
            zone: row.zone,
            has_email: row.has_email == 1,
            has_fax: row.has_fax == 1,
            email_basis: maybe(row.email_basis.as_deref(), "a basis")?,
            fax_basis: maybe(row.fax_basis.as_deref(), "a basis")?,
            suppressed: row.suppressed == 1,
            busy_colleagues: row.busy_colleagues,
            enrolled: row.enrolled == 1,
            last_touch: maybe_instant(row.last_touch)?,
        })
    }
}
