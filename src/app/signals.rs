//! What a person or the service manager asks of a daemon that runs.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::AppError;

/// The signals, listened to from the first line of the daemon to its last: one that
/// comes between two looks is kept, for SIGHUP without a listener ends the process.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// The operating system refuses.
    pub(super) fn listen() -> Result<Self, AppError> {
        let on = |kind| signal(kind).map_err(AppError::Signals);
        Ok(Self {
            term: on(SignalKind::terminate())?,
            int: on(SignalKind::interrupt())?,
            hup: on(SignalKind::hangup())?,
        })
    }

    /// Waits for the next wish; of two that wait, to stop comes first.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            biased;
            _ = self.term.recv() => Wish::Stop,
            _ = self.int.recv() => Wish::Stop,
            _ = self.hup.recv() => Wish::Reload,
        }
    }
}
