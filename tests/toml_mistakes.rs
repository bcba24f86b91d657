//! Wrong files, and what is said about them: one mistake, one message, at its place.

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
fn tells_each_mistake_of_a_configuration_once() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("name = \"F", "nmae = \"F", &["2:1: unknown key `nmae` (did you mean `name`?)"]),
        ("name = \"Fyrljus AB\"\n", "", &["1:1: missing key `name` in `[company]`"]),
        ("name = \"Fyrljus AB\"", "name = 4", &["2:8: `name`: expected a string, found an integer"]),
        ("name = \"Fyrljus AB\"", "name = \"Fyr\\nljus\"", &["2:8: `name` holds a line break"]),
        ("name = \"Fyrljus AB\"", "name = \"\"", &["2:8: `name` is empty"]),
        ("name = \"Fyrljus AB\"", "colour = \"red\"\nname = \"F\"", &["2:1: unknown key `colour`"]),
        ("[company]", "[compnay]", &["1:2: unknown key `compnay` (did you mean `company`?)"]),
        ("mira@fyrljus", "mira@", &["3:8: `head` has a domain that is no host name"]),
        ("\"SE\"", "\"se\"", &["4:11: `se` is no country; one is written by two letters, as SE (did you mean `SE`?)"]),
        ("\"SE\"", "\"UK\"", &["4:11: `UK` is no country; one is written by two letters, as SE (did you mean `GB`?)"]),
        (
            "Europe/Stockholm",
            "Europe/Stokholm",
            &[
                "5:8: there is no time zone `Europe/Stokholm`; one looks like Europe/Stockholm (did you mean `Europe/Stockholm`?)",
            ],
        ),
        ("sqlite:outreachd.db", "mysql://host/db", &["7:7: `url` must begin with sqlite: or postgres:"]),
        ("sqlite:outreachd.db", "postgres://o:secret@host/db", &["7:7: `url` holds a password"]),
        (
            "[database]\n",
            "[database]\nurl_file = \"u\"\n",
            &["7:12: `url_file` stands beside `url`; keep one of the two"],
        ),
        ("url = \"sqlite:outreachd.db\"\n", "", &["6:1: missing key `url` in `[database]`"]),
        (
            "id = \"fyrljus\"",
            "id = \"Fyrljus AB\"",
            &["9:6: `id` may have a-z, 0-9 and - between them, at most 60 (did you mean `fyrljus-ab`?)"],
        ),
        ("relay = \"main\"", "relay = \"mian\"", &["13:9: there is no relay `mian` (did you mean `main`?)"]),
        ("[[relay]]", "[relay]", &["14:1: `relay` is a list of tables; write it as `[[relay]]`"]),
        ("port = 587", "port = 465", &["17:8: port 465 expects tls from the first byte"]),
        ("port = 587", "port = 70000", &["17:8: `port` must be a whole number from 1 to 65535"]),
        ("port = 587", "port = -1", &["17:8: `port` must be a whole number from 1 to 65535"]),
        (
            "tls = \"starttls\"",
            "tls = \"startls\"",
            &["18:7: `tls` cannot be `startls`; it can be `starttls`, `implicit` or `none` (did you mean `starttls`?)"],
        ),
        (
            "tls = \"starttls\"",
            "tls = \"none\"",
            &["18:7: `tls` may be `none` only on this machine, and `smtp.fyrljus.example` is another"],
        ),
        ("username = \"outreachd\"\n", "", &["14:1: missing key `username` in `[[relay]]`"]),
        (
            "host = \"smtp.fyrljus.example\"",
            "host = \"smtp://fyrljus.example\"",
            &["16:8: `host` is no host; write its name alone, as smtp.company.example"],
        ),
        (
            "password = { file = \"relay\" }",
            "password = \"hemligt\"",
            &["20:12: `password` does not stand in the configuration itself"],
        ),
        ("{ file = \"relay\" }", "{ fil = \"relay\" }", &["20:14: unknown key `fil` (did you mean `file`?)"]),
        ("{ file = \"relay\" }", "{}", &["20:12: a secret needs either `file` or `env`"]),
        ("maildir = \"/var/mail/svar\"\n", "", &["21:1: a mailbox needs `maildir` or `host`"]),
        (
            "maildir = \"/var/mail/svar\"",
            "host = \"imap.fyrljus.example\"\nusername = \"u\"",
            &["21:1: missing key `password` in `[[mailbox]]`"],
        ),
        (
            "maildir = \"/var/mail/svar\"",
            "host = \"::1\"\nport = 143\nusername = \"u\"\npassword = { env = \"P\" }",
            &["24:8: port 143 expects starttls"],
        ),
        (
            "[web]",
            "[fax]\nbase_url = \"http://fax.example\"\nkey = \"k\"\n[web]",
            &[
                "24:1: missing key `secret` in `[fax]`",
                "25:12: `base_url` must begin with https://, for the secret goes with each fax",
            ],
        ),
        (
            "[[mailbox]]",
            "[[mailbox]]\nid = \"svar\"\nmaildir = \"m\"\n[[mailbox]]",
            &["25:6: the id `svar` is given twice, first in line 22"],
        ),
        ("127.0.0.1:8025", "127.0.0.1", &["25:10: `listen` is no address to listen on; one looks like 127.0.0.1:8025"]),
        (
            "https://ut",
            "http://ut",
            &["26:14: `public_url` must begin with https://, for clients follow it from their letters"],
        ),
        ("https://ut", "ut", &["26:14: `public_url` is no url; one looks like https://company.example"]),
        ("\"07:30\"", "\"7.30\"", &["28:6: `at` is no time of day; one looks like 07:30"]),
        ("at = \"07:30\"", "at = \"07:30", &["28:12: invalid basic string, expected `\"`"]),
        ("at = \"07:30\"", "at = \"07:30\"\nat = \"08:30\"", &["29:1: the key `at` is given twice"]),
    ];
    hold(CONFIG, cases, |source| config_mistakes(source, &[]));
}

