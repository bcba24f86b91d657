//! From facts to words: sections in the order of what is to be done, numbered
//! through, the acts counted in the subject. Pure.

use serde::Serialize;

use super::data::{
    Answer, Away, DigestData, Fix, LeftOutOf, OptedOut, Person, Phone, Stopped, Todo, Upcoming, Waiting,
};
use super::sheet::{Entry, Section, Sheet};
use super::words::{self, Acts, Heading, Words};
use super::{html, plain};
use crate::model::address::Channel;
use crate::model::response::HumanIntent;
use crate::model::task::TaskKind;

/// Items of one section; what is beyond stands on the page.
const ROOM: usize = 30;

/// A digest as it is sent: the payload of its delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// The subject.
    pub subject: String,
    /// The text part, 60 columns.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// Composes a digest whose page is at `link`.
pub fn compose(data: &DigestData, link: &str) -> Digest {
    let sheet = layout(data);
    Digest { text: plain::text(&sheet, link), html: html::page(&sheet, link), subject: sheet.subject }
}

/// The digest in words, before it is text or HTML; items have the same numbers everywhere.
pub fn layout(data: &DigestData) -> Sheet {
    let words = words::of(data.language);
    let hello = words.hello(&data.given_name, data.at);
    if !data.has_news() && data.upcoming.is_empty() {
        return Sheet {
            language: data.language,
            subject: words.all_well_subject().to_owned(),
            opening: vec![format!("{hello} {}", words.all_well(data.since, data.today))],
            sections: vec![],
            link_label: words.open_list().to_owned(),
        };
    }
    let mut numbers = Numbers { words, last: 0, sections: vec![] };
    numbers.add(Heading::Todo, true, todos(words, data));
    numbers.add(Heading::Answers, true, answers(words, data));
    numbers.add(Heading::Fixes, true, fixes(words, data));
    numbers.add(Heading::Away, true, away(words, data));
    numbers.add(Heading::OptedOut, false, opted_out(words, data));
    numbers.add(Heading::Upcoming, true, upcoming(words, data));
    numbers.add(Heading::LeftOut, false, left_out(words, data));
    let figures = words.mails(data.since, data.today, &data.letters);
    Sheet {
        language: data.language,
        subject: words.subject(&acts(data)),
        opening: vec![format!("{hello} {figures}"), words.faxes_and_doubts(&data.letters)],
        sections: numbers.sections,
        link_label: words.open_list().to_owned(),
    }
}

/// Numbers items through all sections.
struct Numbers {
    words: &'static dyn Words,
    last: usize,
    sections: Vec<Section>,
}

impl Numbers {
    fn add(&mut self, heading: Heading, numbered: bool, mut entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let beyond = entries.len().saturating_sub(ROOM);
        entries.truncate(ROOM);
        for entry in entries.iter_mut().filter(|_| numbered) {
            self.last += 1;
            entry.number = Some(self.last);
        }
        let more = (beyond > 0).then(|| self.words.more(beyond));
        self.sections.push(Section { heading: self.words.heading(heading), entries, more });
    }
}

fn who(person: &Person) -> Option<String> {
    Some(format!("{}, {}", person.name, person.company))
}

/// A number whose parts stay on one line.
fn glued(phone: Option<&Phone>) -> Option<Phone> {
    phone.map(|phone| Phone { shown: phone.shown.replace(' ', "\u{a0}"), dialled: phone.dialled.clone() })
}

fn todos(words: &dyn Words, data: &DigestData) -> Vec<Entry> {
    let entry = |todo: &Todo| {
        let phone = glued(todo.phone.as_ref());
        let lines = words.todo_lines(todo, phone.as_ref().map(|phone| phone.shown.as_str()), data.today);
        let who = todo.person.as_ref().and_then(who);
        // Without a person the note alone says what it is.
        let what = who.is_some().then(|| words.todo(todo.kind).to_owned());
        Entry { who, what, lines, phone, ..Default::default() }
    };
    data.todos.iter().map(entry).collect()
}

fn answers(words: &dyn Words, data: &DigestData) -> Vec<Entry> {
    let entry = |answer: &Answer| {
        let phone = glued(answer.phone.as_ref());
        let line = words.answer_line(answer, phone.as_ref().map(|phone| phone.shown.as_str()), data.today);
        Entry {
            who: who(&answer.person),
            what: Some(words.answer(answer.intent).to_owned()),
            quote: answer.quote.clone(),
            lines: vec![line],
            phone,
            ..Default::default()
        }
    };
    data.answers.iter().map(entry).collect()
}

