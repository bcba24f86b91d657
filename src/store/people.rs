//! Users: found, appointed and dismissed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::changes::{Change, log_changes};
use super::words::{instant, micros, parse, word};
use super::{Result, Store, StoreError, reading, transaction};
use crate::model::act::Act;
use crate::model::address::{EmailAddress, PhoneNumber};
use crate::model::id::UserId;
use crate::model::text::Line;
use crate::model::user::User;

const LAST_HEAD: &str = "they are the last head of the company; appoint another head first: manager appoint --head";

/// One appointment or dismissal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Appointment {
    /// Whom.
    pub user: UserId,
    /// `appoint` or `dismiss`.
    pub act: String,
    /// By whom.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Who took the clients over.
    pub successor: Option<UserId>,
    /// When.
    pub at: Timestamp,
}

/// Whether `$1` is a head, how many heads stay, and whether `$2` is there to succeed.
const WHO_STAYS: &str = "
    SELECT COUNT(CASE WHEN id = $1 AND role = 'head' THEN 1 END), COUNT(CASE WHEN active = 1 AND role = 'head' THEN 1 END),
           COUNT(CASE WHEN active = 1 AND id = $2 THEN 1 END) FROM users";

const HAND_ACCOUNTS: &str = "UPDATE account SET owner_id = $2 WHERE owner_id = $1";

const HAND_TASKS: &str = "UPDATE task SET user_id = $2 WHERE user_id = $1 AND done_at IS NULL";

const INSERT_DISMISSAL: &str = "
    INSERT INTO appointment (id, user_id, act, actor, reason, successor, at) VALUES ($1, $2, 'dismiss', $3, $4, $5, $6)";

#[derive(sqlx::FromRow)]
struct UserSql {
    id: i64,
    name: String,
    email: String,
    phone: Option<String>,
    title: Option<String>,
    role: String,
    language: String,
    zone: String,
    digest_at: String,
    active: i64,
}

impl TryFrom<UserSql> for User {
    type Error = StoreError;

    fn try_from(row: UserSql) -> Result<Self> {
        let wrong = |value: &str, expected| StoreError::Word { value: value.to_owned(), expected };
        Ok(Self {
            id: UserId(row.id),
            name: Line::parse(&row.name).map_err(|_| wrong(&row.name, "a name"))?,
            email: EmailAddress::parse(&row.email).map_err(|_| wrong(&row.email, "an e-mail address"))?,
            phone: row
                .phone
                .map(|text| PhoneNumber::from_e164(&text).map_err(|_| wrong(&text, "a number")))
                .transpose()?,
            title: row.title.map(|text| Line::parse(&text).map_err(|_| wrong(&text, "a title"))).transpose()?,
            role: parse(&row.role, "a role")?,
            language: parse(&row.language, "a language")?,
            zone: row.zone,
            digest_at: row.digest_at.parse().map_err(|_| wrong(&row.digest_at, "a time of day"))?,
            active: row.active == 1,
        })
    }
}

