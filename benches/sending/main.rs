//! How fast mail leaves, against Postfix's own load generator in the same run.
//!
//! `cargo bench --bench sending [-- --quick] [-- ROW ...]` drives the whole path (claim, check,
//! render, handoff committed, SMTP, result committed) into `smtp-sink`, takes turns with
//! `smtp-source`, and prints the ratio. `seed URL COUNT` and `worker JOB` are
//! its parts alone, to run under a profiler. What binds, and why, stands in benches/README.md.

mod backlog;
#[path = "../../tests/support/house.rs"]
mod house;
mod peers;
mod rows;
mod worker;

use anyhow::{Context, Result};

/// As the program itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let [word, job] = arguments.as_slice()
        && word == "worker"
    {
        return runtime.block_on(worker::work(serde_json::from_str(job)?));
    }
    if let [word, url, count] = arguments.as_slice()
        && word == "seed"
    {
        return runtime.block_on(backlog::seed(url, count.parse()?));
    }
    if let Some(why) = peers::missing() {
        println!("skipped: {why}");
        return Ok(());
    }
    let (flags, names): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|argument| argument.starts_with("--"));
    let quick = flags.iter().any(|flag| flag == "--quick");
    runtime.block_on(rows::run(quick, &names)).context("the benchmark did not finish")
}
