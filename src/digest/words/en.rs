//! The digest in English.

use jiff::civil::{Date, Time, Weekday};

use super::super::data::{Answer, FaxInstead, Fix, LeftOutOf, Letters, Stop, Stopped, Todo, Trouble, Upcoming, Wait};
use super::{Acts, Heading, Words, days, excluded, hours, listed, unstopped};
use crate::model::address::Channel;
use crate::model::plan::LeftOut;
use crate::model::response::{Bounce, HumanIntent};
use crate::model::task::TaskKind;
use crate::policy::guard::Rate;

pub(super) struct English;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Words for English {
    fn hello(&self, name: &str, at: Time) -> String {
        if at.hour() < 10 { format!("Good morning {name}.") } else { format!("Hello {name}.") }
    }

    fn all_well_subject(&self) -> &'static str {
        "All is well"
    }

    fn all_well(&self, since: Date, today: Date) -> String {
        format!("All is well: nothing new since {}.", long(since, today))
    }

    fn subject(&self, acts: &Acts) -> String {
        let mut parts = vec![];
        let mut count = |number: usize, what: &str| parts.extend((number > 0).then(|| format!("{number} {what}")));
        count(acts.calls, "to call");
        count(acts.replies, "to answer");
        count(acts.fixes, "to fix");
        if let Some(on) = acts.on {
            let mut letters = vec![];
            letters.extend((acts.mails > 0).then(|| counted(acts.mails, "e-mail")));
            letters.extend((acts.faxes > 0).then(|| faxes(acts.faxes)));
            parts.push(format!("{} {}", listed(&letters, "and"), soon(on, acts.today)).replace('\u{a0}', " "));
        }
        if parts.is_empty() { "Nothing to do today".to_owned() } else { parts.join(", ") }
    }

    fn mails(&self, since: Date, today: Date, letters: &Letters) -> String {
        let when = ago(since, today);
        let (taken, refused) = (letters.accepted, letters.rejected);
        match (taken, refused) {
            (0, 0) => format!("{when}: no e-mails."),
            (1, 0) => format!("{when}: 1 e-mail, accepted."),
            (0, 1) => format!("{when}: 1 e-mail, refused."),
            (_, 0) => format!("{when}: {taken} e-mails, all accepted."),
            (0, _) => format!("{when}: {refused} e-mails, all refused."),
            _ => format!("{when}: {} e-mails, {taken} accepted, {refused}\u{a0}refused.", taken + refused),
        }
    }

    fn faxes_and_doubts(&self, letters: &Letters) -> String {
        let mut parts = vec![];
        parts.extend((letters.fax_arrived > 0).then(|| format!("{} arrived.", faxes(letters.fax_arrived))));
        parts.extend((letters.fax_failed > 0).then(|| format!("{} did not arrive.", faxes(letters.fax_failed))));
        parts.extend((letters.skipped > 0).then(|| format!("{} left out.", counted(letters.skipped, "letter"))));
        match letters.uncertain {
            0 => parts.push("Nothing is uncertain.".into()),
            1 => parts.push("1\u{a0}letter is uncertain.".into()),
            many => parts.push(format!("{many}\u{a0}letters are uncertain.")),
        }
        parts.join(" ")
    }

    fn heading(&self, heading: Heading) -> &'static str {
        match heading {
            Heading::Todo => "TO DO",
            Heading::Answers => "REPLIES",
            Heading::Fixes => "TO FIX",
            Heading::Away => "AWAY",
            Heading::OptedOut => "OPTED OUT",
            Heading::Upcoming => "GOES OUT NEXT",
            Heading::LeftOut => "DOES NOT GO OUT",
        }
    }

    fn more(&self, count: usize) -> String {
        format!("And {count} more in today's list.")
    }

    fn others(&self, count: usize) -> String {
        if count == 1 { "1\u{a0}more".into() } else { format!("{count}\u{a0}others") }
    }

    fn open_list(&self) -> &'static str {
        "Open today's list"
    }

    fn todo(&self, kind: TaskKind) -> &'static str {
        match kind {
            TaskKind::Call => "call",
            TaskKind::Answer => "answer",
            TaskKind::Remind => "get in touch again",
            TaskKind::Fix | TaskKind::Operate => "put right",
        }
    }

    fn todo_lines(&self, todo: &Todo, phone: Option<&str>, today: Date) -> Vec<String> {
        let note = unstopped(&todo.note);
        let mut line = phone.map_or_else(|| format!("{note}."), |phone| format!("{note}: {phone}."));
        if todo.due < today {
            line.push_str(&format!(" Was due {}.", long(todo.due, today)));
        }
        vec![line]
    }

    fn answer(&self, intent: HumanIntent) -> &'static str {
        match intent {
            HumanIntent::Interested => "interested",
            HumanIntent::Question => "has a question",
            HumanIntent::NotNow => "not now",
            HumanIntent::Referral => "refers to someone else",
            HumanIntent::NotInterested => "not interested",
            HumanIntent::Hostile => "is angry",
            HumanIntent::DataRequest => "asks about their data",
            HumanIntent::Unclear => "has replied",
        }
    }

    fn answer_line(&self, answer: &Answer, phone: Option<&str>, today: Date) -> String {
        let by = answer.due.filter(|due| *due > today).map_or("today".into(), |due| format!("by {}", long(due, today)));
        let write = |act: &str| {
            answer.email.as_ref().map_or_else(|| format!("{act} {by}."), |email| format!("{act} {by}: {email}."))
        };
        let act = match answer.intent {
            _ if answer.done => "Done.".to_owned(),
            HumanIntent::Interested => phone.map_or_else(|| write("Answer"), |phone| format!("Call {by}: {phone}.")),
            HumanIntent::Question => write("Answer"),
            HumanIntent::Unclear | HumanIntent::Hostile => write("Read and answer"),
            HumanIntent::DataRequest => write("Answer where the data is from"),
            HumanIntent::Referral => "Enter the new contact.".to_owned(),
            HumanIntent::NotNow => match answer.until {
                Some(until) if answer.reminds => format!("You will be reminded on {}.", long(until, today)),
                Some(until) => format!("Get in touch again on {}.", long(until, today)),
                None => "No day named; get in touch when it suits.".to_owned(),
            },
            HumanIntent::NotInterested => "Nothing to do.".to_owned(),
        };
        if answer.plan_stopped { format!("{act} The plan is stopped.") } else { act }
    }

    fn trouble(&self, trouble: Trouble, enhanced: Option<&str>) -> String {
        let what = match trouble {
            Trouble::Mail(bounce) => match bounce {
                Bounce::NoMailbox => "no such address",
                Bounce::NoDomain => "no such domain",
                Bounce::Moved => "has another address now",
                Bounce::Disabled => "the mailbox is closed",
                Bounce::Full => "the mailbox is full",
                Bounce::Network | Bounce::System | Bounce::Expired => "the server could not be reached",
                Bounce::Size => "the letter is too large",
                Bounce::Unknown => "the e-mail did not arrive",
                Bounce::Policy => {
                    return enhanced.map_or("the server refused".into(), |code| format!("the server refused ({code})"));
                }
            },
            Trouble::Fax => "the fax did not arrive",
            Trouble::LeftCompany => "has left the company",
        };
        what.to_owned()
    }

    fn fix_lines(&self, fix: &Fix, phone: Option<&str>, since: Date, today: Date) -> Vec<String> {
        let call = phone.map(|phone| format!("Call: {phone}."));
        let asked = |question: &str| [question].into_iter().chain(call.as_deref()).collect::<Vec<_>>().join(" ");
        let Trouble::Mail(bounce) = fix.trouble else {
            let fax = fix.trouble == Trouble::Fax;
            return vec![asked(if fax { "Right number?" } else { "Who is the right person now?" })];
        };
        if matches!(bounce, Bounce::Policy | Bounce::Size) {
            let what = if bounce == Bounce::Policy { "The address is not at fault." } else { "The fault is ours." };
            return match (&fix.domain_waits, fix.operator_told) {
                (Some(domain), _) => {
                    vec![format!("{what} Operations have the case; e-mail\u{a0}to\u{a0}{domain} waits.")]
                }
                (None, true) => vec![format!("{what} Operations have the case.")],
                (None, false) => vec![format!("{what} Tell operations.")],
            };
        }
        let dead = bounce.is_dead_address() || bounce == Bounce::Disabled;
        let question = if dead { " Right address?" } else { "" };
        match fix.fax {
            FaxInstead::Arrived(at) if days(since, today) > 1 => {
                let at = format!("on {} at {}", weekday(at.date()), at.strftime("%H:%M"));
                vec![format!("Went by fax instead, arrived {at}.{question}")]
            }
            FaxInstead::Arrived(at) => {
                vec![format!("Went by fax instead, arrived {}.{question}", at.strftime("%H:%M"))]
            }
            FaxInstead::UnderWay => vec![format!("Goes by fax instead.{question}")],
            FaxInstead::Failed => vec![asked(&format!("The fax did not arrive either.{question}"))],
            FaxInstead::None if dead => vec![asked("Right address?")],
            FaxInstead::None => vec![asked("Get in touch another way.")],
        }
    }

    fn stopped(&self, campaign: &str) -> String {
        format!("Campaign {campaign} is paused")
    }

    fn stopped_line(&self, stopped: &Stopped) -> String {
        let why = match stopped.why {
            Stop::Google => "Google refuses its letters.".to_owned(),
            Stop::Excess(excess) => {
                let what = match (excess.rate, excess.count) {
                    (Rate::Bounces, _) => "bounced",
                    (Rate::Complaints, 1) => "was reported as spam",
                    (Rate::Complaints, _) => "were reported as spam",
                };
                let (count, letters, percent) = (excess.count, excess.letters, excess.percent('.'));
                format!("{count} of {letters} letters {what} ({percent}\u{a0}%).")
            }
        };
        let clients = match stopped.letters {
            1 => "a letter to 1\u{a0}client waits".to_owned(),
            many => format!("letters to {many}\u{a0}clients wait"),
        };
        format!("{why} Operations have the case; {clients}.")
    }

    fn wait(&self, wait: Wait, count: usize) -> String {
        let letters = counted(count, "letter");
        let be = if count == 1 { "is" } else { "are" };
        match wait {
            Wait::Uncertain => format!("{letters} {be} uncertain"),
            Wait::Late => format!("{letters} came too late"),
            Wait::Held => format!("{letters} {be} held"),
        }
    }

    fn wait_line(&self, wait: Wait, count: usize) -> String {
        let one = count == 1;
        match wait {
            Wait::Uncertain if one => "It may have gone, and is not sent again by itself. Operations look into it.",
            Wait::Uncertain => "They may have gone, and are not sent again by themselves. Operations look into it.",
            Wait::Late if one => "Should it go all the same? Tell operations.",
            Wait::Late => "Should they go all the same? Tell operations.",
            Wait::Held if one => "Operations see why, and let it go or drop it.",
            Wait::Held => "Operations see why, and let them go or drop them.",
        }
        .to_owned()
    }

    fn away(&self, back: Option<Date>, today: Date) -> String {
        back.map_or("away".into(), |back| format!("back {}", short(back, today)))
    }

    fn away_line(&self, waits_until: Option<Date>, today: Date) -> String {
        waits_until
            .map_or("Letters go as planned.".into(), |until| format!("Everything waits until {}.", long(until, today)))
    }

    fn opted_out(&self, who: &str, complaint: bool) -> String {
        if complaint {
            format!("{who}: reported the letter as spam. Gets nothing more.")
        } else {
            format!("{who}. Gets nothing more.")
        }
    }

    fn upcoming_when(&self, upcoming: &Upcoming, today: Date) -> String {
        format!("{} {}", long(upcoming.date, today), hours(upcoming.from, upcoming.until))
    }

    fn upcoming_what(&self, upcoming: &Upcoming, name_campaign: bool) -> String {
        let of = if name_campaign { format!(" ({})", upcoming.campaign) } else { String::new() };
        let (step, clients) = (&upcoming.step, counted(upcoming.count, "client"));
        match upcoming.channel {
            Channel::Email => format!("\"{step}\"{of} to {clients}"),
            Channel::Fax => format!("\"{step}\"{of} by fax to {clients}"),
            Channel::Call => format!("\"{step}\"{of}, {clients} for you to call"),
        }
    }

    fn left_out(&self, left: &LeftOutOf) -> String {
        let out = excluded(left);
        let mut unasked: Vec<_> =
            out.without_consent.iter().map(|(country, n)| companies(country.as_deref(), *n)).collect();
        match out.sole_traders {
            0 => {}
            1 => unasked.push("1\u{a0}sole trader".into()),
            many => unasked.push(format!("{many}\u{a0}sole traders")),
        }
        let mut parts = vec![];
        parts.extend((!unasked.is_empty()).then(|| format!("{} without consent", listed(&unasked, "and"))));
        parts.extend(out.others.iter().map(|(rule, count)| format!("{count}\u{a0}{}", rule_name(*rule, *count))));
        format!("{} of {}: {}.", out.total, left.total, parts.join(", "))
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1\u{a0}{what}") } else { format!("{count}\u{a0}{what}s") }
}

