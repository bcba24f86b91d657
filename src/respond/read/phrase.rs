//! Phrase rules: what words mean, as data.
//!
//! Rules live in `phrases/*.toml`, one file for a language. Where two matches
//! overlap, a denial beats an assent ("inte intresserad") and "not now" beats a
//! denial ("not interested right now"); of the rest the surest wins.

use std::sync::LazyLock;

use regex::{Regex, RegexSet, RegexSetBuilder};
use serde::Deserialize;

use crate::model::response::{HumanIntent, ResponseKind};

/// Where a rule looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// The new words of a person.
    Human,
    /// The body of an automatic answer.
    Auto,
    /// The subject of an automatic answer, which shows that it is one.
    Subject,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    id: String,
    #[serde(rename = "in")]
    place: Place,
    kind: String,
    #[serde(default = "usual_confidence")]
    confidence: f32,
    /// Linear-time expression, without regard to case; a blank stands for any white space.
    pattern: String,
}

/// Bytes of a text that are looked at.
const MOST_TEXT: usize = 8 << 10;

/// Bytes that the automaton of a place's rules may grow to.
const MOST_AUTOMATON: usize = 16 << 20;

fn usual_confidence() -> f32 {
    0.9
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Rule>,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Match {
    pub(super) rule: &'static str,
    pub(super) kind: ResponseKind,
    pub(super) confidence: f32,
    pub(super) start: usize,
    pub(super) end: usize,
}

struct Book {
    set: RegexSet,
    rules: Vec<(Rule, ResponseKind, Regex)>,
}

const FILES: [&str; 3] =
    [include_str!("phrases/sv.toml"), include_str!("phrases/en.toml"), include_str!("phrases/de.toml")];

static BOOKS: LazyLock<[Book; 3]> = LazyLock::new(|| [Place::Human, Place::Auto, Place::Subject].map(Book::of));

impl Book {
    fn of(place: Place) -> Self {
        let rules: Vec<_> = all().filter(|rule| rule.place == place).map(compile).collect();
        // A word's border stops the automaton at the first letter beyond ASCII, and what
        // takes over is fifty times slower. The set only proposes: without borders it
        // proposes more, and each rule is asked again.
        let open = rules.iter().map(|(_, _, expression)| expression.as_str().replace(r"\b", ""));
        let set = RegexSetBuilder::new(open).dfa_size_limit(MOST_AUTOMATON).build();
        Self { set: set.expect("each expression alone is valid"), rules }
    }
}

fn all() -> impl Iterator<Item = Rule> {
    FILES.iter().flat_map(|text| toml::from_str::<File>(text).expect("a test reads each file of phrases").rule)
}

fn compile(rule: Rule) -> (Rule, ResponseKind, Regex) {
    let kind = ResponseKind::find(&rule.kind).expect("a test reads each rule's kind");
    let pattern = format!("(?im){}", rule.pattern.replace(' ', r"\s+"));
    let expression = Regex::new(&pattern).expect("a test compiles each rule");
    (rule, kind, expression)
}

/// The rules of one place that match `text`, the surest first.
pub(super) fn matches(place: Place, text: &str) -> Vec<Match> {
    let book = &BOOKS[place as usize];
    let text = &text[..text.floor_char_boundary(MOST_TEXT)];
    let found = book.set.matches(text).into_iter().filter_map(|at| {
        let (rule, kind, expression) = &book.rules[at];
        let span = expression.find(text)?;
        let (start, end) = (span.start(), span.end());
        Some(Match { rule: &rule.id, kind: *kind, confidence: rule.confidence, start, end })
    });
    let found: Vec<Match> = found.collect();
    let beaten = |a: &Match, b: &Match| a.start < b.end && b.start < a.end && a.weight() < b.weight();
    let mut kept: Vec<Match> = found.iter().filter(|a| !found.iter().any(|b| beaten(a, b))).cloned().collect();
    kept.sort_by(|a, b| {
        let surer = b.confidence.total_cmp(&a.confidence);
        surer.then(b.weight().cmp(&a.weight())).then(a.start.cmp(&b.start))
    });
    kept
}

impl Match {
    /// What beats what where two matches overlap.
    fn weight(&self) -> u8 {
        match self.kind {
            ResponseKind::OptOut(_) => 3,
            ResponseKind::Human(HumanIntent::NotNow) => 2,
            ResponseKind::Human(HumanIntent::NotInterested) => 1,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_its_own_id_a_kind_and_an_expression() {
        let mut ids = BTreeSet::new();
        for rule in all() {
            assert!(ids.insert(rule.id.clone()), "{} stands twice", rule.id);
            assert!((0.0..=1.0).contains(&rule.confidence), "{}", rule.id);
            let (rule, kind, _) = compile(rule);
            assert_ne!(kind, ResponseKind::Other, "{}", rule.id);
        }
        assert!(ids.len() > 50);
    }

    #[test]
    fn drops_a_match_inside_its_own_denial() {
        let found = matches(Place::Human, "Vi är tyvärr inte intresserade av detta.");
        assert!(found.iter().all(|found| found.kind.name() == "human.not_interested"), "{found:?}");
    }
}
