//! The real daemon as a child process, in a folder of its own.
//!
//! What it does is awaited (a line, a mail, an answer, a notification); the limit on
//! each wait only turns a hang into a failure.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use outreachd::clock::Clock;
use outreachd::model::act::Act;
use outreachd::model::address::Channel;
use outreachd::model::campaign::From;
use outreachd::model::delivery::DeliveryState;
use outreachd::model::plan::Enrolment;
use outreachd::render::TemplateSet;
use outreachd::store::{ClientRecord, ConsentRecord, DeliveryFilter, DeliveryRow, Migration, NewRevision, Store};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use super::app::client;
use super::house::{self, campaign};
use super::notice::notice;

/// The longest that anything here is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits for `work`, but not for ever.
pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} took longer than {LIMIT:?}"),
    }
}

/// The configuration of a daemon whose relay listens on `port`; one session, so that
/// what is under way is one mail. `web` and `relay` are further keys of those sections.
pub fn configuration(port: u16, web: &str, relay: &str, more: &str) -> String {
    let relay = format!("host = \"127.0.0.1\"\nport = {port}\nsessions = 1\n{relay}");
    house::configuration(&relay, &format!("[web]\n{web}\n{more}"))
}

/// Any free port, for pages whose address the daemon says.
pub const ANY_PORT: &str = "listen = \"127.0.0.1:0\"";

/// A folder with a configuration, and the database that it names.
pub struct Site {
    folder: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Site {
    /// A site whose relay listens on `port` without TLS.
    pub fn new(port: u16) -> Self {
        Self::with(&configuration(port, ANY_PORT, "tls = \"none\"", ""))
    }

    /// A site with this configuration.
    pub fn with(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { folder: folder.path().to_owned(), _temporary: Some(folder) };
        site.configure(configuration);
        site
    }

    /// A site in a folder that is there.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), _temporary: None }
    }

