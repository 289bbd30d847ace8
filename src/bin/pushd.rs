//! The daemon: parse, run, exit code.

use std::process::ExitCode;

/// The system's own allocator keeps the memory of connections that have gone, because what is still
/// used lies between.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    pushd::cli::pushd::run()
}
