//! From the start of `outreachd run` on a database that is there to the word READY, as the
//! service manager hears it.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How often it is started; the median counts.
const ROUNDS: usize = 11;

const CONFIGURATION: &str = r#"
[company]
name = "Fyrljus AB"
head = "mira.holm@fyrljus.example"
[database]
url = "sqlite:unused.db"
[web]
listen = "127.0.0.1:0"
[[sender]]
id = "fyrljus"
legal_name = "Fyrljus AB"
postal_address = "Lyktgatan 4, 791 70 Falun"
from = "hej@fyrljus.example"
phone = "+46701740612"
bounces = "ut@fyrljus.example"
[[relay]]
id = "main"
host = "127.0.0.1"
port = 9
tls = "required"
"#;

/// Prints the row: median, least and most in milliseconds.
pub fn measure(url: &str, folder: &Path) -> Result<()> {
    std::fs::write(folder.join("outreachd.toml"), CONFIGURATION)?;
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        took.push(start(url, folder)?.as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    let (least, median, most) = (took[0], took[ROUNDS / 2], took[ROUNDS - 1]);
    println!("{:<34} {:>9.3}   ({least:.0} to {most:.0} ms, {ROUNDS} starts)", "ready", median / 1000.0);
    Ok(())
}

fn start(url: &str, folder: &Path) -> Result<Duration> {
    let path = folder.join("notify");
    drop(std::fs::remove_file(&path));
    let manager = UnixDatagram::bind(&path)?;
    manager.set_read_timeout(Some(Duration::from_secs(30)))?;
    let begun = Instant::now();
    let daemon = Command::new(env!("CARGO_BIN_EXE_outreachd"))
        .arg("--config")
        .arg(folder.join("outreachd.toml"))
        .arg("run")
        .env("NOTIFY_SOCKET", &path)
        .env("OUTREACHD_DATABASE__URL", url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut daemon = Stopped(daemon);
    let mut said = [0; 4096];
    loop {
        let length = manager.recv(&mut said).context("the daemon never said that it is ready")?;
        if String::from_utf8_lossy(&said[..length]).lines().any(|line| line == "READY=1") {
            break;
        }
    }
    let took = begun.elapsed();
    daemon.stop()?;
    Ok(took)
}

/// A daemon that ends with its round, whatever comes.
struct Stopped(Child);

impl Stopped {
    fn stop(&mut self) -> Result<()> {
        let id = i32::try_from(self.0.id())?;
        let process = rustix::process::Pid::from_raw(id).context("a process has an id")?;
        rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(self.0.kill());
    }
}
