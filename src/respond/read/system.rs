//! Mail systems that tell of a failure in words alone: whom it is about and where the
//! server's own words stand, by `systems.toml`.
//!
//! It reads the notice, never what is returned behind it. Why it failed is
//! [`super::daemon`]'s, from the words found here.

use std::sync::{LazyLock, OnceLock};

use regex::{Captures, Regex, RegexSet, RegexSetBuilder};
use serde::Deserialize;

use crate::model::response::Bounce;

use super::fields::address_in;

/// Recipients that are taken from one notice.
const MOST_RECIPIENTS: usize = 200;
/// What `ADDRESS` stands for: an address up to its border, in linear time.
const ADDRESS: &str = r#"[^\s<>()\[\]"',;:@]+@[^\s<>()\[\]"',;:@]+"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    id: String,
    mark: String,
    begins: Option<String>,
    ends: Option<String>,
    recipient: Option<String>,
    said: Option<String>,
    means: Option<Bounce>,
    #[serde(default)]
    above: bool,
    /// Words of the notice behind the server's belong to it, across blank lines.
    #[serde(default)]
    whole: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    system: Vec<Form>,
}

/// One system. Its expressions are compiled when its first notice comes: most
/// mailboxes meet few systems.
struct System {
    form: Form,
    expressions: OnceLock<Expressions>,
}

struct Expressions {
    begins: Option<Regex>,
    ends: Option<Regex>,
    recipient: Option<Regex>,
    said: Option<Regex>,
}

struct Systems {
    marks: RegexSet,
    systems: Vec<System>,
}

static SYSTEMS: LazyLock<Systems> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("systems.toml")).expect("a test reads the file of systems");
    let marks = RegexSetBuilder::new(file.system.iter().map(|form| format!("(?m){}", form.mark)))
        .dfa_size_limit(8 << 20)
        .build()
        .expect("a test compiles each mark");
    let systems = file.system.into_iter().map(|form| System { form, expressions: OnceLock::new() });
    Systems { marks, systems: systems.collect() }
});

impl Expressions {
    fn of(form: &Form) -> Self {
        let expression = |text: &str| {
            let text = text.replace("ADDRESS", ADDRESS);
            Regex::new(&format!("(?m){text}")).expect("a test compiles each expression")
        };
        Self {
            begins: form.begins.as_deref().map(expression),
            ends: form.ends.as_deref().map(expression),
            recipient: form.recipient.as_deref().map(expression),
            said: form.said.as_deref().map(expression),
        }
    }
}

/// What a system's notice tells.
#[derive(Debug, PartialEq)]
pub(super) struct Told<'a> {
    /// The system's name in the file.
    pub(super) system: &'static str,
    /// What this system always means, if so.
    pub(super) means: Option<Bounce>,
    /// The byte of the notice at which the first recipient stands.
    pub(super) at: usize,
    /// Each failed recipient and what the server said about it; none where only a
    /// header of the mail names them.
    pub(super) recipients: Vec<(String, &'a str)>,
}

/// Reads a notice by the first system that knows it and finds a recipient.
pub(super) fn read(notice: &str) -> Option<Told<'_>> {
    let all = &*SYSTEMS;
    all.marks.matches(notice).into_iter().find_map(|at| all.systems[at].read(notice))
}

impl System {
    fn expressions(&self) -> &Expressions {
        self.expressions.get_or_init(|| Expressions::of(&self.form))
    }

    fn read<'a>(&'static self, notice: &'a str) -> Option<Told<'a>> {
        let our = self.expressions();
        let from = our.begins.as_ref().map_or(Some(0), |begins| Some(begins.find(notice)?.end()))?;
        let end = our.ends.as_ref().and_then(|ends| ends.find_at(notice, from)).map_or(notice.len(), |m| m.start());
        let Some(recipient) = &our.recipient else {
            return Some(Told { system: &self.form.id, means: self.form.means, at: from, recipients: vec![] });
        };
        let places: Vec<(usize, usize, String)> = recipient
            .captures_iter(&notice[from..end])
            .filter_map(|found| place(&found))
            .map(|(start, stop, address)| (from + start, from + stop, address))
            .take(MOST_RECIPIENTS)
            .collect();
        let first = places.first()?.0;
        let mut recipients: Vec<(String, &str)> = Vec::new();
        for (at, (start, stop, address)) in places.iter().enumerate() {
            if recipients.iter().any(|(known, _)| known.eq_ignore_ascii_case(address)) {
                continue;
            }
            let said = match self.form.above {
                true => {
                    let above = at.checked_sub(1).map_or(from, |above| line_end(notice, places[above].1));
                    &notice[above..line_end(notice, *stop).max(above)]
                }
                false => self.behind(notice, (*start, *stop), places.get(at + 1).map(|next| next.0)),
            };
            recipients.push((address.clone(), said));
        }
        Some(Told { system: &self.form.id, means: self.form.means, at: first, recipients })
    }

