//! The stages on a clock that jumps: turned until all are quiet, then on to the next
//! instant at which one has something to do.

use jiff::Timestamp;

use super::Stage;
use crate::clock::ManualClock;
use crate::model::turn::{Turn, earliest};

/// Turns without rest after which something must be wrong.
const MOST_TURNS: usize = 10_000;

/// What lives beside the stages on the same clock: the demo's world.
pub trait World {
    /// Everything that happens outside at `now`; says how much did, and when more will.
    fn turn(&mut self, now: Timestamp) -> impl Future<Output = Turn>;
}

/// Turns stages and world until all are quiet at each instant, up to `until`.
///
/// # Errors
/// A stage failed, or they never come to rest.
pub async fn drive(
    stages: &mut [Stage],
    world: &mut impl World,
    clock: &ManualClock,
    until: Timestamp,
) -> Result<(), String> {
    loop {
        let next_at = rest(stages, world, clock.now()).await?;
        match next_at.filter(|at| *at <= until) {
            Some(at) if at > clock.now() => clock.set(at),
            Some(at) => return Err(format!("something wants to be done at {at} and is not")),
            None => {
                clock.set(until);
                return Ok(());
            }
        }
    }
}

/// Turns all at one instant until none has anything to do; says when one will.
async fn rest(stages: &mut [Stage], world: &mut impl World, now: Timestamp) -> Result<Option<Timestamp>, String> {
    for _ in 0..MOST_TURNS {
        let mut turn = world.turn(now).await;
        for stage in stages.iter_mut() {
            let one = stage.turn(now).await.map_err(|error| format!("stage {}: {error}", stage.name()))?;
            turn = Turn { done: turn.done + one.done, next_at: earliest(turn.next_at, one.next_at) };
        }
        if turn.done == 0 {
            return Ok(turn.next_at);
        }
    }
    Err(format!("the stages do not come to rest at {now}"))
}