#[test]
fn tells_each_mistake_of_a_campaign_once() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("template = \"led/m", "tempalte = \"led/m", &["27:1: unknown key `tempalte` (did you mean `template`?)"]),
        ("template = \"led/matning\"\n", "", &["23:1: missing key `template` in `[[step]]`"]),
        ("late = \"send\"", "veto = \"1 business day\"", &["13:1: unknown key `veto`"]),
        ("[audience]", "[audiense]", &["6:2: unknown key `audiense` (did you mean `audience`?)"]),
        ("[campaign]", "[Campaign]", &["1:2: unknown key `Campaign` (did you mean `campaign`?)"]),
        ("2027-03-01", "\"2027-03-01\"", &["5:9: `start`: a date stands without quotes"]),
        ("2027-03-01", "2027-03-01T08:00:00", &["5:9: `start`: expected a date, found a date with a time"]),
        ("2027-03-01", "\"9 Mon\"", &["5:9: `start`: five fields are needed"]),
        ("2027-03-01", "{ corn = \"0 9 * * Mon\" }", &["5:11: unknown key `corn` (did you mean `cron`?)"]),
        ("2027-03-01", "{ cron = \"0 9 * *\" }", &["5:18: `start`: five fields are needed"]),
        (
            "country = [\"SE\"]",
            "country = [\"SE\", \"Tyskland\"]",
            &["7:18: `Tyskland` is no country; one is written by two letters, as SE"],
        ),
        ("country = [\"SE\"]", "country = []", &["7:11: `country` is an empty list, which nothing matches"]),
        ("country = [\"SE\"]", "tier = [1]", &["7:9: `tier`: expected a string, found an integer"]),
        ("country = [\"SE\"]", "not = { not = { tier = \"A\" } }", &["7:9: unknown key `not`"]),
        ("country = [\"SE\"]\nno_touch = \"30 days\"\n", "", &["6:1: an audience without a line would be everybody"]),
        ("\"30 days\"", "\"30 business days\"", &["8:12: `no_touch` counts calendar days; write it as \"30 days\""]),
        ("\"4 %\"", "4", &["9:11: `holdout`: expected a string, found an integer"]),
        ("\"4 %\"", "\"60 %\"", &["9:11: `holdout` must be below 50 %"]),
        (
            "Mon-Thu",
            "Mon-Tor",
            &["11:8: `days` has `Tor`, which is no weekday; write them as \"Mon-Thu\" or \"Mon, Wed\""],
        ),
        ("08:30-11:30", "11:30-08:30", &["12:9: `hours` must end after they begin, on the same day"]),
        ("08:30-11:30", "08:30-24:00", &["12:9: `hours` has `24:00`, which is no time from 00:00 to 23:59"]),
        (
            "late = \"send\"",
            "late = \"sned\"",
            &["13:8: `late` cannot be `sned`; it can be `send`, `skip` or `ask` (did you mean `send`?)"],
        ),
        (
            "channel = \"email\"",
            "channel = \"e-mail\"",
            &["16:11: `channel` cannot be `e-mail`; it can be `email`, `fax` or `call` (did you mean `email`?)"],
        ),
        ("fallback = \"fax\"", "fallback = \"call\"", &["18:12: `fallback` cannot be `call`; it can be `fax`"]),
        (", subject = \"En ljusmätning\" }", " }", &["21:3: missing key `subject` in `variants`"]),
        ("\"besok\"", "\"fraga\"", &["21:10: the variant `fraga` is given twice, first in line 20"]),
        ("led/intro", "led/intro.md", &["17:12: `template` is named without its ending (did you mean `led/intro`?)"]),
        ("led/intro", "../intro", &["17:12: `template` is a name below the template folder, as led/intro"]),
        ("id = \"matning\"", "id = \"intro\"", &["24:6: the step `intro` is given twice, first in line 15"]),
        ("wait = \"4 business days\"\n", "", &["23:1: missing key `wait` in `[[step]]`"]),
        (
            "wait = \"4 business days\"",
            "wait = \"4 dagar\"",
            &["26:8: `wait` is no pause; write it as \"4 hours\", \"2 days\" or \"3 business days\""],
        ),
        (
            "id = \"intro\"",
            "id = \"intro\"\nwait = \"1 day\"",
            &["16:8: `wait` has nothing to wait for in the first step, which goes at the campaign's `start`"],
        ),
        ("note = \"Ring {{", "template = \"t\"\nnote = \"Ring {{", &["32:1: a call has no `template`"]),
        ("note = \"Ring {{contact.name}}\"\n", "", &["28:1: missing key `note` in `[[step]]`"]),
        ("[on.interested]", "[on.intrested]", &["33:5: unknown key `intrested` (did you mean `interested`?)"]),
        (", within = \"1 business day\"", "", &["34:8: missing key `within` in `task`"]),
        ("id = \"led\"", "id =  # which?", &["2:7: the value is missing"]),
        ("id = \"led\"", "id = led", &["2:6: a text stands in quotes"]),
    ];
    hold(CAMPAIGN, cases, campaign_mistakes);
}

