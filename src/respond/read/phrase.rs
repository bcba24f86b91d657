//! Phrase rules: what words mean, as data.
//!
//! Rules live in `phrases/*.toml`, one file for a language. Where two matches
//! overlap, a denial beats an assent ("inte intresserad") and "not now" beats a
//! denial ("not interested right now"); of the rest the surest wins.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexSet, RegexSetBuilder};
use serde::Deserialize;

use crate::model::response::{HumanIntent, ResponseKind};

use super::fold::{self, Folded};

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
    /// What its language denies with, filled in from its file.
    #[serde(skip)]
    denial: String,
    /// What it denies with behind the words.
    #[serde(skip)]
    denial_behind: Option<String>,
}

/// Bytes of a text that are looked at.
const MOST_TEXT: usize = 8 << 10;
/// Places at which a rule is tried to be meant.
const MOST_PLACES: usize = 10;
/// Bytes of all rules of a place, compiled.
const MOST_PROGRAM: usize = 64 << 20;
/// Bytes of the states that are kept of a place's automaton.
const MOST_CACHE: usize = 16 << 20;

fn usual_confidence() -> f32 {
    0.9
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Words that turn what follows them into its opposite, as an expression.
    denial: String,
    /// Words that do so behind them.
    #[serde(default)]
    denial_behind: Option<String>,
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
    rules: Vec<Compiled>,
}

struct Compiled {
    rule: Rule,
    kind: ResponseKind,
    expression: Regex,
    denial: Regex,
    denial_behind: Option<Regex>,
}

const FILES: [&str; 8] = [
    include_str!("phrases/sv.toml"),
    include_str!("phrases/en.toml"),
    include_str!("phrases/de.toml"),
    include_str!("phrases/fr.toml"),
    include_str!("phrases/fi.toml"),
    include_str!("phrases/da.toml"),
    include_str!("phrases/nb.toml"),
    include_str!("phrases/es.toml"),
];

static BOOKS: LazyLock<[Book; 3]> = LazyLock::new(|| [Place::Human, Place::Auto, Place::Subject].map(Book::of));

impl Book {
    fn of(place: Place) -> Self {
        let rules: Vec<_> = all().filter(|rule| rule.place == place).map(compile).collect();
        let mut set = RegexSetBuilder::new(rules.iter().map(|compiled| compiled.expression.as_str()));
        let set = set.size_limit(MOST_PROGRAM).dfa_size_limit(MOST_CACHE).build().expect("a test builds each set");
        Self { set, rules }
    }
}

fn all() -> impl Iterator<Item = Rule> {
    FILES.iter().flat_map(|text| {
        let file = toml::from_str::<File>(text).expect("a test reads each file of phrases");
        let (denial, denial_behind) = (file.denial, file.denial_behind);
        let named = move |rule| Rule { denial: denial.clone(), denial_behind: denial_behind.clone(), ..rule };
        file.rule.into_iter().map(named)
    })
}

fn compile(rule: Rule) -> Compiled {
    let kind = ResponseKind::find(&rule.kind).expect("a test reads each rule's kind");
    let expression = |pattern: &str| {
        let pattern = fold::pattern(&pattern.replace(' ', r"\s+"));
        Regex::new(&format!("(?m-u){pattern}")).expect("a test compiles each rule")
    };
    Compiled {
        kind,
        expression: expression(&rule.pattern),
        denial: expression(&format!("(?:{})$", rule.denial)),
        denial_behind: rule.denial_behind.as_ref().map(|denial| expression(&format!(r"\A(?:{denial})"))),
        rule,
    }
}

/// The rules of one place that match `text`, the surest first.
pub(super) fn matches(place: Place, text: &str) -> Vec<Match> {
    let book = &BOOKS[place as usize];
    let folded = Folded::of(&text[..text.floor_char_boundary(MOST_TEXT)]);
    let text = folded.bytes.as_slice();
    let spoken = if place == Place::Human { quotations(text) } else { Vec::new() };
    let found = book.set.matches(text).into_iter().filter_map(|at| {
        let compiled = &book.rules[at];
        let meant = |start, end| !spoken.iter().any(|(from, to)| *from <= start && end <= *to);
        let spans = compiled.expression.find_iter(text).take(MOST_PLACES);
        let span = { spans }
            .find(|span| meant(span.start(), span.end()) && !compiled.is_denied(text, span.start(), span.end()))?;
        let (start, end) = (folded.offset(span.start()), folded.offset(span.end()));
        Some(Match { rule: &compiled.rule.id, kind: compiled.kind, confidence: compiled.rule.confidence, start, end })
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

impl Compiled {
    /// "Do not unsubscribe me", "vi är inte intresserade": the words say the opposite.
    fn is_denied(&self, text: &[u8], start: usize, end: usize) -> bool {
        let can_be = match self.kind {
            ResponseKind::OptOut(_) => true,
            ResponseKind::Human(intent) => matches!(intent, HumanIntent::Interested | HumanIntent::Hostile),
            _ => false,
        };
        let behind =
            || self.denial_behind.as_ref().is_some_and(|denial| denial.is_match(&text[end..text.len().min(end + 40)]));
        can_be && (self.denial.is_match(&text[start.saturating_sub(40)..start]) || behind())
    }
}

/// The stretches in quotation marks: somebody else's words, unless they are all there is.
fn quotations(text: &[u8]) -> Vec<(usize, usize)> {
    static MARKED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"(?-u)"[^"\n]{1,200}""#).expect("a valid expression"));
    let found: Vec<_> = MARKED.find_iter(text).map(|mark| (mark.start(), mark.end())).collect();
    let inside: usize = found.iter().map(|(start, end)| end - start).sum();
    // An answer that is only `"STOP"` means what it says.
    if text.trim_ascii().len() < inside + 12 { Vec::new() } else { found }
}

impl Match {
    /// What beats what where two matches overlap.
    fn weight(&self) -> u8 {
        match self.kind {
            ResponseKind::OptOut(_) => 3,
            ResponseKind::Human(HumanIntent::NotNow) => 2,
            ResponseKind::Human(HumanIntent::NotInterested | HumanIntent::Referral) => 1,
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
            let Compiled { rule, kind, .. } = compile(rule);
            assert_ne!(kind, ResponseKind::Other, "{}", rule.id);
        }
        assert!(ids.len() > 50);
    }

    #[test]
    fn hears_nothing_in_quoted_or_denied_words() {
        for text in [
            "Ni skrev \"ta bort mig från listan\" längst ner, vad betyder det?",
            "Please do not unsubscribe me, we like your letters.",
            "Jag vill inte avregistrera mig, tvärtom.",
        ] {
            let found = matches(Place::Human, text);
            assert!(found.iter().all(|found| !matches!(found.kind, ResponseKind::OptOut(_))), "{text}: {found:?}");
        }
        let found = matches(Place::Human, "\"STOPP\"");
        assert!(found.is_empty() || found[0].kind.name() == "opt_out.in_reply");
    }

    #[test]
    fn drops_a_match_inside_its_own_denial() {
        let found = matches(Place::Human, "Vi är tyvärr inte intresserade av detta.");
        assert!(found.iter().all(|found| found.kind.name() == "human.not_interested"), "{found:?}");
    }
}
