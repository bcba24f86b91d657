//! How long a piece of work took, and how much memory the program had at its height.

use std::time::Instant;

/// One piece of work under way.
pub struct Gauge {
    what: &'static str,
    begun: Instant,
}

impl Gauge {
    /// Begins; the height of memory counts from now.
    pub fn start(what: &'static str) -> Self {
        // 5 sets the high-water mark back, see proc(5). Where that is not allowed, the
        // figure is the height since the program began.
        drop(std::fs::write("/proc/self/clear_refs", "5"));
        Self { what, begun: Instant::now() }
    }

    /// Prints the row.
    pub fn done(self, rows: u64) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = rows as f64 / seconds;
        println!("{:<34} {seconds:>9.3} {rate:>12.0} {:>10}", self.what, peak_mib());
    }
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
