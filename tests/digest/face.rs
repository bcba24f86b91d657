//! Digests built by hand.

use jiff::civil::{Date, date, time};
use outreachd::digest::{
    Answer, Away, DigestData, FaxInstead, Fix, LeftOutOf, Letters, OptedOut, Person, Phone, Stop, Stopped, Todo,
    Trouble, Upcoming, Wait, Waiting,
};
use outreachd::model::address::Channel;
use outreachd::model::language::Language;
use outreachd::model::plan::LeftOut;
use outreachd::model::response::{Bounce, HumanIntent};
use outreachd::model::task::TaskKind;
use outreachd::policy::guard::{Excess, Rate, Share};

const TUESDAY: Date = date(2027, 3, 2);

fn person(name: &str, company: &str) -> Person {
    Person { name: name.into(), company: company.into() }
}

fn phone() -> Option<Phone> {
    Some(Phone { shown: "070-174 06 12".into(), dialled: "+46701740612".into() })
}

fn empty(language: Language) -> DigestData {
    DigestData {
        language,
        given_name: "Karin".into(),
        at: time(7, 30, 0, 0),
        today: TUESDAY,
        since: date(2027, 3, 1),
        letters: Letters::default(),
        todos: vec![],
        answers: vec![],
        fixes: vec![],
        stopped: vec![],
        waiting: vec![],
        away: vec![],
        opted_out: vec![],
        upcoming: vec![],
        left_out: vec![],
    }
}

fn answer(who: Person, intent: HumanIntent, quote: &str) -> Answer {
    Answer {
        person: who,
        intent,
        quote: Some(quote.into()),
        phone: None,
        email: Some("anna.lind@granvik.example".into()),
        due: None,
        done: false,
        until: None,
        reminds: false,
        plan_stopped: true,
    }
}

fn fix(who: Person, bounce: Bounce) -> Fix {
    Fix {
        person: who,
        trouble: Trouble::Mail(bounce),
        enhanced: None,
        fax: FaxInstead::None,
        operator_told: false,
        domain_waits: None,
        phone: None,
        quote: None,
    }
}

fn referens(count: usize) -> Upcoming {
    Upcoming {
        date: date(2027, 3, 4),
        from: time(8, 30, 0, 0),
        until: time(11, 30, 0, 0),
        campaign: "LED i lagret, våren 2027".into(),
        step: "referens".into(),
        channel: Channel::Email,
        count,
    }
}

/// Karin Ek's Tuesday after the first letters of led-i-lagret.
pub fn tuesday(language: Language) -> DigestData {
    let anna = person("Anna Lind", "Granvik Verkstad AB");
    let interested = "Det låter intressant. Kan ni titta förbi på torsdag?";
    let lars =
        answer(person("Lars Moberg", "Dalkärra Bygg AB"), HumanIntent::NotNow, "Vi bygger om. Hör av er vecka 34.");
    let reasons = [
        (LeftOut::NoConsent, Some("DE"), 4),
        (LeftOut::SoleTrader, Some("SE"), 3),
        (LeftOut::PersonTypeUnknown, Some("SE"), 2),
        (LeftOut::Suppressed, Some("SE"), 2),
        (LeftOut::Holdout, Some("DE"), 1),
        (LeftOut::Holdout, Some("SE"), 1),
        (LeftOut::Colleague, Some("SE"), 1),
    ];
    DigestData {
        letters: Letters { accepted: 47, rejected: 1, fax_arrived: 1, ..Letters::default() },
        answers: vec![
            Answer { phone: phone(), due: Some(TUESDAY), ..answer(anna, HumanIntent::Interested, interested) },
            Answer { until: Some(date(2027, 8, 23)), reminds: true, ..lars },
        ],
        fixes: vec![
            Fix {
                fax: FaxInstead::Arrived(date(2027, 3, 1).at(8, 55, 0, 0)),
                enhanced: Some("5.1.1".into()),
                ..fix(person("Oskar Nyman", "Bergtorp Logistik AB"), Bounce::NoMailbox)
            },
            Fix {
                enhanced: Some("5.7.1".into()),
                operator_told: true,
                domain_waits: Some("hedlunda.example".into()),
                ..fix(person("Maria Falk", "Hedlunda Plåt AB"), Bounce::Policy)
            },
        ],
        away: vec![Away {
            person: person("Per Åberg", "Söderholm Kyl AB"),
            back: Some(date(2027, 3, 15)),
            waits_until: Some(date(2027, 3, 16)),
        }],
        opted_out: vec![OptedOut { person: person("Sara Wik", "Almby Trä AB"), complaint: false }],
        upcoming: vec![referens(42)],
        left_out: vec![LeftOutOf {
            campaign: "LED i lagret, våren 2027".into(),
            total: 62,
            reasons: reasons.into_iter().map(|(rule, country, n)| (rule, country.map(str::to_owned), n)).collect(),
        }],
        ..empty(language)
    }
}

/// What the Tuesday leaves out, after a weekend.
fn excess(rate: Rate, count: i64, letters: i64) -> Excess {
    Excess { rate, count, letters, limit: Share::new(5_000) }
}

