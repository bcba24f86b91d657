//! The digest in Swedish.

use jiff::civil::{Date, Time, Weekday};

use super::super::data::{Answer, FaxInstead, Fix, LeftOutOf, Letters, Stop, Stopped, Todo, Trouble, Upcoming, Wait};
use super::{Acts, Heading, Words, capital, days, excluded, hours, listed, unstopped};
use crate::model::address::Channel;
use crate::model::plan::LeftOut;
use crate::model::response::{Bounce, HumanIntent};
use crate::model::task::TaskKind;
use crate::policy::guard::Rate;

pub(super) struct Swedish;

const MONTHS: [&str; 12] = [
    "januari",
    "februari",
    "mars",
    "april",
    "maj",
    "juni",
    "juli",
    "augusti",
    "september",
    "oktober",
    "november",
    "december",
];

impl Words for Swedish {
    fn hello(&self, name: &str, at: Time) -> String {
        if at.hour() < 10 { format!("God morgon {name}.") } else { format!("Hej {name}.") }
    }

    fn all_well_subject(&self) -> &'static str {
        "Allt väl"
    }

    fn all_well(&self, since: Date, today: Date) -> String {
        format!("Allt väl: inget nytt sedan {}.", long(since, today))
    }

    fn subject(&self, acts: &Acts) -> String {
        let mut parts = vec![];
        let mut count = |number: usize, what: &str| parts.extend((number > 0).then(|| format!("{number} {what}")));
        count(acts.calls, "att ringa");
        count(acts.replies, "att svara");
        count(acts.fixes, "att rätta");
        if let Some(on) = acts.on {
            let mut letters = vec![];
            letters.extend((acts.mails > 0).then(|| format!("{} mejl", acts.mails)));
            letters.extend((acts.faxes > 0).then(|| format!("{} fax", acts.faxes)));
            parts.push(format!("{} {}", listed(&letters, "och"), soon(on, acts.today)));
        }
        if parts.is_empty() { "Inget att göra i dag".to_owned() } else { parts.join(", ") }
    }

    fn mails(&self, since: Date, today: Date, letters: &Letters) -> String {
        let when = ago(since, today);
        let (taken, refused) = (letters.accepted, letters.rejected);
        match (taken, refused) {
            (0, 0) => format!("{when}: inga mejl."),
            (1, 0) => format!("{when}: 1 mejl, det togs emot."),
            (0, 1) => format!("{when}: 1 mejl, det nekades."),
            (_, 0) => format!("{when}: {taken} mejl, alla togs emot."),
            (0, _) => format!("{when}: {refused} mejl, alla nekades."),
            _ => format!("{when}: {} mejl, {taken} togs emot, {refused}\u{a0}nekades.", taken + refused),
        }
    }

    fn faxes_and_doubts(&self, letters: &Letters) -> String {
        let mut parts = vec![];
        let mut say = |number: usize, what: &str| parts.extend((number > 0).then(|| format!("{number}\u{a0}{what}")));
        say(letters.fax_arrived, "fax kom fram.");
        say(letters.fax_failed, "fax kom inte fram.");
        say(letters.skipped, "hoppades över.");
        match letters.uncertain {
            0 => parts.push("Inget är osäkert.".into()),
            1 => parts.push("1\u{a0}brev är osäkert.".into()),
            many => parts.push(format!("{many}\u{a0}brev är osäkra.")),
        }
        parts.join(" ")
    }

    fn heading(&self, heading: Heading) -> &'static str {
        match heading {
            Heading::Todo => "ATT GÖRA",
            Heading::Answers => "SVAR",
            Heading::Fixes => "ATT RÄTTA",
            Heading::Away => "BORTA",
            Heading::OptedOut => "AVANMÄLD",
            Heading::Upcoming => "GÅR UT HÄRNÄST",
            Heading::LeftOut => "GÅR INTE UT",
        }
    }

    fn more(&self, count: usize) -> String {
        format!("Och {count} till i dagens lista.")
    }

    fn others(&self, count: usize) -> String {
        if count == 1 { "1\u{a0}till".into() } else { format!("{count}\u{a0}andra") }
    }

    fn open_list(&self) -> &'static str {
        "Öppna dagens lista"
    }

    fn todo(&self, kind: TaskKind) -> &'static str {
        match kind {
            TaskKind::Call => "ring",
            TaskKind::Answer => "svara",
            TaskKind::Remind => "hör av dig igen",
            TaskKind::Fix | TaskKind::Operate => "rätta",
        }
    }

    fn todo_lines(&self, todo: &Todo, phone: Option<&str>, today: Date) -> Vec<String> {
        let note = unstopped(&todo.note);
        let mut line = phone.map_or_else(|| format!("{note}."), |phone| format!("{note}: {phone}."));
        if todo.due < today {
            line.push_str(&format!(" Skulle ha gjorts {}.", long(todo.due, today)));
        }
        vec![line]
    }

    fn answer(&self, intent: HumanIntent) -> &'static str {
        match intent {
            HumanIntent::Interested => "intresserad",
            HumanIntent::Question => "har en fråga",
            HumanIntent::NotNow => "inte nu",
            HumanIntent::Referral => "hänvisar vidare",
            HumanIntent::NotInterested => "inte intresserad",
            HumanIntent::Hostile => "är arg",
            HumanIntent::DataRequest => "frågar om sina uppgifter",
            HumanIntent::Unclear => "har svarat",
        }
    }

    fn answer_line(&self, answer: &Answer, phone: Option<&str>, today: Date) -> String {
        let by =
            answer.due.filter(|due| *due > today).map_or("i dag".into(), |due| format!("senast {}", long(due, today)));
        let write = |act: &str| {
            answer.email.as_ref().map_or_else(|| format!("{act} {by}."), |email| format!("{act} {by}: {email}."))
        };
        let act = match answer.intent {
            _ if answer.done => "Klart.".to_owned(),
            HumanIntent::Interested => phone.map_or_else(|| write("Svara"), |phone| format!("Ring {by}: {phone}.")),
            HumanIntent::Question => write("Svara"),
            HumanIntent::Unclear | HumanIntent::Hostile => write("Läs och svara"),
            HumanIntent::DataRequest => write("Svara varifrån uppgifterna kommer"),
            HumanIntent::Referral => "Lägg in den nya kontakten.".to_owned(),
            HumanIntent::NotNow => match answer.until {
                Some(until) if answer.reminds => format!("Du påminns {}.", long(until, today)),
                Some(until) => format!("Hör av dig igen {}.", long(until, today)),
                None => "Ingen dag nämnd; hör av dig när det passar.".to_owned(),
            },
            HumanIntent::NotInterested => "Inget att göra.".to_owned(),
        };
        if answer.plan_stopped { format!("{act} Planen är stoppad.") } else { act }
    }

    fn trouble(&self, trouble: Trouble, enhanced: Option<&str>) -> String {
        let what = match trouble {
            Trouble::Mail(bounce) => match bounce {
                Bounce::NoMailbox => "adressen finns inte",
                Bounce::NoDomain => "domänen finns inte",
                Bounce::Moved => "har bytt adress",
                Bounce::Disabled => "brevlådan är stängd",
                Bounce::Full => "brevlådan är full",
                Bounce::Network | Bounce::System | Bounce::Expired => "servern gick inte att nå",
                Bounce::Size => "brevet är för stort",
                Bounce::Unknown => "mejlet kom inte fram",
                Bounce::Policy => {
                    return enhanced.map_or("servern nekade".into(), |code| format!("servern nekade ({code})"));
                }
            },
            Trouble::Fax => "faxet kom inte fram",
            Trouble::LeftCompany => "har slutat",
        };
        what.to_owned()
    }

    fn fix_lines(&self, fix: &Fix, phone: Option<&str>, since: Date, today: Date) -> Vec<String> {
        let call = phone.map(|phone| format!("Ring: {phone}."));
        let asked = |question: &str| [question].into_iter().chain(call.as_deref()).collect::<Vec<_>>().join(" ");
        let Trouble::Mail(bounce) = fix.trouble else {
            return vec![asked(if fix.trouble == Trouble::Fax { "Rätt nummer?" } else { "Vem är rätt person nu?" })];
        };
        if matches!(bounce, Bounce::Policy | Bounce::Size) {
            let what = if bounce == Bounce::Policy { "Adressen är inte felet." } else { "Felet är vårt." };
            return match (&fix.domain_waits, fix.operator_told) {
                (Some(domain), _) => {
                    vec![format!("{what} Driften har fått ärendet, mejl\u{a0}till\u{a0}{domain} väntar.")]
                }
                (None, true) => vec![format!("{what} Driften har fått ärendet.")],
                (None, false) => vec![format!("{what} Säg till driften.")],
            };
        }
        let dead = bounce.is_dead_address() || bounce == Bounce::Disabled;
        let question = if dead { " Rätt adress?" } else { "" };
        match fix.fax {
            FaxInstead::Arrived(at) if days(since, today) > 1 => {
                let at = format!("{} {}", weekday(at.date()), at.strftime("%H:%M"));
                vec![format!("Gick som fax i stället, framme {at}.{question}")]
            }
            FaxInstead::Arrived(at) => {
                vec![format!("Gick som fax i stället, framme {}.{question}", at.strftime("%H:%M"))]
            }
            FaxInstead::UnderWay => vec![format!("Går som fax i stället.{question}")],
            FaxInstead::Failed => vec![asked(&format!("Inte heller faxet kom fram.{question}"))],
            FaxInstead::None if dead => vec![asked("Rätt adress?")],
            FaxInstead::None => vec![asked("Hör av dig på annat sätt.")],
        }
    }

    fn stopped(&self, campaign: &str) -> String {
        format!("Kampanjen {campaign} är pausad")
    }

    fn stopped_line(&self, stopped: &Stopped) -> String {
        let why = match stopped.why {
            Stop::Google => "Google nekar dess brev.".to_owned(),
            Stop::Excess(excess) => {
                let what = match excess.rate {
                    Rate::Bounces => "studsade",
                    Rate::Complaints => "anmäldes som skräppost",
                };
                let (count, letters, percent) = (excess.count, excess.letters, excess.percent(','));
                format!("{count} av {letters} brev {what} ({percent}\u{a0}%).")
            }
        };
        let clients =
            if stopped.letters == 1 { "1\u{a0}kund".into() } else { format!("{}\u{a0}kunder", stopped.letters) };
        format!("{why} Driften har fått ärendet; brev till {clients} väntar.")
    }

    fn wait(&self, wait: Wait, count: usize) -> String {
        let letters = format!("{count} brev");
        match wait {
            Wait::Uncertain if count == 1 => format!("{letters} är osäkert"),
            Wait::Uncertain => format!("{letters} är osäkra"),
            Wait::Late => format!("{letters} blev för sent ute"),
            Wait::Held => format!("{letters} hålls inne"),
        }
    }

    fn wait_line(&self, wait: Wait, count: usize) -> String {
        let one = count == 1;
        match wait {
            Wait::Uncertain if one => "Det kan ha gått, och går inte om av sig självt. Driften tar reda på det.",
            Wait::Uncertain => "De kan ha gått, och går inte om av sig själva. Driften tar reda på det.",
            Wait::Late if one => "Ska det gå ändå? Säg till driften.",
            Wait::Late => "Ska de gå ändå? Säg till driften.",
            Wait::Held if one => "Driften ser varför, och släpper det eller stryker det.",
            Wait::Held => "Driften ser varför, och släpper dem eller stryker dem.",
        }
        .to_owned()
    }

    fn away(&self, back: Option<Date>, today: Date) -> String {
        back.map_or("borta".into(), |back| format!("åter {}", short(back, today)))
    }

    fn away_line(&self, waits_until: Option<Date>, today: Date) -> String {
        waits_until
            .map_or("Breven går som planerat.".into(), |until| format!("Allt väntar till {}.", long(until, today)))
    }

    fn opted_out(&self, who: &str, complaint: bool) -> String {
        if complaint {
            format!("{who}: anmälde brevet som skräppost. Får inget mer.")
        } else {
            format!("{who}. Får inget mer.")
        }
    }

    fn upcoming_when(&self, upcoming: &Upcoming, today: Date) -> String {
        format!("{} {}", capital(&long(upcoming.date, today)), hours(upcoming.from, upcoming.until))
    }

    fn upcoming_what(&self, upcoming: &Upcoming, name_campaign: bool) -> String {
        let of = if name_campaign { format!(" ({})", upcoming.campaign) } else { String::new() };
        let (step, count) = (&upcoming.step, upcoming.count);
        let clients = if count == 1 { "1\u{a0}kund".to_owned() } else { format!("{count}\u{a0}kunder") };
        match upcoming.channel {
            Channel::Email => format!("\"{step}\"{of} till {clients}"),
            Channel::Fax => format!("\"{step}\"{of} som fax till {clients}"),
            Channel::Call => format!("\"{step}\"{of}, {clients} för dig att ringa"),
        }
    }

    fn left_out(&self, left: &LeftOutOf) -> String {
        let out = excluded(left);
        let mut unasked: Vec<_> =
            out.without_consent.iter().map(|(country, n)| companies(country.as_deref(), *n)).collect();
        match out.sole_traders {
            0 => {}
            1 => unasked.push("1\u{a0}enskild firma".into()),
            many => unasked.push(format!("{many}\u{a0}enskilda firmor")),
        }
        let mut parts = vec![];
        parts.extend((!unasked.is_empty()).then(|| format!("{} utan samtycke", listed(&unasked, "och"))));
        parts.extend(out.others.iter().map(|(rule, count)| format!("{count}\u{a0}{}", rule_name(*rule, *count))));
        format!("{} av {}: {}.", out.total, left.total, parts.join(", "))
    }
}

