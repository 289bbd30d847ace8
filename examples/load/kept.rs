//! What a daemon pays for requests that it keeps, and how fast its store takes them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::asks::{self, Written};
use crate::flags::KeptFlags;
use crate::held::daemons;
use crate::machine::{self, Used};

/// Time for a daemon to give back what it needed on the way.
const SETTLE: Duration = Duration::from_secs(2);

/// Runs the workload.
pub(crate) async fn run(flags: KeptFlags) -> anyhow::Result<Value> {
    let (addresses, watched) = (&flags.target.addresses, &flags.target.watch);
    let load_average = machine::load_average()?;
    let (count, in_flight) = (flags.count as usize, flags.in_flight as usize);
    // What grows once is not to be counted for each request.
    asks::ask_many(addresses, in_flight, in_flight).await?;
    sleep(SETTLE).await;
    let before = Used::now(watched)?;
    let (memory, _) = daemons(&flags.target)?;
    let asked = asks::ask_many(addresses, count, in_flight).await?;
    let then = Used::now(watched)?;
    sleep(SETTLE).await;
    let (memory_pending, _) = daemons(&flags.target)?;
    let between = Used::now(watched)?;
    let decided = asks::approve_many(addresses, asked.ids.clone(), in_flight).await?;
    let now = Used::now(watched)?;
    sleep(SETTLE).await;
    let (memory_settled, _) = daemons(&flags.target)?;
    // Each node may keep a view of all requests, so the memory of all of them is divided by both.
    let nodes = watched
        .iter()
        .filter(|watched| watched.name == "pushd")
        .count()
        .max(1) as u64;
    let each =
        |memory_then: u64| memory_then.saturating_sub(memory) / u64::from(flags.count) / nodes;
    Ok(json!({
        "workload": "kept",
        "count": count,
        "in_flight": in_flight,
        "nodes": addresses.len(),
        "bytes_pending_each": each(memory_pending),
        "bytes_settled_each": each(memory_settled),
        "asks": told(asked),
        "decisions": told(decided),
        "asks_cpu_seconds": then.since(&before),
        "cpu_seconds": now.since(&between),
        "cores": machine::cores(),
        "load_average": load_average,
    }))
}

fn told(written: Written) -> Value {
    json!({ "per_second": written.per_second, "us": written.calls.quantiles() })
}
