//! Logs: readable lines on standard error, or fields in the journal under systemd.
//!
//! `OUTREACHD_LOG` says how much of our own is shown (`info`, `outreachd::deliver=debug`).
//! Other crates never say more than warnings: at finer levels some write what they
//! send, a password or a letter among it, and no filter may bring that into a log.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The variable that holds the filter.
pub const VARIABLE: &str = "OUTREACHD_LOG";

const DEFAULT: &str = "info";

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("{VARIABLE}=`{0}` is no filter; write a level such as info, or outreachd::deliver=debug")]
    Filter(String),
    /// Somebody has set up logging already.
    #[error("logging is set up already")]
    Twice(#[from] TryInitError),
}

/// Begins to log, for the whole process.
///
/// # Errors
/// `OUTREACHD_LOG` cannot be read, or logging was set up before.
pub fn start() -> Result<(), TelemetryError> {
    let filter = filter(std::env::var(VARIABLE).ok().as_deref())?;
    let journal = if is_journal() { tracing_journald::layer().ok() } else { None };
    let journal = journal.map(|layer| layer.with_field_prefix(Some("OUTREACHD".to_owned())));
    let lines = journal.is_none().then(|| {
        let stderr = std::io::stderr();
        fmt::layer().compact().with_ansi(stderr.is_terminal()).with_writer(std::io::stderr)
    });
    tracing_subscriber::registry().with(filter).with(filter_fn(may_speak)).with(journal).with(lines).try_init()?;
    Ok(())
}

fn filter(text: Option<&str>) -> Result<EnvFilter, TelemetryError> {
    let text = text.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(DEFAULT);
    EnvFilter::try_new(text).map_err(|_| TelemetryError::Filter(text.to_owned()))
}

/// Whether a line may be written at all, whatever the filter says.
fn may_speak(line: &Metadata<'_>) -> bool {
    let ours = line.target() == "outreachd" || line.target().starts_with("outreachd::");
    ours || *line.level() <= Level::WARN
}

/// Whether standard error is the journal: systemd names its device and inode in
/// `JOURNAL_STREAM`, and a child whose error stream goes elsewhere inherits the name.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(std::io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_filter_and_names_one_it_cannot_read() {
        assert_eq!(filter(None).unwrap().to_string(), "info");
        assert_eq!(filter(Some(" ")).unwrap().to_string(), "info");
        assert_eq!(filter(Some("outreachd::deliver=debug")).unwrap().to_string(), "outreachd::deliver=debug");
        let error = filter(Some("deliver=loud")).unwrap_err().to_string();
        assert!(error.starts_with("OUTREACHD_LOG=`deliver=loud` is no filter"), "{error}");
    }

    #[test]
    fn keeps_the_chatter_of_other_crates_out_whatever_the_filter_says() {
        use std::io::Write;
        use std::sync::{Arc, Mutex};

        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        let lines = Lines::default();
        let writer = lines.clone();
        let layer = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let subscriber =
            tracing_subscriber::registry().with(filter(Some("trace")).unwrap()).with(filter_fn(may_speak)).with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "async_imap", "A1 LOGIN password");
            tracing::warn!(target: "async_imap", "connection lost");
            tracing::debug!(target: "outreachd::deliver", "claimed 3");
        });
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(!written.contains("password"), "{written}");
        assert!(written.contains("connection lost") && written.contains("claimed 3"), "{written}");
    }
}
