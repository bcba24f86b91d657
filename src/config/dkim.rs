//! DKIM keys: read from PEM, made new, and what the DNS has to say of them.
//!
//! The private half stays in here: it signs, and neither Debug nor an error shows
//! it. What is signed is `render`'s affair; that the record is there, `doctor`'s.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use data_encoding::BASE64;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Config, Dkim, SecretError, Sender};

/// Bits of a new RSA key; 2048 still fits a TXT record everywhere.
const NEW_RSA: KeySize = KeySize::Rsa2048;

/// Why a key cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum DkimError {
    /// Its file or variable cannot be read.
    #[error("the DKIM key `{selector}` of {domain}: {source}")]
    Secret {
        /// The selector.
        selector: String,
        /// The domain.
        domain: String,
        /// Why.
        source: SecretError,
    },
    /// What is there is no key of a kind that DKIM knows.
    #[error("the DKIM key `{selector}` of {domain} {why}; make one with `outreachd dkim new`")]
    Unfit {
        /// The selector.
        selector: String,
        /// The domain.
        domain: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two of one kind would sign.
    #[error("sender `{sender}` has two {kind} DKIM keys; set `retired = true` on the older one")]
    Twice {
        /// The sender's id.
        sender: String,
        /// The kind.
        kind: Algorithm,
    },
    /// The crypto library has no new key.
    #[error("the system makes no {0} key")]
    Make(Algorithm),
}

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// `rsa-sha256`, which every receiver knows (RFC 6376 3.3).
    Rsa,
    /// `ed25519-sha256`, short and quick (RFC 8463).
    Ed25519,
}

impl Algorithm {
    /// The value of `a=` in a signature.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Rsa => "rsa-sha256",
            Self::Ed25519 => "ed25519-sha256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        })
    }
}

/// The two halves of a key.
enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A key, ready to sign.
pub struct DkimKey {
    selector: String,
    domain: String,
    retired: bool,
    pair: Pair,
}

impl DkimKey {
    /// Reads the key that the configuration names.
    ///
    /// # Errors
    /// It cannot be read, or is no RSA key of 2048 bits or more and no Ed25519 key.
    pub fn load(dkim: &Dkim) -> Result<Self, DkimError> {
        let (selector, domain) = (dkim.selector.clone(), dkim.domain.clone());
        let pem = dkim.key.reveal();
        let pem =
            pem.map_err(|source| DkimError::Secret { selector: selector.clone(), domain: domain.clone(), source })?;
        match read_pair(pem.expose_secret()) {
            Ok(pair) => Ok(Self { selector, domain, retired: dkim.retired, pair }),
            Err(why) => Err(DkimError::Unfit { selector, domain, why }),
        }
    }

    /// The selector.
    pub fn selector(&self) -> &str {
        &self.selector
    }

    /// The signing domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::Rsa,
            Pair::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The name of its TXT record.
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// What its TXT record has to say (RFC 6376 3.6.1, RFC 8463 4).
    pub fn record(&self) -> String {
        record(&self.pair)
    }

    /// The signature over `data`; the same bytes give the same signature, always.
    ///
    /// # Errors
    /// The crypto library refuses a key that it took when it was read.
    pub fn sign(&self, data: &[u8]) -> Result<Vec<u8>, DkimError> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                // PKCS #1 v1.5 draws nothing from chance; the generator is an empty parameter.
                let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature);
                signed.map_err(|_| DkimError::Unfit {
                    selector: self.selector.clone(),
                    domain: self.domain.clone(),
                    why: "does not sign",
                })?;
                Ok(signature)
            }
            // RFC 8463 3: PureEdDSA over the SHA-256 of the data.
            Pair::Ed25519(pair) => Ok(pair.sign(&Sha256::digest(data)).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DkimKey({}, {})", self.record_name(), self.algorithm())
    }
}

fn read_pair(pem: &str) -> Result<Pair, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| "is no private key in PEM")?;
    let rsa = |read: Result<RsaKeyPair, _>| match read {
        Ok(pair) if pair.public_modulus_len() >= 256 => Ok(Pair::Rsa(pair)),
        _ => Err("is neither Ed25519 nor RSA of 2048 to 8192 bits"),
    };
    match &key {
        PrivateKeyDer::Pkcs1(der) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der())),
        PrivateKeyDer::Pkcs8(der) => match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()) {
            Ok(pair) => Ok(Pair::Ed25519(pair)),
            Err(_) => rsa(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())),
        },
        _ => Err("is of an elliptic curve that DKIM does not know"),
    }
}

fn record(pair: &Pair) -> String {
    match pair {
        Pair::Rsa(pair) => {
            let der: Result<PublicKeyX509Der<'_>, _> = pair.public_key().as_der();
            let der = der.expect("a public key that was read can be written");
            format!("v=DKIM1; k=rsa; p={}", BASE64.encode(der.as_ref()))
        }
        Pair::Ed25519(pair) => format!("v=DKIM1; k=ed25519; p={}", BASE64.encode(pair.public_key().as_ref())),
    }
}

