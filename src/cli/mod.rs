//! The three command lines: parse, run, exit code.

pub mod approver;
pub mod exit;
pub mod flags;
pub mod pushd;
pub mod requester;

use std::process::ExitCode;

/// Prints what clap has to say, help and version to stdout and errors to stderr, and answers the
/// exit code: 64 for a wrong command line instead of clap's 2, which is never used.
pub fn usage(error: &clap::Error) -> ExitCode {
    let code = if error.use_stderr() {
        exit::USAGE
    } else {
        exit::SUCCESS
    };
    // Nobody is left to tell when this fails too.
    drop(error.print());
    ExitCode::from(code)
}
