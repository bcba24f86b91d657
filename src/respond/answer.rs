//! The table of what a client's response changes on their record.
//!
//! Pure, one row for each kind. Only a strong tie changes an address or a delivery;
//! a refusal of us never changes the client.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::apply::{Case, operate, summary};
use super::opt_out::{self, objection};
use super::tie::{Tie, fold};
use super::words::{self, Note, Trouble};
use crate::model::address::Channel;
use crate::model::campaign::Wait;
use crate::model::delivery::Outcome;
use crate::model::id::ContactId;
use crate::model::plan::StopReason;
use crate::model::response::{AutoReply, Bounce, HumanIntent, OptOut, ResponseKind};
use crate::model::suppression::{Reason, Scope};
use crate::model::task::TaskKind;
use crate::model::touchpoint::Direction;
use crate::policy::{guard, local};
use crate::store::{Client, Consequence, PauseScope};

/// Business days that someone who is away for an unknown time is left in peace.
const AWAY_DAYS: u32 = 3;
/// Days beyond which a date of return is taken for a slip of the pen.
const LONGEST_AWAY_DAYS: i64 = 400;

/// A case that belongs to one client.
pub(super) struct Answer<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) tie: &'a Tie,
    pub(super) contact: ContactId,
    pub(super) client: &'a Client,
}

/// The table: what a client's response changes.
pub(super) fn answered(answer: &Answer<'_>) -> (bool, Vec<Consequence>) {
    let kind = answer.case.finding.kind;
    let (review, mut changes) = match kind {
        ResponseKind::Bounce(bounce) => bounced(answer, bounce),
        ResponseKind::Auto(AutoReply::OutOfOffice) => (false, away(answer)),
        ResponseKind::Auto(AutoReply::LeftCompany) => (false, left(answer)),
        ResponseKind::Complaint => (false, complained(answer)),
        ResponseKind::OptOut(how) => (false, opted_out(answer, how)),
        ResponseKind::Human(intent) => (false, replied(answer, intent)),
        ResponseKind::Delayed => (false, refused_by_google(answer).unwrap_or_default()),
        ResponseKind::Delivered | ResponseKind::Auto(AutoReply::Ack) => (false, vec![]),
        // Nobody reads it until someone proves to be a person; the manager decides.
        ResponseKind::Auto(AutoReply::Challenge) => (true, vec![]),
        ResponseKind::Fax(_) | ResponseKind::Other => return (false, vec![]),
    };
    // The list of an opt-out has its own line.
    if !matches!(kind, ResponseKind::OptOut(_)) {
        changes.push(answer.touch());
    }
    (review, changes)
}

fn bounced(answer: &Answer<'_>, bounce: Bounce) -> (bool, Vec<Consequence>) {
    if !answer.tie.way.is_strong() {
        // Anybody can write that an address is dead.
        return (true, vec![]);
    }
    let failed = answer.outcome(Outcome::Bounced);
    match bounce {
        Bounce::NoMailbox | Bounce::NoDomain | Bounce::Moved if answer.is_about_our_address() => {
            (false, vec![failed, answer.suppress_address(), answer.invalidate(bounce), answer.mend(bounce)])
        }
        // The letter failed, but it is the address it was sent on to that is dead.
        Bounce::NoMailbox | Bounce::NoDomain | Bounce::Moved => (true, vec![failed]),
        Bounce::Disabled | Bounce::Expired => (false, vec![failed]),
        Bounce::Policy | Bounce::Size => (false, refused(answer, bounce)),
        Bounce::Full | Bounce::Network | Bounce::System | Bounce::Unknown => (false, vec![]),
    }
}

/// We are refused, not the client: mail to their domain waits for a week or until the operator
/// has looked.
fn refused(answer: &Answer<'_>, bounce: Bounce) -> Vec<Consequence> {
    if let Some(changes) = refused_by_google(answer) {
        return changes;
    }
    let Some((_, domain)) = answer.tie.candidate.folded.rsplit_once('@') else { return vec![] };
    let scope = PauseScope::Domain(domain.to_owned());
    let until = guard::domain_until(answer.case.now);
    // Held already, be it for less: the week begins at the first refusal.
    if answer.case.facts.pauses.iter().any(|pause| pause.scope == scope) {
        return vec![];
    }
    let trouble = match bounce {
        Bounce::Size => Trouble::TooLarge(domain),
        _ => Trouble::Refused(domain, answer.case.finding.enhanced.as_deref()),
    };
    vec![
        Consequence::Pause { scope, reason: ResponseKind::Bounce(bounce).name(), until },
        operate(answer.case, Some(answer.contact), trouble),
    ]
}

/// Google's policy judges the sender: all of the campaign waits, for now or for good refused.
fn refused_by_google(answer: &Answer<'_>) -> Option<Vec<Consequence>> {
    let (finding, sent) = (answer.case.finding, &answer.tie.candidate);
    let (campaign, (_, domain)) = (sent.campaign.as_ref()?, sent.folded.rsplit_once('@')?);
    let said = finding.reason.as_deref().unwrap_or_default();
    if !answer.tie.way.is_strong() || !guard::is_googles_policy(domain, finding.enhanced.as_deref(), said) {
        return None;
    }
    let scope = PauseScope::Campaign(campaign.clone());
    if answer.case.facts.is_held(&scope, None) {
        return Some(vec![]);
    }
    let status = finding.enhanced.as_deref().unwrap_or_default();
    Some(vec![
        Consequence::Pause { scope, reason: format!("Google refuses us: {status}"), until: None },
        operate(answer.case, None, Trouble::GoogleRefuses(campaign, status)),
    ])
}

