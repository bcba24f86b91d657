//! How well and how fast what comes back is read, over a folder of labelled mail.
//!
//! `cargo bench --bench responses -- --corpus DIR` prints the table of goals; `--misses`
//! lists each mail that was read wrongly. DIR holds folders of mail: `bounces-*` and
//! `complaints` with `labels.csv` and `msg/`, `not-bounces`, and `replies-*` with `in/`
//! and `gold/`; what is absent is left out.

#![expect(clippy::unwrap_used, reason = "a bench that cannot set its scene stops there")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jiff::civil::{Date, date};
use outreachd::model::response::ResponseKind;
use outreachd::respond::read::{Finding, Reading, new_text, prepare, read};

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TODAY: Date = date(2027, 3, 1);
/// Rounds for which speed is measured; the median counts.
const ROUNDS: usize = 9;
/// Times each mail is read for the slowest one: the machine's other work is not the reader's.
const TRIES: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let corpus = arguments.iter().position(|word| word == "--corpus").and_then(|at| arguments.get(at + 1));
    let Some(corpus) = corpus.map(PathBuf::from) else {
        println!("skipped: --corpus DIR names no folder of labelled mail");
        return;
    };
    prepare();
    let mut table = Table { misses: arguments.iter().any(|word| word == "--misses"), ..Table::default() };
    for set in folders(&corpus) {
        table.measure(&set);
    }
    table.speed();
    table.print();
}

