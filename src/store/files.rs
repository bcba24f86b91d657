//! Attachments and pictures by their SHA-256: written once, shared by revisions.

use std::collections::BTreeMap;

use super::{Result, Store, reading, transaction};

impl Store {
    /// Writes the files that are not there yet, `(hash, bytes)`, each in a transaction of
    /// its own, for the daemon must not wait for megabytes. Write them before the revision
    /// that names them: one that nobody names does no harm.
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
}
