//! Load for daemons and their peers on this machine, and what it costs them: the generator behind
//! `scripts/bench.sh`.
//!
//! One thread, bare sockets, and no more parsing than a workload needs, so that the daemon is
//! measured and not the one who asks. Each run is bounded in number and time by its flags, goes to
//! loopback addresses only, and ends with one line of JSON on standard output.
//!
//! What a second machine would do (starting daemons, repeating runs, tables) is the script's.

mod asks;
mod body;
mod burst;
mod crowd;
mod fanout;
mod fill;
mod flags;
mod flood;
mod flows;
mod held;
mod http;
mod hub;
mod kept;
mod latency;
mod machine;
mod origin;
mod peer;
mod policy;
mod report;
mod size;
mod storm;
mod stream;
mod timeline;
mod titles;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use serde_json::Value;

use crate::flags::{CommandLine, Workload};

fn main() -> ExitCode {
    let done = match CommandLine::parse().workload {
        Workload::Flows(flags) => load(flows::run(flags)),
        Workload::Held(flags) => load(held::run(flags)),
        Workload::Fanout(flags) => load(fanout::run(flags)),
        Workload::Flood(flags) => load(flood::run(flags)),
        Workload::Burst(flags) => load(burst::run(flags)),
        Workload::Kept(flags) => load(kept::run(flags)),
        Workload::Fill(flags) => load(fill::run(flags)),
        Workload::Size(flags) => load(size::run(flags)),
        Workload::Storm(flags) => load(storm::run(flags)),
        Workload::Hub(flags) => hub::run(&flags),
        Workload::Origin(flags) => runtime().and_then(|it| it.block_on(origin::run(flags))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs a workload on this thread, and writes its figures.
fn load(workload: impl Future<Output = anyhow::Result<Value>>) -> anyhow::Result<()> {
    report::write(&runtime()?.block_on(workload)?)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().context("no runtime")
}
