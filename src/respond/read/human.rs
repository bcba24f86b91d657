//! What a person meant: opt-out first, then their intent, in their new words only.

use std::sync::LazyLock;

use jiff::ToSpan;
use jiff::civil::Date;
use regex::Regex;

use crate::model::response::{HumanIntent, OptOut, ResponseKind};

use super::fields::addresses_in;
use super::mail::Mail;
use super::phrase::{self, Match, Place};
use super::{Evidence, Finding, one_line, reply, when};

/// Days from which a day that someone names is no appointment.
const FAR_DAYS: i64 = 21;
/// Bytes of a text that does little more than name someone else.
const MOST_HINT: usize = 300;

/// Reads the mail that a List-Unsubscribe address asks for: its subject says so
/// and it says nothing else, or the address itself does.
pub(super) fn read_mailto_opt_out(mail: &Mail<'_>) -> Option<Vec<Finding>> {
    static SUBJECT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)^\s*(?:unsubscribe|optout|opt-out|avregistrera|avanm(?:ä|a)l(?:an)?|abmelden)(?:[\s:=-]+[a-z2-7]{16,64})?\s*$")
            .expect("a valid expression")
    });
    static LOCAL: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?i)^(?:[^@+]+\+)?(?:unsubscribe|optout|opt-out|avregistrera|avanmalan|abmelden)[+=-][a-z2-7]{16,64}@",
        )
        .expect("a valid expression")
    });
    let addressed = mail.addressed_to();
    let (rule, text) = if SUBJECT.is_match(mail.subject()) {
        ("opt_out.mailto.subject", mail.subject())
    } else {
        ("opt_out.mailto.address", addressed.iter().find(|address| LOCAL.is_match(address))?.as_str())
    };
    let evidence = Evidence::new("headers", 0, rule, text);
    Some(vec![Finding::new(ResponseKind::OptOut(OptOut::Mailto), 0.99, evidence)])
}

/// Reads what is left: a person's words, or a list's.
pub(super) fn read(mail: &Mail<'_>, received: Date) -> Vec<Finding> {
    if let Some(field) = ["list-id", "list-unsubscribe", "list-post"].iter().find_map(|name| mail.headers.find(name)) {
        let evidence = Evidence::new("headers", field.line, "list", &field.name);
        return vec![Finding::new(ResponseKind::Other, 0.9, evidence)];
    }
    let body = mail.body();
    let text = reply::new_text(&body);
    let matches = phrase::matches(Place::Human, &text);
    let mut finding = match choose(&matches) {
        Some(best) => known(best, &text, received, mail),
        None => unknown(&text, mail, received),
    };
    finding.reason = None;
    finding.new_text = Some(text);
    vec![finding]
}

/// An opt-out wins over everything; else the surest does.
fn choose(matches: &[Match]) -> Option<&Match> {
    matches.iter().find(|found| matches!(found.kind, ResponseKind::OptOut(_))).or_else(|| matches.first())
}

fn known(best: &Match, text: &str, received: Date, mail: &Mail<'_>) -> Finding {
    let mut finding = Finding::new(best.kind, best.confidence, evidence_of(best, text, "body"));
    if best.kind == ResponseKind::Human(HumanIntent::NotNow) {
        finding.until = when::date_near(text, best.start, mail.written_on(received));
    }
    if best.kind == ResponseKind::Human(HumanIntent::Referral) {
        finding.referred_to = someone_else(text, mail);
    }
    finding
}

/// Without a rule: someone else's address refers, a question mark asks, a day far
/// ahead means later; otherwise a person has to look.
fn unknown(text: &str, mail: &Mail<'_>, received: Date) -> Finding {
    // A long text is no hint to a colleague: a report that nothing else knew.
    let hint = (text.len() <= MOST_HINT).then(|| someone_else(text, mail)).flatten();
    if let Some(address) = hint {
        let evidence = Evidence::new("body", 0, "any.referral.address", &address);
        let mut finding = Finding::new(ResponseKind::Human(HumanIntent::Referral), 0.7, evidence);
        finding.referred_to = Some(address);
        return finding;
    }
    let asked = text.lines().enumerate().find(|(_, line)| line.contains('?') && !line.contains("://"));
    match asked {
        Some((at, line)) => {
            let evidence = Evidence::new("body", at + 1, "any.question.mark", line);
            Finding::new(ResponseKind::Human(HumanIntent::Question), 0.6, evidence)
        }
        None => later(text, mail.written_on(received)).unwrap_or_else(|| {
            let evidence = Evidence::new("body", 0, "any.unclear", "");
            Finding::new(ResponseKind::Human(HumanIntent::Unclear), 0.3, evidence)
        }),
    }
}

/// A day that is named and not near.
fn later(text: &str, written: Date) -> Option<Finding> {
    let far = written.saturating_add(FAR_DAYS.days());
    let day = when::date_near(text, 0, written).filter(|day| *day >= far)?;
    let evidence = Evidence::new("body", 0, "any.not_now.day", &day.to_string());
    let mut finding = Finding::new(ResponseKind::Human(HumanIntent::NotNow), 0.6, evidence);
    finding.until = Some(day);
    Some(finding)
}

/// Where and by which words a rule matched; `part` is what `text` was taken from.
pub(super) fn evidence_of(found: &Match, text: &str, part: &str) -> Evidence {
    let line = text[..found.start].matches('\n').count() + 1;
    Evidence::new(part, line, found.rule, &one_line(&text[found.start..found.end], 200))
}

/// The first address in a text that is neither the writer's nor ours.
pub(super) fn someone_else(text: &str, mail: &Mail<'_>) -> Option<String> {
    let known: Vec<String> = mail.sender().into_iter().chain(mail.addressed_to()).map(|a| a.to_lowercase()).collect();
    addresses_in(text).map(|(_, address)| address).find(|address| !known.contains(&address.to_lowercase()))
}
