//! Events as fast as possible to many streams, each of which has to have all of them in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::crowd::{Come, Crowd};
use crate::flags::CrowdFlags;
use crate::machine::{self, Cpu, Used};
use crate::peer::Ids;

/// Runs the workload.
pub(crate) async fn run(flags: CrowdFlags) -> anyhow::Result<Value> {
    let (servers, watched) = (flags.on.servers(), &flags.on.target.watch);
    let load_average = machine::load_average()?;
    let ids = Arc::new(Ids::new());
    let publishers = flags.publishers as usize;
    let crowd = Crowd::open(&servers, &ids.topic(), flags.streams as usize, publishers).await?;
    let before = crowd.reach(0).await?;
    let left = Arc::new(AtomicU64::new(u64::from(flags.events)));
    let mut publishing = JoinSet::new();
    let until = Instant::now() + Duration::from_secs(flags.seconds);
    let mut places = Vec::new();
    for number in 0..publishers {
        let server = servers[number % servers.len()];
        places.push((number, server, server.connect_to_publish().await?));
    }
    let (begun, then) = (Instant::now(), Used::now(watched)?);
    for (number, server, mut connection) in places {
        let (ids, left) = (Arc::clone(&ids), Arc::clone(&left));
        publishing.spawn(async move {
            let mut turn = 0;
            while Instant::now() < until && take(&left) {
                turn += 1;
                let id = ids.id(number, turn);
                let title = format!("load {number}/{turn}");
                connection
                    .send(&server.ask(&ids.topic(), &title, &id))
                    .await?;
                server.asked(connection.answer().await?, id)?;
            }
            anyhow::Ok(turn)
        });
    }
    let mut events = 0;
    while let Some(published) = publishing.join_next().await {
        events += published??;
    }
    let published = begun.elapsed();
    ensure!(events > 0, "nothing was published");
    let come = crowd.reach(u64::from(flags.streams) * events).await?;
    let cpu = Used::now(watched)?.since(&then);
    let seconds = come.last.saturating_duration_since(begun).as_secs_f64();
    let mut figures = told(&flags, &before, &come, &cpu, seconds);
    figures["workload"] = json!("flood");
    figures["events"] = json!(events);
    figures["publishers"] = json!(publishers);
    figures["published_seconds"] = json!(published.as_secs_f64());
    figures["orders"] = json!(crowd.close());
    figures["load_average"] = json!(load_average);
    Ok(figures)
}

/// What is told of deliveries to a crowd.
pub(crate) fn told(
    flags: &CrowdFlags,
    before: &Come,
    come: &Come,
    cpu: &Cpu,
    seconds: f64,
) -> Value {
    #[allow(
        clippy::cast_precision_loss,
        reason = "counts of deliveries are far below 2^52"
    )]
    let of = |count: u64| count as f64;
    let deliveries = of(come.deliveries - before.deliveries);
    let per_delivery = cpu.watched.iter();
    let per_delivery: serde_json::Map<_, _> = per_delivery
        .map(|(name, secs)| (name.clone(), json!(secs * 1e6 / deliveries)))
        .collect();
    json!({
        "peer": flags.on.peer.name(),
        "nodes": flags.on.target.addresses.len(),
        "streams": flags.streams,
        "deliveries": deliveries,
        "seconds": seconds,
        "deliveries_per_second": deliveries / seconds,
        "bytes_per_delivery": of(come.bytes - before.bytes) / deliveries,
        "deliveries_per_read": deliveries / of(come.reads - before.reads),
        "cpu_us_per_delivery": per_delivery,
        "cpu_seconds": cpu,
        "cores": machine::cores(),
    })
}

/// Takes one of what is left, if there is any.
fn take(left: &AtomicU64) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
        .is_ok()
}
