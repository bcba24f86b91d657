//! `outreachd responses read`: how a mail is read, and by which rule. Nothing is logged.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::{CommandError, Session, layout, output};
use crate::respond::read::{Finding, Reading, read};

/// More of a file is not looked at; no mail that matters is longer.
const LONGEST_MAIL_BYTES: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "Save a mail as a file (.eml) to see what outreachd makes of it: its kind, about whom, by
which rule, and what the person newly wrote. Nothing is logged or changed.

Examples:
  outreachd responses read reply.eml
  outreachd responses read - < reply.eml")]
pub(super) struct Args {
    /// The mail; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The day it came, from which its "Thursday" counts [default: the mail's own date]
    #[arg(long, value_name = "YYYY-MM-DD")]
    received: Option<Date>,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<(), CommandError> {
    let raw = load(&args.file).with_context(|| format!("cannot read `{}`", args.file.display()))?;
    let today = TimeZone::UTC.to_datetime(session.now()).date();
    let mut reading = read(&raw, args.received.unwrap_or(today));
    if let (None, Some(sent)) = (args.received, reading.date) {
        reading = read(&raw, TimeZone::UTC.to_datetime(sent).date());
    }
    if session.json {
        output::json(&document(&reading))?;
        return Ok(());
    }
    print(&reading).context("cannot print")?;
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

fn document(reading: &Reading) -> Value {
    let finding = |finding: &Finding| {
        let evidence = &finding.evidence;
        json!({
            "kind": finding.kind.name(),
            "recipient": finding.recipient,
            "final_recipient": finding.final_recipient,
            "enhanced": finding.enhanced,
            "reason": finding.reason,
            "confidence": finding.confidence,
            "evidence": {
                "part": evidence.part, "line": evidence.line, "rule": evidence.rule, "text": evidence.text,
            },
            "new_text": finding.new_text,
            "until": finding.until,
            "referred_to": finding.referred_to,
        })
    };
    json!({
        "message_id": reading.message_id,
        "from": reading.from,
        "from_name": reading.from_name,
        "subject": reading.subject,
        "date": reading.date,
        "references": reading.references,
        "addressed_to": reading.addressed_to,
        "findings": reading.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn print(reading: &Reading) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let name = reading.from_name.as_deref().unwrap_or_default();
    let from = reading.from.as_deref().map(|from| format!("{name} <{from}>").trim_start().to_owned());
    print_field(&mut out, "From", from.as_deref())?;
    print_field(&mut out, "Subject", reading.subject.as_deref())?;
    print_field(&mut out, "Answers", reading.references.first().map(String::as_str))?;
    for finding in &reading.findings {
        writeln!(out)?;
        print_finding(&mut out, finding)?;
    }
    Ok(())
}

fn print_finding(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    writeln!(out, "{}, {:.2} sure", finding.kind.name(), finding.confidence)?;
    let evidence = &finding.evidence;
    print_field(out, "  Rule", Some(&evidence.rule))?;
    let line = if evidence.line > 0 { format!(", line {}", evidence.line) } else { String::new() };
    let words = if evidence.text.is_empty() { String::new() } else { format!(": \"{}\"", evidence.text) };
    print_field(out, "  Found in", Some(&format!("{}{line}{words}", evidence.part)))?;
    print_field(out, "  About", finding.recipient.as_deref())?;
    print_field(out, "  Ended at", finding.final_recipient.as_deref())?;
    print_field(out, "  Status", finding.enhanced.as_deref())?;
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
