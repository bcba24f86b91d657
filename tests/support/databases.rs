//! An empty database of each engine that is there, one for each test.

use outreachd::store::{Migration, Store};
use sqlx::{Connection, Executor};

use super::services::postgres_url;

/// A store over a fresh database, gone with it.
pub struct Database {
    /// The store.
    pub store: Store,
    /// Its URL.
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

/// A fresh SQLite file and, where there is a server, a fresh PostgreSQL database.
pub async fn databases(test: &str) -> Vec<Database> {
    let mut databases = vec![sqlite().await];
    if let Some(server) = postgres_url() {
        databases.push(postgres(&server, test).await);
    }
    databases
}

/// A fresh SQLite file.
pub async fn sqlite() -> Database {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let store = Store::open(&url, Migration::Apply).await.unwrap();
    Database { store, url, _folder: Some(folder) }
}

async fn postgres(server: &str, test: &str) -> Database {
    let url = fresh_postgres(server, test).await;
    let store = Store::open(&url, Migration::Apply).await.unwrap();
    Database { store, url, _folder: None }
}

/// The URL of an empty database of the server, with no schema in it yet.
pub async fn fresh_postgres(server: &str, test: &str) -> String {
    let name = format!("outreachd_test_{test}");
    let mut admin = sqlx::PgConnection::connect(server).await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}"))).await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(&name);
    url.into()
}
