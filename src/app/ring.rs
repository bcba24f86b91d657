//! The loop around one stage: turn, note how it went, wait, until told to stop.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Stage;
use super::wake::Wake;
use super::watch::Pulse;
use crate::clock::Clock;
use crate::web::Health;

/// The shortest wait of a loop that found nothing to do.
const SHORTEST: Duration = Duration::from_millis(20);

/// The longest wait of a loop: a clock may be set, and what should ring may be missed.
const LONGEST: Duration = Duration::from_secs(60);

/// From the beginning of a turn to that of one for which somebody rang: who moves many rows
/// rings often, and each look reads.
const SPACING: Duration = Duration::from_secs(1);

/// The same for the digest, which looks at every manager and has its hour.
const DIGEST_SPACING: Duration = Duration::from_secs(5);

/// The pause of a loop after an error.
const AFTER_ERROR: Duration = Duration::from_secs(10);

/// How long a relay, a gateway or a mailbox may fail before the heartbeat falls silent.
const OUTSIDE: SignedDuration = SignedDuration::from_mins(60);

/// What every loop has at hand.
#[derive(Clone)]
pub(super) struct Ring {
    pub(super) clock: Clock,
    pub(super) nudge: Arc<Notify>,
    pub(super) wake: Wake,
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
            Stage::Schedule(_) | Stage::Digest(_) | Stage::Evidence(..) | Stage::Guard(..) | Stage::Exchangers(..) => {
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
        let mut bell = self.wake.listen();
        while !self.stop.is_cancelled() {
            let began = Instant::now();
            // What is there now, this turn sees.
            bell.borrow_and_update();
            let wait = self.once(&mut stage, &mut last_error).await;
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = rung(&mut bell, began + spacing(&stage)), if !wait.is_zero() && heeds_rows(&stage) => {}
                () = sleep(wait) => {}
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
                if turn.done == 0 {
                    return until(turn.next_at, self.clock.now(), longest(stage));
                }
                self.wake.moved();
                Duration::ZERO
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

/// Waits for the bell, and then until `earliest`.
async fn rung(bell: &mut watch::Receiver<()>, earliest: Instant) {
    if bell.changed().await.is_err() {
        // Nobody can ring any more: the daemon ends, and `stop` says so.
        std::future::pending::<()>().await;
    }
    sleep_until(earliest).await;
}

/// Mails to send hardly wait; the others gather what was moved meanwhile.
fn spacing(stage: &Stage) -> Duration {
    match stage {
        Stage::Deliver(..) => SHORTEST,
        // It gathers what the schedule has noted meanwhile.
        Stage::Digest(_) | Stage::Exchangers(..) => DIGEST_SPACING,
        Stage::Schedule(_) | Stage::Respond(..) | Stage::Evidence(..) | Stage::Guard(..) => SPACING,
    }
}

/// A mailbox and a log have their own times: no row says that something is there. The guard
/// has its own too: what it looks for takes days.
fn heeds_rows(stage: &Stage) -> bool {
    !matches!(stage, Stage::Respond(..) | Stage::Evidence(..) | Stage::Guard(..))
}

fn longest(stage: &Stage) -> Duration {
    match stage {
        Stage::Respond(..) => OUTSIDE.unsigned_abs() / 2,
        Stage::Deliver(..)
        | Stage::Schedule(_)
        | Stage::Digest(_)
        | Stage::Evidence(..)
        | Stage::Guard(..)
        | Stage::Exchangers(..) => LONGEST,
    }
}

/// How long to wait for `next_at`, at most `longest`. Not a busy loop, even if a stage names
/// an instant that has passed.
fn until(next_at: Option<Timestamp>, now: Timestamp, longest: Duration) -> Duration {
    let wait = next_at.map_or(longest, |at| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO));
    wait.clamp(SHORTEST, longest)
}
