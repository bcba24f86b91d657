//! A campaign as it was checked: what a revision row holds.
//!
//! `campaign` compiles TOML into this, `schedule` reads it, and a revision in the
//! store is its JSON; it never changes after `apply`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Time, Weekday};
use serde::{Deserialize, Serialize};

use super::address::Channel;
use super::language::Language;
use super::limit::Limit;
use super::response::HumanIntent;

/// A checked campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// The slug that keys everything, `led-i-lagret`.
    pub id: String,
    /// The name people read.
    pub title: String,
    /// The language of the letters.
    pub language: Language,
    /// Whose name the letters carry.
    pub from: From,
    /// When the first letters go.
    pub start: Start,
    /// Who gets them.
    pub audience: Rule,
    /// Share of the audience that is left in peace, in percent.
    pub holdout_percent: u8,
    /// When letters may go.
    pub send: Window,
    /// How many of its letters may go, in so long and on a day.
    #[serde(default, skip_serializing_if = "Limit::is_empty")]
    pub limit: Limit,
    /// The steps, in order; at least one.
    pub steps: Vec<Step>,
    /// What to do at a reply of a kind, beyond ending the plan.
    pub on: BTreeMap<HumanIntent, Reaction>,
}

/// Whose name a letter carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// Each client's own account manager, by way of the default sender.
    Owner,
    /// The sender with this id in the configuration.
    Sender(String),
}

/// When a campaign begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Once, on the first sending day from this date.
    Date(Date),
    /// Again and again, at each time of this cron expression; every run is a plan of its own.
    Cron(String),
}

/// The hours in which letters may go, by the client's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The weekdays.
    pub days: BTreeSet<Day>,
    /// The first minute.
    pub from: Time,
    /// The first minute after.
    pub until: Time,
    /// The zone that overrides the client's own, if the campaign names one.
    pub zone: Option<String>,
    /// What to do with a step whose window passed.
    pub late: Late,
}

/// A weekday that sorts from Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i8", into = "i8")]
pub struct Day(i8);

impl Day {
    /// The weekday.
    pub fn weekday(self) -> Weekday {
        Weekday::from_monday_one_offset(self.0).unwrap_or(Weekday::Monday)
    }
}

impl std::convert::From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        Self(day.to_monday_one_offset())
    }
}

impl TryFrom<i8> for Day {
    type Error = String;

    fn try_from(offset: i8) -> Result<Self, Self::Error> {
        Weekday::from_monday_one_offset(offset).map(Self::from).map_err(|e| e.to_string())
    }
}

impl std::convert::From<Day> for i8 {
    fn from(day: Day) -> Self {
        day.0
    }
}

/// `Mon-Thu`: weekdays in the words of a campaign's file, three in a row or more as a range.
pub fn weekdays_in_words(days: &BTreeSet<Day>) -> String {
    let mut runs: Vec<Vec<Weekday>> = Vec::new();
    for day in days.iter().map(|day| day.weekday()) {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| last.next() == day) => run.push(day),
            _ => runs.push(vec![day]),
        }
    }
    let name = |day: &Weekday| format!("{day:?}").chars().take(3).collect::<String>();
    let phrase = |run: &Vec<Weekday>| match run.as_slice() {
        [first, .., last] if run.len() > 2 => format!("{}-{}", name(first), name(last)),
        run => run.iter().map(name).collect::<Vec<_>>().join(", "),
    };
    runs.iter().map(phrase).collect::<Vec<_>>().join(", ")
}

/// `08:30-11:30`: hours in the same words.
pub fn hours_in_words(from: Time, until: Time) -> String {
    format!("{:02}:{:02}-{:02}:{:02}", from.hour(), from.minute(), until.hour(), until.minute())
}

/// What happens to a step that was due while the daemon stood still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Late {
    /// Sent in the next window.
    #[default]
    Send,
    /// Left out; the plan goes on to its next step.
    Skip,
    /// Held until a person says.
    Ask,
}

/// One step of a campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The slug that keys its deliveries.
    pub id: String,
    /// How it reaches the client.
    pub channel: Channel,
    /// How long after the step before; zero for the first.
    pub wait: Wait,
    /// The template's name below the template folder, without its ending; none for a call.
    pub template: Option<String>,
    /// The subject template; none continues the thread of the step before.
    pub subject: Option<String>,
    /// The same letter by this channel where the address is dead.
    pub fallback: Option<Channel>,
    /// Alternative subjects or templates, one of which each contact gets.
    pub variants: Vec<Variant>,
    /// What the manager is asked to do in a call step.
    pub note: Option<String>,
    /// This step's own late policy, where it differs from the campaign's.
    pub late: Option<Late>,
    /// This step's own window, where it differs from the campaign's.
    pub send: Option<Window>,
    /// Files below the template folder that its mail carries; a fax carries the letter alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
}

/// One of a step's variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Its slug.
    pub id: String,
    /// Its subject template.
    pub subject: Option<String>,
    /// Its template, where it differs.
    pub template: Option<String>,
}

/// The pause before a step or in a reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// By the clock.
    Hours(u32),
    /// Calendar days.
    Days(u32),
    /// Days on which the client works: no weekends, no public holidays.
    BusinessDays(u32),
}

/// What a reply of a kind sets off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// A task for the client's owner, a template.
    pub note: String,
    /// By when it is to be done.
    pub within: Wait,
}

/// Who is in the audience: every condition must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule(pub Vec<Condition>);

/// One condition over a contact and its account; a list means "any of".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The account's country.
    Country(Vec<String>),
    /// The account's product needs.
    Needs(Vec<String>),
    /// The account's tier.
    Tier(Vec<String>),
    /// The account's tags.
    Tags(Vec<String>),
    /// The account's town.
    City(Vec<String>),
    /// The contact's language.
    Language(Vec<Language>),
    /// The e-mail addresses of the accounts' owners.
    Owner(Vec<String>),
    /// Nothing went to or came from the contact for this many days.
    NoTouch {
        /// Days before the campaign starts (or before now, once it runs).
        days: u32,
    },
    /// None of the rule's conditions may hold.
    Not(Rule),
}

impl Campaign {
    /// The step with this id.
    pub fn find_step(&self, id: &str) -> Option<(usize, &Step)> {
        self.steps.iter().enumerate().find(|(_, step)| step.id == id)
    }

    /// The window of a step: its own, else the campaign's.
    pub fn window_of<'a>(&'a self, step: &'a Step) -> &'a Window {
        step.send.as_ref().unwrap_or(&self.send)
    }
}
