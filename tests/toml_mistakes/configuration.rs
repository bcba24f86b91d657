//! Mistakes in the configuration, its limits and its variables.

use super::*;

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
