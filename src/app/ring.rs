//! The loop around one stage: turn, note how it went, wait, until told to stop.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Stage;
use super::watch::Pulse;
use crate::clock::Clock;
use crate::web::Health;

/// The longest wait of a loop: commands are other processes, whose rows are seen by looking.
const POLL: Duration = Duration::from_secs(2);

/// The pause of a loop after an error.
const AFTER_ERROR: Duration = Duration::from_secs(10);

/// How long a relay, a gateway or a mailbox may fail before the heartbeat falls silent.
const OUTSIDE: SignedDuration = SignedDuration::from_mins(60);

/// What every loop has at hand.
#[derive(Clone)]
pub(super) struct Ring {
    pub(super) clock: Clock,
    pub(super) nudge: Arc<Notify>,
    pub(super) stop: CancellationToken,
    pub(super) health: Arc<Health>,
    pub(super) pulse: Arc<Pulse>,
}

impl Ring {
    /// Says what is expected of `stage`.
    pub(super) fn expect(&self, stage: &Stage) {
        let now = self.clock.now();
        match stage {
            // A relay may take ten minutes to answer a final dot (RFC 5321 4.5.3.2.6).
            Stage::Deliver(..) => self.health.expect(stage.name(), SignedDuration::from_mins(20), now),
            Stage::Respond(..) => self.health.watch(stage.name(), OUTSIDE, now),
            Stage::Schedule(_) | Stage::Digest(_) | Stage::Evidence(..) | Stage::Guard(..) | Stage::Keep(_) => {
                self.health.expect(stage.name(), SignedDuration::from_mins(5), now);
            }
        }
        for (way, _) in stage.ways() {
            self.health.watch(&way, OUTSIDE, now);
        }
    }

    /// Turns a stage until it is told to stop; returns its name.
    pub(super) async fn turn(self, mut stage: Stage) -> String {
        let mut last_error = None;
        while !self.stop.is_cancelled() {
            let wait = self.once(&mut stage, &mut last_error).await;
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.nudge.notified(), if !wait.is_zero() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        let name = stage.name().to_owned();
        stage.close().await;
        name
    }

    /// One turn; says how long to wait for the next.
    async fn once(&self, stage: &mut Stage, last_error: &mut Option<String>) -> Duration {
        let now = self.clock.now();
        if let Err(error) = self.pulse.feel().await {
            self.health.turned(stage.name(), now, Some(error));
            return AFTER_ERROR;
        }
        let turned = stage.turn(now).await;
        self.health.turned(stage.name(), now, turned.as_ref().err().cloned());
        for (way, trouble) in stage.ways() {
            self.health.turned(&way, now, trouble);
        }
        match turned {
            Ok(turn) => {
                if last_error.take().is_some() {
                    tracing::info!("stage {} turns again", stage.name());
                }
                if turn.done > 0 { Duration::ZERO } else { until(turn.next_at, now) }
            }
            Err(error) => {
                // The same error again is no news.
                if last_error.as_ref() != Some(&error) {
                    tracing::error!("stage {}: {error}", stage.name());
                    *last_error = Some(error);
                }
                AFTER_ERROR
            }
        }
    }
}

/// How long to wait for `next_at`, at most [`POLL`].
fn until(next_at: Option<Timestamp>, now: Timestamp) -> Duration {
    let wait = next_at.map_or(POLL, |at| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO));
    // Not a busy loop, even if a stage names an instant that has passed.
    wait.clamp(Duration::from_millis(20), POLL)
}