fn rule_name(rule: LeftOut, count: i64) -> &'static str {
    let one = count == 1;
    match rule {
        LeftOut::NoConsent | LeftOut::SoleTrader => "utan samtycke",
        LeftOut::PersonTypeUnknown => "utan persontyp",
        LeftOut::PrivatePerson if one => "privatperson",
        LeftOut::PrivatePerson => "privatpersoner",
        LeftOut::CountryUnknown => "utan land",
        LeftOut::Suppressed if one => "spärrad",
        LeftOut::Suppressed => "spärrade",
        LeftOut::NoAddress => "utan adress",
        LeftOut::Holdout => "i kontrollgruppen",
        LeftOut::Colleague => "vars kollega redan får mejl",
        LeftOut::NoOwner => "utan kundansvarig",
    }
}

fn companies(country: Option<&str>, count: i64) -> String {
    let stem = match country {
        Some("SE") => "svensk",
        Some("DE") => "tysk",
        Some("NO") => "norsk",
        Some("DK") => "dansk",
        Some("FI") => "finsk",
        Some("GB") => "brittisk",
        Some("AT") => "österrikisk",
        Some("CH") => "schweizisk",
        Some("NL") => "nederländsk",
        Some("BE") => "belgisk",
        Some("FR") => "fransk",
        Some("PL") => "polsk",
        Some("US") => "amerikansk",
        Some(other) => return format!("{count} bolag i {other}"),
        None => return format!("{count} bolag"),
    };
    if count == 1 { format!("1\u{a0}{stem}t bolag") } else { format!("{count}\u{a0}{stem}a bolag") }
}

