//! How long each phase may take (RFC 5321 4.5.3.2). Socket timers are always real.

use std::time::Duration;

use crate::config::Timeouts;

use super::envelope::Step;

/// One timer a phase; see [`Timeouts`] for what each is for.
#[derive(Clone, Copy)]
pub(super) struct Timers {
    pub(super) greeting: Duration,
    pub(super) command: Duration,
    mail: Duration,
    recipient: Duration,
    data: Duration,
    pub(super) block: Duration,
    pub(super) dot: Duration,
}

impl Timers {
    pub(super) fn of(timeouts: &Timeouts) -> Self {
        let seconds = |seconds: u64| Duration::from_secs(seconds.max(1));
        Self {
            greeting: seconds(timeouts.greeting_s),
            command: seconds(timeouts.command_s),
            mail: seconds(timeouts.mail_s),
            recipient: seconds(timeouts.recipient_s),
            data: seconds(timeouts.data_s),
            block: seconds(timeouts.block_s),
            dot: seconds(timeouts.dot_s),
        }
    }

    /// For the answer to one command of a transaction.
    pub(super) fn of_step(&self, step: Step) -> Duration {
        match step {
            Step::Reset => self.command,
            Step::Mail => self.mail,
            Step::Recipient => self.recipient,
            Step::Data => self.data,
        }
    }
}
