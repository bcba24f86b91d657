//! The program: parse the arguments, call a command, print what went wrong, exit.

use std::process::ExitCode;

/// A letter is made of many small pieces, on all threads: the system's allocator takes a sixth
/// of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    outreachd::cli::main()
}
