//! What a person may decide about a delivery that waits for one, and what the company has
//! decided beforehand about uncertain ones.
//!
//! Pure; the store looks at the state again in the transaction that moves it.

use jiff::{SignedDuration, Timestamp};

use crate::model::delivery::DeliveryState;

/// What a person says about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It went: it stands in the relay's log, or the client has it.
    Accepted,
    /// It did not go, and shall not.
    Rejected,
    /// Send it, once more or after all.
    Retry,
}

/// Why a decision makes no sense as the delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It never left, so it cannot have been accepted.
    #[error("it is held and never left, so nobody can have accepted it; `retry` sends it, `rejected` drops it")]
    NeverLeft,
    /// It is known how it ended.
    #[error("it was refused for good already; `retry` sends it once more")]
    Refused,
    /// It has ended.
    #[error("it is {} and waits for no decision", name(*.0))]
    Ended(DeliveryState),
    /// It moves by itself.
    #[error("it is {} and moves by itself; nothing is to be decided", name(*.0))]
    UnderWay(DeliveryState),
}

/// The state that `decision` moves a delivery in `state` to.
///
/// # Errors
/// The delivery does not wait for such a decision.
pub fn resolve(state: DeliveryState, decision: Decision) -> Result<DeliveryState, Refusal> {
    use DeliveryState as State;
    match (state, decision) {
        (State::Uncertain, Decision::Accepted) => Ok(State::Accepted),
        (State::Uncertain, Decision::Rejected) => Ok(State::Rejected),
        (State::Uncertain | State::Held | State::Rejected, Decision::Retry) => Ok(State::Retry),
        // No server refused it: it was not sent, by a person's word.
        (State::Held, Decision::Rejected) => Ok(State::Skipped),
        (State::Held, Decision::Accepted) => Err(Refusal::NeverLeft),
        (State::Rejected, Decision::Accepted | Decision::Rejected) => Err(Refusal::Refused),
        (State::Accepted | State::Skipped | State::Cancelled, _) => Err(Refusal::Ended(state)),
        (State::Scheduled | State::Claimed | State::Handoff | State::Submitted | State::Retry, _) => {
            Err(Refusal::UnderWay(state))
        }
    }
}

/// Whether sending it may make the client get it twice.
pub fn may_arrive_twice(state: DeliveryState) -> bool {
    state == DeliveryState::Uncertain
}

/// `uncertain` in `[limits]`: the company's own word on letters of which nothing came to be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unanswered {
    /// They wait for a person.
    #[default]
    Hold,
    /// They are sent once more: rather twice than never.
    Resend,
    /// They are given up: rather never than twice.
    Abandon,
}

/// The state that the company's word moves an uncertain mail to, and the reason that is written.
///
/// `since` is when its last try ended, `tries_unanswered` how many of its tries nobody
/// answered. It is sent again once only: a relay that swallows each answer would else be
/// asked for ever.
pub fn by_policy(
    word: Unanswered,
    patience: SignedDuration,
    since: Timestamp,
    tries_unanswered: i64,
    now: Timestamp,
) -> Option<(DeliveryState, &'static str)> {
    if now.duration_since(since) < patience {
        return None;
    }
    match word {
        Unanswered::Hold => None,
        Unanswered::Resend if tries_unanswered > 1 => None,
        Unanswered::Resend => Some((DeliveryState::Retry, "uncertain = \"resend\"")),
        Unanswered::Abandon => Some((DeliveryState::Rejected, "uncertain = \"abandon\"")),
    }
}

fn name(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Scheduled => "scheduled",
        DeliveryState::Claimed => "claimed",
        DeliveryState::Handoff => "being handed over",
        DeliveryState::Submitted => "submitted",
        DeliveryState::Accepted => "accepted",
        DeliveryState::Retry => "to be tried again",
        DeliveryState::Rejected => "rejected",
        DeliveryState::Uncertain => "uncertain",
        DeliveryState::Held => "held",
        DeliveryState::Skipped => "skipped",
        DeliveryState::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_what_waits_for_a_person() {
        use Decision::{Accepted, Rejected, Retry};
        use DeliveryState as State;
        let table = [
            (State::Uncertain, Accepted, Ok(State::Accepted)),
            (State::Uncertain, Rejected, Ok(State::Rejected)),
            (State::Uncertain, Retry, Ok(State::Retry)),
            (State::Held, Accepted, Err(Refusal::NeverLeft)),
            (State::Held, Rejected, Ok(State::Skipped)),
            (State::Held, Retry, Ok(State::Retry)),
            (State::Rejected, Accepted, Err(Refusal::Refused)),
            (State::Rejected, Rejected, Err(Refusal::Refused)),
            (State::Rejected, Retry, Ok(State::Retry)),
        ];
        for (state, decision, answer) in table {
            assert_eq!(resolve(state, decision), answer, "{state:?} {decision:?}");
        }
        for decision in [Accepted, Rejected, Retry] {
            for state in [State::Accepted, State::Skipped, State::Cancelled] {
                assert_eq!(resolve(state, decision), Err(Refusal::Ended(state)));
            }
            for state in [State::Scheduled, State::Claimed, State::Handoff, State::Submitted, State::Retry] {
                assert_eq!(resolve(state, decision), Err(Refusal::UnderWay(state)));
            }
        }
    }

    #[test]
    fn warns_of_a_second_letter_only_where_the_first_may_have_gone() {
        assert!(may_arrive_twice(DeliveryState::Uncertain));
        assert!(!may_arrive_twice(DeliveryState::Held) && !may_arrive_twice(DeliveryState::Rejected));
    }

    #[test]
    fn does_with_an_uncertain_mail_what_the_company_wrote_and_never_resends_twice() {
        let since: Timestamp = "2027-03-01T08:00:00Z".parse().unwrap();
        let (patience, hour) = (SignedDuration::from_hours(24), SignedDuration::from_hours(1));
        let decide = |word, tries, hours: i64| {
            by_policy(word, patience, since, tries, since + hour * i32::try_from(hours).unwrap()).map(|(to, _)| to)
        };
        for word in [Unanswered::Hold, Unanswered::Resend, Unanswered::Abandon] {
            assert_eq!(decide(word, 1, 23), None, "evidence has its time");
        }
        assert_eq!(decide(Unanswered::Hold, 1, 1000), None);
        assert_eq!(decide(Unanswered::Resend, 1, 24), Some(DeliveryState::Retry));
        assert_eq!(decide(Unanswered::Resend, 2, 1000), None);
        assert_eq!(decide(Unanswered::Abandon, 2, 24), Some(DeliveryState::Rejected));
    }
}
