//! T3: a relay that stalls at each moment costs its timers and no memory.
//!
//! What the timers make of each delivery stands in the table of `t2_wire`.

use std::process::Command;

use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options, Stage};
use outreachd::model::delivery::DeliveryState;

use crate::bench::Bench;
use crate::support::daemon::soon;

/// Set in the process that runs one test alone, so that its memory is that test's.
const ALONE: &str = "OUTREACHD_TEST_ALONE";

const ROUNDS: usize = 9;
const SESSIONS: usize = 40;
const LETTER: usize = 128 << 10;

/// By then the caches are full.
const WARM: usize = 4;

/// Runs the test named `test`, with these variables, in a process of its own; true inside.
pub fn alone_with(test: &str, variables: &[(&str, &str)]) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", test, "--nocapture"]).env(ALONE, "1").envs(variables.iter().copied());
    assert!(again.status().unwrap().success(), "it failed in a process of its own; see above");
    false
}

/// Memory of this process that is in use, in KiB: what was asked for and not given back. What
/// the allocator keeps of it for the next, and SQLite's pages, are another matter.
fn memory() -> usize {
    crate::ALLOCATOR.allocated() / 1024
}

/// Stalls where the recipient's name says; now and then before the greeting.
fn stalls(facts: &Facts<'_>) -> Answer {
    let stage = match facts.to.split('-').next().unwrap_or_default() {
        "recipient" => Some(Stage::Recipient),
        "data" => Some(Stage::Data),
        "body" => Some(Stage::Body),
        "dot" => Some(Stage::Dot),
        _ => None,
    };
    let greeting = facts.stage == Stage::Greeting && facts.session.is_multiple_of(8);
    if greeting || Some(facts.stage) == stage { Answer::Stall } else { Answer::Accept }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_repeated_stalls_leave_memory_flat() {
    if !alone_with("t3_memory::t3_repeated_stalls_leave_memory_flat", &[]) {
        return;
    }
    let relay = MailServer::start(stalls, Options::default()).await.unwrap();
    let bench = Bench::new(relay.addr().port(), SESSIONS).await;
    let mut used = Vec::new();
    for round in 0..ROUNDS {
        let stages = ["recipient", "data", "body", "dot"];
        let names: Vec<_> = (0..SESSIONS).map(|n| format!("{}-{round}-{n}", stages[n % stages.len()])).collect();
        bench.notices(&names, LETTER).await;
        soon("a round of stalls", bench.impatient_turn()).await;
        used.push(memory());
    }
    println!("KiB after each round: {used:?}");
    let rows = bench.rows().await;
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    assert!(count(DeliveryState::Uncertain) > 0 && count(DeliveryState::Retry) > 0, "they stalled");
    assert_eq!(count(DeliveryState::Accepted) + count(DeliveryState::Handoff), 0, "the timers ended all of them");
    // A tenth of what one round sends; it would be kept five times if it were kept.
    let allowed = SESSIONS * LETTER / 1024 / 10;
    let grown = used[ROUNDS - 1].saturating_sub(used[WARM - 1]);
    assert!(grown < allowed, "it grew by {grown} KiB after {WARM} rounds: {used:?}");
}
