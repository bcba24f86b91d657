//! Chance that anyone can check: who is left in peace, and who gets which variant.
//!
//! Both come from a SHA-256 over names that never change, so the same contact
//! falls the same way on every machine, in `plan`, in `run` and years later. The
//! text that is hashed is part of what was promised: do not change it. It is the
//! parts joined by NUL; the first eight bytes of the hash, big-endian, are the number.

use sha2::{Digest, Sha256};

use crate::model::id::ContactId;

/// The contact's bucket, 0 to 99, in the hold-out of a campaign.
///
/// It is left in peace if the bucket is less than the campaign's percentage.
/// Hashes `holdout`, the campaign's id and the contact's id in decimal.
pub fn bucket(campaign: &str, contact: ContactId) -> u8 {
    let number = number(&["holdout", campaign, &contact.to_string()]) % 100;
    u8::try_from(number).expect("a remainder of 100 fits a byte")
}

/// Whether the contact is left in peace by a campaign that spares `percent`.
pub fn in_holdout(campaign: &str, contact: ContactId, percent: u8) -> bool {
    bucket(campaign, contact) < percent
}

/// Which of a step's `n` variants a contact gets, 0 to `n - 1`; 0 where there is none.
///
/// Hashes `variant`, the campaign's id, the step's id and the contact's id in
/// decimal. Independent of the hold-out and of other steps.
pub fn variant(campaign: &str, step: &str, contact: ContactId, n: usize) -> usize {
    let Ok(n @ 1..) = u64::try_from(n) else { return 0 };
    let number = number(&["variant", campaign, step, &contact.to_string()]) % n;
    usize::try_from(number).expect("less than n, which was a usize")
}

fn number(parts: &[&str]) -> u64 {
    let hash = Sha256::digest(parts.join("\0"));
    let head = hash.first_chunk().expect("a SHA-256 has 32 bytes");
    u64::from_be_bytes(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reckoned apart from this program; if this fails, contacts under way would
    /// change their group.
    #[test]
    fn choices_are_what_they_were_at_the_first_release() {
        let chosen = |id| {
            let contact = ContactId(id);
            let of = |n| variant("led-i-lagret", "intro", contact, n);
            (bucket("led-i-lagret", contact), of(2), of(3))
        };
        assert_eq!(chosen(1), (52, 1, 1));
        assert_eq!(chosen(2), (81, 0, 1));
        assert_eq!(chosen(42), (6, 0, 2));
    }

    #[test]
    fn hold_out_and_variants_take_their_share() {
        let contacts = || (1..=10_000).map(ContactId);
        let spared = contacts().filter(|contact| in_holdout("varen", *contact, 4)).count();
        assert!((340..=460).contains(&spared), "{spared} of 10000");
        let second = contacts().filter(|contact| variant("varen", "intro", *contact, 2) == 1).count();
        assert!((4_800..=5_200).contains(&second), "{second} of 10000");
    }

    #[test]
    fn another_campaign_spares_others() {
        let spared_by_both = (1..=10_000)
            .map(ContactId)
            .filter(|contact| in_holdout("varen", *contact, 10) && in_holdout("hosten", *contact, 10))
            .count();
        assert!((60..=140).contains(&spared_by_both), "{spared_by_both} of 10000");
    }

    #[test]
    fn step_without_variants_has_only_the_first() {
        assert_eq!(variant("varen", "intro", ContactId(7), 0), 0);
        assert_eq!(variant("varen", "intro", ContactId(7), 1), 0);
    }
}
