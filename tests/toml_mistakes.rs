//! Wrong files, and what is said about them: one mistake, one message, at its place.

#[path = "toml_mistakes/campaigns.rs"]
mod campaigns;
#[path = "toml_mistakes/configuration.rs"]
mod configuration;

use std::path::Path;

use outreachd::campaign::{self, read_folder};
use outreachd::config::{self, ConfigError};
use outreachd::model::mistake::Mistake;

/// A right configuration; each case makes it wrong by one replacement.
const CONFIG: &str = r#"[company]
name = "Fyrljus AB"
head = "mira@fyrljus.example"
country = "SE"
zone = "Europe/Stockholm"
[database]
url = "sqlite:outreachd.db"
[[sender]]
id = "fyrljus"
legal_name = "Fyrljus AB"
postal_address = "Lyktgatan 4, Stockholm"
from = "hej@fyrljus.example"
relay = "main"
[[relay]]
id = "main"
host = "smtp.fyrljus.example"
port = 587
tls = "starttls"
username = "outreachd"
password = { file = "relay" }
[[mailbox]]
id = "svar"
maildir = "/var/mail/svar"
[web]
listen = "127.0.0.1:8025"
public_url = "https://ut.fyrljus.example"
[digest]
at = "07:30"
"#;

/// A right campaign, likewise.
const CAMPAIGN: &str = r#"[campaign]
id = "led"
title = "LED"
language = "sv"
start = 2027-03-01
[audience]
country = ["SE"]
no_touch = "30 days"
holdout = "4 %"
[send]
days = "Mon-Thu"
hours = "08:30-11:30"
late = "send"
[[step]]
id = "intro"
channel = "email"
template = "led/intro"
fallback = "fax"
variants = [
  { id = "fraga", subject = "Vad kostar ljuset?" },
  { id = "besok", subject = "En ljusmätning" },
]
[[step]]
id = "matning"
channel = "email"
wait = "4 business days"
template = "led/matning"
[[step]]
id = "samtal"
channel = "call"
wait = "4 business days"
note = "Ring {{contact.name}}"
[on.interested]
task = { note = "Ring", within = "1 business day" }
"#;

fn described(mistakes: &[Mistake]) -> Vec<String> {
    let describe = |mistake: &Mistake| {
        let aside = mistake.aside.as_ref().map(|aside| format!(" ({aside})")).unwrap_or_default();
        format!("{}:{}: {}{aside}", mistake.line, mistake.column, mistake.message)
    };
    mistakes.iter().map(describe).collect()
}

fn config_mistakes(source: &str, environment: &[(&str, &str)]) -> Vec<Mistake> {
    let environment: Vec<_> = environment.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
    match config::parse(Path::new("config/outreachd.toml"), source, &environment) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Mistakes(mistakes)) => mistakes,
        Err(error) => panic!("{error}"),
    }
}

fn check_cron(text: &str) -> Result<(), String> {
    if text.split(' ').count() == 5 { Ok(()) } else { Err("five fields are needed".into()) }
}

fn campaign_mistakes(source: &str) -> Vec<Mistake> {
    campaign::read(Path::new("config/campaigns/led.toml"), source, check_cron).1
}

/// Holds each case's mistakes against what is expected; tells of all that differ.
fn hold(base: &str, cases: &[(&str, &str, &[&str])], read: impl Fn(&str) -> Vec<Mistake>) {
    assert_eq!(described(&read(base)), [""; 0], "the base itself");
    let mut differing = String::new();
    for (written, replacement, expected) in cases {
        assert!(base.contains(written), "no case without its text: {written}");
        let found = described(&read(&base.replacen(written, replacement, 1)));
        if found != *expected {
            differing += &format!("{written:?} -> {replacement:?}\n  expected {expected:#?}\n  found {found:#?}\n");
        }
    }
    assert!(differing.is_empty(), "{differing}");
}

#[test]
fn tells_all_mistakes_of_a_file_at_once_in_its_order() {
    let source = CAMPAIGN.replace("\"sv\"", "\"no\"").replace("days =", "dagar =").replace("\"call\"", "\"phone\"");
    let expected = [
        "4:12: `language` cannot be `no`; it can be `sv` or `en`",
        "11:1: unknown key `dagar`",
        "30:11: `channel` cannot be `phone`; it can be `email`, `fax` or `call`",
    ];
    assert_eq!(described(&campaign_mistakes(&source)), expected);
}

#[test]
fn reads_the_example_configuration_and_campaign() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = config::load(&root.join("config/outreachd.toml"), &[]).unwrap();
    assert_eq!(config.files.campaigns, root.join("config/campaigns"));
    assert_eq!(config.files.templates, root.join("templates"));
    assert_eq!(config.senders[0].fax.as_ref().map(|fax| fax.as_str()), Some("+46701740606"));
    let folder = read_folder(&config.files.campaigns, check_cron);
    assert_eq!(described(&folder.mistakes), [""; 0]);
    let led = &folder.campaigns.iter().find(|file| file.campaign.id == "led-i-lagret").unwrap().campaign;
    insta::assert_snapshot!(serde_json::to_string_pretty(led).unwrap());
}

#[test]
fn never_fails_without_saying_why() {
    for (end, _) in CAMPAIGN.char_indices() {
        let (campaign, mistakes, _) = campaign::read(Path::new("led.toml"), &CAMPAIGN[..end], check_cron);
        assert!(campaign.is_some() || !mistakes.is_empty(), "{}", &CAMPAIGN[..end]);
    }
    for (end, _) in CONFIG.char_indices() {
        let read = config::parse(Path::new("outreachd.toml"), &CONFIG[..end], &[]);
        let is_said = matches!(&read, Err(ConfigError::Mistakes(mistakes)) if !mistakes.is_empty());
        assert!(read.is_ok() || is_said, "{}", &CONFIG[..end]);
    }
}