fn folders(corpus: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(corpus)
        .unwrap_or_else(|error| panic!("cannot read `{}`: {error}", corpus.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

/// Right ones of all.
#[derive(Clone, Copy, Default)]
struct Score {
    right: usize,
    all: usize,
}

impl Score {
    fn count(&mut self, right: bool) -> bool {
        self.right += usize::from(right);
        self.all += 1;
        right
    }

    fn percent(self) -> f64 {
        100.0 * self.right as f64 / self.all.max(1) as f64
    }
}

/// One row of labels.csv; a mail about several recipients has one for each.
struct Label(BTreeMap<String, String>);

impl Label {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }
}

fn labels(folder: &Path) -> BTreeMap<String, Vec<Label>> {
    let mut mails: BTreeMap<String, Vec<Label>> = BTreeMap::new();
    let mut rows = csv::Reader::from_path(folder.join("labels.csv")).unwrap();
    for row in rows.deserialize() {
        let row: BTreeMap<String, String> = row.unwrap();
        mails.entry(row["path"].clone()).or_default().push(Label(row));
    }
    mails
}

/// What is measured, and each mail for the speed.
#[derive(Default)]
struct Table {
    misses: bool,
    rows: Vec<(String, String, String)>,
    mails: Vec<Vec<u8>>,
    slowest: Duration,
    slowest_of: String,
}

impl Table {
    fn measure(&mut self, folder: &Path) {
        let name = folder.file_name().unwrap_or_default().display().to_string();
        if folder.join("labels.csv").exists() {
            self.measure_reports(&name, folder);
        } else if folder.join("gold").is_dir() {
            self.measure_replies(&name, folder);
        } else if name.starts_with("not-bounces") {
            self.measure_others(&name, folder);
        }
    }

    fn row(&mut self, name: &str, what: &str, score: Score, goal: f64) {
        if score.all > 0 {
            let got = format!("{}/{}  {:.1} %", score.right, score.all, score.percent());
            let verdict = if score.percent() >= goal { "" } else { "  MISSED" };
            self.rows.push((format!("{name}: {what}"), got, format!("{goal:.0} %{verdict}")));
        }
    }

    fn read(&mut self, path: &Path) -> Reading {
        let raw = fs::read(path).unwrap();
        let mut best = Duration::MAX;
        for _ in 1..TRIES {
            let begun = Instant::now();
            drop(read(&raw, TODAY));
            best = best.min(begun.elapsed());
        }
        let begun = Instant::now();
        let reading = read(&raw, TODAY);
        best = best.min(begun.elapsed());
        if best > self.slowest {
            (self.slowest, self.slowest_of) = (best, path.file_name().unwrap_or_default().display().to_string());
        }
        self.mails.push(raw);
        reading
    }

    fn measure_reports(&mut self, name: &str, folder: &Path) {
        let (mut kinds, mut named, mut hard, mut complaints) =
            (Score::default(), Score::default(), Score::default(), Score::default());
        let mut false_hard = 0;
        for (path, rows) in labels(folder) {
            let reading = self.read(&folder.join("msg").join(&path));
            let mut wrong = Vec::new();
            let kind = rows.iter().all(|row| reading.findings.iter().any(|f| is_of_kind(row.get("label"), f.kind)));
            let score = if rows[0].get("label") == "complaint" { &mut complaints } else { &mut kinds };
            wrong.extend((!score.count(kind)).then_some("kind"));
            if rows.iter().all(|row| row.get("recipient_certain") == "1") {
                let wanted: BTreeSet<_> = rows.iter().map(|row| row.get("recipient").to_lowercase()).collect();
                let got: BTreeSet<_> = reading.findings.iter().filter_map(recipient).collect();
                wrong.extend((!named.count(wanted == got)).then_some("recipients"));
            }
            let decided = |row: &&Label| !row.get("hard").is_empty() && row.get("contested").is_empty();
            for row in rows.iter().filter(decided) {
                let got = finding_for(&reading, row).is_hard();
                let wanted = row.get("hard") == "1";
                wrong.extend((!hard.count(got == wanted)).then_some(if wanted { "soft" } else { "FALSE HARD" }));
                false_hard += usize::from(got && !wanted);
            }
            if self.misses && !wrong.is_empty() {
                print_miss(&path, &wrong, &rows, &reading);
            }
        }
        self.row(name, "kind", kinds, 95.0);
        self.row(name, "complaints found", complaints, 100.0);
        self.row(name, "recipients", named, if name == "bounces-b" { 95.0 } else { 97.0 });
        self.row(name, "hard or soft", hard, 97.0);
        if hard.all > 0 {
            let verdict = if false_hard <= 3 { "" } else { "  MISSED" };
            self.rows.push((format!("{name}: falsely hard"), false_hard.to_string(), format!("3{verdict}")));
        }
    }

    fn measure_others(&mut self, name: &str, folder: &Path) {
        let mut spared = Score::default();
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for path in files {
            let reading = self.read(&path);
            let bad = |f: &Finding| {
                matches!(f.kind, ResponseKind::Bounce(_) | ResponseKind::Delayed) || is_of_kind("complaint", f.kind)
            };
            let found = reading.findings.iter().find(|finding| bad(finding));
            if let (false, true, Some(found)) = (spared.count(found.is_none()), self.misses, found) {
                println!("{}: FALSE {} by {}", path.display(), found.kind.name(), found.evidence.rule);
            }
        }
        self.row(name, "no bounce, no complaint", spared, 100.0);
    }

    fn measure_replies(&mut self, name: &str, folder: &Path) {
        let folded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let mut exact = Score::default();
        let mut files: Vec<_> = fs::read_dir(folder.join("in")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for path in files {
            let gold = folded(&text(folder.join("gold").join(path.file_name().unwrap())));
            let got = folded(&new_text(&text(path.clone())));
            if !exact.count(got == gold) && self.misses {
                println!("{}\n  got  {got}\n  gold {gold}", path.display());
            }
        }
        self.row(name, "new text", exact, 88.0);
    }

    /// Every mail again and again, on one core.
    fn speed(&mut self) {
        if self.mails.is_empty() {
            return;
        }
        let mut rounds: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let begun = processor_time();
                for mail in self.mails.iter().chain(&self.mails) {
                    drop(std::hint::black_box(read(mail, TODAY)));
                }
                2.0 * self.mails.len() as f64 / (processor_time() - begun).as_secs_f64()
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        let (rate, best) = (rounds[ROUNDS / 2], rounds[ROUNDS - 1]);
        let verdict = |reached: bool| if reached { "" } else { "  MISSED" };
        let said = format!("{rate:.0}/s, best round {best:.0}/s");
        self.rows.push(("speed on one core".into(), said, format!("8000/s{}", verdict(rate >= 8_000.0))));
        let said = format!("{:.1} ms ({})", self.slowest.as_secs_f64() * 1e3, self.slowest_of);
        let reached = self.slowest < Duration::from_millis(50);
        self.rows.push(("slowest mail".into(), said, format!("50 ms{}", verdict(reached))));
    }

    fn print(&self) {
        println!("{:<38}{:<34}goal", "what", "got");
        for (what, got, goal) in &self.rows {
            println!("{what:<38}{got:<34}{goal}");
        }
    }
}

/// What this process had of its one core, so that a busy machine takes nothing away;
/// the wall's clock where the kernel does not say.
fn processor_time() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = fs::read_to_string("/proc/self/schedstat").ok();
    let nanos = told.and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanos.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}

/// Whom a report names, as `responses read --json` prints it.
fn recipient(finding: &Finding) -> Option<String> {
    finding.recipient.as_ref().map(|address| address.to_lowercase())
}

fn finding_for<'a>(reading: &'a Reading, row: &Label) -> &'a Finding {
    let wanted = row.get("recipient").to_lowercase();
    let found = reading.findings.iter().find(|finding| recipient(finding).is_some_and(|got| got == wanted));
    found.unwrap_or(&reading.findings[0])
}

fn is_of_kind(label: &str, kind: ResponseKind) -> bool {
    let name = kind.name();
    let family = name.split('.').next().unwrap_or_default();
    family == if label == "auto_reply" { "auto" } else { label }
}

fn print_miss(path: &str, wrong: &[&str], rows: &[Label], reading: &Reading) {
    println!("{path}: {}", wrong.join(", "));
    for row in rows {
        let fields = ["label", "recipient", "status", "replycode", "reason", "contested"].map(|name| row.get(name));
        println!("   want {}", fields.join(" "));
    }
    for found in &reading.findings {
        let (name, status) = (found.kind.name(), found.enhanced.as_deref().unwrap_or("-"));
        println!("   got  {name} {} {status} by {}", recipient(found).unwrap_or_default(), found.evidence.rule);
        println!("        {}", found.reason.as_deref().unwrap_or_default());
    }
}