#[test]
fn tells_that_the_first_letter_needs_a_subject() {
    let start = CAMPAIGN.find("variants = [").unwrap();
    let end = CAMPAIGN.find("]\n[[step]]\nid = \"matning\"").unwrap() + 2;
    let without = format!("{}{}", &CAMPAIGN[..start], &CAMPAIGN[end..]);
    assert_eq!(described(&campaign_mistakes(&without)), ["14:1: the first letter needs a `subject`"]);
    let with = without.replacen("fallback", "subject = \"Hej\"\nfallback", 1);
    assert_eq!(described(&campaign_mistakes(&with)), [""; 0]);
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
fn tells_what_is_missing_from_an_empty_file() {
    let campaign = [
        "1:1: missing table `[campaign]`",
        "1:1: missing table `[audience]`",
        "1:1: missing table `[[step]]`; at least one is needed",
    ];
    assert_eq!(described(&campaign_mistakes("")), campaign);
    let config = [
        "1:1: missing table `[company]`",
        "1:1: missing table `[database]`",
        "1:1: missing table `[[relay]]`; at least one is needed",
        "1:1: missing table `[[sender]]`; at least one is needed",
    ];
    assert_eq!(described(&config_mistakes("", &[])), config);
}

#[test]
fn tells_of_variables_by_their_names_and_never_their_texts() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "OUTREACHD_WEB__LISTN",
            "x",
            "unknown variable `OUTREACHD_WEB__LISTN` (did you mean `OUTREACHD_WEB__LISTEN`?)",
        ),
        (
            "OUTREACHD_WBE__LISTEN",
            "[::1]:1",
            "unknown variable `OUTREACHD_WBE__LISTEN` (did you mean `OUTREACHD_WEB__LISTEN`?)",
        ),
        ("OUTREACHD_WEB__LISTEN", "here", "`listen` is no address to listen on; one looks like 127.0.0.1:8025"),
        ("OUTREACHD_RELAY__0__PORT", "many", "`port` must be a whole number from 1 to 65535"),
        ("OUTREACHD_RELAY__5__PORT", "25", "variable `OUTREACHD_RELAY__5__PORT` leads to no key"),
        ("OUTREACHD_WEB", "x", "`web`: expected a table, found a string"),
        ("OUTREACHD_NONSENSE", "x", "unknown variable `OUTREACHD_NONSENSE`"),
    ];
    for (name, text, expected) in cases {
        let mistakes = config_mistakes(CONFIG, &[(name, text)]);
        assert_eq!(described(&mistakes), [format!("1:1: {expected}")]);
        assert_eq!((mistakes[0].file.to_str(), mistakes[0].excerpt.as_deref()), (Some("environment"), Some(*name)));
    }
}

