//! When a mail that failed for now is tried again.
//!
//! RFC 5321 4.5.4.1: two attempts in the first hour, then one every two or three
//! hours, and give up after four or five days. Fax has its own rules by reason
//! (`fax_retry`); whether a reply is temporary at all is `bounce`'s to say.

use jiff::{SignedDuration, Timestamp};

use crate::model::id::DeliveryId;

/// Tries that fill four to five days at the pace of [`next`].
pub const MAX_TRIES: u32 = 45;

/// What comes after a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Another try at this instant.
    At(Timestamp),
    /// No further try.
    GiveUp {
        /// The reason that is written on the delivery.
        why: &'static str,
    },
}

/// Decides after the `tries`-th try (from 1) failed for now at `now`.
///
/// `not_after` is the first instant at which a try would be too late. `jitter`
/// from 0 to 1 spreads the second try over 20 to 40 minutes and each later one
/// over two to three hours, so that what failed together does not return together.
pub fn next(tries: u32, max_tries: u32, now: Timestamp, not_after: Option<Timestamp>, jitter: f64) -> Retry {
    if tries >= max_tries {
        return Retry::GiveUp { why: "its tries ran out" };
    }
    let (least_secs, spread_secs) = if tries <= 1 { (20 * 60, 20.0 * 60.0) } else { (2 * 3600, 3600.0) };
    // `as` turns NaN into 0, which is as good a chance as any.
    let jitter_secs = (jitter.clamp(0.0, 1.0) * spread_secs) as i64;
    let at = now.checked_add(SignedDuration::from_secs(least_secs + jitter_secs)).unwrap_or(Timestamp::MAX);
    if not_after.is_some_and(|not_after| at >= not_after) {
        return Retry::GiveUp { why: "its time is over before the next try" };
    }
    Retry::At(at)
}

/// The chance of one try of one delivery, from 0 to 1: the same each time it is asked for,
/// another at each try, so that the tries of no delivery are all early or all late.
pub fn jitter(delivery: DeliveryId, tries: u32) -> f64 {
    // The mixing steps of SplitMix64, which leave no pattern of neighbouring ids.
    let mut mixed = delivery.0.unsigned_abs().wrapping_add(u64::from(tries).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    f64::from((mixed >> 40) as u32) / f64::from(1_u32 << 24)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The instants of all tries of a delivery that never gets through.
    fn tries(first: Timestamp, max_tries: u32, not_after: Option<Timestamp>, jitter: &[f64]) -> Vec<Timestamp> {
        let mut made = vec![first];
        let mut chance = jitter.iter().copied().cycle();
        while let Retry::At(at) =
            next(made.len() as u32, max_tries, made[made.len() - 1], not_after, chance.next().unwrap())
        {
            made.push(at);
        }
        made
    }

    #[test]
    fn gives_up_when_tries_run_out() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(next(3, 3, now, None, 0.5), Retry::GiveUp { why: "its tries ran out" });
    }

    #[test]
    fn gives_up_at_once_when_the_window_ends_before_the_next_try() {
        let now = Timestamp::UNIX_EPOCH;
        let end = now + SignedDuration::from_mins(20);
        assert_eq!(next(1, 9, now, Some(end), 0.0), Retry::GiveUp { why: "its time is over before the next try" });
    }

    proptest! {
        #[test]
        fn tries_go_forward_two_in_the_first_hour_then_every_two_or_three(
            jitter in prop::collection::vec(0.0f64..=1.0, 1..50),
        ) {
            let first = Timestamp::UNIX_EPOCH;
            let made = tries(first, MAX_TRIES, None, &jitter);
            prop_assert_eq!(made.len(), MAX_TRIES as usize);
            let hour = SignedDuration::from_hours(1);
            prop_assert_eq!(made.iter().filter(|at| at.duration_since(first) < hour).count(), 2);
            for pair in made[1..].windows(2) {
                let gap = pair[1].duration_since(pair[0]);
                prop_assert!(gap >= hour * 2 && gap <= hour * 3);
            }
        }

        #[test]
        fn no_try_is_at_or_past_the_end(jitter: f64, minutes in 1i64..20_000) {
            let end = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
            let made = tries(Timestamp::UNIX_EPOCH, u32::MAX, Some(end), &[jitter]);
            prop_assert!(made.iter().all(|at| *at < end));
        }
    }

    #[test]
    fn tries_fill_four_to_five_days() {
        let made = tries(Timestamp::UNIX_EPOCH, MAX_TRIES, None, &[0.0, 1.0]);
        let days = made[made.len() - 1].duration_since(made[0]).as_hours() as f64 / 24.0;
        assert!((4.0..=5.0).contains(&days), "{days}");
    }

    #[test]
    fn tries_of_any_delivery_fill_four_to_five_days() {
        for id in 0..500 {
            let mut at = Timestamp::UNIX_EPOCH;
            let mut tries = 1;
            while let Retry::At(next) = next(tries, MAX_TRIES, at, None, jitter(DeliveryId(id), tries)) {
                (at, tries) = (next, tries + 1);
            }
            let days = at.duration_since(Timestamp::UNIX_EPOCH).as_hours() as f64 / 24.0;
            assert!((4.0..=5.0).contains(&days), "delivery {id}: {days}");
        }
    }
}
