//! A company of one run: the folder that `init` made, edited as its operator would,
//! and the program run in it.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::services::RealMail;

/// The head of the company, by the starter's configuration.
const HEAD: &str = "mira.holm@fyrljus.example";
/// The mailbox that answers and bounces come back to; bounces with `+token` in it.
pub const MAILBOX: &str = "outreach@fyrljus.example";
/// How long letters may leave, in minutes: a first sixth of it is what they are spread over.
const WINDOW_MINUTES: i64 = 9;

/// A folder.
pub struct Company {
    folder: tempfile::TempDir,
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// It went well; what it printed.
    pub fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }
}

impl Company {
    /// `init`, and the configuration changed to these servers and this database.
    pub fn found(mail: &RealMail, database: Option<&str>) -> Self {
        let company = Self { folder: tempfile::tempdir().expect("a temporary folder can be made") };
        company.run(&["init", "."]).well();
        company.write_secret("relay", &mail.smtp.password);
        company.write_secret("mailbox", &mail.outreach.password);
        let ca_file = mail.ca_file.to_str().expect("a path of this test");
        let mut edits = vec![
            ("svar@fyrljus.example\"  #".to_owned(), format!("{MAILBOX}\"  #")),
            ("studs@fyrljus.example".into(), MAILBOX.into()),
            ("\"smtp.fyrljus.example\"".into(), format!("\"{}\"", mail.host)),
            ("587  ".into(), mail.smtp_port.to_string()),
            ("\"outreachd\"".into(), format!("\"{}\"", mail.smtp.user)),
            ("# ca_file              = \"relay-ca.pem\"".into(), format!("ca_file = \"{ca_file}\"")),
            ("\"imap.fyrljus.example\"".into(), format!("\"{}\"\nca_file = \"{ca_file}\"", mail.host)),
            ("993".into(), mail.imaps_port.to_string()),
            ("\"svar@fyrljus.example\"\npassword".into(), format!("\"{}\"\npassword", mail.outreach.user)),
            ("= 30\n".into(), "= 1\n".into()),
            ("127.0.0.1:8025".into(), "127.0.0.1:0".into()),
        ];
        if let Some(url) = database {
            company.write_secret("database", url);
            edits.push(("url = \"sqlite:../outreachd.db\"".into(), "url_file = \"secrets/database\"".into()));
        }
        company.edit("config/outreachd.toml", &edits);
        company
    }

    /// Lets the starter's campaign write to the test's clients from this minute on.
    pub fn open_window(&self, now: Timestamp) {
        // A window ends on the day it begins: one of two clocks, neither of which is ever
        // set, is far from midnight.
        let is_morning = TimeZone::UTC.to_datetime(now).hour() < 12;
        let zone = if is_morning { "Atlantic/Reykjavik" } else { "America/Panama" };
        let local = now.in_tz(zone).expect("the zone is known");
        let until = local.checked_add(WINDOW_MINUTES.minutes()).expect("a date of our time");
        let campaign = "config/campaigns/led-i-lagret.toml";
        let text = self.read(campaign);
        let start = text.lines().find(|line| line.starts_with("start ")).expect("the campaign has a start").to_owned();
        let edits = [
            (start, format!("start = {}", local.date())),
            ("[\"SE\", \"DE\"]".into(), "[\"IS\"]".into()),
            ("\"Mon-Thu\"".into(), "\"Mon-Sun\"".into()),
            ("\"08:30-11:30\"".into(), format!("\"{}-{}\"", local.strftime("%H:%M"), until.strftime("%H:%M"))),
            ("[send]\n".into(), format!("[send]\nzone = \"{zone}\"\n")),
        ];
        self.edit(campaign, &edits);
    }

    /// The program in this folder, with no setting but its own.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outreachd"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OUTREACHD_")) {
            command.env_remove(name);
        }
        command.args(args).current_dir(self.folder.path()).env("OUTREACHD_AS", HEAD).stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().expect("the program can be started");
        let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What a command that ends well says as JSON.
    pub fn ask(&self, args: &[&str]) -> Value {
        let said = self.run(&[args, &["--json"]].concat()).well();
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{args:?} printed no JSON: {error}: {said}"))
    }

    pub fn start_daemon(&self) -> Daemon<'_> {
        let mut child = self.command(&["run"]).stderr(Stdio::piped()).spawn().expect("the daemon can be started");
        let (said, log) = channel();
        let lines = BufReader::new(child.stderr.take().expect("it was piped")).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| said.send(line)));
        Daemon { company: self, child, log, heard: Vec::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("init wrote it")
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("the folder can be written");
    }

    fn write_secret(&self, name: &str, secret: &str) {
        let path = self.path("config/secrets").join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("the folder can be made");
        std::fs::write(&path, secret).expect("the folder can be written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("it is ours");
    }

    /// Puts texts in the place of others, each of which stands there once.
    fn edit(&self, name: &str, edits: &[(String, String)]) {
        let mut text = self.read(name);
        for (from, to) in edits {
            assert_eq!(text.matches(from.as_str()).count(), 1, "`{from}` in {name}:\n{text}");
            text = text.replacen(from.as_str(), to, 1);
        }
        self.write(name, text.as_bytes());
    }
}

/// A `run` under way; killed if the test ends before it.
pub struct Daemon<'a> {
    company: &'a Company,
    child: Child,
    log: Receiver<String>,
    heard: Vec<String>,
}

impl Daemon<'_> {
    /// Looks until `look` finds something.
    ///
    /// The daemon tells nobody when a row has changed, so each line that it logs is a
    /// reason to look, and so is a second without one: a line may come before its commit.
    ///
    /// # Panics
    /// Nothing was found within `limit`.
    pub fn until<T>(&mut self, what: &str, limit: Duration, mut look: impl FnMut(&Company) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self.company) {
                return found;
            }
            let late = started.elapsed() > limit;
            match self.log.recv_timeout(Duration::from_secs(1)) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the daemon ended before {what}:\n{}", self.tail()),
            }
            self.heard.extend(self.log.try_iter());
            assert!(!late, "no sign of {what}:\n{}\n{}", self.tail(), self.company.run(&["status"]).out);
        }
    }

    /// The last lines of the log.
    fn tail(&self) -> String {
        self.heard[self.heard.len().saturating_sub(40)..].join("\n")
    }

    /// Asks it to stop; what it logged in all, and how it ended.
    pub fn stop(mut self) -> (ExitStatus, Vec<String>) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        let status = self.child.wait().expect("it is our child");
        let mut heard = std::mem::take(&mut self.heard);
        heard.extend(self.log.iter());
        (status, heard)
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
