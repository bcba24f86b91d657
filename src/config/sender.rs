//! `[[sender]]`: a brand, and the keys that sign its letters.
//!
//! It opens no key: [`super::dkim`] does, when the daemon starts and for `doctor`.

use std::ops::Range;

use crate::model::address::{EmailAddress, PhoneNumber};
use crate::model::text::Line;

use super::limits;
use super::sections::{Site, read_id};
use super::servers::read_secret;
use super::shape::host;
use super::table::Table;
use super::value::Value;
use super::{Dkim, Sender};

/// The keys of a sender.
pub(super) const KEYS: [&str; 12] = [
    "id",
    "legal_name",
    "postal_address",
    "from",
    "reply_to",
    "bounces",
    "relay",
    "fax",
    "phone",
    "dkim",
    "feedback_id",
    "auto_submitted",
];
/// Gmail takes a SenderId of 5 to 15 characters.
const FEEDBACK_ID: std::ops::RangeInclusive<usize> = 5..=15;

/// Reads one sender.
pub(super) fn read(
    mut table: Table<'_>,
    country: Option<&str>,
    relays: Option<&[&str]>,
    site: &Site,
) -> Option<(Sender, Range<usize>)> {
    let id = read_id(&mut table);
    let legal_name = table.need("legal_name").and_then(|value| value.parse(Line::parse));
    let postal_address = table.need("postal_address").and_then(|value| value.parse(Line::parse));
    let from = table.need("from").and_then(|value| value.parse(EmailAddress::parse_ours));
    let mut address = |key| table.take(key).and_then(|value| value.parse(EmailAddress::parse_ours));
    let (reply_to, bounces) = (address("reply_to"), address("bounces"));
    let relay = table.take("relay").and_then(|value| limits::named(value, relays, "relay"));
    // Reading the numbering plans of all countries takes longer than all else at a start: a
    // number in E.164 form goes without.
    let number = |text: &str| PhoneNumber::from_e164(text).or_else(|_| PhoneNumber::parse(text, country));
    let mut number = |key| table.take(key).and_then(|value| value.parse(number));
    let (fax, phone) = (number("fax"), number("phone"));
    let keys = table.take("dkim");
    let dkim = keys.map_or(Some(Vec::new()), |value| read_keys(value, from.as_ref(), site));
    let feedback_id = table.take("feedback_id").map(read_feedback_id);
    let auto_submitted = table.take("auto_submitted").map_or(Some(false), Value::boolean);
    let (id, span) = id?;
    let feedback_id = feedback_id.unwrap_or_else(|| Some(feedback_id_of(&id)));
    let sender = Sender {
        legal_name: legal_name?,
        postal_address: postal_address?,
        from: from?,
        reply_to,
        bounces,
        relay,
        fax,
        phone,
        dkim: dkim?,
        feedback_id: feedback_id?,
        auto_submitted: auto_submitted?,
        id,
    };
    Some((sender, span))
}

/// Reads the list of keys; a selector names one key of a domain.
fn read_keys(value: Value<'_>, from: Option<&EmailAddress>, site: &Site) -> Option<Vec<Dkim>> {
    let mut keys: Vec<Dkim> = Vec::new();
    let items = value.list()?;
    let count = items.len();
    for item in items {
        let (reader, span) = (item.reader(), item.span());
        let Some(key) = read_key(item, from, site) else { continue };
        if keys.iter().any(|known| (&known.selector, &known.domain) == (&key.selector, &key.domain)) {
            reader.report(&span, format!("the selector `{}` is given twice for {}", key.selector, key.domain));
        }
        keys.push(key);
    }
    (keys.len() == count).then_some(keys)
}

fn read_key(value: Value<'_>, from: Option<&EmailAddress>, site: &Site) -> Option<Dkim> {
    let mut table = value.table("dkim", &["selector", "domain", "key", "retired"])?;
    let selector = table.need("selector").and_then(|value| {
        value.parse(|text| match is_selector(text) {
            true => Ok(text.to_ascii_lowercase()),
            false => Err("is no selector; one has letters, digits and - between them, as 2027a"),
        })
    });
    let domain = match table.take("domain") {
        Some(value) => read_domain(value, from),
        None => from.map(|from| from.domain().to_owned()),
    };
    let key = table.need("key").and_then(|value| read_secret(value, site));
    let retired = table.take("retired").map_or(Some(false), Value::boolean);
    Some(Dkim { selector: selector?, domain: domain?, key: key?, retired: retired? })
}

fn read_domain(value: Value<'_>, from: Option<&EmailAddress>) -> Option<String> {
    let (reader, span) = (value.reader(), value.span());
    let domain = host(value)?.to_ascii_lowercase();
    if let Some(from) = from
        && !is_aligned(from.domain(), &domain)
    {
        let message =
            format!("letters come from {}, so a signature of {domain} does not count for DMARC", from.domain());
        reader.push(reader.mistake(&span, message).hint("sign as the domain of `from`, or leave `domain` out"));
        return None;
    }
    Some(domain)
}

/// A selector is a host name's labels (RFC 6376 3.1).
fn is_selector(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 100 && text.split('.').all(label)
}

fn read_feedback_id(value: Value<'_>) -> Option<String> {
    value.parse(|text| {
        let fits = FEEDBACK_ID.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits { Ok(text.to_owned()) } else { Err("has 5 to 15 letters, digits and -, and never changes") }
    })
}

/// The SenderId of a sender that names none: its id, made to fit.
fn feedback_id_of(id: &str) -> String {
    let short = id.get(..*FEEDBACK_ID.end()).unwrap_or(id).trim_end_matches('-');
    if FEEDBACK_ID.contains(&short.len()) { short.to_owned() } else { format!("{short}-mail") }
}

/// Relaxed alignment (RFC 7489 3.1) without a list of public suffixes: one domain is
/// the other or below it.
pub fn is_aligned(from: &str, other: &str) -> bool {
    let below = |lower: &str, upper: &str| lower.strip_suffix(upper).is_some_and(|rest| rest.ends_with('.'));
    from == other || below(from, other) || below(other, from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_sender_id_that_fits_from_any_id() {
        let made = ["fyrljus", "ab", "a", "en-mycket-lang-avsandare", "a-b-c-d-e-f-g-h"].map(feedback_id_of);
        assert_eq!(made, ["fyrljus", "ab-mail", "a-mail", "en-mycket-lang", "a-b-c-d-e-f-g-h"]);
    }

    #[test]
    fn takes_selectors_that_the_dns_takes() {
        assert!(["2027a", "k1.mail", "a-b"].iter().all(|text| is_selector(text)));
        assert!(["", "a_b", "-a", "a..b", "a b"].iter().all(|text| !is_selector(text)));
    }
}
