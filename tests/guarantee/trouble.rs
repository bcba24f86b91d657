//! The ways in which a database fails under a daemon that sends, and how each passes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use outreachd::model::delivery::DeliveryState;
use rustix::process::{Resource, Rlimit, prlimit};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::small_disk::Filler;
use crate::support::daemon::{Daemon, Site};

/// One way to fail.
pub trait Trouble {
    /// What the daemon's complaint says.
    const WORDS: &'static str;

    /// Starts the daemon.
    fn run(&self, site: &Site) -> Daemon {
        site.run()
    }

    async fn begin(&mut self, site: &Site, daemon: &Daemon);

    async fn end(&mut self, daemon: &Daemon);
}

/// ENOSPC: no room is left.
pub struct FullDisk {
    pub folder: PathBuf,
    pub filler: Option<Filler>,
}

impl Trouble for FullDisk {
    const WORDS: &'static str = "the disk is full; make room";

    async fn begin(&mut self, _: &Site, _: &Daemon) {
        self.filler = Some(Filler::fill(&self.folder));
    }

    async fn end(&mut self, _: &Daemon) {
        self.filler = None;
    }
}

/// EIO's kin: each write to a file fails, by a limit that the operating system holds.
pub struct BrokenDisk;

impl Trouble for BrokenDisk {
    const WORDS: &'static str = "the disk does not read or take it";

    fn run(&self, site: &Site) -> Daemon {
        // Else the signal that comes with the failure would end it.
        site.run_after("trap '' XFSZ")
    }

    async fn begin(&mut self, _: &Site, daemon: &Daemon) {
        limit_files(daemon, Some(1));
    }

    async fn end(&mut self, daemon: &Daemon) {
        limit_files(daemon, None);
    }
}

fn limit_files(daemon: &Daemon, bytes: Option<u64>) {
    prlimit(Some(daemon.pid()), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

/// SQLITE_BUSY: another program holds the database for longer than the daemon waits.
pub struct Locked(pub Option<SqliteConnection>);

impl Trouble for Locked {
    const WORDS: &'static str = "the database is locked by another program";

    async fn begin(&mut self, site: &Site, _: &Daemon) {
        let mut other = another_program(site).await;
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        self.0 = Some(other);
    }

    async fn end(&mut self, _: &Daemon) {
        self.0.take().unwrap().close().await.unwrap();
    }
}

/// A statement that fails, at the moves into `self.into`.
pub struct Refusing {
    pub into: DeliveryState,
    pub by: Option<SqliteConnection>,
}

impl Trouble for Refusing {
    const WORDS: &'static str = "database error: it is refused for a test";

    async fn begin(&mut self, site: &Site, _: &Daemon) {
        let into = serde_json::to_value(self.into).unwrap();
        let trigger = format!(
            "CREATE TRIGGER refuses BEFORE UPDATE ON delivery WHEN NEW.state = '{}'
             BEGIN SELECT RAISE(FAIL, 'it is refused for a test'); END",
            into.as_str().unwrap()
        );
        let mut other = another_program(site).await;
        other.execute(sqlx::AssertSqlSafe(trigger)).await.unwrap();
        self.by = Some(other);
    }

    async fn end(&mut self, _: &Daemon) {
        self.by.as_mut().unwrap().execute("DROP TRIGGER refuses").await.unwrap();
    }
}

async fn another_program(site: &Site) -> SqliteConnection {
    SqliteConnectOptions::new().filename(site.path("test.db")).connect().await.unwrap()
}

/// A PostgreSQL that dies as by a power cut, and comes back.
pub struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    pub url: String,
}

impl Postgres {
    /// A server of one's own, if PostgreSQL is installed.
    ///
    /// # Panics
    /// Under CI, if it is not.
    pub fn start() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let Some(programs) = versions.map(|version| version.path().join("bin")).max() else {
            assert!(std::env::var_os("CI").is_none(), "a test needs PostgreSQL's programs, and they are not installed");
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "skipped: a restart of PostgreSQL needs its programs");
            return None;
        };
        // The server's user must be able to enter: no folder of the test runner's own.
        let folder = tempfile::Builder::new().prefix("outreachd-pg").tempdir_in("/tmp").unwrap();
        script("start-postgres", folder.path());
        let url = std::fs::read_to_string(folder.path().join("url")).unwrap().trim().to_owned();
        Some(Self { folder, programs, url })
    }

    fn control(&self, args: &[&str]) {
        let mut command = Command::new(self.programs.join("pg_ctl"));
        if rustix::process::geteuid().is_root() {
            command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(self.programs.join("pg_ctl"));
        }
        command.current_dir(self.folder.path()).args(["-D", "rows", "-l", "log", "-w"]).args(args);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.unwrap().success(), "pg_ctl {args:?}");
    }
}

impl Trouble for Postgres {
    const WORDS: &'static str = "";

    fn run(&self, site: &Site) -> Daemon {
        site.run_with(&[("OUTREACHD_DATABASE__URL", &self.url)])
    }

    async fn begin(&mut self, _: &Site, _: &Daemon) {
        self.control(&["stop", "-m", "immediate"]);
    }

    async fn end(&mut self, _: &Daemon) {
        self.control(&["start"]);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        script("stop-postgres", self.folder.path());
    }
}

fn script(name: &str, folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real").join(name);
    let done = Command::new(script).arg(folder).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
}
