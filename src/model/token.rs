//! Tokens: how the outside world names one of our rows.
//!
//! A token is lower-case base32 (mail servers fold case) of a key id, a purpose,
//! the row's id and a 128-bit MAC. It carries nothing about the recipient, and a
//! token of one purpose is worthless for another.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPurpose {
    /// Opting out of what a delivery belongs to.
    OptOut = 1,
    /// Finding a delivery from its Message-ID, its return path or its fax reference.
    Delivery = 2,
    /// Opening a digest's page.
    Digest = 3,
    /// Believing a fax gateway's callback about a delivery.
    FaxCallback = 4,
}

/// The keys that sign tokens: the newest signs, all verify.
#[derive(Clone)]
pub struct TokenKeys(Vec<(u8, Vec<u8>)>);

const ID_BYTES: usize = 7;
const MAC_BYTES: usize = 16;

impl TokenKeys {
    /// Keys by their ids; the last one signs. A key is at least 16 bytes of chance.
    ///
    /// # Panics
    /// Never for a non-empty list; an empty one has nothing to sign with.
    pub fn new(keys: Vec<(u8, Vec<u8>)>) -> Self {
        assert!(!keys.is_empty(), "a token key is needed");
        Self(keys)
    }

    /// The token of row `id` for `purpose`.
    pub fn sign(&self, purpose: TokenPurpose, id: i64) -> String {
        let (key_id, key) = self.0.last().expect("new() takes no empty list");
        let mut bytes = vec![*key_id];
        bytes.extend_from_slice(&id.to_be_bytes()[8 - ID_BYTES..]);
        bytes.extend_from_slice(&mac(key, purpose, &bytes));
        BASE32_NOPAD.encode(&bytes).to_lowercase()
    }

    /// The row id that `token` names, if it is one of ours for `purpose`.
    pub fn verify(&self, purpose: TokenPurpose, token: &str) -> Option<i64> {
        let bytes = BASE32_NOPAD.decode(token.to_ascii_uppercase().as_bytes()).ok()?;
        if bytes.len() != 1 + ID_BYTES + MAC_BYTES {
            return None;
        }
        let (body, given) = bytes.split_at(1 + ID_BYTES);
        let (_, key) = self.0.iter().find(|(key_id, _)| *key_id == body[0])?;
        let genuine: bool = mac(key, purpose, body).ct_eq(given).into();
        let mut id = [0; 8];
        id[8 - ID_BYTES..].copy_from_slice(&body[1..]);
        genuine.then(|| i64::from_be_bytes(id))
    }
}

fn mac(key: &[u8], purpose: TokenPurpose, body: &[u8]) -> [u8; MAC_BYTES] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    hmac.update(&[purpose as u8]);
    hmac.update(body);
    let full = hmac.finalize().into_bytes();
    let mut short = [0; MAC_BYTES];
    short.copy_from_slice(&full[..MAC_BYTES]);
    short
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKeys({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifies_its_own_tokens_whatever_their_case() {
        let keys = TokenKeys::new(vec![(1, vec![7; 32])]);
        let token = keys.sign(TokenPurpose::OptOut, 1_099_511_627_777);
        assert_eq!(keys.verify(TokenPurpose::OptOut, &token.to_uppercase()), Some(1_099_511_627_777));
        assert_eq!(keys.verify(TokenPurpose::Digest, &token), None);
    }

    #[test]
    fn refuses_a_token_with_any_character_changed() {
        let keys = TokenKeys::new(vec![(1, vec![7; 32])]);
        let token = keys.sign(TokenPurpose::OptOut, 42);
        for at in 0..token.len() - 1 {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(keys.verify(TokenPurpose::OptOut, std::str::from_utf8(&forged).unwrap()), None);
        }
    }

    #[test]
    fn keeps_old_tokens_valid_after_a_new_key() {
        let old = TokenKeys::new(vec![(1, vec![7; 32])]);
        let both = TokenKeys::new(vec![(1, vec![7; 32]), (2, vec![8; 32])]);
        assert_eq!(both.verify(TokenPurpose::OptOut, &old.sign(TokenPurpose::OptOut, 5)), Some(5));
    }
}