fn fixes(words: &dyn Words, data: &DigestData) -> Vec<Entry> {
    let fix = |fix: &Fix| {
        let phone = glued(fix.phone.as_ref());
        let shown = phone.as_ref().map(|phone| phone.shown.as_str());
        Entry {
            who: who(&fix.person),
            what: Some(words.trouble(fix.trouble, fix.enhanced.as_deref())),
            quote: fix.quote.clone(),
            lines: words.fix_lines(fix, shown, data.since, data.today),
            phone,
            ..Default::default()
        }
    };
    let waiting = |waiting: &Waiting| {
        let mut names: Vec<_> = waiting.people.iter().filter_map(who).collect();
        let others = waiting.count.saturating_sub(names.len());
        names.extend((others > 0).then(|| words.others(others)));
        let lines = vec![format!("{}.", names.join("; ")), words.wait_line(waiting.wait, waiting.count)];
        Entry { who: Some(words.wait(waiting.wait, waiting.count)), lines, ..Default::default() }
    };
    let stopped = |stopped: &Stopped| Entry {
        who: Some(words.stopped(&stopped.campaign)),
        lines: vec![words.stopped_line(stopped)],
        ..Default::default()
    };
    let stopped = data.stopped.iter().map(stopped);
    stopped.chain(data.fixes.iter().map(fix)).chain(data.waiting.iter().map(waiting)).collect()
}

fn away(words: &dyn Words, data: &DigestData) -> Vec<Entry> {
    let entry = |away: &Away| Entry {
        who: who(&away.person),
        what: Some(words.away(away.back, data.today)),
        lines: vec![words.away_line(away.waits_until, data.today)],
        ..Default::default()
    };
    data.away.iter().map(entry).collect()
}

fn opted_out(words: &dyn Words, data: &DigestData) -> Vec<Entry> {
    let entry = |gone: &OptedOut| Entry {
        lines: vec![words.opted_out(&who(&gone.person).unwrap_or_default(), gone.complaint)],
        ..Default::default()
    };
    data.opted_out.iter().map(entry).collect()
}

fn upcoming(words: &dyn Words, data: &DigestData) -> Vec<Entry> {
    // The campaign is named only where its step alone would leave a doubt.
    let several = data.upcoming.iter().any(|one| one.campaign != data.upcoming[0].campaign);
    let entry = |one: &Upcoming| Entry {
        who: Some(words.upcoming_when(one, data.today)),
        what: Some(words.upcoming_what(one, several)),
        ..Default::default()
    };
    data.upcoming.iter().map(entry).collect()
}

fn left_out(words: &dyn Words, data: &DigestData) -> Vec<Entry> {
    let several = data.left_out.len() > 1;
    let entry = |left: &LeftOutOf| {
        let line = words.left_out(left);
        let line = if several { format!("{}: {line}", left.campaign) } else { line };
        Entry { lines: vec![line], ..Default::default() }
    };
    data.left_out.iter().map(entry).collect()
}

/// Counts what the manager has to do, and what goes out first.
fn acts(data: &DigestData) -> Acts {
    let mut acts = Acts { today: data.today, ..Acts::default() };
    for answer in data.answers.iter().filter(|answer| !answer.done) {
        match answer.intent {
            HumanIntent::Interested if answer.phone.is_some() => acts.calls += 1,
            HumanIntent::Interested
            | HumanIntent::Question
            | HumanIntent::Referral
            | HumanIntent::Unclear
            | HumanIntent::DataRequest
            | HumanIntent::Hostile => {
                acts.replies += 1;
            }
            HumanIntent::NotNow | HumanIntent::NotInterested => {}
        }
    }
    for todo in &data.todos {
        match todo.kind {
            TaskKind::Call => acts.calls += 1,
            TaskKind::Answer | TaskKind::Remind => acts.replies += 1,
            TaskKind::Fix | TaskKind::Operate => acts.fixes += 1,
        }
    }
    acts.fixes += data.stopped.len() + data.fixes.len() + data.waiting.len();
    let letters = |one: &&Upcoming| one.channel != Channel::Call;
    acts.on = data.upcoming.iter().filter(letters).map(|one| one.date).min();
    for one in data.upcoming.iter().filter(|one| Some(one.date) == acts.on) {
        match one.channel {
            Channel::Email => acts.mails += one.count,
            Channel::Fax => acts.faxes += one.count,
            Channel::Call => {}
        }
    }
    acts
}
