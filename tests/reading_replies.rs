//! Reading people's and automatic answers in eight languages: what they wrote and
//! what they meant, and how much of a labelled corpus is read exactly where one is
//! at hand.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, like the test")]

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::civil::{Date, date};
use outreachd::respond::read::{Finding, new_text, read};
use serde::Deserialize;

const TODAY: Date = date(2027, 3, 1);
const LANGUAGES: [&str; 8] = ["sv", "en", "de", "fr", "fi", "da", "nb", "es"];

/// One answer and what it means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// The kind it is read as.
    kind: String,
    text: String,
    subject: Option<String>,
    until: Option<Date>,
    other: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    /// What people write.
    human: Vec<Said>,
    /// What machines write; headers say that they are machines.
    auto: Vec<Said>,
    /// Announcements of a quote, each on one line or several.
    notes: Vec<String>,
    /// What stands below a person's words.
    signatures: Vec<String>,
}

fn answers(language: &str) -> Answers {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/answers").join(format!("{language}.toml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn only(raw: &str) -> Finding {
    let mut findings = read(raw.as_bytes(), TODAY).findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

fn person_wrote(text: &str) -> Finding {
    only(&format!(
        "From: Anna Lind <anna.lind@granvik.example>\r\nTo: karin@fyrljus.example\r\nSubject: SV: Ljus\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
    ))
}

fn machine_wrote(said: &Said) -> Finding {
    let subject = said.subject.as_deref().unwrap_or("Re: Ljus");
    let header = said.subject.as_ref().map_or("Auto-Submitted: auto-replied\r\n", |_| "");
    only(&format!(
        "From: Anna Lind <anna.lind@granvik.example>\r\nTo: karin@fyrljus.example\r\nSubject: {subject}\r\n{header}\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}\r\n",
        said.text
    ))
}

/// What is wrong with a finding, one line for each.
fn wrong(language: &str, said: &Said, found: &Finding) -> Option<String> {
    let right = found.kind.name() == said.kind
        && (said.until.is_none() || found.until == said.until)
        && (said.other.is_none() || found.referred_to == said.other);
    (!right).then(|| {
        format!(
            "{language}: {:?}\n   want {} {:?} {:?}\n   got  {} {:?} {:?} by {}: {:?}",
            said.text,
            said.kind,
            said.until,
            said.other,
            found.kind.name(),
            found.until,
            found.referred_to,
            found.evidence.rule,
            found.evidence.text
        )
    })
}

#[test]
fn understands_people_in_eight_languages() {
    let mut mistakes = Vec::new();
    for language in LANGUAGES {
        for said in answers(language).human {
            mistakes.extend(wrong(language, &said, &person_wrote(&said.text)));
        }
    }
    assert!(mistakes.is_empty(), "{} mistakes\n{}", mistakes.len(), mistakes.join("\n"));
}

#[test]
fn understands_machines_in_eight_languages() {
    let mut mistakes = Vec::new();
    for language in LANGUAGES {
        for said in answers(language).auto {
            mistakes.extend(wrong(language, &said, &machine_wrote(&said)));
        }
    }
    assert!(mistakes.is_empty(), "{} mistakes\n{}", mistakes.len(), mistakes.join("\n"));
}

#[test]
fn knows_a_note_of_absence_without_its_headers() {
    let found = person_wrote("Jag är på semester, åter 15 mars. Vid brådskande ärenden ring växeln.");
    assert_eq!((found.kind.name().as_str(), found.until), ("auto.out_of_office", Some(date(2027, 3, 15))));
    let found = person_wrote("Hej! Jag är på semester till och med 12 mars, ring mig sedan.");
    assert_eq!((found.kind.name().as_str(), found.until), ("human.not_now", Some(date(2027, 3, 15))));
}

#[test]
fn counts_days_from_when_the_mail_was_written() {
    let raw = "From: a@b.example\r\nDate: Mon, 6 Jul 2026 08:00:00 +0200\r\nSubject: Autosvar: Ljus\r\n\r\nJag har semester, tillbaka 3 augusti.\r\n";
    assert_eq!(only(raw).until, Some(date(2026, 8, 3)));
}

#[test]
fn has_three_answers_of_each_kind_in_each_language() {
    const HUMAN: [&str; 9] = [
        "opt_out.in_reply",
        "human.interested",
        "human.question",
        "human.not_now",
        "human.referral",
        "human.not_interested",
        "human.hostile",
        "human.data_request",
        "human.unclear",
    ];
    const AUTO: [&str; 4] = ["auto.out_of_office", "auto.left_company", "auto.ack", "auto.challenge"];
    for language in LANGUAGES {
        let answers = answers(language);
        let count = |all: &[Said], kind: &str| all.iter().filter(|said| said.kind == kind).count();
        for kind in HUMAN {
            let least = if kind == "human.unclear" { 1 } else { 3 };
            assert!(count(&answers.human, kind) >= least, "{language}: {kind}");
        }
        for kind in AUTO {
            assert!(count(&answers.auto, kind) >= 3, "{language}: {kind}");
        }
        let dated = |all: &[Said]| all.iter().filter(|said| said.until.is_some()).count();
        assert!(dated(&answers.human) >= 3 && dated(&answers.auto) >= 3, "{language}: dates");
    }
}

#[test]
fn takes_off_quotes_and_signatures_in_eight_languages() {
    let mut mistakes = Vec::new();
    for language in LANGUAGES {
        let answers = answers(language);
        for note in &answers.notes {
            let marked = format!("Ja.\n\n{note}\n\n> Unsubscribe: STOP\n> Karin\n");
            let bare = format!("Ja.\n\n{note}\n\nUnsubscribe: STOP\nKarin\n");
            let close = format!("Ja.\n{note}\n> Unsubscribe: STOP\n");
            for body in [marked, bare, close] {
                if new_text(&body) != "Ja." {
                    mistakes.push(format!("{language}: {body:?} gave {:?}", new_text(&body)));
                }
            }
        }
        for signature in &answers.signatures {
            let got = new_text(&format!("Ja.\n\n{signature}\n"));
            if got != "Ja." {
                mistakes.push(format!("{language}: {signature:?} gave {got:?}"));
            }
        }
    }
    assert!(mistakes.is_empty(), "{} mistakes\n{}", mistakes.len(), mistakes.join("\n"));
}

#[test]
fn reads_the_new_text_of_a_labelled_corpus_exactly() {
    let Some(corpus) = std::env::var_os("OUTREACHD_TEST_CORPUS") else {
        println!("skipped: OUTREACHD_TEST_CORPUS names no folder");
        return;
    };
    for (set, least) in [("replies-discourse", 21), ("replies-crisp", 23)] {
        let folder = Path::new(&corpus).join(set);
        let (exact, all, slowest) = measure(&folder);
        println!("{set}: exact {exact}/{all}, slowest {slowest:?}");
        assert!(exact >= least, "{set}: {exact}");
    }
}

/// Exact ones of all, and the time of the slowest.
fn measure(folder: &Path) -> (usize, usize, Duration) {
    let folded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let verbose = std::env::var_os("OUTREACHD_TEST_VERBOSE").is_some();
    let (mut exact, mut all, mut slowest) = (0, 0, Duration::ZERO);
    for file in std::fs::read_dir(folder.join("in")).unwrap() {
        let path = file.unwrap().path();
        let gold = std::fs::read(folder.join("gold").join(path.file_name().unwrap())).unwrap();
        let (gold, body) = (String::from_utf8_lossy(&gold).into_owned(), std::fs::read(&path).unwrap());
        let begin = Instant::now();
        let got = new_text(&String::from_utf8_lossy(&body));
        slowest = slowest.max(begin.elapsed());
        all += 1;
        exact += usize::from(folded(&got) == folded(&gold));
        if verbose && folded(&got) != folded(&gold) {
            println!("{}:\n  got  {}\n  gold {}", path.display(), folded(&got), folded(&gold));
        }
    }
    (exact, all, slowest)
}
