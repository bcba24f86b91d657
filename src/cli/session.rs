//! What every command has at hand: the configuration, the database, who acts and when.

use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::CommandError;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::model::act::Act;
use crate::model::address::EmailAddress;
use crate::store::{Migration, Store};

/// Where the configuration is looked for when nobody says.
const PLACES: [&str; 2] = ["config/outreachd.toml", "/etc/outreachd/outreachd.toml"];

/// One run of one command.
#[derive(Debug)]
pub struct Session {
    config: Option<PathBuf>,
    actor: Option<String>,
    /// Print JSON instead of text.
    pub json: bool,
    /// Domain time.
    pub clock: Clock,
}

impl Session {
    /// A session with the global arguments.
    pub fn new(config: Option<PathBuf>, actor: Option<String>, json: bool) -> Self {
        Self { config, actor, json, clock: Clock::System }
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The configuration's file: the one that was named, or the first that exists.
    pub fn config_file(&self) -> PathBuf {
        let named = self.config.clone();
        let found = || PLACES.iter().map(PathBuf::from).find(|path| path.exists());
        named.or_else(found).unwrap_or_else(|| PLACES[0].into())
    }

    /// The configuration.
    ///
    /// # Errors
    /// It cannot be read or has mistakes.
    pub fn config(&self) -> Result<Config, CommandError> {
        let environment: Vec<(String, String)> = std::env::vars().collect();
        Ok(config::load(&self.config_file(), &environment)?)
    }

    /// The database of the configuration, made if it is not there.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn store(&self, config: &Config) -> Result<Store, CommandError> {
        self.open(config, Migration::Apply).await
    }

    /// The database of the configuration, which must be there already.
    ///
    /// # Errors
    /// It is not there or cannot be opened.
    pub async fn existing_store(&self, config: &Config) -> Result<Store, CommandError> {
        self.open(config, Migration::Refuse).await
    }

    async fn open(&self, config: &Config, migration: Migration) -> Result<Store, CommandError> {
        let url = config.database.reveal_url().context("cannot read the database's URL")?;
        Ok(Store::open(url.expose_secret(), migration).await.map_err(anyhow::Error::from)?)
    }

    /// The act of the person at the keyboard: `--as`, else the login of the operating system.
    pub fn act(&self) -> Act {
        let login = || ["SUDO_USER", "LOGNAME", "USER"].iter().find_map(|name| std::env::var(name).ok());
        let actor = self.actor.clone().or_else(login).unwrap_or_else(|| "operator".into());
        Act::person(actor, self.now())
    }

    /// The address of the person who acts, for what only some persons may do.
    ///
    /// # Errors
    /// Nobody said who acts, or it is no address.
    pub fn acting(&self) -> Result<EmailAddress, CommandError> {
        let text = self.actor.as_deref().context("say who you are: --as you@company.example")?;
        Ok(EmailAddress::parse(text).with_context(|| format!("--as {text}"))?)
    }

    /// The folder that relative paths of the configuration count from.
    pub fn folder(&self) -> PathBuf {
        self.config_file().parent().map(Path::to_owned).unwrap_or_default()
    }
}

/// The runtime that async commands run on.
///
/// # Errors
/// The operating system gives no threads.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(work)
}