fn weekday(date: Date) -> &'static str {
    match date.weekday() {
        Weekday::Monday => "måndag",
        Weekday::Tuesday => "tisdag",
        Weekday::Wednesday => "onsdag",
        Weekday::Thursday => "torsdag",
        Weekday::Friday => "fredag",
        Weekday::Saturday => "lördag",
        Weekday::Sunday => "söndag",
    }
}

/// `15 mars`, with the year if it is another.
fn short(date: Date, today: Date) -> String {
    let month = MONTHS[usize::from(date.month().unsigned_abs()) - 1];
    let year = if date.year() == today.year() { String::new() } else { format!(" {}", date.year()) };
    format!("{}\u{a0}{month}{year}", date.day())
}

/// `tisdag 16 mars`.
fn long(date: Date, today: Date) -> String {
    format!("{} {}", weekday(date), short(date, today))
}

fn ago(since: Date, today: Date) -> String {
    match days(since, today) {
        0 => "I dag".into(),
        1 => "I går".into(),
        2..=6 => format!("Sedan i {}s", weekday(since)),
        _ => format!("Sedan {}", short(since, today)),
    }
}

fn soon(on: Date, today: Date) -> String {
    match days(today, on) {
        0 => "i dag".into(),
        1 => "i morgon".into(),
        _ => format!("på {}", weekday(on)),
    }
}
