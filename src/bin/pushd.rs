//! The daemon: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    pushd::cli::pushd::run()
}
