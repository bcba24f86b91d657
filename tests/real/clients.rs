//! A thousand rows as Excel saves them in Sweden: semicolons, Windows-1252, CR LF.
//!
//! Fifty of them are bad, each in a way that people produce. The good ones live in
//! Iceland: no law of its own in the table, so consent decides, and no holiday.

use std::fmt::Write;

/// Rows in the file, without its first line.
pub const ROWS: usize = 1000;
/// How many of them cannot be imported.
pub const BAD: usize = 50;
/// Good ones whose domain Postfix takes first and bounces then.
pub const UNKNOWN: usize = 12;
/// Good ones who asked not to be written to.
pub const OPTED_OUT: usize = 10;
/// Good ones of whom no consent is on file.
pub const NO_CONSENT: usize = 15;
/// Good ones with a colleague in the file, of whom one at a time is written to.
pub const COLLEAGUES: usize = 8;

/// The managers among whom the clients are shared.
pub const MANAGERS: [(&str, &str); 2] =
    [("karin.ek@fyrljus.example", "Karin Ek"), ("jonas.berg@fyrljus.example", "Jonas Berg")];

const HEADER: &str =
    "Företag;Kontaktperson;E-post;Land;Ort;Klass;Persontyp;Behov;Kundansvarig;Samtycke e-post;Avanmäld";

/// The row's cells, in the order of [`HEADER`].
type Cells = [String; 11];

/// One way of being bad: the cell, and what stands there.
const KINDS: [(usize, &str); 10] = [
    (0, ""),
    (1, ""),
    (2, "anna.granvik.example"),
    (2, "anna@"),
    (2, "en@clients.example, två@clients.example"),
    (3, "Narnia"),
    (6, "aktiebolagg"),
    (8, "Karin Ek"),
    (9, "ja"),
    (10, "kanske"),
];

/// The file, and who stands in it.
pub struct Clients {
    /// Its bytes.
    pub file: Vec<u8>,
    /// The good ones.
    pub good: Vec<Good>,
}

/// A client whose row is good.
#[derive(Clone, Debug)]
pub struct Good {
    /// A name that no other has.
    pub name: String,
    /// The address; it begins with the run's word.
    pub email: String,
    /// They asked not to be written to, or nothing is known that allows it.
    pub is_forbidden: bool,
    /// Their colleague stands in the file too.
    pub has_colleague: bool,
}

impl Good {
    /// Postfix bounces what is sent to them.
    pub fn is_unknown(&self) -> bool {
        self.email.ends_with("@unknown.example")
    }
}

/// Draws the file up; `run` is a word that no other run has put into its addresses.
pub fn clients(run: &str) -> Clients {
    let mut text = format!("{HEADER}\r\n");
    let mut good = Vec::new();
    for number in 0..ROWS {
        let mut cells = row(run, number, good.len());
        // One row in twenty is bad, spread over the file.
        if number % (ROWS / BAD) == 7 {
            let (cell, wrong) = KINDS[number / (ROWS / BAD) % KINDS.len()];
            cells[cell] = wrong.to_owned();
        } else {
            let at = good.len();
            good.push(Good {
                name: cells[1].clone(),
                email: cells[2].clone(),
                is_forbidden: !cells[10].is_empty() || cells[9].is_empty(),
                has_colleague: (100..100 + COLLEAGUES).contains(&at),
            });
        }
        let cells = cells.map(|cell| if cell.contains(';') { format!("\"{cell}\"") } else { cell });
        write!(text, "{}\r\n", cells.join(";")).expect("a String takes all");
    }
    assert_eq!(good.len(), ROWS - BAD);
    let (file, _, lost) = encoding_rs::WINDOWS_1252.encode(&text);
    assert!(!lost, "Windows-1252 lacks a letter");
    Clients { file: file.into_owned(), good }
}

/// The row of the `good`-th good client, before anything is made wrong with it.
fn row(run: &str, number: usize, good: usize) -> Cells {
    // Two and two are of one company.
    let company = if (100..100 + COLLEAGUES).contains(&good) { good - good % 2 } else { number };
    let domain = if (200..200 + UNKNOWN).contains(&good) { "unknown.example" } else { "clients.example" };
    let consent = if (300..300 + NO_CONSENT).contains(&good) { "" } else { "2026-10-14 blankett på mässan" };
    let opted_out = if (400..400 + OPTED_OUT).contains(&good) { "ja" } else { "" };
    [
        format!("Älvhaga {company:04} ehf."),
        format!("Åsa Þór-{number:04}"),
        format!("{run}.{number:04}@{domain}"),
        ["IS", "Island"][number % 2].to_owned(),
        "Höfn".to_owned(),
        ["A", "B"][number / 2 % 2].to_owned(),
        "AB".to_owned(),
        "lighting;charging".to_owned(),
        MANAGERS[number % 2].0.to_owned(),
        consent.to_owned(),
        opted_out.to_owned(),
    ]
}
