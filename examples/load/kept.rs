//! What a daemon pays for requests that it keeps, and how fast its store takes them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::asks::{self, Called};
use crate::flags::KeptFlags;
use crate::machine::{self, Used};

/// The name under which daemons are watched.
const DAEMON: &str = "pushd";

/// Runs the workload.
pub(crate) async fn run(flags: KeptFlags) -> anyhow::Result<Value> {
    let (servers, watched) = (flags.target.pushd(), &flags.target.watch);
    let load_average = machine::load_average()?;
    let settle = Duration::from_secs(flags.settle);
    let (count, in_flight) = (flags.count as usize, flags.in_flight as usize);
    // What grows once is not to be counted for each request.
    asks::ask_many(&servers, in_flight, in_flight).await?;
    sleep(settle).await;
    let before = Used::now(watched)?;
    let (memory, _) = machine::held_by(watched, DAEMON)?;
    let asked = asks::ask_many(&servers, count, in_flight).await?;
    let then = Used::now(watched)?;
    sleep(settle).await;
    let (memory_pending, _) = machine::held_by(watched, DAEMON)?;
    let between = Used::now(watched)?;
    let decided = asks::approve_many(&servers, asked.ids.clone(), in_flight).await?;
    let now = Used::now(watched)?;
    sleep(settle).await;
    let (memory_settled, _) = machine::held_by(watched, DAEMON)?;
    let reading = Used::now(watched)?;
    let read = asks::read_many(&servers, asked.ids.clone(), in_flight).await?;
    let reads = Used::now(watched)?.since(&reading);
    // Each node may keep a view of all requests, so the memory of all of them is divided by both.
    let nodes = watched
        .iter()
        .filter(|watched| watched.name == DAEMON)
        .count()
        .max(1) as u64;
    let each =
        |memory_then: u64| memory_then.saturating_sub(memory) / u64::from(flags.count) / nodes;
    Ok(json!({
        "workload": "kept",
        "count": count,
        "in_flight": in_flight,
        "nodes": servers.len(),
        "bytes_pending_each": each(memory_pending),
        "bytes_settled_each": each(memory_settled),
        "asks": told(asked),
        "decisions": told(decided),
        "reads": told(read),
        "asks_cpu_seconds": then.since(&before),
        "cpu_seconds": now.since(&between),
        "reads_cpu_seconds": reads,
        "cores": machine::cores(),
        "load_average": load_average,
    }))
}

fn told(called: Called) -> Value {
    json!({
        "per_second": called.per_second,
        "again": called.again,
        "us": called.times.quantiles(),
    })
}
