//! Attachments and pictures by their SHA-256: written once, shared by revisions, removed
//! when none names them.

use std::collections::BTreeMap;

use super::{Engine, Result, Store, reading, transaction};

/// One statement deletes by the revisions as they are when it begins. So whoever writes a
/// file waits for it on PostgreSQL, too, and finds the file gone; on SQLite there is one
/// writer at a time.
const ALONE: &str = "LOCK TABLE file IN SHARE ROW EXCLUSIVE MODE";

const CLEAR_POSTGRES: &str = "
    DELETE FROM file WHERE hash NOT IN (
        SELECT f.value->>'hash' FROM revision r JOIN content c ON c.hash = CAST(r.templates AS JSONB)->>'files.json'
        CROSS JOIN jsonb_each(CAST(c.body AS JSONB)) AS f)";

const CLEAR_SQLITE: &str = "
    DELETE FROM file WHERE hash NOT IN (
        SELECT f.value->>'hash' FROM revision r JOIN content c ON c.hash = r.templates->>'files.json'
        CROSS JOIN json_each(c.body) AS f)";

impl Store {
    /// Writes the files that are not there yet, `(hash, bytes)`, each in a transaction of
    /// its own, for the daemon must not wait for megabytes. Write them before the revision
    /// that names them, which then never names what is not there; and once more before its
    /// first plan, for [`Store::clear_files`] may have come between.
    ///
    /// # Errors
    /// The database does not answer; the files before stay.
    pub async fn put_files(&self, files: &[(&str, &[u8])]) -> Result<()> {
        for (hash, bytes) in files {
            transaction!(self, tx => {
                sqlx::query("INSERT INTO file (hash, bytes) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING")
                    .bind(*hash)
                    .bind(*bytes)
                    .execute(&mut *tx)
                    .await?;
            });
        }
        Ok(())
    }

    /// The bytes of those of `hashes` that are there.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn files(&self, hashes: &[&str]) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut found = BTreeMap::new();
        for hash in hashes {
            let row = reading!(self, conn => {
                sqlx::query_as::<_, (String, Vec<u8>)>("SELECT hash, bytes FROM file WHERE hash = $1")
                    .bind(*hash)
                    .fetch_optional(&mut *conn)
                    .await?
            });
            found.extend(row);
        }
        Ok(found)
    }

    /// Removes the files that no revision names, in one transaction; how many. They are what
    /// an `apply` left that wrote its files and then failed.
    ///
    /// # Errors
    /// The database does not answer; then none was removed.
    pub async fn clear_files(&self) -> Result<u64> {
        let (lock, clear) = match self.engine {
            Engine::Sqlite { .. } => (None, CLEAR_SQLITE),
            Engine::Postgres(_) => (Some(ALONE), CLEAR_POSTGRES),
        };
        Ok(transaction!(self, tx => {
            if let Some(lock) = lock {
                sqlx::query(lock).execute(&mut *tx).await?;
            }
            sqlx::query(clear).execute(&mut *tx).await?.rows_affected()
        }))
    }
}