/// A key that was just made.
pub struct NewKey {
    /// The private half in PEM, PKCS #8.
    pub pem: SecretString,
    /// What the TXT record has to say.
    pub record: String,
}

/// Makes a key.
///
/// # Errors
/// The crypto library gives none.
pub fn generate(algorithm: Algorithm) -> Result<NewKey, DkimError> {
    let failed = |_| DkimError::Make(algorithm);
    let (pair, der) = match algorithm {
        Algorithm::Rsa => {
            let pair = RsaKeyPair::generate(NEW_RSA).map_err(failed)?;
            let der: Pkcs8V1Der<'static> = pair.as_der().map_err(failed)?;
            (Pair::Rsa(pair), der.as_ref().to_vec())
        }
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            // Version 1: OpenSSL before 3.0 reads no other.
            let der = pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec();
            (Pair::Ed25519(pair), der)
        }
    };
    Ok(NewKey { pem: pem(&der).into(), record: record(&pair) })
}

fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut out = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out + "-----END PRIVATE KEY-----\n"
}

/// Every key of every sender, read once.
#[derive(Debug, Default)]
pub struct Signers(Vec<(String, Vec<DkimKey>)>);

impl Signers {
    /// Reads the keys of a configuration.
    ///
    /// # Errors
    /// A key cannot sign, or two of a sender would sign in the same way.
    pub fn load(config: &Config) -> Result<Self, DkimError> {
        config.senders.iter().map(keys_of).collect::<Result<_, _>>().map(Self)
    }

    /// Reads the keys of one sender.
    ///
    /// # Errors
    /// A key cannot sign, or two would sign in the same way.
    pub fn of(sender: &Sender) -> Result<Self, DkimError> {
        Ok(Self(vec![keys_of(sender)?]))
    }

    /// The keys that sign what is new of a sender, RSA first.
    pub fn active(&self, sender: &str) -> impl Iterator<Item = &DkimKey> {
        let keys = self.0.iter().filter(move |(id, _)| id == sender).flat_map(|(_, keys)| keys);
        keys.filter(|key| !key.retired)
    }

    /// The key at a selector of a domain, retired or not.
    pub fn find(&self, domain: &str, selector: &str) -> Option<&DkimKey> {
        let mut keys = self.0.iter().flat_map(|(_, keys)| keys);
        keys.find(|key| key.domain == domain && key.selector == selector)
    }
}

fn keys_of(sender: &Sender) -> Result<(String, Vec<DkimKey>), DkimError> {
    let mut keys = sender.dkim.iter().map(DkimKey::load).collect::<Result<Vec<_>, _>>()?;
    keys.sort_by_key(DkimKey::algorithm);
    let active: Vec<_> = keys.iter().filter(|key| !key.retired).map(DkimKey::algorithm).collect();
    if let Some(twice) = active.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(DkimError::Twice { sender: sender.id.clone(), kind: twice[0] });
    }
    Ok((sender.id.clone(), keys))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::SecretRef;
    use super::*;

    fn stored(pem: &str, mode: u32) -> (tempfile::TempDir, Dkim) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dkim.pem");
        std::fs::write(&path, pem).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let (selector, domain) = ("2027a".to_owned(), "fyrljus.example".to_owned());
        (folder, Dkim { selector, domain, key: SecretRef::File(path), retired: false })
    }

    #[test]
    fn reads_the_keys_it_makes_and_signs_the_same_twice() {
        for algorithm in [Algorithm::Rsa, Algorithm::Ed25519] {
            let new = generate(algorithm).unwrap();
            let (_folder, dkim) = stored(new.pem.expose_secret(), 0o600);
            let key = DkimKey::load(&dkim).unwrap();
            assert_eq!((key.algorithm(), key.record()), (algorithm, new.record));
            assert_eq!(key.sign(b"x").unwrap(), key.sign(b"x").unwrap());
            assert_ne!(key.sign(b"x").unwrap(), key.sign(b"y").unwrap());
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_key_and_never_shows_it() {
        let new = generate(Algorithm::Ed25519).unwrap();
        let pem = new.pem.expose_secret();
        let (_folder, readable) = stored(pem, 0o644);
        let said = DkimKey::load(&readable).unwrap_err().to_string();
        assert!(said.contains("run chmod 600"), "{said}");
        let (_folder, broken) = stored("secret stuff", 0o600);
        let said = DkimKey::load(&broken).unwrap_err().to_string();
        assert_eq!(
            said,
            "the DKIM key `2027a` of fyrljus.example is no private key in PEM; make one with `outreachd dkim new`"
        );
        let (_folder, whole) = stored(pem, 0o600);
        let shown = format!("{:?}", DkimKey::load(&whole).unwrap());
        assert_eq!(shown, "DkimKey(2027a._domainkey.fyrljus.example, ed25519)");
    }
}
