//! The promise, test by test: every delivery ends accepted, rejected, not sent or
//! uncertain; nothing is lost in silence, nothing is sent twice by itself.
//!
//! | test | what is done to the program |
//! |---|---|
//! | T1 | killed at random moments |
//! | T2 | the connection broken at each moment, in each way |
//! | T3 | a relay that stalls at each moment |
//! | T4 | a disk or a database that fails, at the handoff and at the result |
//! | T5 | two daemons on one database, one of them frozen: `tests/daemons.rs` |
//! | T6 | clocks that jump, summer time, new zone data |
//! | T7 | four hours without a relay |
//! | T8 | an old backup restored, a database copied |
//! | T9 | told to stop |

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

/// Counts what is in use, for T3.
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

#[path = "guarantee/bench.rs"]
mod bench;
#[path = "guarantee/decisions.rs"]
mod decisions;
#[path = "guarantee/small_disk.rs"]
mod small_disk;
#[path = "guarantee/t1_faxes.rs"]
mod t1_faxes;
#[path = "guarantee/t1_kills.rs"]
mod t1_kills;
#[path = "guarantee/t2_wire.rs"]
mod t2_wire;
#[path = "guarantee/t3_memory.rs"]
mod t3_memory;
#[path = "guarantee/t4_store.rs"]
mod t4_store;
#[path = "guarantee/t6_clock.rs"]
mod t6_clock;
#[path = "guarantee/t7_outage.rs"]
mod t7_outage;
#[path = "guarantee/t8_backup.rs"]
mod t8_backup;
#[path = "guarantee/t9_stop.rs"]
mod t9_stop;
#[path = "guarantee/trap.rs"]
mod trap;
#[path = "guarantee/trouble.rs"]
mod trouble;
