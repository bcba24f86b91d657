//! `outreachd dkim`: make a key that signs letters, and say what the DNS needs to know.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::{CommandError, Session, output};
use crate::config::dkim::{Algorithm, DkimKey, generate};
use crate::config::{Config, Sender};

/// Bytes of one text of a TXT record (RFC 1035 3.3).
const TEXT_BYTES: usize = 255;

/// The arguments of `outreachd dkim`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key and print its DNS record
    #[command(
        after_help = "Writes the private key beside the configuration, readable by you alone, and never over another file. Nothing is signed with it until [[sender]] names it."
    )]
    New {
        /// The key's name in the DNS, as 2027a
        selector: String,

        /// The sender whose letters it will sign [default: the first]
        #[arg(long)]
        sender: Option<String>,

        /// An Ed25519 key, to sign with beside an RSA key, which every receiver knows
        #[arg(long)]
        ed25519: bool,

        /// Where the private key goes [default: dkim-SELECTOR.pem beside the configuration]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the DNS record of each key of the configuration
    Show,
}

/// A key's record, and for a new one its file.
#[derive(Debug, Serialize)]
struct Shown {
    selector: String,
    domain: String,
    name: String,
    record: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    match args.action {
        Action::New { selector, sender, ed25519, out } => {
            let sender = find_sender(&config, sender.as_deref())?;
            let algorithm = if ed25519 { Algorithm::Ed25519 } else { Algorithm::Rsa };
            new(session, &selector, sender, algorithm, out)?;
        }
        Action::Show => show(session, &config)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn find_sender<'c>(config: &'c Config, id: Option<&str>) -> anyhow::Result<&'c Sender> {
    let ids: Vec<_> = config.senders.iter().map(|sender| sender.id.as_str()).collect();
    let absent = || format!("there is no sender `{}`; there are {}", id.unwrap_or_default(), ids.join(", "));
    config.find_sender(id).with_context(absent)
}

fn new(
    session: &Session,
    selector: &str,
    sender: &Sender,
    algorithm: Algorithm,
    out: Option<PathBuf>,
) -> anyhow::Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if selector.is_empty()
        || selector.len() > 63
        || !selector.chars().all(plain)
        || selector.trim_matches('-') != selector
    {
        anyhow::bail!("a selector has a-z, 0-9 and - between them, as 2027a");
    }
    if let Some(known) = sender.dkim.iter().find(|key| key.selector == selector) {
        anyhow::bail!("sender `{}` has a key `{}` already; take another selector", sender.id, known.selector);
    }
    let file = out.unwrap_or_else(|| session.folder().join(format!("dkim-{selector}.pem")));
    let key = generate(algorithm)?;
    write_private(&file, key.pem.expose_secret())?;
    let domain = sender.from.domain().to_owned();
    let name = format!("{selector}._domainkey.{domain}");
    let shown = Shown { selector: selector.to_owned(), domain, name, record: key.record, file: Some(file) };
    if session.json {
        return output::json(&shown);
    }
    output::lines(&next_steps(&shown, sender, &session.config_file()))
}

/// Never over another: a key that was signed with is not made again.
fn write_private(file: &Path, pem: &str) -> anyhow::Result<()> {
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut written = written.with_context(|| format!("cannot make `{}`", file.display()))?;
    written.write_all(pem.as_bytes()).and_then(|()| written.sync_all())?;
    Ok(())
}

fn next_steps(shown: &Shown, sender: &Sender, config: &Path) -> Vec<String> {
    let file = shown.file.as_deref().unwrap_or(Path::new(""));
    let beside = file.strip_prefix(config.parent().unwrap_or(Path::new(""))).unwrap_or(file);
    let mut lines = vec![
        format!("The private key is in {}; it signs in your name, keep it as a password.", file.display()),
        String::new(),
        format!("1. Put this into the DNS of {}:", shown.domain),
        String::new(),
    ];
    lines.extend(record_lines(shown));
    lines.extend([
        String::new(),
        format!("2. Name the key in [[sender]] `{}` of {}:", sender.id, config.display()),
        String::new(),
        format!("dkim = [{{ selector = \"{}\", key = {{ file = \"{}\" }} }}]", shown.selector, beside.display()),
        String::new(),
        "3. When `outreachd doctor` finds the record, reload the daemon.".to_owned(),
    ]);
    lines
}

/// The record as a zone file has it.
fn record_lines(shown: &Shown) -> Vec<String> {
    let mut lines = vec![format!("{}. IN TXT (", shown.name)];
    let texts = shown.record.as_bytes().chunks(TEXT_BYTES);
    lines.extend(texts.map(|text| format!("    \"{}\"", String::from_utf8_lossy(text))));
    lines.push(")".to_owned());
    lines
}

fn show(session: &Session, config: &Config) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for dkim in config.senders.iter().flat_map(|sender| &sender.dkim) {
        let key = DkimKey::load(dkim)?;
        let (name, record) = (key.record_name(), key.record());
        all.push(Shown { selector: dkim.selector.clone(), domain: dkim.domain.clone(), name, record, file: None });
    }
    if session.json {
        return output::json(&all);
    }
    if all.is_empty() {
        return output::lines(&["No sender has a key; make one with `outreachd dkim new SELECTOR`.".to_owned()]);
    }
    output::lines(&all.iter().flat_map(record_lines).collect::<Vec<_>>())
}
