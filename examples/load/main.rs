//! Load for daemons on this machine, and what it costs them: the generator behind
//! `scripts/bench.sh`.
//!
//! One thread, bare sockets, and no more parsing than a workload needs, so that the daemon is
//! measured and not the one who asks. Each run is bounded in number and time by its flags, goes to
//! loopback addresses only, and ends with one line of JSON on standard output.
//!
//! What a second machine would do (starting daemons, repeating runs, tables) is the script's.

mod asks;
mod fill;
mod flags;
mod flows;
mod gauges;
mod held;
mod http;
mod kept;
mod latency;
mod machine;
mod policy;
mod report;
mod size;
mod storm;
mod stream;
mod timeline;

use std::process::ExitCode;

use clap::Parser as _;

use crate::flags::{CommandLine, Workload};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a process may have one runtime");
    let done = runtime.block_on(async {
        match CommandLine::parse().workload {
            Workload::Flows(flags) => flows::run(flags).await,
            Workload::Held(flags) => held::run(flags).await,
            Workload::Kept(flags) => kept::run(flags).await,
            Workload::Fill(flags) => fill::run(flags).await,
            Workload::Size(flags) => size::run(flags).await,
            Workload::Storm(flags) => storm::run(flags).await,
        }
    });
    let written = done.and_then(|figures| report::write(&figures));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}
