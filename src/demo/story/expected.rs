//! The figures that must come out; the demo is a test of the whole program.

use super::{Ending, Opening};
use crate::demo::company;

const SUM: &str = "48 e-mails + 1 fax = 48 accepted + 1 rejected + 0 uncertain + 0 open";
const SUBJECT: &str = "1 att ringa, 2 att rätta, 42 mejl på torsdag";
/// Words that each told client's lines must hold, in this order.
const CLIENTS: [&[&str]; 3] = [
    &["Anna Lind, Granvik Verkstad AB", "variant besok: accepted", "reply", "plan stopped", "Karin Ek to call"],
    &[
        "Oskar Nyman, Bergtorp Logistik AB",
        "variant fraga: accepted",
        "bounce",
        "address suppressed",
        "consent on file: busy, again in 5 minutes",
        "delivered, 1 page",
    ],
    &["Sara Wik, Almby Trä AB", "variant fraga: accepted", "one click: suppressed, plan ended"],
];

/// What did not come out as it must; nothing if all is well.
pub fn mistakes(opening: &Opening, ending: &Ending) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, is: String, should: String| {
        if is != should {
            found.push(format!("{what} is `{is}` and should be `{should}`"));
        }
    };
    let left_out: u64 = opening.plan.left_out.values().sum();
    let plan = (opening.clients, opening.plan.matched, left_out, opening.plan.starts);
    compare("clients, match, left out, start", format!("{plan:?}"), format!("{:?}", (120, 62, 14, 48)));
    compare("the number of started plans", opening.applied.started.to_string(), "48".to_owned());
    compare("the sum", ending.status.sum_line(Some(company::CAMPAIGN_ID)), SUM.to_owned());
    let subject = ending.digest.as_ref().and_then(|digest| digest["subject"].as_str()).unwrap_or_default();
    compare("the digest's subject", subject.to_owned(), SUBJECT.to_owned());
    compare("the number of stories", ending.clients.len().to_string(), CLIENTS.len().to_string());
    for (lines, words) in ending.clients.iter().zip(CLIENTS) {
        let text = lines.join("\n");
        let behind = |rest, word: &&'static str| str::split_once(rest, word).map(|(_, behind)| behind).ok_or(*word);
        let missing = words.iter().try_fold(text.as_str(), behind);
        if let Err(word) = missing {
            found.push(format!("`{word}` is missing in its place in:\n{text}"));
        }
    }
    found
}