#[test]
fn shows_no_line_that_may_hold_a_secret() {
    for (written, secret) in [
        ("password = { file = \"relay\" }", "password = \"hemligt\""),
        ("sqlite:outreachd.db", "postgres://o:hemligt@host/db"),
        ("sqlite:outreachd.db", "mysql://o:hemligt@host/db"),
    ] {
        let mistakes = config_mistakes(&CONFIG.replacen(written, secret, 1), &[]);
        assert!(!mistakes.is_empty() && !format!("{mistakes:?}").contains("hemligt"), "{mistakes:?}");
    }
}

#[test]
fn overrides_keys_by_variables() {
    let environment = [
        ("OUTREACHD_DATABASE__URL_FILE", "url"),
        ("OUTREACHD_RELAY__0__PORT", "2525"),
        ("OUTREACHD_RELAY__0__PASSWORD__ENV", "RELAY_PASSWORD"),
        ("OUTREACHD_WEB__LISTEN", "[::1]:80"),
        ("OUTREACHD_LIMITS__ATTEMPTS", "3"),
        ("OUTREACHD_LOG", "debug"),
        ("OUTREACHD_TEST_POSTGRES", "x"),
        ("HOME", "/root"),
    ];
    let environment: Vec<_> = environment.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let config = config::parse(Path::new("/etc/outreachd/outreachd.toml"), CONFIG, &environment).unwrap();
    assert_eq!(config.database.url, None);
    assert_eq!(config.database.url_file.as_deref(), Some(Path::new("/etc/outreachd/url")));
    assert_eq!((config.relays[0].port, config.limits.attempts), (2525, 3));
    assert!(matches!(&config.relays[0].password, Some(config::SecretRef::Env(name)) if name == "RELAY_PASSWORD"));
    assert_eq!(config.web.listen, "[::1]:80");
    assert_eq!(config.files.templates, Path::new("/etc/templates"));
}

/// A right limit of each kind, after the configuration; its first line is 29.
const LIMITS: &str = r#"[[provider]]
id = "kommunerna"
domains = ["falun.example", "*.dalarna.example"]
[[limit]]
relay = "main"
per_day = 5000
rate = "20/minute"
sessions = 4
warm_up = { first_day = 50, growth = 1.5 }
[[limit]]
provider = "yahoo"
messages_per_session = 20
[[limit]]
domain = "*"
rate = "5/hour"
"#;

#[test]
fn tells_each_mistake_of_a_limit_once() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("relay = \"main\"\nper", "relay = \"mian\"\nper", &["33:9: there is no relay `mian` (did you mean `main`?)"]),
        (
            "relay = \"main\"\nper",
            "sender = \"fyrlus\"\nper",
            &["33:10: there is no sender `fyrlus` (did you mean `fyrljus`?)"],
        ),
        ("\"yahoo\"", "\"yaho\"", &["39:12: there is no provider `yaho` (did you mean `yahoo`?)"]),
        ("\"yahoo\"", "\"kommunera\"", &["39:12: there is no provider `kommunera` (did you mean `kommunerna`?)"]),
        ("domain = \"*\"", "domian = \"*\"", &["42:1: unknown key `domian` (did you mean `domain`?)"]),
        ("domain = \"*\"", "domain = \"granvik\"", &["42:10: `domain` is no domain; one looks like company.example"]),
        (
            "domain = \"*\"",
            "domain = \"*\"\nsender = \"fyrljus\"",
            &["42:1: `domain` stands beside `sender`; a limit is for one of them"],
        ),
        (
            "domain = \"*\"\n",
            "",
            &["41:1: a limit needs `relay`, `sender`, `campaign`, `provider` or `domain`: what it is for"],
        ),
        ("rate = \"5/hour\"", "", &["41:1: a limit needs `rate`, `per_day`, `sessions` or `messages_per_session`"]),
        (
            "rate = \"5/hour\"",
            "rate = \"5/day\"",
            &["43:8: `rate` is no rate; one looks like 20/minute, with second, minute or hour"],
        ),
        ("rate = \"5/hour\"", "sessions = 2", &["42:10: a domain's limit cannot have `sessions`"]),
        ("provider = \"yahoo\"", "relay = \"main\"", &["39:9: there is a limit for it already, in line 33"]),
        ("per_day = 5000\n", "", &["36:11: `warm_up` needs `per_day`, at which it ends"]),
        ("growth = 1.5", "growth = 1", &["37:38: `growth` must be a number from 1.01 to 10"]),
        ("growth = 1.5", "grwoth = 1.5", &["37:29: unknown key `grwoth` (did you mean `growth`?)"]),
        ("first_day = 50", "first_day = 0", &["37:25: `first_day` must be a whole number from 1 to 1000000"]),
        ("\"kommunerna\"", "\"other\"", &["30:6: `id` cannot be `other`, which is everybody without a provider"]),
        (
            "\"*.dalarna.example\"",
            "\"falun.example\"",
            &["31:29: the domain `falun.example` is given twice, first in line 31"],
        ),
        (
            "domains = [\"falun.example\", \"*.dalarna.example\"]",
            "mx = [\"*.kommun\"]",
            &["31:7: `mx` is no domain; one looks like company.example"],
        ),
        (
            "domains = [\"falun.example\", \"*.dalarna.example\"]",
            "preset = \"microsoft\"",
            &[
                "31:10: `preset` cannot be `microsoft`; it can be `microsoft365` or `google` (did you mean `microsoft365`?)",
            ],
        ),
        (
            "domains = [\"falun.example\", \"*.dalarna.example\"]\n",
            "",
            &["29:1: a provider needs `domains`, `mx` or `preset`: whose mail it takes"],
        ),
    ];
    hold(&format!("{CONFIG}{LIMITS}"), cases, |source| config_mistakes(source, &[]));
    let backup: &[(&str, &str, &[&str])] = &[
        ("port = 587", "port = 587\nbackup = \"main\"", &["18:10: relay `main` cannot be its own backup"]),
        ("port = 587", "port = 587\nbackup = \"mian\"", &["18:10: there is no relay `mian` (did you mean `main`?)"]),
    ];
    hold(CONFIG, backup, |source| config_mistakes(source, &[]));
}

