//! What a suppression stops.
//!
//! Marketing suppression never stops a digest, a notice or a test; an address
//! that does not exist stops everything, since nothing would arrive.

use crate::model::delivery::Purpose;
use crate::model::suppression::Reason;

/// Whether a suppression for `reason` stops a delivery for `purpose`.
pub fn stops(reason: Reason, purpose: Purpose) -> bool {
    match (reason, purpose) {
        (Reason::Invalid, _) => true,
        (Reason::OptOut | Reason::Complaint | Reason::Operator, Purpose::Campaign) => true,
        (Reason::OptOut | Reason::Complaint | Reason::Operator, Purpose::Digest | Purpose::Notice | Purpose::Test) => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKETING: [Reason; 3] = [Reason::OptOut, Reason::Complaint, Reason::Operator];

    #[test]
    fn every_reason_stops_a_campaign() {
        assert!(MARKETING.iter().chain(&[Reason::Invalid]).all(|reason| stops(*reason, Purpose::Campaign)));
    }

    #[test]
    fn opt_out_never_stops_a_digest_but_a_dead_address_does() {
        for purpose in [Purpose::Digest, Purpose::Notice, Purpose::Test] {
            assert!(!MARKETING.iter().any(|reason| stops(*reason, purpose)));
            assert!(stops(Reason::Invalid, purpose));
        }
    }
}