    /// The words about the recipient at `place`: from its line, or from where the
    /// system's words of introduction end, up to a blank line or the next recipient.
    fn behind<'a>(&self, notice: &'a str, place: (usize, usize), next: Option<usize>) -> &'a str {
        let next = next.unwrap_or(notice.len());
        if let Some(said) = &self.expressions().said {
            // One reason may stand below a list of recipients, or above them all.
            let found = said.find_at(notice, place.1).or_else(|| said.find(notice));
            if let Some(found) = found {
                let end = if self.form.whole { notice.len() } else { end_of(notice, found.end()) };
                return &notice[found.end()..end];
            }
        }
        let line = notice[..place.0].rfind('\n').map_or(0, |at| at + 1);
        let end = end_of(notice, place.1).min(next.max(place.1));
        &notice[line..end]
    }
}

/// Where the paragraph that begins behind `from` ends; blank lines before it belong to it.
fn end_of(notice: &str, from: usize) -> usize {
    let (mut at, mut words) = (from, false);
    for line in notice[from..].split_inclusive('\n') {
        if line.trim().is_empty() && words {
            break;
        }
        words |= at > from && !line.trim().is_empty() || line.trim().len() > 8;
        at += line.len();
    }
    at
}

fn line_end(notice: &str, at: usize) -> usize {
    notice[at..].find('\n').map_or(notice.len(), |i| at + i)
}

fn place(found: &Captures<'_>) -> Option<(usize, usize, String)> {
    let whole = found.get(0)?;
    let address = found.iter().skip(1).flatten().next()?;
    Some((whole.start(), whole.end(), address_in(address.as_str())?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_system_has_its_own_id_a_mark_and_expressions() {
        let all = &*SYSTEMS;
        let ids: BTreeSet<_> = all.systems.iter().map(|system| &system.form.id).collect();
        assert_eq!(ids.len(), all.systems.len(), "an id stands twice");
        assert_eq!(all.marks.len(), all.systems.len());
        assert!(
            all.systems.iter().all(|system| system
                .expressions()
                .recipient
                .as_ref()
                .is_none_or(|r| r.captures_len() > 1)),
            "a group names the address"
        );
    }

    #[test]
    fn reads_each_recipient_with_its_own_reason() {
        let notice = "Hi. This is the qmail-send program at mx.example.\n\n\
            <a@b.example>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 no such user\n\n\
            <c@d.example>:\nMailbox full.\n";
        let told = read(notice).unwrap();
        assert_eq!(told.system, "qmail");
        assert_eq!(told.recipients[0].0, "a@b.example");
        assert!(told.recipients[0].1.contains("550 no such user") && !told.recipients[0].1.contains("full"));
        assert_eq!(told.recipients[1], ("c@d.example".into(), "<c@d.example>:\nMailbox full.\n"));
    }

    #[test]
    fn reads_a_reason_below_a_list_and_above_one() {
        let below = "Your message\n\n  Subject: Ljus\n\nwas not delivered to:\n\n  a@b.example\n  c@d.example\n\n\
            because:\n\n  User not listed in directory\n\nbye";
        let told = read(below).unwrap();
        assert_eq!(told.recipients.len(), 2);
        assert!(told.recipients.iter().all(|(_, said)| said.trim() == "User not listed in directory"), "{told:?}");
        let above =
            "------- Failure Reasons  --------\n\nUser not listed\na@b.example\n\n------- Returned Message --------\n";
        assert!(read(above).unwrap().recipients[0].1.contains("User not listed"));
    }
}
