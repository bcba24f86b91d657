//! Why a server said no: the text of an answer, its enhanced status, its code.
//!
//! Text goes before code: servers give 5.1.1 for a rate limit and 5.4.1 for a
//! recipient that does not exist, and a good address must not be suppressed for
//! it. `deliver` asks about SMTP answers, `respond` about reports that came back.

use std::sync::LazyLock;

use regex::RegexSet;
use serde::Deserialize;

use crate::model::response::Bounce;

/// What an answer means for the address.
///
/// `code` is the SMTP reply code (0 where unknown), `enhanced` the status of
/// RFC 3463 (`5.1.1`), `text` the words behind it. A 4xx answer can be
/// [`Bounce::NoMailbox`] by its words; whether to try again is the caller's.
pub fn classify(code: u16, enhanced: Option<&str>, text: &str) -> Bounce {
    explain(code, enhanced, text).0
}

/// Like [`classify`], with the rule that decided: the words found, or the status.
pub fn explain(code: u16, enhanced: Option<&str>, text: &str) -> (Bounce, String) {
    let (kind, rule) = weigh(code, enhanced, text);
    // RFC 3463 3.8: x.7.x is about what is allowed. A server that adds "unknown user" to it
    // does not know us; an address must not be lost for that.
    match enhanced.and_then(parse_status) {
        Some((_, 7, _)) if kind.is_dead_address() => {
            (Bounce::Policy, format!("status {}", enhanced.unwrap_or_default()))
        }
        // A name server that does not answer today is no domain that does not exist.
        Some((4, ..)) if kind == Bounce::NoDomain => (Bounce::Network, format!("{rule}, for now")),
        None if kind == Bounce::NoDomain && (400..500).contains(&code) => (Bounce::Network, format!("{rule}, for now")),
        _ => (kind, rule),
    }
}

/// Whether a refusal says that our own part of the conversation was wrong (RFC 3463 3.6,
/// RFC 5321 4.2.1): neither the address nor the letter is at fault.
pub fn is_our_mistake(code: u16, enhanced: Option<&str>) -> bool {
    match enhanced.and_then(parse_status) {
        // 5.5.3 is "too many recipients", which is a limit; we send to one at a time.
        Some(status) => status.0 == 5 && status.1 == 5 && status.2 != 3,
        None => (500..=504).contains(&code),
    }
}

fn weigh(code: u16, enhanced: Option<&str>, text: &str) -> (Bounce, String) {
    let plain = plain(text);
    if let Some(decided) = BOOK.0.find(&plain) {
        return decided;
    }
    let status = enhanced.and_then(parse_status);
    if let Some(kind) = status.and_then(by_precise_status) {
        return (kind, format!("status {}", enhanced.unwrap_or_default()));
    }
    if let Some(decided) = BOOK.1.find(&plain) {
        return decided;
    }
    // RFC 7504: this host takes no mail. Others say 521 of a policy, with its words.
    if code == 521 && matches!(status, Some((5, 3, 2))) {
        return (Bounce::NoDomain, "code 521".into());
    }
    if let Some(kind) = status.and_then(by_vague_status) {
        return (kind, format!("status {}", enhanced.unwrap_or_default()));
    }
    match code {
        552 => (Bounce::Full, "code 552".into()),
        521 | 556 => (Bounce::NoDomain, format!("code {code}")),
        551 => (Bounce::Moved, "code 551".into()),
        530 | 535 => (Bounce::Policy, format!("code {code}")),
        421 => (Bounce::System, "code 421".into()),
        _ => (Bounce::Unknown, "no rule".into()),
    }
}

/// The words of `text` in lower case with single blanks: addresses become `x`,
/// punctuation and the codes of continued lines (`550-5.1.1`) go.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(MOST) + 2);
    for word in text.split(|c: char| c.is_whitespace() || "<>\"'`()[],;:!\u{2019}".contains(c)) {
        let word = word.trim_matches(['.', '*', '#', '_', '-']);
        if word.is_empty() || is_code(word) {
            continue;
        }
        plain.push(' ');
        match word.contains('@') {
            true => plain.push('x'),
            false => plain.extend(word.chars().flat_map(char::to_lowercase)),
        }
        if plain.len() > MOST {
            break;
        }
    }
    plain.push(' ');
    // IronPort puts this before every answer, a policy's too.
    plain.replace(" unknown address error ", " ")
}

/// Longer answers are read up to here; the reason stands in front.
const MOST: usize = 4_000;

fn is_code(word: &str) -> bool {
    let digits = word.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    digits && matches!(word.as_bytes(), [b'2' | b'4' | b'5', ..])
}

