//! The facts of one digest, free of any language: what `collect` read and `compose` tells.

use jiff::civil::{Date, DateTime, Time};

use crate::model::address::Channel;
use crate::model::language::Language;
use crate::model::plan::LeftOut;
use crate::model::response::{Bounce, HumanIntent};
use crate::model::task::TaskKind;
use crate::policy::guard::Excess;

/// Everything one digest tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestData {
    /// The language it is told in.
    pub language: Language,
    /// What the manager is called.
    pub given_name: String,
    /// The hour it comes at, which decides the greeting.
    pub at: Time,
    /// The manager's date.
    pub today: Date,
    /// The manager's date on which the span begins.
    pub since: Date,
    /// What left in the span.
    pub letters: Letters,
    /// What was to be done by today and is not.
    pub todos: Vec<Todo>,
    /// What people wrote.
    pub answers: Vec<Answer>,
    /// What did not arrive, and who left.
    pub fixes: Vec<Fix>,
    /// Campaigns that wait because they went wrong.
    pub stopped: Vec<Stopped>,
    /// Letters that wait for a person.
    pub waiting: Vec<Waiting>,
    /// Who is away.
    pub away: Vec<Away>,
    /// Who wants no more.
    pub opted_out: Vec<OptedOut>,
    /// What goes out within a week.
    pub upcoming: Vec<Upcoming>,
    /// Who gets nothing of a campaign that began.
    pub left_out: Vec<LeftOutOf>,
}

impl DigestData {
    /// Something happened in the span, or something waits for a person.
    pub fn has_news(&self) -> bool {
        self.letters != Letters::default()
            || !self.todos.is_empty()
            || !self.answers.is_empty()
            || !self.fixes.is_empty()
            || !self.stopped.is_empty()
            || !self.waiting.is_empty()
            || !self.away.is_empty()
            || !self.opted_out.is_empty()
            || !self.left_out.is_empty()
    }
}

/// How many letters ended in the span, and how many are open to doubt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// Mails that the relay took.
    pub accepted: usize,
    /// Mails that were refused for good.
    pub rejected: usize,
    /// Faxes that arrived.
    pub fax_arrived: usize,
    /// Faxes that were given up.
    pub fax_failed: usize,
    /// Due, and left out by a rule.
    pub skipped: usize,
    /// May have left; counted until a person resolves it.
    pub uncertain: usize,
}

/// Who an item is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The contact's name.
    pub name: String,
    /// The company's.
    pub company: String,
}

/// A telephone number as it is read and as it is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// `070-174 06 12` at home, `+49 30 123456` abroad.
    pub shown: String,
    /// E.164.
    pub dialled: String,
}

/// An open task whose day has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    /// About whom.
    pub person: Option<Person>,
    /// What kind.
    pub kind: TaskKind,
    /// What to do.
    pub note: String,
    /// By when.
    pub due: Date,
    /// Where they are reached.
    pub phone: Option<Phone>,
}

/// A reply that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who.
    pub person: Person,
    /// What they meant.
    pub intent: HumanIntent,
    /// Their words, tamed and short.
    pub quote: Option<String>,
    /// Where they are reached by telephone.
    pub phone: Option<Phone>,
    /// Where they are reached by mail.
    pub email: Option<String>,
    /// When the task that came of it is due.
    pub due: Option<Date>,
    /// The task that came of it is done.
    pub done: bool,
    /// A date they named.
    pub until: Option<Date>,
    /// There is a task that reminds of the date.
    pub reminds: bool,
    /// It ended their plan.
    pub plan_stopped: bool,
}

/// Something about a client that is to be put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Who.
    pub person: Person,
    /// What is wrong.
    pub trouble: Trouble,
    /// The enhanced status of a refusal.
    pub enhanced: Option<String>,
    /// What became of the same letter by fax.
    pub fax: FaxInstead,
    /// The operator has a task about it.
    pub operator_told: bool,
    /// Mail to this domain waits.
    pub domain_waits: Option<String>,
    /// Where they are reached.
    pub phone: Option<Phone>,
    /// The words of an answering machine, tamed and short.
    pub quote: Option<String>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A mail did not arrive.
    Mail(Bounce),
    /// A fax did not arrive.
    Fax,
    /// They don't work there any more.
    LeftCompany,
}

/// What became of the same letter by fax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaxInstead {
    /// There is none.
    None,
    /// It has not ended.
    UnderWay,
    /// It arrived, by the manager's clock.
    Arrived(DateTime),
    /// It did not arrive either.
    Failed,
}

/// A campaign that waits because it went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The campaign's title.
    pub campaign: String,
    /// Why.
    pub why: Stop,
    /// How many of the owner's letters wait for it.
    pub letters: usize,
}

/// Why a campaign waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Too many bounces or complaints.
    Excess(Excess),
    /// Google refuses its letters.
    Google,
}

/// Letters that wait for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Why.
    pub wait: Wait,
    /// How many.
    pub count: usize,
    /// The first of those they go to.
    pub people: Vec<Person>,
}

/// Why letters wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// They may have left.
    Uncertain,
    /// Their time passed, and the campaign asks.
    Late,
    /// They are held for another reason, which the operator sees.
    Held,
}

/// Someone whose answering machine said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// Who.
    pub person: Person,
    /// When they are back.
    pub back: Option<Date>,
    /// When letters to them go on.
    pub waits_until: Option<Date>,
}

/// Someone who wants no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptedOut {
    /// Who.
    pub person: Person,
    /// They reported the letter as spam.
    pub complaint: bool,
}

/// One step's letters of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// The manager's date.
    pub date: Date,
    /// The first minute, by the clients' clock.
    pub from: Time,
    /// The first minute after.
    pub until: Time,
    /// The campaign's title.
    pub campaign: String,
    /// The step's slug.
    pub step: String,
    /// How it goes.
    pub channel: Channel,
    /// To how many.
    pub count: usize,
}

/// Who gets nothing of a campaign, by rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOutOf {
    /// The campaign's title.
    pub campaign: String,
    /// How many matched.
    pub total: i64,
    /// The rule, the country and how many.
    pub reasons: Vec<(LeftOut, Option<String>, i64)>,
}
