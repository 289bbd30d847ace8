//! Many held polls, all decided as fast as possible over a bounded number of connections.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::asks;
use crate::flags::BurstFlags;
use crate::held::{self, OPENING, POLL_SECS};
use crate::latency::Samples;
use crate::machine::{self, Used};
use crate::peer::{self, Kind, Server};

/// Time for the last answer to come.
const PATIENCE: Duration = Duration::from_secs(POLL_SECS);
/// Time for what has become of the polls to be looked at.
const CALM: Duration = Duration::from_millis(500);

/// The decisions, and when each was sent.
#[derive(Debug)]
struct Decisions {
    ids: Vec<String>,
    sent: Vec<OnceLock<Instant>>,
    next: AtomicUsize,
}

/// Runs the workload.
pub(crate) async fn run(flags: BurstFlags) -> anyhow::Result<Value> {
    let (servers, watched) = (flags.on.servers(), &flags.on.target.watch);
    let load_average = machine::load_average()?;
    let count = flags.count as usize;
    let ids = asks::requests(&servers, count, OPENING).await?;
    let places = ids.iter().zip(servers.iter().cycle());
    let calls: Vec<_> = places
        .map(|(id, server)| (*server, server.poll(id, POLL_SECS)))
        .collect();
    let polls = held::hold(&calls).await?;
    peer::reach(&servers, watched, Kind::Poll, u64::from(flags.count)).await?;
    let decisions = Arc::new(Decisions {
        sent: std::iter::repeat_with(OnceLock::new).take(count).collect(),
        ids,
        next: AtomicUsize::new(0),
    });
    let mut answers = JoinSet::new();
    for (number, mut poll) in polls {
        answers.spawn(async move {
            let answer = poll.answer().await.context("no answer to a poll")?;
            anyhow::Ok((number, Server::answered(answer)?))
        });
    }
    let mut deciders = Vec::new();
    for server in servers.iter().cycle().take(flags.in_flight as usize) {
        deciders.push((*server, server.connect_to_publish().await?));
    }
    sleep(CALM).await;

    let (begun, then) = (Instant::now(), Used::now(watched)?);
    let mut deciding = JoinSet::new();
    for (server, mut connection) in deciders {
        let decisions = Arc::clone(&decisions);
        deciding.spawn(async move {
            loop {
                let number = decisions.next.fetch_add(1, Relaxed);
                let Some(id) = decisions.ids.get(number) else {
                    return anyhow::Ok(());
                };
                let call = server.approval(id);
                decisions.sent[number].get_or_init(Instant::now);
                connection.send(&call).await?;
                server.decided(connection.answer().await?)?;
            }
        });
    }
    let (mut times, mut last) = (Samples::default(), begun);
    let answered = async {
        while let Some(answered) = answers.join_next().await {
            let (number, at) = answered??;
            let sent: &OnceLock<Instant> = &decisions.sent[number];
            times.add(at - *sent.get().context("an answer before its decision")?);
            last = last.max(at);
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, answered)
        .await
        .context("not all polls were answered")??;
    let cpu = Used::now(watched)?.since(&then);
    while let Some(decided) = deciding.join_next().await {
        decided??;
    }
    let seconds = (last - begun).as_secs_f64();
    let each: serde_json::Map<_, _> = cpu
        .watched
        .iter()
        .map(|(name, secs)| (name.clone(), json!(secs * 1e6 / f64::from(flags.count))))
        .collect();
    Ok(json!({
        "workload": "burst",
        "peer": flags.on.peer.name(),
        "nodes": servers.len(),
        "count": count,
        "in_flight": flags.in_flight,
        "seconds": seconds,
        "answers_per_second": f64::from(flags.count) / seconds,
        "us": { "decision_to_answer": times.quantiles() },
        "cpu_us_per_answer": each,
        "cpu_seconds": cpu,
        "cores": machine::cores(),
        "load_average": load_average,
    }))
}
