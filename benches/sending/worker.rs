//! The child that sends: one daemon's deliver stage in a process of its own, so that its
//! memory and its processor time are nobody else's.
//!
//! It says `ready`, begins when it is told to, and ends with one line of figures.

use std::io::BufRead;

use anyhow::{Context, Result};
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
    /// Deliveries that it moved.
    pub sent: usize,
    /// Processor time between the start and the last result, user and system.
    pub cpu_ms: u64,
    /// Resident memory after the first tenth.
    pub early_kb: u64,
    /// The most resident memory.
    pub peak_kb: u64,
}

/// Sends what is due at `url` through the relay on `port`, `limit` letters or a few more.
pub async fn work(url: &str, port: u16, sessions: usize, limit: usize) -> Result<()> {
    let (store, clock) = (Store::open(url, Migration::Refuse).await?, Clock::System);
    let daemon = store.register_daemon(clock.now()).await?;
    let config = backlog::configuration(port, sessions);
    let keys = TokenKeys::new(vec![(1, vec![7; 32])]);
    let deliver = Deliver::new(store.clone(), config, keys, clock.clone(), daemon, CancellationToken::new())?;
    println!("ready");
    std::io::stdin().lock().read_line(&mut String::new())?;
    let (mut sent, mut early_kb, cpu_before) = (0, 0, cpu_ms()?);
    loop {
        let done = deliver.turn(clock.now()).await?.done;
        sent += done;
        if early_kb == 0 && sent >= limit / 10 {
            early_kb = status("VmRSS")?;
        }
        if done == 0 || sent >= limit {
            break;
        }
    }
    let figures = Figures { sent, cpu_ms: cpu_ms()? - cpu_before, early_kb, peak_kb: status("VmHWM")? };
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
