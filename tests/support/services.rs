//! The services that some tests need and an ordinary machine does not have.
//!
//! A test asks here and returns early when the answer is `None`: the line that
//! says so has been printed. Under CI (`CI` is set) an absent service is a
//! failure, for a test that is always skipped guards nothing.
//!
//! `.ci/run` starts them; by hand, `tests/real/start-mail-servers DIR` starts the
//! mail servers.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The variable with the URL of a PostgreSQL whose user may create databases.
pub const DATABASE_VARIABLE: &str = "OUTREACHD_TEST_DATABASE_URL";

/// The variable with the folder that `tests/real/start-mail-servers` was given.
pub const REAL_MAIL_VARIABLE: &str = "OUTREACHD_TEST_REAL_MAIL";

/// The URL of a PostgreSQL to test against, if there is one.
///
/// # Panics
/// Under CI, if there is none.
pub fn postgres_url() -> Option<String> {
    variable(DATABASE_VARIABLE, "tests against PostgreSQL")
}

/// A Postfix and a Dovecot to test against, if they run.
///
/// # Panics
/// Under CI, if they do not run; everywhere, if their description cannot be read.
pub fn real_mail() -> Option<RealMail> {
    let folder = variable(REAL_MAIL_VARIABLE, "tests against Postfix and Dovecot")?;
    Some(RealMail::read(Path::new(&folder)))
}

fn variable(name: &str, what: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{what} must run under CI, and {name} is not set");
        // Not `eprintln!`: the test runner would keep that line to itself.
        let _ = writeln!(std::io::stderr(), "skipped: {what} need {name}");
    }
    value
}

/// A login at one of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// An address; at a mailbox, the mailbox of that name.
    pub user: String,
    /// The password in clear.
    pub password: String,
}

/// The servers that `tests/real/start-mail-servers` started; its head says which
/// domains they take and what becomes of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealMail {
    /// The name both certificates carry; it resolves to 127.0.0.1.
    pub host: String,
    /// Submission with STARTTLS; a password is asked of who sends outside our domains.
    pub smtp_port: u16,
    /// IMAP in clear, with STARTTLS offered.
    pub imap_port: u16,
    /// IMAP over TLS from the first byte.
    pub imaps_port: u16,
    /// The authority that signed the certificates, as PEM.
    pub ca_file: PathBuf,
    /// For submission.
    pub smtp: Login,
    /// The mailbox of outreach@fyrljus.example, with or without a plus part.
    pub outreach: Login,
    /// The mailbox of everybody at clients.example.
    pub clients: Login,
    /// The Maildir behind `outreach`.
    pub outreach_maildir: PathBuf,
    /// The Maildir behind `clients`.
    pub clients_maildir: PathBuf,
    /// What Postfix has to say.
    pub postfix_log: PathBuf,
}

impl RealMail {
    /// Reads the description that the servers' starter left in `folder`.
    pub fn read(folder: &Path) -> Self {
        let path = folder.join("description");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("no mail servers are described in {}: {error}", path.display()));
        Self::parse(&text)
    }

    /// Reads `KEY=VALUE` lines.
    pub fn parse(text: &str) -> Self {
        let entries: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let entry = |key: &str| {
            (*entries.get(key).unwrap_or_else(|| panic!("`{key}` is missing in the mail servers' description")))
                .to_owned()
        };
        let port = |key: &str| entry(key).parse().unwrap_or_else(|_| panic!("`{key}` is no port: {}", entry(key)));
        let login = |of: &str| Login { user: entry(&format!("{of}_user")), password: entry(&format!("{of}_password")) };
        Self {
            host: entry("host"),
            smtp_port: port("smtp_port"),
            imap_port: port("imap_port"),
            imaps_port: port("imaps_port"),
            ca_file: entry("ca_file").into(),
            smtp: login("smtp"),
            outreach: login("outreach"),
            clients: login("clients"),
            outreach_maildir: entry("outreach_maildir").into(),
            clients_maildir: entry("clients_maildir").into(),
            postfix_log: entry("postfix_log").into(),
        }
    }

    /// Every mail that lies in `maildir` now, read or unread, in no order.
    pub fn mails(maildir: &Path) -> Vec<Vec<u8>> {
        // Dovecot moves a mail from `new` to `cur` as it likes, and adds flags to its
        // name behind a colon: what was met in `new` may be met again.
        let mut mails = HashMap::new();
        for folder in ["new", "cur"] {
            for entry in std::fs::read_dir(maildir.join(folder)).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().split(':').next().map(str::to_owned);
                if let (Some(name), Ok(mail)) = (name, std::fs::read(entry.path())) {
                    mails.insert(name, mail);
                }
            }
        }
        mails.into_values().collect()
    }

    /// How many mails lie in `maildir` for each recipient of the envelope.
    pub fn mails_per_recipient(maildir: &Path) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for mail in Self::mails(maildir) {
            let recipient = delivered_to(&mail).expect("Dovecot writes Delivered-To on top of every mail");
            *counts.entry(recipient).or_default() += 1;
        }
        counts
    }
}

/// The recipient of the envelope, as Dovecot noted it on top of `mail`.
pub fn delivered_to(mail: &[u8]) -> Option<String> {
    String::from_utf8_lossy(mail)
        .lines()
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix("Delivered-To: ").map(|address| address.trim().to_owned()))
}
