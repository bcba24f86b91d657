//! What a digest says, sentence by sentence; each language has its own file.
//!
//! Sentences, not single words: number, order and what stands between them
//! differ from language to language. The forms name nobody's sex, which a name
//! does not tell.

mod en;
mod sv;

use jiff::civil::{Date, Time};

use super::data::{Answer, Fix, LeftOutOf, Letters, Stopped, Todo, Trouble, Upcoming, Wait};
use crate::model::language::Language;
use crate::model::plan::LeftOut;
use crate::model::response::HumanIntent;
use crate::model::task::TaskKind;

/// The sections, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heading {
    Todo,
    Answers,
    Fixes,
    Away,
    OptedOut,
    Upcoming,
    LeftOut,
}

/// What the subject counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acts {
    pub today: Date,
    pub calls: usize,
    pub replies: usize,
    pub fixes: usize,
    /// The day of the first letters, and how many go on it.
    pub on: Option<Date>,
    pub mails: usize,
    pub faxes: usize,
}

/// The sentences of one language.
pub(super) trait Words: Sync {
    fn hello(&self, name: &str, at: Time) -> String;
    fn all_well_subject(&self) -> &'static str;
    fn all_well(&self, since: Date, today: Date) -> String;
    fn subject(&self, acts: &Acts) -> String;
    fn mails(&self, since: Date, today: Date, letters: &Letters) -> String;
    fn faxes_and_doubts(&self, letters: &Letters) -> String;
    fn heading(&self, heading: Heading) -> &'static str;
    fn more(&self, count: usize) -> String;
    fn others(&self, count: usize) -> String;
    fn open_list(&self) -> &'static str;
    fn todo(&self, kind: TaskKind) -> &'static str;
    fn todo_lines(&self, todo: &Todo, phone: Option<&str>, today: Date) -> Vec<String>;
    fn answer(&self, intent: HumanIntent) -> &'static str;
    fn answer_line(&self, answer: &Answer, phone: Option<&str>, today: Date) -> String;
    fn trouble(&self, trouble: Trouble, enhanced: Option<&str>) -> String;
    fn fix_lines(&self, fix: &Fix, phone: Option<&str>, since: Date, today: Date) -> Vec<String>;
    fn stopped(&self, campaign: &str) -> String;
    fn stopped_line(&self, stopped: &Stopped) -> String;
    fn wait(&self, wait: Wait, count: usize) -> String;
    fn wait_line(&self, wait: Wait, count: usize) -> String;
    fn away(&self, back: Option<Date>, today: Date) -> String;
    fn away_line(&self, waits_until: Option<Date>, today: Date) -> String;
    fn opted_out(&self, who: &str, complaint: bool) -> String;
    fn upcoming_when(&self, upcoming: &Upcoming, today: Date) -> String;
    fn upcoming_what(&self, upcoming: &Upcoming, name_campaign: bool) -> String;
    fn left_out(&self, left: &LeftOutOf) -> String;
}

/// The sentences of a language.
pub(super) fn of(language: Language) -> &'static dyn Words {
    match language {
        Language::Sv => &sv::Swedish,
        Language::En => &en::English,
    }
}

/// Days from one date to another.
fn days(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

fn hours(from: Time, until: Time) -> String {
    format!("{}-{}", from.strftime("%H:%M"), until.strftime("%H:%M"))
}

/// A note without its own full stop, so that a sentence can go on.
fn unstopped(note: &str) -> &str {
    note.trim().trim_end_matches('.')
}

/// The letter at the start as a capital.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A list with a word before its last part.
fn listed(parts: &[String], and: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {and} {last}", first.join(", ")),
    }
}

/// How many are left out by each rule, in the order of the rules; those without a
/// consent apart, by country.
struct Excluded {
    without_consent: Vec<(Option<String>, i64)>,
    sole_traders: i64,
    others: Vec<(LeftOut, i64)>,
    total: i64,
}

fn excluded(left: &LeftOutOf) -> Excluded {
    let mut sums = std::collections::BTreeMap::new();
    let mut out = Excluded { without_consent: vec![], sole_traders: 0, others: vec![], total: 0 };
    for (rule, country, count) in &left.reasons {
        out.total += count;
        match rule {
            LeftOut::NoConsent => out.without_consent.push((country.clone(), *count)),
            LeftOut::SoleTrader => out.sole_traders += count,
            other => *sums.entry(*other).or_insert(0) += count,
        }
    }
    out.others = sums.into_iter().collect();
    out
}