pub fn everything(language: Language) -> DigestData {
    let eva = || person("Eva Rask", "Norrmo Bygg AB");
    let waiting = |wait, count| Waiting { wait, count, people: vec![eva(), person("Bo Ek", "Granvik Verkstad AB")] };
    let troubles = [
        Bounce::NoDomain,
        Bounce::Moved,
        Bounce::Disabled,
        Bounce::Full,
        Bounce::Expired,
        Bounce::Size,
        Bounce::Unknown,
        Bounce::Policy,
    ];
    let mut fixes: Vec<_> = troubles.into_iter().map(|bounce| fix(eva(), bounce)).collect();
    fixes[0].fax = FaxInstead::Arrived(date(2027, 2, 26).at(8, 55, 0, 0));
    fixes[1].fax = FaxInstead::UnderWay;
    fixes[2].fax = FaxInstead::Failed;
    fixes[3].phone = phone();
    fixes.push(Fix { trouble: Trouble::Fax, phone: phone(), ..fix(eva(), Bounce::Unknown) });
    let left = Fix { trouble: Trouble::LeftCompany, ..fix(eva(), Bounce::Unknown) };
    fixes.push(Fix { quote: Some("Eva har slutat, vänd er till Siv.".into()), ..left });
    let todo = |kind, note: &str, due| Todo { person: Some(eva()), kind, note: note.into(), due, phone: None };
    let reply = |intent, quote: &str| answer(eva(), intent, quote);
    DigestData {
        at: time(13, 0, 0, 0),
        since: date(2027, 2, 26),
        letters: Letters { accepted: 3, fax_arrived: 2, fax_failed: 1, skipped: 2, uncertain: 3, rejected: 0 },
        todos: vec![
            Todo { phone: phone(), ..todo(TaskKind::Call, "Ring Eva Rask om ljusmätningen", TUESDAY) },
            todo(TaskKind::Remind, "Hör av dig.", date(2026, 12, 28)),
            Todo { person: None, ..todo(TaskKind::Fix, "Rätta adressen", date(2027, 3, 1)) },
        ],
        answers: vec![
            Answer { due: Some(date(2027, 3, 4)), phone: phone(), ..reply(HumanIntent::Interested, "Ja") },
            reply(HumanIntent::Interested, "Ja, mejla"),
            Answer { done: true, ..reply(HumanIntent::Interested, "Ja, i går") },
            Answer { email: None, ..reply(HumanIntent::Question, "Vad kostar det?") },
            reply(HumanIntent::Referral, "Fråga Siv."),
            reply(HumanIntent::Unclear, "Hm."),
            Answer { until: Some(date(2028, 1, 10)), ..reply(HumanIntent::NotNow, "Nästa år.") },
            Answer { plan_stopped: false, ..reply(HumanIntent::NotNow, "Inte nu.") },
            reply(HumanIntent::NotInterested, "Nej tack."),
        ],
        fixes,
        stopped: vec![
            Stopped { campaign: "LED i lagret".into(), why: Stop::Excess(excess(Rate::Bounces, 6, 80)), letters: 12 },
            Stopped { campaign: "Skyltar".into(), why: Stop::Excess(excess(Rate::Complaints, 1, 300)), letters: 1 },
            Stopped { campaign: "Utomhus".into(), why: Stop::Google, letters: 3 },
        ],
        waiting: vec![waiting(Wait::Uncertain, 3), waiting(Wait::Late, 2), waiting(Wait::Held, 4)],
        away: vec![Away { person: eva(), back: None, waits_until: None }],
        opted_out: vec![OptedOut { person: eva(), complaint: true }],
        upcoming: vec![
            Upcoming { date: date(2027, 3, 3), ..referens(1) },
            Upcoming { date: date(2027, 3, 3), channel: Channel::Fax, step: "matning".into(), ..referens(2) },
            Upcoming { channel: Channel::Call, step: "samtal".into(), campaign: "Vinter".into(), ..referens(5) },
        ],
        left_out: vec![
            LeftOutOf {
                campaign: "Vinter".into(),
                total: 9,
                reasons: vec![
                    (LeftOut::NoConsent, Some("DE".into()), 1),
                    (LeftOut::NoConsent, Some("CZ".into()), 2),
                    (LeftOut::SoleTrader, None, 1),
                    (LeftOut::PrivatePerson, None, 1),
                    (LeftOut::NoAddress, Some("SE".into()), 1),
                ],
            },
            LeftOutOf { campaign: "LED".into(), total: 2, reasons: vec![(LeftOut::CountryUnknown, None, 1)] },
        ],
        ..empty(language)
    }
}

/// One of most things.
pub fn one_of_each(language: Language) -> DigestData {
    let eva = || person("Eva Rask", "Norrmo Bygg AB");
    DigestData {
        letters: Letters { accepted: 1, uncertain: 1, ..Letters::default() },
        waiting: vec![
            Waiting { wait: Wait::Uncertain, count: 1, people: vec![eva()] },
            Waiting { wait: Wait::Held, count: 1, people: vec![eva()] },
        ],
        upcoming: vec![Upcoming { date: TUESDAY, ..referens(1) }],
        ..empty(language)
    }
}

/// A silent week.
pub fn silence(language: Language) -> DigestData {
    DigestData { today: date(2027, 3, 8), since: date(2027, 3, 1), ..empty(language) }
}