    pub fn configure(&self, text: &str) {
        std::fs::write(self.path("outreachd.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub async fn store(&self) -> Store {
        Store::open(&format!("sqlite:{}", self.path("test.db").display()), Migration::Apply).await.unwrap()
    }

    fn program(&self) -> Command {
        self.dressed(Command::new(env!("CARGO_BIN_EXE_outreachd")))
    }

    fn dressed(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OUTREACHD_")) {
            command.env_remove(name);
        }
        command.env("OUTREACHD_CONFIG", "outreachd.toml").current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn command(&self, args: &[&str]) -> Output {
        soon(&format!("outreachd {args:?}"), self.program().args(args).output()).await.unwrap()
    }

    /// Runs a command that must go well; what it printed.
    pub async fn well(&self, args: &[&str]) -> String {
        let output = self.command(args).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with exit code 1; the lines on stderr.
    pub async fn refused(&self, args: &[&str]) -> Vec<String> {
        let output = self.command(args).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        said.lines().map(str::to_owned).collect()
    }

    /// Starts the daemon.
    pub fn run(&self) -> Daemon {
        self.run_with(&[])
    }

    /// Starts the daemon with these variables.
    pub fn run_with(&self, variables: &[(&str, &str)]) -> Daemon {
        Daemon::begin(self.program().arg("run").envs(variables.iter().copied()))
    }

    /// Starts the daemon in the place of a shell that has carried out `words` before.
    pub fn run_after(&self, words: &str) -> Daemon {
        let mut shell = self.dressed(Command::new("sh"));
        Daemon::begin(shell.args(["-c", &format!("{words}; exec \"$0\" run"), env!("CARGO_BIN_EXE_outreachd")]))
    }
}

/// A daemon that runs.
pub struct Daemon {
    child: Child,
    lines: tokio::io::Lines<BufReader<ChildStderr>>,
    /// Every line so far, for whoever reads a failure.
    said: Vec<String>,
}

impl Daemon {
    fn begin(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines, said: Vec::new() }
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap()
    }

    /// Waits for a line with `text` in it, after those that were waited for before.
    pub async fn says(&mut self, text: &str) -> String {
        loop {
            let next = tokio::time::timeout(LIMIT, self.lines.next_line()).await;
            let Ok(Ok(Some(line))) = next else {
                panic!("it never said `{text}`, but:\n{}", self.said.join("\n"));
            };
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for `work` while it speaks; what it said tells a failure.
    pub async fn until<T>(&mut self, what: &str, work: impl Future<Output = T>) -> T {
        let limit = tokio::time::sleep(LIMIT);
        tokio::pin!(work, limit);
        loop {
            tokio::select! {
                done = &mut work => return done,
                Ok(Some(line)) = self.lines.next_line() => self.said.push(line),
                () = &mut limit => panic!("{what} took longer than {LIMIT:?}:\n{}", self.said.join("\n")),
            }
        }
    }

    /// Waits until it serves; the address of its pages.
    pub async fn ready(&mut self) -> String {
        let line = self.says("ready; pages on ").await;
        line.split("pages on ").nth(1).unwrap().trim().to_owned()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end: the exit code, none if a signal ended it, and all that it said.
    pub async fn ended(mut self) -> (Option<i32>, Vec<String>) {
        while let Some(line) = soon("the end of the daemon's words", self.lines.next_line()).await.unwrap() {
            self.said.push(line);
        }
        let status = soon("the daemon's end", self.child.wait()).await.unwrap();
        (status.code(), self.said)
    }

    /// Asks it to stop, which must go well; all that it said.
    pub async fn stop(self) -> Vec<String> {
        self.signal(Signal::TERM);
        let (code, said) = self.ended().await;
        assert_eq!(code, Some(0), "{}", said.join("\n"));
        said
    }
}

/// Lines that tell of an error.
pub fn errors(said: &[String]) -> Vec<&String> {
    said.iter().filter(|line| line.contains(" ERROR ")).collect()
}

/// Lines with a warning.
pub fn warnings(said: &[String]) -> Vec<&String> {
    said.iter().filter(|line| line.contains(" WARN ")).collect()
}

/// `GET url`: the status and the body.
pub async fn get(url: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = soon(url, client.get(url).send()).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Mails that are due now and that no pause holds back.
pub async fn notices(store: &Store, names: &[&str]) {
    let now = Clock::System.now();
    let new: Vec<_> = names.iter().map(|name| notice(name, now)).collect();
    let created = store.create_deliveries(&Act::stage("test", now), &new).await.unwrap();
    assert_eq!(usize::try_from(created).unwrap(), names.len());
}

/// Starts a plan for each of `count` clients, whose only letter is due now.
pub async fn plans(store: &Store, count: usize) {
    let consents =
        vec![ConsentRecord { channel: "email".into(), basis: "consent".into(), evidence: "fair".into(), given_at: 0 }];
    let clients: Vec<_> = (0..count)
        .map(|number| ClientRecord { consents: consents.clone(), ..client(&format!("Klient {number}")) })
        .collect();
    plans_for(store, &clients, Channel::Email).await;
}

/// Starts a plan for each of `clients`, whose only letter is due now, by `channel`.
pub async fn plans_for(store: &Store, clients: &[ClientRecord], channel: Channel) {
    let now = Clock::System.now();
    let act = Act::stage("test", now);
    let batch = store.begin_batch(&act, "test").await.unwrap();
    let saved = store.save_clients(&act, batch, clients).await.unwrap();
    store.publish_batch(&act, batch, saved, 0).await.unwrap();
    let mut campaign = campaign("send");
    campaign.steps.truncate(1);
    campaign.steps[0].channel = channel;
    campaign.from = From::Sender("fyrljus".into());
    let templates = TemplateSet::starter().iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let new = NewRevision { campaign, source: String::new(), templates, next_run_at: None };
    let revision = store.apply(&act, &new).await.unwrap();
    let people = store.candidates(&new.campaign.audience, "led", "", now, Default::default(), 100_000).await.unwrap();
    let start = |person: &outreachd::model::plan::Candidate| Enrolment {
        contact: person.contact,
        account: person.account,
        left_out: None,
        facts: serde_json::json!({}),
        step: "intro".into(),
        next_at: Some(now),
        closes_at: None,
    };
    let starts: Vec<_> = people.iter().map(start).collect();
    let begun = store.enrol(&act, &revision, "", &starts).await.unwrap();
    assert_eq!(usize::try_from(begun).unwrap(), clients.len());
}

/// Every delivery, oldest first.
pub async fn deliveries(store: &Store) -> Vec<DeliveryRow> {
    let mut rows = store.deliveries(&DeliveryFilter::default(), 100_000).await.unwrap();
    rows.sort_by_key(|row| row.id);
    rows
}

/// How many deliveries are in `state`.
pub async fn count(store: &Store, state: DeliveryState) -> usize {
    deliveries(store).await.iter().filter(|row| row.state == state).count()
}