/// Held in every campaign until the business day after they are back.
fn away(answer: &Answer<'_>) -> Vec<Consequence> {
    let (zone, calendar) = answer.case.facts.client_clock();
    let today = local::date(&zone, answer.case.now);
    let latest = today.saturating_add(LONGEST_AWAY_DAYS.days());
    let first = match answer.case.finding.until.filter(|back| *back <= latest) {
        Some(back) => calendar.add_business_days(back, 1),
        None => calendar.add_business_days(today, AWAY_DAYS),
    };
    let until = local::start_of_day(&zone, first).filter(|until| *until > answer.case.now);
    until.and_then(|until| answer.hold(Some(until))).into_iter().collect()
}

fn left(answer: &Answer<'_>) -> Vec<Consequence> {
    let note = Note::Left(answer.case.finding.referred_to.as_deref());
    answer.hold(None).into_iter().chain([answer.task(TaskKind::Fix, note)]).collect()
}

fn complained(answer: &Answer<'_>) -> Vec<Consequence> {
    let mut changes = vec![answer.outcome(Outcome::Complained)];
    changes.extend(objection(answer.contact, Reason::Complaint, answer.case.id));
    changes
}

fn opted_out(answer: &Answer<'_>, how: OptOut) -> Vec<Consequence> {
    let sent = &answer.tie.candidate;
    let address = Some((sent.channel, sent.folded.as_str()));
    let words = summary(answer.case);
    let mut changes = opt_out::consequences(answer.case.id, answer.contact, Some(sent.delivery), address, how, &words);
    if how == OptOut::InReply {
        // Suppressed first, read afterwards: words can be mistaken.
        changes.push(answer.outcome(Outcome::Replied));
        changes.push(answer.task(TaskKind::Answer, Note::OptedOut));
    }
    changes
}

fn replied(answer: &Answer<'_>, intent: HumanIntent) -> Vec<Consequence> {
    let finding = answer.case.finding;
    let facts = answer.case.facts;
    let reaction = facts.reaction.as_ref();
    let later = finding.until.filter(|day| intent == HumanIntent::NotNow && *day > facts.today(answer.case.now));
    let within = reaction.map_or(Wait::BusinessDays(1), |reaction| reaction.within);
    let (kind, due_on) = match later {
        Some(day) => (TaskKind::Remind, day),
        None => (TaskKind::Answer, facts.due_on(within, answer.case.now)),
    };
    let note = match reaction {
        Some(reaction) => words::fill(&reaction.note, answer.client),
        None => answer.note(Note::Answer(intent, finding.referred_to.as_deref())),
    };
    vec![
        answer.outcome(Outcome::Replied),
        Consequence::StopPlans { contact: answer.contact, reason: StopReason::Reply },
        answer.task_on(kind, note, due_on),
    ]
}

impl Answer<'_> {
    /// The report names no address, or the one we wrote to.
    fn is_about_our_address(&self) -> bool {
        self.case.finding.recipient.as_deref().is_none_or(|named| fold(named) == self.tie.candidate.folded)
    }

    fn outcome(&self, outcome: Outcome) -> Consequence {
        Consequence::Outcome { delivery: self.tie.candidate.delivery, outcome }
    }

    fn suppress_address(&self) -> Consequence {
        let value = self.tie.candidate.folded.clone();
        Consequence::Suppress { scope: Scope::Address, value, reason: Reason::Invalid, response: Some(self.case.id) }
    }

    fn invalidate(&self, bounce: Bounce) -> Consequence {
        let (channel, folded) = (self.tie.candidate.channel, self.tie.candidate.folded.clone());
        Consequence::InvalidatePoint { channel, folded, reason: ResponseKind::Bounce(bounce).name() }
    }

    fn mend(&self, bounce: Bounce) -> Consequence {
        self.task(TaskKind::Fix, Note::DeadAddress(bounce))
    }

    /// The contact waits, unless they wait longer already.
    fn hold(&self, until: Option<Timestamp>) -> Option<Consequence> {
        let scope = PauseScope::Contact(self.contact);
        let held = self.case.facts.is_held(&scope, until);
        (!held).then(|| Consequence::Pause { scope, reason: self.case.finding.kind.name(), until })
    }

    fn note(&self, note: Note<'_>) -> String {
        words::note(self.case.facts.owner_language(), self.client, note)
    }

    fn task(&self, kind: TaskKind, note: Note<'_>) -> Consequence {
        self.task_on(kind, self.note(note), self.case.facts.due_on(Wait::BusinessDays(1), self.case.now))
    }

    fn task_on(&self, kind: TaskKind, note: String, due_on: Date) -> Consequence {
        Consequence::Task {
            kind,
            user: self.client.account.owner,
            contact: Some(self.contact),
            plan: self.tie.candidate.plan,
            response: Some(self.case.id),
            note,
            due_on,
        }
    }

    fn touch(&self) -> Consequence {
        Consequence::Touch {
            contact: self.contact,
            direction: Direction::In,
            channel: Channel::Email,
            kind: self.case.finding.kind.name(),
            summary: summary(self.case),
            delivery: Some(self.tie.candidate.delivery),
            response: Some(self.case.id),
        }
    }
}