fn parse_status(text: &str) -> Option<(u16, u16, u16)> {
    let mut parts = text.trim().splitn(3, '.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// Statuses that servers use as RFC 3463 and its registry mean them.
fn by_precise_status(status: (u16, u16, u16)) -> Option<Bounce> {
    match status {
        (5, 1, 1) => Some(Bounce::NoMailbox),
        (5, 1, 2 | 10) | (5, 4, 310) => Some(Bounce::NoDomain),
        (5, 1, 6) => Some(Bounce::Moved),
        (_, 1, 7 | 8) => Some(Bounce::Policy),
        (5, 2, 1) => Some(Bounce::Disabled),
        (_, 2, 2) => Some(Bounce::Full),
        (_, 2, 3) | (_, 3, 4) => Some(Bounce::Size),
        (_, 4, 7) => Some(Bounce::Expired),
        (_, 7, 1..) => Some(Bounce::Policy),
        _ => None,
    }
}

/// Statuses that say little; words are believed first.
fn by_vague_status(status: (u16, u16, u16)) -> Option<Bounce> {
    match status {
        // 5.1.0 and 5.1.4 say less; words that blame the sender were looked for before.
        (5, 1, 0 | 3 | 4) => Some(Bounce::NoMailbox),
        (_, 3, _) => Some(Bounce::System),
        (_, 4, _) => Some(Bounce::Network),
        (_, 6, _) | (_, 7, _) => Some(Bounce::Policy),
        (4, 1 | 2 | 5, _) => Some(Bounce::System),
        _ => None,
    }
}

/// The phrases of one certainty, in their order.
struct Phrases {
    set: RegexSet,
    rules: Vec<(Bounce, String)>,
}

#[derive(Deserialize)]
struct Group {
    kind: Bounce,
    phrases: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    sure: Vec<Group>,
    likely: Vec<Group>,
}

static BOOK: LazyLock<(Phrases, Phrases)> = LazyLock::new(|| {
    let book: Book = toml::from_str(include_str!("bounce.toml")).expect("a test reads the book of phrases");
    (Phrases::new(book.sure), Phrases::new(book.likely))
});

impl Phrases {
    fn new(groups: Vec<Group>) -> Self {
        let rules: Vec<_> =
            groups.into_iter().flat_map(|group| group.phrases.into_iter().map(move |p| (group.kind, p))).collect();
        let set = RegexSet::new(rules.iter().map(|(_, phrase)| regex::escape(phrase)));
        Self { set: set.expect("escaped phrases are valid expressions"), rules }
    }

    fn find(&self, plain: &str) -> Option<(Bounce, String)> {
        let (kind, phrase) = &self.rules[self.set.matches(plain).iter().next()?];
        Some((*kind, format!("text \"{}\"", phrase.trim())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn believes_the_words_before_the_code() {
        let limited = "550 5.1.1 <a@b.example>: too many messages from your address today";
        assert_eq!(classify(550, Some("5.1.1"), limited), Bounce::Policy);
        let absent = "550 5.4.1 Recipient address rejected: Access denied. [x.mail.example]";
        assert_eq!(classify(550, Some("5.4.1"), absent), Bounce::NoMailbox);
        assert_eq!(classify(554, Some("5.1.0"), "Sender address rejected: Spamhaus"), Bounce::Policy);
    }

    #[test]
    fn never_blames_the_address_for_a_policy() {
        for text in ["5.7.1 Message refused", "listed in the DNSBL", "SPF check failed", ""] {
            assert!(!classify(550, Some("5.7.1"), text).is_dead_address(), "{text}");
        }
    }

    #[test]
    fn reads_the_usual_answers() {
        let cases = [
            (550, "5.1.1", "no such user", Bounce::NoMailbox),
            (550, "5.1.1", "", Bounce::NoMailbox),
            (552, "5.2.2", "The email account that you tried to reach is over quota", Bounce::Full),
            (550, "5.2.1", "The email account that you tried to reach is disabled", Bounce::Disabled),
            (451, "4.3.0", "Temporary local problem", Bounce::System),
            (550, "5.1.2", "", Bounce::NoDomain),
            (552, "5.3.4", "", Bounce::Size),
            (554, "4.4.7", "", Bounce::Expired),
            (450, "4.2.0", "Greylisted", Bounce::Policy),
            (550, "5.0.0", "", Bounce::Unknown),
        ];
        for (code, status, text, kind) in cases {
            assert_eq!(classify(code, Some(status), text), kind, "{code} {status} {text}");
        }
    }

    #[test]
    fn keeps_an_address_that_is_called_unknown_by_a_policy() {
        assert_eq!(classify(550, Some("5.7.1"), "550 5.7.1 unknown user, access denied"), Bounce::Policy);
        assert_eq!(classify(550, Some("5.1.1"), "550 5.1.1 unknown user"), Bounce::NoMailbox);
    }

    #[test]
    fn knows_its_own_mistakes() {
        assert!(is_our_mistake(501, Some("5.5.4")) && is_our_mistake(503, Some("5.5.1")) && is_our_mistake(500, None));
        assert!(
            !is_our_mistake(550, Some("5.1.1")) && !is_our_mistake(550, None) && !is_our_mistake(452, Some("4.5.3"))
        );
    }

    #[test]
    fn joins_the_lines_of_a_long_answer() {
        let text = "550-5.1.1 The email account that you tried to\r\n550-5.1.1 reach does not exist. Please try";
        assert_eq!(classify(550, None, text), Bounce::NoMailbox);
    }
}
