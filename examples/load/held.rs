//! What a peer pays for those who wait: memory, files, and CPU while nothing happens.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::asks;
use crate::flags::HeldFlags;
use crate::http::Connection;
use crate::machine::{self, Used, Watched};
use crate::peer::{self, Kind, Server};

/// Connections that are being made at the same time: the peer is to hold them, not to be hurried.
pub(crate) const OPENING: usize = 128;
/// Seconds that a poll is held at most.
pub(crate) const POLL_SECS: u64 = 60;
/// The topic of streams on which nothing happens.
const SILENT: &str = "load/silent";

/// Runs the workload.
pub(crate) async fn run(flags: HeldFlags) -> anyhow::Result<Value> {
    let (servers, watched) = (flags.on.servers(), &flags.on.target.watch);
    let name = flags.on.peer.name();
    let load_average = machine::load_average()?;
    let settle = Duration::from_secs(flags.settle);
    let mut counts: Vec<_> = flags.counts.iter().map(|count| *count as usize).collect();
    counts.sort_unstable();
    let most = *counts.last().context("no count")?;
    let calls = calls(&servers, flags.kind, most).await?;
    sleep(settle).await;
    let (memory, files) = machine::held_by(watched, name)?;
    let (mut held, mut steps) = (Vec::new(), Vec::new());
    for count in counts {
        held.extend(hold(&calls[held.len()..count]).await?);
        peer::reach(&servers, watched, flags.kind, count as u64).await?;
        sleep(settle).await;
        let (memory_held, files_held) = machine::held_by(watched, name)?;
        let bytes = memory_held.saturating_sub(memory);
        steps.push(json!({
            "count": count,
            "bytes_each": bytes / count as u64,
            "bytes_held": memory_held,
            "files_each": files_held.saturating_sub(files) / count,
        }));
    }
    let then = Used::now(watched)?;
    sleep(Duration::from_secs(flags.seconds)).await;
    let cpu = Used::now(watched)?.since(&then);
    drop(held);
    Ok(json!({
        "workload": "held",
        "peer": name,
        "kind": format!("{:?}", flags.kind).to_lowercase(),
        "steps": steps,
        "bytes_before": memory,
        "files_before": files,
        "idle_seconds": flags.seconds,
        "idle_cpu_seconds": cpu.watched.get(name),
        "cpu_seconds": cpu,
        "cores": machine::cores(),
        "load_average": load_average,
    }))
}

/// So many polls and streams on which nothing happens, half of each; they are held for as long as
/// what is answered is kept, polls at most for a minute.
///
/// # Errors
/// They are not held.
pub(crate) async fn beside(
    servers: &[Server],
    watched: &[Watched],
    count: usize,
) -> anyhow::Result<Vec<(usize, Connection)>> {
    let mut held = Vec::new();
    for (kind, count) in [(Kind::Poll, count / 2), (Kind::Stream, count - count / 2)] {
        held.extend(hold(&calls(servers, kind, count).await?).await?);
        peer::reach(servers, watched, kind, count as u64).await?;
    }
    Ok(held)
}

/// The calls that hold so many.
async fn calls(
    servers: &[Server],
    kind: Kind,
    count: usize,
) -> anyhow::Result<Vec<(Server, Vec<u8>)>> {
    let places = servers.iter().cycle();
    Ok(match kind {
        Kind::Poll => {
            let ids = asks::requests(servers, count, OPENING).await?;
            let polls = ids.iter().zip(places);
            polls
                .map(|(id, to)| (*to, to.poll(id, POLL_SECS)))
                .collect()
        }
        Kind::Stream => places
            .take(count)
            .map(|to| (*to, to.stream(SILENT)))
            .collect(),
    })
}

/// Sends each call on a connection of its own; answers them with the numbers of their calls.
///
/// # Errors
/// One cannot be sent.
pub(crate) async fn hold(calls: &[(Server, Vec<u8>)]) -> anyhow::Result<Vec<(usize, Connection)>> {
    let opening = Arc::new(Semaphore::new(OPENING));
    let mut sending = JoinSet::new();
    for (number, (server, call)) in calls.iter().cloned().enumerate() {
        let opening = Arc::clone(&opening);
        sending.spawn(async move {
            let _place = opening.acquire().await?;
            let mut connection = server.connect().await?;
            connection.send(&call).await.context("cannot send a call")?;
            anyhow::Ok((number, connection))
        });
    }
    let mut held = Vec::new();
    while let Some(connection) = sending.join_next().await {
        held.push(connection??);
    }
    Ok(held)
}
