//! A progress bar for long work, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How many are done, and of how many once that is known; silent where nobody looks.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar that counts `what`.
    pub(super) fn new(what: &'static str) -> Self {
        // Without a terminal on standard error it draws nothing by itself.
        let style = ProgressStyle::with_template("{spinner} {human_pos} {msg} ({per_sec})");
        let bar = ProgressBar::no_length().with_message(what);
        Self(if let Ok(style) = style { bar.with_style(style) } else { bar })
    }

    /// Whether anybody looks.
    pub(super) fn is_seen(&self) -> bool {
        !self.0.is_hidden()
    }

    /// There are `all`.
    pub(super) fn of(&self, all: u64) {
        let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} {msg} ({per_sec}, {eta})");
        self.0.set_length(all);
        if let Ok(style) = style {
            self.0.set_style(style);
        }
    }

    /// `done` so far.
    pub(super) fn set(&self, done: u64) {
        self.0.enable_steady_tick(Duration::from_millis(200));
        self.0.set_position(done);
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
