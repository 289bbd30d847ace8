//! What a daemon pays for those who wait: memory, files, and CPU while nothing happens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::asks;
use crate::flags::{HeldFlags, Kind, Target};
use crate::gauges;
use crate::http::{Connection, get};
use crate::machine::{self, Used};

/// Connections that are being made at the same time: the daemon is to hold them, not to be hurried.
pub(crate) const OPENING: usize = 128;
/// Seconds that a poll is held at most.
const POLL_SECS: u64 = 60;
/// The name under which daemons are watched.
const DAEMON: &str = "pushd";

/// Runs the workload.
pub(crate) async fn run(flags: HeldFlags) -> anyhow::Result<Value> {
    let (addresses, watched) = (&flags.target.addresses, &flags.target.watch);
    let load_average = machine::load_average()?;
    let settle = Duration::from_secs(flags.settle);
    let count = flags.count as usize;
    let calls: Vec<_> = match flags.kind {
        Kind::Poll => {
            let written = asks::ask_many(addresses, count, OPENING).await?;
            let polls = written.ids.iter().zip(addresses.iter().cycle());
            polls
                .map(|(id, to)| (*to, asks::poll(*to, id, POLL_SECS)))
                .collect()
        }
        Kind::Stream => {
            let nodes = addresses.iter().cycle().take(count);
            nodes
                .map(|to| (*to, get(*to, "/v1/events?topic=load/silent")))
                .collect()
        }
    };
    sleep(settle).await;
    let (memory, files) = daemons(&flags.target)?;
    let held = hold(calls).await?;
    let gauge = match flags.kind {
        Kind::Poll => gauges::WAITERS,
        Kind::Stream => gauges::SUBSCRIBERS,
    };
    gauges::reach(addresses, gauge, u64::from(flags.count)).await?;
    sleep(settle).await;
    let then = Used::now(watched)?;
    sleep(Duration::from_secs(flags.seconds)).await;
    let cpu = Used::now(watched)?.since(&then);
    let (memory_held, files_held) = daemons(&flags.target)?;
    drop(held);
    let more = memory_held.saturating_sub(memory);
    Ok(json!({
        "workload": "held",
        "kind": format!("{:?}", flags.kind).to_lowercase(),
        "count": count,
        "bytes_each": more / u64::from(flags.count),
        "bytes_before": memory,
        "bytes_held": memory_held,
        "files_each": (files_held.saturating_sub(files)) / count,
        "files_before": files,
        "idle_seconds": flags.seconds,
        "idle_cpu_seconds": cpu.watched.get(DAEMON),
        "cpu_seconds": cpu,
        "load_average": load_average,
    }))
}

/// Memory and open files of all daemons that are watched.
pub(crate) fn daemons(target: &Target) -> anyhow::Result<(u64, usize)> {
    let (mut memory, mut files) = (0, 0);
    for watched in target.watch.iter().filter(|watched| watched.name == DAEMON) {
        memory += machine::memory(watched.pid)?;
        files += machine::files(watched.pid)?;
    }
    Ok((memory, files))
}

/// Sends each call on a connection of its own.
async fn hold(calls: Vec<(SocketAddr, Vec<u8>)>) -> anyhow::Result<Vec<Connection>> {
    let opening = Arc::new(Semaphore::new(OPENING));
    let mut sending = JoinSet::new();
    for (address, call) in calls {
        let opening = Arc::clone(&opening);
        sending.spawn(async move {
            let _place = opening.acquire().await?;
            let mut connection = Connection::open(address).await.context("no connection")?;
            connection.send(&call).await.context("cannot send a call")?;
            anyhow::Ok(connection)
        });
    }
    let mut held = Vec::new();
    while let Some(connection) = sending.join_next().await {
        held.push(connection??);
    }
    Ok(held)
}