impl Store {
    /// Every user, dismissed ones too, by name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn users(&self) -> Result<Vec<User>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, UserSql>(
                "SELECT id, name, email, phone, title, role, language, zone, digest_at, active FROM users ORDER BY name, id",
            )
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter().map(User::try_from).collect()
    }

    /// The user with this e-mail address.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find_user(&self, email: &EmailAddress) -> Result<Option<User>> {
        Ok(self.users().await?.into_iter().find(|user| user.email.folded() == email.folded()))
    }

    /// Appoints a user, appoints a dismissed one again, or changes what is known about one;
    /// their id stays.
    ///
    /// # Errors
    /// It would take the company's last head away, or the database does not answer.
    pub async fn appoint(&self, act: &Act, user: &User, reason: &str) -> Result<UserId> {
        let ids = self.reserve(3).await?;
        let id = transaction!(self, tx => {
            let before = sqlx::query_as::<_, (String, i64)>("SELECT role, active FROM users WHERE email = $1")
                .bind(user.email.folded())
                .fetch_optional(&mut *tx)
                .await?;
            let id = sqlx::query_scalar::<_, i64>(
                "INSERT INTO users (id, name, email, phone, title, role, language, zone, digest_at, active)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)
                 ON CONFLICT (email) DO UPDATE SET name = excluded.name, phone = excluded.phone, title = excluded.title,
                     role = excluded.role, language = excluded.language, zone = excluded.zone,
                     digest_at = excluded.digest_at, active = 1
                 RETURNING id",
            )
            .bind(ids.start)
            .bind(user.name.as_str())
            .bind(user.email.folded())
            .bind(user.phone.as_ref().map(PhoneNumber::as_str))
            .bind(user.title.as_ref().map(Line::as_str))
            .bind(word(&user.role))
            .bind(word(&user.language))
            .bind(user.zone.clone())
            .bind(user.digest_at.to_string())
            .fetch_one(&mut *tx)
            .await?;
            let heads = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM users WHERE role = 'head' AND active = 1")
                .fetch_one(&mut *tx)
                .await?;
            let was_head = before.as_ref().is_some_and(|(role, active)| role == "head" && *active == 1);
            if was_head && heads == 0 {
                return Err(StoreError::Refused(LAST_HEAD.into()));
            }
            sqlx::query("INSERT INTO appointment (id, user_id, act, actor, reason, at) VALUES ($1, $2, 'appoint', $3, $4, $5)")
                .bind(ids.start + 1)
                .bind(id)
                .bind(act.actor.clone())
                .bind(reason)
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?;
            let diff = json!({
                "active": [before.as_ref().map(|(_, active)| active), 1],
                "role": [before.as_ref().map(|(role, _)| role), word(&user.role)],
                "reason": reason,
            });
            log_changes!(tx, act, ids.start + 2, None, &[Change::new("users", id, diff)]);
            id
        });
        Ok(UserId(id))
    }

    /// Dismisses a manager and hands their clients and open tasks to `successor`, at once.
    /// Says how many accounts changed hands.
    ///
    /// # Errors
    /// The user is not active or the last active head, the successor is not active, there is
    /// none and something is to be handed over, or the database does not answer.
    pub async fn dismiss(&self, act: &Act, user: UserId, successor: Option<UserId>, reason: &str) -> Result<u64> {
        let ids = self.reserve(2).await?;
        let heir = successor.filter(|heir| *heir != user);
        let moved = transaction!(self, tx => {
            let dismissed = sqlx::query("UPDATE users SET active = 0 WHERE id = $1 AND active = 1")
                .bind(user.0)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if dismissed == 0 {
                return Err(StoreError::Refused("they are dismissed already".into()));
            }
            let (was_head, heads, heirs) = sqlx::query_as::<_, (i64, i64, i64)>(WHO_STAYS)
                .bind(user.0)
                .bind(heir.map(|id| id.0))
                .fetch_one(&mut *tx)
                .await?;
            if was_head == 1 && heads == 0 {
                return Err(StoreError::Refused(LAST_HEAD.into()));
            }
            if successor.is_some() && heirs == 0 {
                return Err(StoreError::Refused("the successor must be somebody else who is appointed now".into()));
            }
            let (from, to) = (user.0, heir.map(|id| id.0));
            let moved = sqlx::query(HAND_ACCOUNTS).bind(from).bind(to).execute(&mut *tx).await?.rows_affected();
            let tasks = sqlx::query(HAND_TASKS).bind(from).bind(to).execute(&mut *tx).await?.rows_affected();
            if heir.is_none() && moved + tasks > 0 {
                return Err(StoreError::Refused(format!(
                    "they own {moved} clients and {tasks} open tasks; say who takes them over: --to EMAIL"
                )));
            }
            sqlx::query(INSERT_DISMISSAL)
                .bind(ids.start)
                .bind(from)
                .bind(act.actor.clone())
                .bind(reason)
                .bind(to)
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?;
            let diff = json!({ "active": [1, 0], "accounts_to": [from, to], "accounts": moved, "tasks": tasks, "reason": reason });
            log_changes!(tx, act, ids.start + 1, None, &[Change::new("users", user.0, diff)]);
            moved
        });
        Ok(moved)
    }

    /// How many accounts each user owns.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn accounts_owned(&self) -> Result<BTreeMap<UserId, i64>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (i64, i64)>(
                "SELECT owner_id, COUNT(*) FROM account WHERE owner_id IS NOT NULL GROUP BY owner_id",
            )
            .fetch_all(&mut *conn)
            .await?
        });
        Ok(rows.into_iter().map(|(user, count)| (UserId(user), count)).collect())
    }

    /// Every appointment and dismissal, oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn appointments(&self) -> Result<Vec<Appointment>> {
        let rows = reading!(self, conn => {
            sqlx::query_as::<_, (i64, String, String, String, Option<i64>, i64)>(
                "SELECT user_id, act, actor, reason, successor, at FROM appointment ORDER BY at, id",
            )
            .fetch_all(&mut *conn)
            .await?
        });
        rows.into_iter()
            .map(|(user, act, actor, reason, successor, at)| {
                Ok(Appointment {
                    user: UserId(user),
                    act,
                    actor,
                    reason,
                    successor: successor.map(UserId),
                    at: instant(at)?,
                })
            })
            .collect()
    }
}
