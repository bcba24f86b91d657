//! Who answers what, and when: the table that the demo's world lives by.
//!
//! A line reads: when that client gets that letter (the first, the second, ...),
//! then this happens, so much later or at that time of the same day. Whoever is
//! not in it takes every letter and says nothing.

use jiff::civil::{Time, time};

use crate::demo::fax_gateway::Ending;
use crate::demo::mail_server::{Answer, Facts, Stage};

/// What a client does about one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Writes back.
    Reply(&'static str),
    /// Their mail program writes back by itself.
    Away(&'static str),
    /// Their mail server finds out, after it took the letter, that it has no such user.
    Bounce,
    /// Presses the mail program's own "unsubscribe".
    OptOut,
}

/// When they do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// So many seconds after the letter came.
    Seconds(i64),
    /// At this time of the same day.
    At(Time),
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    pub(super) address: &'static str,
    pub(super) letter: usize,
    pub(super) when: When,
    pub(super) deed: Deed,
}

const fn habit(address: &'static str, letter: usize, when: When, deed: Deed) -> Habit {
    Habit { address, letter, when, deed }
}

const fn at(hour: i8, minute: i8) -> When {
    When::At(time(hour, minute, 0, 0))
}

pub(super) const HABITS: [Habit; 9] = [
    habit(
        "anna.lind@granvik.example",
        1,
        at(14, 12),
        Deed::Reply("Det låter intressant. Kan ni titta förbi på torsdag?"),
    ),
    habit("lars.moberg@dalkarra.example", 1, at(11, 47), Deed::Reply("Vi bygger om. Hör av er vecka 34.")),
    habit("oskar.nyman@bergtorp.example", 1, When::Seconds(60), Deed::Bounce),
    habit(
        "per.aberg@soderholm.example",
        1,
        When::Seconds(4),
        Deed::Away("Hej,\r\n\r\njag är på semester, åter 15 mars.\r\n\r\nPer"),
    ),
    habit("sara.wik@almby.example", 1, at(10, 5), Deed::OptOut),
    habit("peter.dalen@ekhult.example", 2, at(9, 40), Deed::Reply("Vad kostar en sådan mätning?")),
    habit("ebba.ljungvall@norrmo.example", 2, at(13, 20), Deed::Reply("Nej tack, vi bytte all belysning i höstas.")),
    habit("malin.jarnfelt@vikarby.example", 3, at(15, 5), Deed::Reply("Ja gärna, kan du ringa mig på måndag?")),
    habit("per.aberg@soderholm.example", 2, When::Seconds(7_200), Deed::Reply("Nu är jag tillbaka. Ring gärna.")),
];

/// Whose server refuses us outright.
const REFUSES: &str = "maria.falk@hedlunda.example";
/// Whose server wants to be asked twice.
const GREYLISTS: &str = "malin.jarnfelt@vikarby.example";

/// What a mail server says.
pub(super) fn at_the_door(facts: &Facts<'_>) -> Answer {
    match (facts.stage, facts.to) {
        (Stage::Recipient, REFUSES) => Answer::policy(),
        (Stage::Recipient, GREYLISTS) if facts.named_before == 0 => Answer::greylisted(),
        _ => Answer::Accept,
    }
}

/// How the `nth` call to a fax number ends: each machine is busy at first.
pub(super) fn on_the_line(_number: &str, nth: u32) -> Ending {
    if nth == 1 { Ending::Busy } else { Ending::Delivered }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::company::CLIENTS;

    #[test]
    fn names_only_clients_of_the_file() {
        let named = HABITS.iter().map(|habit| habit.address).chain([REFUSES, GREYLISTS]);
        for address in named {
            assert!(CLIENTS.contains(&format!(";{address};")), "{address}");
        }
    }
}