fn faxes(count: usize) -> String {
    if count == 1 { "1\u{a0}fax".into() } else { format!("{count}\u{a0}faxes") }
}

fn rule_name(rule: LeftOut, count: i64) -> &'static str {
    let one = count == 1;
    match rule {
        LeftOut::NoConsent | LeftOut::SoleTrader => "without consent",
        LeftOut::PersonTypeUnknown => "without a person type",
        LeftOut::PrivatePerson if one => "private person",
        LeftOut::PrivatePerson => "private persons",
        LeftOut::CountryUnknown => "without a country",
        LeftOut::Suppressed => "suppressed",
        LeftOut::NoAddress => "without an address",
        LeftOut::Holdout => "in the hold-out group",
        LeftOut::Colleague => "whose colleague is already being written to",
        LeftOut::NoOwner => "without an account manager",
    }
}

fn companies(country: Option<&str>, count: i64) -> String {
    let of = match country {
        Some("SE") => "Swedish",
        Some("DE") => "German",
        Some("NO") => "Norwegian",
        Some("DK") => "Danish",
        Some("FI") => "Finnish",
        Some("GB") => "British",
        Some("AT") => "Austrian",
        Some("CH") => "Swiss",
        Some("NL") => "Dutch",
        Some("BE") => "Belgian",
        Some("FR") => "French",
        Some("PL") => "Polish",
        Some("US") => "American",
        Some(other) if count == 1 => return format!("1 company in {other}"),
        Some(other) => return format!("{count} companies in {other}"),
        None if count == 1 => return "1 company".into(),
        None => return format!("{count} companies"),
    };
    if count == 1 { format!("1\u{a0}{of} company") } else { format!("{count}\u{a0}{of} companies") }
}

fn weekday(date: Date) -> &'static str {
    match date.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

/// `15 March`, with the year if it is another.
fn short(date: Date, today: Date) -> String {
    let month = MONTHS[usize::from(date.month().unsigned_abs()) - 1];
    let year = if date.year() == today.year() { String::new() } else { format!(" {}", date.year()) };
    format!("{}\u{a0}{month}{year}", date.day())
}

/// `Tuesday 16 March`.
fn long(date: Date, today: Date) -> String {
    format!("{} {}", weekday(date), short(date, today))
}

fn ago(since: Date, today: Date) -> String {
    match days(since, today) {
        0 => "Today".into(),
        1 => "Yesterday".into(),
        2..=6 => format!("Since {}", weekday(since)),
        _ => format!("Since {}", short(since, today)),
    }
}

fn soon(on: Date, today: Date) -> String {
    match days(today, on) {
        0 => "today".into(),
        1 => "tomorrow".into(),
        _ => format!("on {}", weekday(on)),
    }
}