#[test]
fn reads_what_a_campaign_says_of_its_own_speed() {
    let source = CAMPAIGN.replacen("late = \"send\"", "late = \"send\"\nrate = \"20/minute\"\nper_day = 400", 1);
    let limit = campaign::read(Path::new("led.toml"), &source, check_cron).0.unwrap().limit;
    assert_eq!((limit.rate.map(|rate| rate.to_string()), limit.per_day), (Some("20/minute".into()), Some(400)));
    let wrong = source.replacen("per_day = 400", "per_day = 0", 1);
    assert_eq!(described(&campaign_mistakes(&wrong)), ["15:11: `per_day` must be a whole number from 1 to 100000000"]);
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
fn goes_on_with_a_misspelt_step_so_that_its_letter_is_checked_too() {
    let source = std::fs::read_to_string("config/campaigns/led-i-lagret.toml").unwrap();
    let source = source.replacen("template = \"led/matning\"", "tempalte = \"led/matning\"", 1);
    let (campaign, mistakes, places) = campaign::read(Path::new("led.toml"), &source, check_cron);
    assert_eq!(described(&mistakes), ["43:1: unknown key `tempalte` (did you mean `template`?)"]);
    assert_eq!(campaign.unwrap().steps[2].template.as_deref(), Some("led/matning"));
    let place = campaign::places::Place::Step("matning".into(), campaign::places::Part::Template);
    assert_eq!(places.mistake(&place, "is not there").column, 12);
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

#[test]
fn points_into_a_subject() {
    let (_, _, places) = campaign::read(Path::new("led.toml"), CAMPAIGN, check_cron);
    let part = campaign::places::Part::VariantSubject("besok".into());
    let place = campaign::places::Place::Step("intro".into(), part);
    let mistake = places.mistake_within(&place, 3..15, "x");
    assert_eq!((mistake.line, mistake.column, mistake.width), (21, 33, 11));
}

#[test]
fn tells_two_campaigns_of_one_id_apart_by_their_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.toml"), CAMPAIGN).unwrap();
    std::fs::write(folder.path().join("b.toml"), CAMPAIGN).unwrap();
    std::fs::write(folder.path().join("c.txt"), "no campaign").unwrap();
    let all = read_folder(folder.path(), check_cron);
    let [mistake] = all.mistakes.as_slice() else { panic!("{:?}", all.mistakes) };
    assert_eq!(mistake.file, folder.path().join("b.toml"));
    assert_eq!(described(&all.mistakes), ["2:6: the id `led` is taken by `a.toml`; each campaign needs its own"]);
    let gone = read_folder(&folder.path().join("none"), check_cron);
    assert!(gone.mistakes[0].message.starts_with("cannot read campaign folder"));
}
