//! `outreachd responses read`: how mails are read, and by which rule. Nothing is logged.
//!
//! It needs neither configuration nor database: whoever wonders why a mail was read
//! so saves it as a file and asks here.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::{CommandError, Session, layout};
use crate::respond::read::{Finding, Reading, prepare, read};

/// More of a file is not looked at; no mail that matters is longer.
const LONGEST_MAIL_BYTES: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "Save a mail as a file (.eml) to see what outreachd makes of it: its kind, about whom, by
which rule, and what the person newly wrote. Nothing is logged or changed. With --json,
one line for each file.

Examples:
  outreachd responses read reply.eml
  outreachd responses read bounces/*.eml --json
  outreachd responses read - < reply.eml")]
pub(super) struct Args {
    /// The mails; - reads standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// The day they came, from which "Thursday" counts [default: each mail's own date]
    #[arg(long, value_name = "YYYY-MM-DD")]
    received: Option<Date>,
}

/// A mail as it was read, and how long that took.
struct Timed {
    reading: Reading,
    elapsed_us: u64,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<(), CommandError> {
    prepare();
    let today = TimeZone::UTC.to_datetime(session.now()).date();
    let mut out = io::stdout().lock();
    for (at, file) in args.files.iter().enumerate() {
        let raw = load(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let timed = timed(&raw, args.received, today);
        let printed = match session.json {
            true => writeln!(out, "{}", document(file, &timed)),
            false => print_file(&mut out, file, at, args.files.len(), &timed.reading),
        };
        printed.context("cannot print")?;
    }
    Ok(())
}

fn load(file: &Path) -> io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    if file == Path::new("-") {
        io::stdin().take(LONGEST_MAIL_BYTES).read_to_end(&mut raw)?;
    } else {
        File::open(file)?.take(LONGEST_MAIL_BYTES).read_to_end(&mut raw)?;
    }
    Ok(raw)
}

/// Reads a mail by the day that was named, else the one it was written on.
fn timed(raw: &[u8], received: Option<Date>, today: Date) -> Timed {
    let once = |day| {
        let begun = Instant::now();
        let reading = read(raw, day);
        Timed { reading, elapsed_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX) }
    };
    let first = once(received.unwrap_or(today));
    match (received, first.reading.date.map(|sent| TimeZone::UTC.to_datetime(sent).date())) {
        (None, Some(written)) if written != today => once(written),
        _ => first,
    }
}

/// What a program gets. `recipient` is whom we wrote to: the original one where the mail
/// names it, else the final one (RFC 3464 2.3.1 and 2.3.2: forwarding parts the two).
fn document(file: &Path, timed: &Timed) -> Value {
    let reading = &timed.reading;
    let response = |finding: &Finding| {
        let evidence = &finding.evidence;
        json!({
            "kind": finding.kind.name(),
            "recipient": finding.recipient,
            "original_recipient": finding.recipient.as_ref().filter(|_| finding.recipient_is_original),
            "final_recipient": finding.final_recipient,
            "status": finding.enhanced,
            "reply_code": finding.reply_code,
            "hard": finding.is_hard(),
            "reason": finding.reason,
            "confidence": (f64::from(finding.confidence) * 100.0).round() / 100.0,
            "evidence": {
                "part": evidence.part, "line": evidence.line, "rule": evidence.rule, "text": evidence.text,
            },
            "until": finding.until,
            "referred_to": finding.referred_to,
        })
    };
    json!({
        "path": file.display().to_string(),
        "responses": reading.findings.iter().map(response).collect::<Vec<_>>(),
        "new_text": reading.findings.iter().find_map(|finding| finding.new_text.as_ref()),
        "elapsed_us": timed.elapsed_us,
        "message_id": reading.message_id,
        "from": reading.from,
        "from_name": reading.from_name,
        "subject": reading.subject,
        "date": reading.date,
        "references": reading.references,
        "addressed_to": reading.addressed_to,
    })
}

/// One file of several has its name above it.
fn print_file(out: &mut dyn Write, file: &Path, at: usize, files: usize, reading: &Reading) -> io::Result<()> {
    if at > 0 {
        writeln!(out)?;
    }
    if files > 1 {
        print_field(out, "File", Some(&file.display().to_string()))?;
    }
    print(out, reading)
}

fn print(out: &mut dyn Write, reading: &Reading) -> io::Result<()> {
    let name = reading.from_name.as_deref().unwrap_or_default();
    let from = reading.from.as_deref().map(|from| format!("{name} <{from}>").trim_start().to_owned());
    print_field(out, "From", from.as_deref())?;
    print_field(out, "Subject", reading.subject.as_deref())?;
    print_field(out, "Answers", reading.references.first().map(String::as_str))?;
    for finding in &reading.findings {
        writeln!(out)?;
        print_finding(out, finding)?;
    }
    Ok(())
}

fn print_finding(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let hard = if finding.is_hard() { ", the address is dead" } else { "" };
    writeln!(out, "{}, {:.2} sure{hard}", finding.kind.name(), finding.confidence)?;
    let evidence = &finding.evidence;
    print_field(out, "  Rule", Some(&evidence.rule))?;
    let line = if evidence.line > 0 { format!(", line {}", evidence.line) } else { String::new() };
    let words = if evidence.text.is_empty() { String::new() } else { format!(": \"{}\"", evidence.text) };
    print_field(out, "  Found in", Some(&format!("{}{line}{words}", evidence.part)))?;
    print_field(out, "  About", finding.recipient.as_deref())?;
    print_field(out, "  Ended at", finding.final_recipient.as_deref())?;
    print_field(out, "  Status", finding.enhanced.as_deref())?;
    print_field(out, "  Code", finding.reply_code.map(|code| code.to_string()).as_deref())?;
    print_field(out, "  Reason", finding.reason.as_deref())?;
    print_field(out, "  Until", finding.until.map(|day| day.to_string()).as_deref())?;
    print_field(out, "  Ask", finding.referred_to.as_deref())?;
    let Some(text) = finding.new_text.as_deref().filter(|text| !text.trim().is_empty()) else { return Ok(()) };
    writeln!(out, "  Newly written")?;
    for line in text.trim().lines() {
        for part in textwrap::wrap(&crate::model::text::tame(line), layout::WIDTH - 4) {
            writeln!(out, "{}", format!("  | {part}").trim_end())?;
        }
    }
    Ok(())
}

/// A name and its value from column 13 on, where there is one.
fn print_field(out: &mut dyn Write, name: &str, value: Option<&str>) -> io::Result<()> {
    let Some(value) = value else { return Ok(()) };
    writeln!(out, "{name:<12}{}", layout::cut(value, layout::WIDTH - 12))
}
