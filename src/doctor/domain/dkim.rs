//! DKIM (RFC 6376, RFC 8463): whether the DNS has the key that we sign with.

use crate::config::dkim::{Algorithm, DkimKey};

use super::Finding;

/// Judges the texts at a key's name.
pub(super) fn judge(key: &DkimKey, texts: &[String]) -> Finding {
    let ours = key.record();
    let advice = format!("put the TXT record at {} that `outreachd dkim show` prints", key.record_name());
    let records: Vec<_> = texts.iter().filter(|text| tag(text, "p").is_some()).collect();
    let [record] = records.as_slice() else {
        return match records.len() {
            0 => Finding::failed("there is no record, so every signature with this key fails", advice),
            many => Finding::failed(format!("there are {many} records, and nobody knows which counts"), advice),
        };
    };
    let differs = |name: &str| tag(record, name) != tag(&ours, name);
    let kind = tag(record, "k").unwrap_or_else(|| "rsa".to_owned());
    if tag(record, "p").as_deref() == Some("") {
        return Finding::failed("the record says that the key was revoked", advice);
    }
    if differs("p") || kind != key.algorithm().to_string() {
        return Finding::failed("the record has another key, so every signature with this one fails", advice);
    }
    if tag(record, "v").is_some_and(|version| version != "DKIM1") {
        return Finding::failed("the record is of no version that counts", advice);
    }
    if lacks(record, "h", &["sha256"]) || lacks(record, "s", &["*", "email"]) {
        return Finding::failed("the record forbids what we use the key for", "take `h=` and `s=` out of it");
    }
    if tag(record, "t").is_some_and(|flags| flags.split(':').any(|flag| flag == "y")) {
        return Finding::warning(
            "the record says `t=y`: receivers may take signatures as a test",
            "take `t=y` out of it",
        );
    }
    Finding::ok(match key.algorithm() {
        Algorithm::Rsa => "rsa, the record has our key",
        Algorithm::Ed25519 => "ed25519, the record has our key",
    })
}

/// A list that is there and names none of `wanted`.
fn lacks(record: &str, name: &str, wanted: &[&str]) -> bool {
    tag(record, name).is_some_and(|list| !list.split(':').any(|word| wanted.contains(&word)))
}

/// A tag's value without blanks; the value of `p` may be folded anywhere (RFC 6376 3.6.1).
fn tag(record: &str, name: &str) -> Option<String> {
    let mut tags = record.split(';').filter_map(|tag| tag.split_once('='));
    let (_, value) = tags.find(|(written, _)| written.trim() == name)?;
    Some(value.split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::super::super::State;
    use super::*;
    use crate::config::dkim::generate;
    use crate::config::{Dkim, SecretRef};

    fn made(algorithm: Algorithm) -> DkimKey {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        std::fs::write(&path, generate(algorithm).unwrap().pem.expose_secret()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let (selector, domain) = ("2027a".to_owned(), "fyrljus.example".to_owned());
        DkimKey::load(&Dkim { selector, domain, key: SecretRef::File(path), retired: false }).unwrap()
    }

    #[test]
    fn wants_our_key_in_one_record_that_lets_us_use_it() {
        let key = made(Algorithm::Ed25519);
        let (ours, other) = (key.record(), made(Algorithm::Ed25519).record());
        let state =
            |texts: &[&str]| judge(&key, &texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).state;
        assert_eq!(state(&[&ours]), State::Ok);
        assert_eq!(state(&["google-site-verification=x", &ours.replace("p=", "p = ")]), State::Ok);
        assert_eq!(state(&[&ours.replace("; k=", "; h=sha256; s=email:x; k=")]), State::Ok);
        assert_eq!(state(&[&format!("{ours}; t=y")]), State::Warning);
        for wrong in [&other[..], "v=DKIM1; p=", &ours.replace("k=ed25519; ", ""), &format!("{ours}; h=sha1")] {
            assert_eq!(state(&[wrong]), State::Failed, "{wrong}");
        }
        assert_eq!(state(&[&ours, &other]), State::Failed);
        assert_eq!(state(&[]), State::Failed);
    }

    #[test]
    fn takes_an_rsa_record_without_a_kind() {
        let key = made(Algorithm::Rsa);
        assert_eq!(judge(&key, &[key.record().replace("k=rsa; ", "")]).state, State::Ok);
    }
}
