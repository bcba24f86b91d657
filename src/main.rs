//! The program: parse the arguments, call a command, print what went wrong, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    outreachd::cli::main()
}
