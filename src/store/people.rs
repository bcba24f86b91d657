//! Users: found, appointed and dismissed.

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
use crate::model::user::{Role, User};

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

    /// Appoints a user, or appoints a dismissed one again; their id stays.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn appoint(&self, act: &Act, user: &User, reason: &str) -> Result<UserId> {
        let ids = self.reserve(3).await?;
        let id = transaction!(self, tx => {
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
            sqlx::query("INSERT INTO appointment (id, user_id, act, actor, reason, at) VALUES ($1, $2, 'appoint', $3, $4, $5)")
                .bind(ids.start + 1)
                .bind(id)
                .bind(act.actor.clone())
                .bind(reason)
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?;
            let changes = [Change::new("users", id, json!({ "active": [null, 1], "role": [null, word(&user.role)] }))];
            log_changes!(tx, act, ids.start + 2, None, &changes);
            id
        });
        Ok(UserId(id))
    }

    /// Dismisses a manager and hands their clients and open tasks to `successor`, at once.
    /// Says how many accounts changed hands.
    ///
    /// # Errors
    /// The user is the last active head, or the database does not answer.
    pub async fn dismiss(&self, act: &Act, user: UserId, successor: Option<UserId>, reason: &str) -> Result<u64> {
        let ids = self.reserve(2).await?;
        let moved = transaction!(self, tx => {
            let dismissed = sqlx::query(
                "UPDATE users SET active = 0 WHERE id = $1 AND active = 1
                 AND (role <> 'head' OR (SELECT COUNT(*) FROM users WHERE role = 'head' AND active = 1) > 1)",
            )
            .bind(user.0)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if dismissed == 0 {
                return Err(StoreError::Refused("they are not active, or they are the last head of the company".into()));
            }
            let moved = sqlx::query("UPDATE account SET owner_id = $2 WHERE owner_id = $1")
                .bind(user.0)
                .bind(successor.map(|id| id.0))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            sqlx::query("UPDATE task SET user_id = $2 WHERE user_id = $1 AND done_at IS NULL")
                .bind(user.0)
                .bind(successor.map(|id| id.0))
                .execute(&mut *tx)
                .await?;
            sqlx::query("INSERT INTO appointment (id, user_id, act, actor, reason, successor, at) VALUES ($1, $2, 'dismiss', $3, $4, $5, $6)")
                .bind(ids.start)
                .bind(user.0)
                .bind(act.actor.clone())
                .bind(reason)
                .bind(successor.map(|id| id.0))
                .bind(micros(act.at))
                .execute(&mut *tx)
                .await?;
            let diff = json!({ "active": [1, 0], "accounts_to": [user.0, successor.map(|id| id.0)], "accounts": moved });
            log_changes!(tx, act, ids.start + 1, None, &[Change::new("users", user.0, diff)]);
            moved
        });
        Ok(moved)
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

    /// Whether this address belongs to an active head.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn is_head(&self, email: &EmailAddress) -> Result<bool> {
        Ok(self.find_user(email).await?.is_some_and(|user| user.active && user.role == Role::Head))
    }
}
