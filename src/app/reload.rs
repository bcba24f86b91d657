//! Reading the configuration again while the daemon runs.

use std::sync::Arc;

use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use super::daemon::Options;
use super::{AppError, watch};
use crate::config::dkim::Signers;
use crate::config::{self, Config, ConfigError};
use crate::deliver::DeliverError;
use crate::transport::fax::Gateway;
use crate::transport::smtp::Connector;

/// The configuration as it is now, and a listener if its address changed. Everything that
/// could fail later is tried here, so that a bad one keeps the old one running.
pub(super) async fn read(options: &Options, old: &Arc<Config>) -> Result<(Config, Option<TcpListener>), Vec<String>> {
    let config = config::load(&options.config_file, &options.environment).map_err(words)?;
    let one = |reason: String| vec![reason];
    let url = |config: &Config| config.database.reveal_url().map(|url| url.expose_secret().to_owned());
    if url(&config).map_err(|error| one(error.to_string()))? != url(old).map_err(|error| one(error.to_string()))? {
        return Err(one("another database needs a restart".into()));
    }
    try_out(&config).map_err(|error| one(error.to_string()))?;
    let listener = if config.web.listen == old.web.listen {
        None
    } else {
        let address = &config.web.listen;
        let bound =
            TcpListener::bind(address).await.map_err(|error| one(format!("cannot listen on {address}: {error}")))?;
        Some(bound)
    };
    Ok((config, listener))
}

/// Makes what a configuration names outside the program, and throws it away: a secret that is
/// missing is found before anything begins.
pub(super) fn try_out(config: &Config) -> Result<(), AppError> {
    for relay in &config.relays {
        Connector::new(relay).map_err(DeliverError::from)?;
    }
    Signers::load(config).map_err(DeliverError::from)?;
    if let Some(fax) = &config.fax {
        Gateway::new(fax).map_err(DeliverError::from)?;
    }
    if let Some(url) = &config.daemon.heartbeat_url {
        watch::caller(url)?;
    }
    Ok(())
}

fn words(error: ConfigError) -> Vec<String> {
    match error {
        ConfigError::Mistakes(mistakes) => {
            let line = |mistake: &crate::model::mistake::Mistake| {
                format!("{}:{}:{}: {}", mistake.file.display(), mistake.line, mistake.column, mistake.message)
            };
            mistakes.iter().map(line).collect()
        }
        other => vec![other.to_string()],
    }
}

/// The same listening socket once more: a reload answers on it without a gap.
pub(super) fn another_handle(listener: &TcpListener) -> std::io::Result<TcpListener> {
    use std::os::fd::AsFd;
    let copy = listener.as_fd().try_clone_to_owned()?;
    TcpListener::from_std(copy.into())
}
