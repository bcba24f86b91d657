//! The composition root: the stages put together, turned in loops, stopped in order.
//!
//! [`stages`] makes them from the configuration. [`daemon`] turns each in a loop of
//! its own, on the system's clock, under signals and systemd, [`wake`] ends their waits
//! and [`keep`] keeps the lease by which other daemons know it; [`virtual_time`] turns
//! them one after the other on a clock that jumps, for the demo and the tests.
//! Loops and waits live here and nowhere below.

pub mod daemon;
mod keep;
mod reload;
mod ring;
mod signals;
pub mod stages;
pub mod virtual_time;
mod wake;
mod watch;

pub use stages::{Parts, Stage};

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration has mistakes or cannot be read.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The URL of the database is a secret that cannot be read.
    #[error("cannot read the database's URL: {0}")]
    Secret(#[from] crate::config::SecretError),
    /// The keys that sign tokens cannot be read or made.
    #[error(transparent)]
    Keys(#[from] crate::config::keys::KeyError),
    /// A relay or the fax gateway cannot be used as it is configured.
    #[error(transparent)]
    Deliver(#[from] crate::deliver::DeliverError),
    /// The pages' address is taken or not ours.
    #[error("cannot listen on {address}: {source}; stop the program that has the port, or set another listen in [web]")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// A URL of the configuration cannot be used.
    #[error("cannot use heartbeat_url: {0}")]
    Heartbeat(#[from] crate::transport::http::HttpError),
    /// It was stopped while results could not be written.
    #[error("stopped, but {0} results could not be written; the next start finds these letters uncertain")]
    Unwritten(i64),
    /// A stage ended that never should.
    #[error("stage {0} ended: {1}")]
    Ended(String, String),
    /// The operating system refuses signals.
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
}
