//! How many places for sessions each of several daemons may hold under one limit.
//!
//! Pure. Who wants little gets what it wants, the others the same share of the rest; what
//! cannot be shared goes from one to the next, round by round, so that of one place both
//! have something. A place that another one holds is never given: that one sees that it
//! has more than its share and gives it back when its letter is through.

/// One daemon under one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Places that it holds, used or not.
    pub held: u32,
    /// Places that it could use now.
    pub wanted: u32,
    /// The limit, as its own configuration says it.
    pub most: u32,
}

/// How many places the holder at `me` may hold from now on: fewer than it holds if others
/// want them, never more than are free.
pub fn share(holders: &[Holder], me: usize, round: u64) -> u32 {
    let Some(own) = holders.get(me) else { return 0 };
    // Configurations may differ for a while; the strictest holds.
    let most = holders.iter().map(|one| one.most).min().unwrap_or(0);
    let elsewhere: u32 = holders.iter().enumerate().filter(|(at, _)| *at != me).map(|(_, one)| one.held).sum();
    let is_alone = holders.iter().enumerate().all(|(at, one)| at == me || one.wanted == 0);
    let fair = match (is_alone, own.wanted) {
        // All at once: who is alone asks no second time.
        (true, wanted) if wanted > 0 => most,
        (true, _) => own.held.min(most),
        (false, _) => deal(holders, most, round)[me],
    };
    let free = most.saturating_sub(elsewhere);
    fair.min(free.max(own.held))
}

/// Deals `most` places one by one to those who still want one.
fn deal(holders: &[Holder], most: u32, round: u64) -> Vec<u32> {
    let mut dealt = vec![0; holders.len()];
    let first = usize::try_from(round % holders.len().max(1) as u64).unwrap_or(0);
    let mut left = most;
    loop {
        let before = left;
        for at in (0..holders.len()).map(|at| (at + first) % holders.len()) {
            if left > 0 && dealt[at] < holders[at].wanted {
                dealt[at] += 1;
                left -= 1;
            }
        }
        if left == before || left == 0 {
            return dealt;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holder(held: u32, wanted: u32) -> Holder {
        Holder { held, wanted, most: 4 }
    }

    #[test]
    fn gives_all_to_who_is_alone_and_a_share_when_another_comes() {
        assert_eq!(share(&[holder(0, 1)], 0, 0), 4);
        assert_eq!(share(&[holder(4, 0)], 0, 0), 4, "it may pause for a moment");
        let both = [holder(4, 9), holder(0, 9)];
        assert_eq!((share(&both, 0, 0), share(&both, 1, 0)), (2, 0), "the other has not given any back yet");
        assert_eq!(share(&[holder(2, 9), holder(0, 9)], 1, 0), 2);
        assert_eq!(share(&[holder(3, 0), holder(0, 1)], 0, 0), 0, "who uses none leaves all of them");
    }

    #[test]
    fn who_wants_little_gets_it_and_leaves_the_rest() {
        assert_eq!(share(&[holder(1, 1), holder(2, 9)], 1, 0), 3);
        let three = [holder(0, 9), holder(0, 1), holder(0, 9)];
        let dealt: Vec<_> = (0..3).map(|me| share(&three, me, 0)).collect();
        assert_eq!(dealt, [2, 1, 1]);
    }

    #[test]
    fn one_place_goes_from_one_to_the_next() {
        let one = |held| Holder { held, wanted: 3, most: 1 };
        let in_round = |round| [share(&[one(1), one(0)], 0, round), share(&[one(0), one(0)], 1, round)];
        assert_eq!([in_round(0), in_round(1), in_round(2)], [[1, 0], [0, 1], [1, 0]]);
    }

    #[test]
    fn the_strictest_configuration_holds() {
        let strict = Holder { held: 0, wanted: 2, most: 1 };
        assert_eq!(share(&[holder(4, 4), strict], 0, 0) + share(&[holder(0, 4), strict], 1, 0), 1);
    }

    proptest! {
        /// Whoever is asked in whatever order, together they never hold more than there are.
        #[test]
        fn never_more_than_there_are(
            wants in prop::collection::vec(0_u32..9, 1..5),
            asks in prop::collection::vec((0_usize..5, 0_u32..9, 0_u64..7), 1..60),
        ) {
            let mut holders: Vec<_> = wants.iter().map(|wanted| holder(0, *wanted)).collect();
            for (me, wanted, round) in asks {
                let me = me % holders.len();
                holders[me].wanted = wanted;
                holders[me].held = share(&holders, me, round);
                prop_assert!(holders.iter().map(|one| one.held).sum::<u32>() <= 4);
            }
        }

        /// Those who all go on wanting have their share after two rounds of asking.
        #[test]
        fn everybody_who_wants_gets_a_share(count in 1_usize..5, round in 0_u64..9) {
            let mut holders = vec![holder(0, 9); count];
            holders[0].held = 4;
            for me in (0..count).chain(0..count) {
                holders[me].held = share(&holders, me, round);
            }
            prop_assert!(holders.iter().all(|one| one.held >= 4 / u32::try_from(count).unwrap()));
            prop_assert_eq!(holders.iter().map(|one| one.held).sum::<u32>(), 4);
        }
    }
}
