//! The other side: Postfix's `smtp-sink` takes all mail, its `smtp-source` sends as fast as
//! it can, and a proxy puts a distance between.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Why nothing can be measured here; nothing if it can.
pub fn missing() -> Option<String> {
    let absent: Vec<_> = ["smtp-sink", "smtp-source"].into_iter().filter(|name| find(name).is_none()).collect();
    (!absent.is_empty())
        .then(|| format!("{} of Postfix not found; install Postfix (it need not run) to measure", absent.join(" and ")))
}

/// A program of the path, or of where Debian keeps those of administrators.
fn find(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/libexec/postfix".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A running `smtp-sink`, gone with this.
pub struct Sink {
    /// Where it listens on loopback.
    pub port: u16,
    _child: Child,
}

impl Sink {
    pub async fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let program = find("smtp-sink").context("smtp-sink is gone")?;
        // It refuses to stay root.
        let user: &[&str] = if rustix::process::geteuid().is_root() { &["-u", "nobody"] } else { &[] };
        let child = Command::new(program)
            .args(user)
            .args([&format!("127.0.0.1:{port}"), "1000"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            ensure!(Instant::now() < deadline, "smtp-sink does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { port, _child: child })
    }
}

/// Messages a second of `smtp-source`: `count` of `bytes` each, over `sessions` that stay open.
pub async fn smtp_source(port: u16, sessions: usize, count: usize, bytes: usize) -> Result<f64> {
    let program = find("smtp-source").context("smtp-source is gone")?;
    // What it writes above a message is not in its -l.
    let body = bytes.saturating_sub(300);
    let mut command = Command::new(program);
    command.args(["-d", "-s", &sessions.to_string(), "-m", &count.to_string(), "-l", &body.to_string()]);
    command.args(["-f", "ut@fyrljus.example", "-t", "klient@kund.example", &format!("127.0.0.1:{port}")]);
    let begun = Instant::now();
    let status = command.stdin(Stdio::null()).kill_on_drop(true).status().await?;
    ensure!(status.success(), "smtp-source failed");
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// A proxy before `port` that holds each byte back for `delay`, both ways.
pub struct Distance {
    pub port: u16,
    accepting: JoinHandle<()>,
}

impl Distance {
    pub async fn start(to: u16, delay: Duration) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
                let undelayed = near.set_nodelay(true).and(far.set_nodelay(true));
                debug_assert!(undelayed.is_ok());
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                hold_back(near_in, far_out, delay);
                hold_back(far_in, near_out, delay);
            }
        });
        Ok(Self { port, accepting })
    }
}

impl Drop for Distance {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes on what comes, later.
fn hold_back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (put, mut get) = mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    tokio::spawn(async move {
        loop {
            let mut bytes = Vec::with_capacity(64 * 1024);
            match from.read_buf(&mut bytes).await {
                Ok(1..) if put.send((tokio::time::Instant::now() + delay, bytes)).is_ok() => {}
                _ => return,
            }
        }
    });
    tokio::spawn(async move {
        while let Some((at, bytes)) = get.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
}
