//! The child that sends: one daemon's deliver stage in a process of its own, so that its
//! memory and its processor time are nobody else's.
//!
//! It warms up and says `ready`, begins when it is told to, and ends with one line of figures.

use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use outreachd::clock::Clock;
use outreachd::deliver::Deliver;
use outreachd::model::token::TokenKeys;
use outreachd::store::{Migration, Store};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::backlog;

/// What a worker has done.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Deliveries that it moved before the clock ran.
    pub warm: usize,
    /// Deliveries that it moved then.
    pub sent: usize,
    /// Processor time between the start and the last result, user and system.
    pub cpu_ms: u64,
    /// Resident memory after the first tenth.
    pub early_kb: u64,
    /// The most resident memory.
    pub peak_kb: u64,
}

/// What a worker is to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Job<'a> {
    /// The database in which letters are due.
    pub url: &'a str,
    /// Where the relay listens, on loopback.
    pub port: u16,
    /// Sessions with it.
    pub sessions: usize,
    /// Letters to send before the clock runs. SQLite's log grows meanwhile to the size at which
    /// it is written over in place, which it does once in a daemon's life.
    pub warm_up: usize,
    /// Letters to send then, or a few more.
    pub limit: usize,
    /// The folder with the keys that sign them, if they are signed.
    pub keys: Option<&'a str>,
}

/// Sends what is due.
pub async fn work(job: Job<'_>) -> Result<()> {
    let (store, clock) = (Store::open(job.url, Migration::Refuse).await?, Clock::System);
    let daemon = store.register_daemon(clock.now()).await?;
    let keys = || TokenKeys::new(vec![(1, vec![7; 32])]);
    let deliver = |sessions| {
        let config = backlog::configuration(job.port, sessions, job.keys.map(Path::new));
        Deliver::new(store.clone(), config, keys(), clock.clone(), daemon, CancellationToken::new())
    };
    // With few sessions, for a turn's letters are so many a session.
    let (warming, mut warm) = (deliver(job.sessions.min(2))?, 0);
    while warm < job.warm_up {
        let done = warming.turn(clock.now()).await?.done;
        ensure!(done > 0, "too few letters to warm up");
        warm += done;
    }
    warming.close().await;
    let deliver = deliver(job.sessions)?;
    println!("ready");
    std::io::stdin().lock().read_line(&mut String::new())?;
    let (mut sent, mut early_kb, cpu_before) = (0, 0, cpu_ms()?);
    loop {
        let done = deliver.turn(clock.now()).await?.done;
        sent += done;
        if early_kb == 0 && sent >= job.limit / 10 {
            early_kb = status("VmRSS")?;
        }
        if done == 0 || sent >= job.limit {
            break;
        }
    }
    let figures = Figures { warm, sent, cpu_ms: cpu_ms()? - cpu_before, early_kb, peak_kb: status("VmHWM")? };
    println!("{}", serde_json::to_string(&figures)?);
    deliver.close().await;
    store.close().await;
    Ok(())
}

/// A line of /proc/self/status, in kB.
fn status(key: &str) -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let value = line.and_then(|line| line.split_whitespace().next()).with_context(|| format!("no {key}"))?;
    Ok(value.parse()?)
}

/// User and system time of this process; the kernel counts it in hundredths of a second.
fn cpu_ms() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).context("no times");
    Ok((ticks(11)? + ticks(12)?) * 10)
}
