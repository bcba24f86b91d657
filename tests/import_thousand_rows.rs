//! A thousand rows with fifty bad ones: each is told with its line, its column and its
//! reason, and the other 950 are read.

use std::path::Path;

use jiff::civil::date;
use outreachd::client::import::{Options, Reading, read};

const FIELDS: [&str; 18] = [
    "id",
    "company",
    "org_number",
    "country",
    "city",
    "tier",
    "person_type",
    "needs",
    "owner",
    "name",
    "title",
    "email",
    "phone",
    "fax",
    "consent_fax",
    "opted_out",
    "last_touch",
    "notes",
];

/// One way of being bad: cells that replace good ones, each with its reason.
type Kind = &'static [(&'static str, &'static str, &'static str)];

const SHORTENED: &str = "was shortened by Excel and has lost digits; format the column as text and export again";

const KINDS: [Kind; 24] = [
    &[("email", "anna.granvik.example", "is no e-mail address; one looks like name@company.example")],
    &[("email", "åsa＠ek@granvik.example", "has the character '＠', which an e-mail address cannot have")],
    &[("email", "\"a@b.example, c@d.example\"", "holds several addresses; write one contact per row")],
    &[("email", "FIRST@client.example", "is of the same client as line 2")],
    &[("company", "", "is empty")],
    &[("company", "\"Granvik\r\nBcc: x@y.example\"", "holds a line break")],
    &[("company", "\"=HYPERLINK(\"\"x\"\")\"", "is a formula; export values")],
    &[("name", "Anna\0Lind", "holds the control character U+0000")],
    &[("name", "Anna\u{202e}Lind", "holds the bidirectional control U+202E")],
    &[("city", "Sm\u{fffd}gen", "holds U+FFFD: a letter was lost before this file was saved")],
    &[("city", "#SAKNAS!", "is what Excel shows where it has no value")],
    &[("org_number", "559980-0018", "has a wrong check digit; one of the ten digits is mistyped")],
    &[("org_number", "\"5,6E+09\"", SHORTENED)],
    &[("country", "Narnia", "is no country; write its two letters, as SE")],
    &[("phone", "växeln", "is no telephone number; write it as +46 8 123 456 78")],
    &[("fax", "7.02E+08", SHORTENED)],
    &[("person_type", "compny", "is none of company, sole_trader, private; did you mean `company`?")],
    &[("owner", "Karin Ek", "is no e-mail address; one looks like name@company.example")],
    &[("consent_fax", "ja", "does not say how we know; write as `2026-10-14 form at the fair`")],
    &[("opted_out", "kanske", "is neither yes nor no")],
    &[("last_touch", "12/22/2026", "is no day; write it as 2026-12-22")],
    &[("last_touch", "2027-02-25", "lies in the future")],
    &[
        ("name", "", "is empty"),
        ("email", "anna@", "is no e-mail address; one looks like name@company.example"),
        ("fax", "0", "is no telephone number; write it as +46 8 123 456 78"),
    ],
    &[("tier", "\u{b}A\u{b}", "holds a line break")],
];

/// A file under construction, and what is wrong with it.
#[derive(Default)]
struct Draft {
    text: String,
    line: usize,
    column: usize,
    expected: Vec<(usize, usize, String)>,
}

impl Draft {
    fn push(&mut self, text: &str) {
        for c in text.chars() {
            (self.line, self.column) = if c == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        self.text.push_str(text);
    }

    fn row(&mut self, number: usize, bad: Kind) {
        for (at, field) in FIELDS.iter().enumerate() {
            if at > 0 {
                self.push(",");
            }
            let replaced = bad.iter().find(|(name, _, _)| name == field);
            if let Some((_, _, why)) = replaced {
                self.expected.push((self.line, self.column, format!("`{field}` {why}")));
            }
            let cell = replaced.map_or_else(|| good(field, number), |(_, cell, _)| (*cell).to_owned());
            self.push(&cell);
        }
    }
}

fn good(field: &str, number: usize) -> String {
    match field {
        "id" => format!("F-{number}"),
        "company" => format!("Älvhaga {number} AB"),
        "org_number" => ["559980-0017", "=\"5599800025\"", ""][number % 3].to_owned(),
        "country" => ["SE", "Sverige", "", "se"][number % 4].to_owned(),
        "city" => "\"Åmål\"".to_owned(),
        "tier" => "b".to_owned(),
        "person_type" => ["company", "Enskild firma", "AB", ""][number % 4].to_owned(),
        "needs" => "\"lighting, charging\"".to_owned(),
        "owner" => "karin.ek@fyrljus.example".to_owned(),
        "name" => "\"Lind, Anna \"\"Ann\"\"\"".to_owned(),
        "email" if number == 1 => "first@client.example".to_owned(),
        "email" => format!("anna.{number}@client.example"),
        "phone" => "070-174 06 12".to_owned(),
        "consent_fax" => ["", "nej", "2026-10-14 blankett"][number % 3].to_owned(),
        "last_touch" => ["2026-12-22", "22.12.2026", ""][number % 3].to_owned(),
        "notes" if number.is_multiple_of(7) => "\"two\r\nlines, \"\"quoted\"\"\"".to_owned(),
        _ => String::new(),
    }
}

/// 950 good rows and 50 bad ones: each kind twice, one row too short, one too long.
fn draft() -> Draft {
    let mut draft = Draft { line: 1, column: 1, ..Draft::default() };
    draft.push(&FIELDS.join(","));
    draft.push("\r\n");
    for number in 1..=1000 {
        let bad = (number % 20 == 13).then_some(number / 20);
        match bad {
            Some(48) => {
                draft.push("F-48,Kort AB,");
                let place = (draft.line, draft.column, "the row ends after 3 of 18 columns".to_owned());
                draft.expected.push(place);
            }
            Some(49) => {
                draft.row(number, &[]);
                draft.push(",,");
                let place = (draft.line, draft.column, "the row has a field behind its 18 columns".to_owned());
                draft.expected.push(place);
                draft.push("x");
            }
            Some(kind) => draft.row(number, KINDS[kind % KINDS.len()]),
            None => draft.row(number, &[]),
        }
        draft.push(if number.is_multiple_of(50) { "\r\n\r\n,,,\r\n" } else { "\r\n" });
    }
    draft
}

fn reading(draft: &Draft) -> Reading {
    let options = Options {
        mapping: None,
        country: "SE".to_owned(),
        zone: "Europe/Stockholm".to_owned(),
        today: date(2027, 2, 24),
    };
    read(Path::new("clients.csv"), draft.text.as_bytes(), &options).expect("it is UTF-8")
}

#[test]
fn tells_line_column_and_reason_of_fifty_bad_rows_among_a_thousand() {
    let draft = draft();
    let reading = reading(&draft);
    let told: Vec<_> = reading.mistakes.iter().map(|m| (m.line, m.column, m.message.clone())).collect();
    for (told, expected) in told.iter().zip(&draft.expected) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.len(), draft.expected.len());
    assert_eq!((reading.rows.len(), reading.bad_rows), (950, 50));
}

#[test]
fn a_mistake_shows_one_field_and_never_a_whole_person() {
    let draft = draft();
    for mistake in reading(&draft).mistakes {
        let shown = mistake.excerpt.unwrap_or_default();
        assert!(!shown.contains("Älvhaga") && !shown.contains("070-174"), "{shown}");
        assert!(shown.chars().count() <= 61);
        assert!(!shown.contains(char::is_control) && !shown.contains('\u{202e}'));
        assert_eq!(mistake.width, 0, "a caret would point into a line that is not shown");
    }
}
