//! A storm of reconnects: a daemon is killed under all who wait on it, and they come back.
//!
//! Each waiter does what `requester` does: after a cut it pauses, connects, and polls for a second
//! first, so that it soon knows whether it is heard. That answer proves that its poll was held.
//! With several addresses the next one is tried after each failure.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use pushd::limits;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::asks;
use crate::flags::StormFlags;
use crate::gauges;
use crate::held::OPENING;
use crate::http::Connection;
use crate::latency::Samples;
use crate::machine::{self, Used};
use crate::policy::{Pauses, Policy};
use crate::timeline::Timeline;

/// Seconds that a poll is held at most.
const POLL_SECS: u64 = 60;

/// What all waiters know and count.
#[derive(Debug)]
struct Shared {
    addresses: Vec<SocketAddr>,
    policy: Policy,
    opening: Semaphore,
    /// When the daemon was killed.
    killed: watch::Receiver<Option<Instant>>,
    /// How long is waited for those who come back.
    patience: Duration,
    counts: Counts,
}

/// What happened on the way back.
#[derive(Debug, Default)]
struct Counts {
    attempts: AtomicU64,
    /// Nobody listened there.
    refused: AtomicU64,
    /// No connection in time.
    not_connected: AtomicU64,
    /// The connection broke before the answer.
    cut: AtomicU64,
    /// The answer did not come in time.
    silent: AtomicU64,
    /// The daemon answered that it cannot serve now.
    turned_away: AtomicU64,
}

/// How one waiter came back.
#[derive(Debug)]
struct Return {
    /// When it noticed that it was cut off, if it was.
    cut: Option<Instant>,
    /// When its first answered poll was held.
    held: Option<Instant>,
    /// Its attempts, in order.
    attempts: Vec<Instant>,
    /// Where it goes on waiting.
    connection: Option<Connection>,
}

/// Runs the workload.
pub(crate) async fn run(flags: StormFlags) -> anyhow::Result<Value> {
    let addresses = flags.target.addresses.clone();
    let name = machine::name(flags.kill)?;
    ensure!(
        name == "pushd",
        "process {} is a {name:?}, and only a pushd is killed",
        flags.kill
    );
    let load_average = machine::load_average()?;
    let count = flags.count as usize;
    let asked = asks::ask_many(&addresses[..1], count, OPENING).await?;

    let (tell, killed) = watch::channel(None);
    let patience = Duration::from_secs(flags.seconds);
    let shared = Arc::new(Shared {
        addresses: addresses.clone(),
        policy: flags.policy,
        opening: Semaphore::new(OPENING),
        killed,
        patience,
        counts: Counts::default(),
    });
    let first = if flags.spread { addresses.len() } else { 1 };
    let mut waiters = JoinSet::new();
    for (number, id) in asked.ids.into_iter().enumerate() {
        waiters.spawn(wait(id, number % first, Arc::clone(&shared)));
    }
    gauges::reach(&addresses[..first], gauges::WAITERS, u64::from(flags.count)).await?;

    let watched = flags.target.watch.into_iter();
    let survivors: Vec<_> = watched
        .filter(|it| it.pid != flags.kill.unsigned_abs())
        .collect();
    let then = Used::now(&survivors)?;
    let pid = Pid::from_raw(flags.kill).context("0 is no process")?;
    let begun = Instant::now();
    kill_process(pid, Signal::KILL).context("cannot kill the daemon")?;
    tell.send_replace(Some(begun));
    let (tries, holds) = (
        Timeline::new(begun, patience),
        Timeline::new(begun, patience),
    );
    let mut back = Samples::default();
    let mut lost = 0_usize;
    let mut kept = Vec::new();
    while let Some(returned) = waiters.join_next().await {
        let returned = returned??;
        lost += usize::from(returned.cut.is_some());
        returned.attempts.iter().for_each(|at| tries.count(*at));
        if let Some(held) = returned.held {
            holds.count(held);
            back.add(held.saturating_duration_since(begun));
        }
        kept.push(returned.connection);
    }
    let cpu = Used::now(&survivors)?.since(&then);
    let elapsed = begun.elapsed();
    let came_back = back.len();
    if came_back == lost {
        // All that were held before are held now, by whoever is left.
        let left = if addresses.len() > 1 {
            &addresses[1..]
        } else {
            &addresses
        };
        gauges::reach(left, gauges::WAITERS, u64::from(flags.count)).await?;
    }
    drop(kept);
    let counts = &shared.counts;
    let of = |count: &AtomicU64| count.load(Relaxed);
    Ok(json!({
        "workload": "storm",
        "policy": flags.policy.to_string(),
        "nodes": addresses.len(),
        "count": count,
        "lost": lost,
        "came_back": came_back,
        "cut_to_held_us": back.quantiles(),
        "attempts": of(&counts.attempts),
        "refused": of(&counts.refused),
        "not_connected": of(&counts.not_connected),
        "cut": of(&counts.cut),
        "silent": of(&counts.silent),
        "turned_away": of(&counts.turned_away),
        "peak_attempts_per_second": tries.peak_per_second(),
        "peak_holds_per_second": holds.peak_per_second(),
        "attempts_per_100ms": tries.counts(),
        "holds_per_100ms": holds.counts(),
        "seconds": elapsed.as_secs_f64(),
        "cpu_seconds": cpu,
        "cores": machine::cores(),
        "load_average": load_average,
    }))
}

/// Holds a poll until the daemon is killed, and then comes back.
async fn wait(id: String, node: usize, shared: Arc<Shared>) -> anyhow::Result<Return> {
    let mut killed = shared.killed.clone();
    let address = shared.addresses[node];
    let place = shared.opening.acquire().await?;
    let mut connection = Connection::open(address)
        .await
        .context("no connection at first")?;
    connection
        .send(&asks::poll(address, &id, POLL_SECS))
        .await?;
    drop(place);
    let another_died = async { drop(killed.wait_for(Option::is_some).await) };
    let cut = tokio::select! {
        cut = until_cut(&mut connection, address, &id) => cut?,
        () = another_died, if node > 0 => {
            let connection = Some(connection);
            return Ok(Return { cut: None, held: None, attempts: Vec::new(), connection });
        }
    };
    drop(connection);
    let begun = killed
        .wait_for(Option::is_some)
        .await?
        .context("nobody was killed")?;
    let end = begun + shared.patience;
    let mut comeback = Comeback {
        id: &id,
        node,
        pauses: shared.policy.pauses(),
        shared: &shared,
    };
    let mut attempts = Vec::new();
    let back = timeout_at(end, comeback.until_held(&mut attempts))
        .await
        .ok();
    let (held, connection) = back.unzip();
    Ok(Return {
        cut: Some(cut),
        held,
        attempts,
        connection,
    })
}

/// Polls again and again; answers when the connection broke.
async fn until_cut(
    connection: &mut Connection,
    address: SocketAddr,
    id: &str,
) -> anyhow::Result<Instant> {
    while let Ok(answer) = connection.answer().await {
        // Others took their time to come.
        answer.says("pending")?;
        connection.send(&asks::poll(address, id, POLL_SECS)).await?;
    }
    Ok(Instant::now())
}

/// One waiter on its way back.
#[derive(Debug)]
struct Comeback<'a> {
    id: &'a str,
    node: usize,
    pauses: Pauses,
    shared: &'a Shared,
}

impl Comeback<'_> {
    /// Tries until a poll is held; answers since when, and where.
    async fn until_held(&mut self, attempts: &mut Vec<Instant>) -> (Instant, Connection) {
        let mut retry_after = None;
        loop {
            sleep(self.pauses.next(retry_after.take())).await;
            self.node = (self.node + 1) % self.shared.addresses.len();
            attempts.push(Instant::now());
            match self.attempt().await {
                Ok(back) => return back,
                Err(wish) => retry_after = wish,
            }
        }
    }

    /// One attempt; its failure is counted, and tells what the daemon wishes.
    async fn attempt(&self) -> Result<(Instant, Connection), Option<Duration>> {
        let (address, counts) = (self.shared.addresses[self.node], &self.shared.counts);
        let failed = |count: &AtomicU64| {
            count.fetch_add(1, Relaxed);
            None
        };
        counts.attempts.fetch_add(1, Relaxed);
        let opened = Connection::open(address).await;
        let mut connection = opened.map_err(|error| {
            let refused = error.kind() == io::ErrorKind::ConnectionRefused;
            failed(if refused {
                &counts.refused
            } else {
                &counts.not_connected
            })
        })?;
        let first = limits::POLL_AFTER_TROUBLE;
        let poll = asks::poll(address, self.id, first.as_secs());
        connection
            .send(&poll)
            .await
            .map_err(|_| failed(&counts.cut))?;
        let answer = timeout(first + limits::POLL_GRACE, connection.answer()).await;
        let answer = answer.map_err(|_| failed(&counts.silent))?;
        let answer = answer.map_err(|_| failed(&counts.cut))?;
        if answer.status != 200 {
            failed(&counts.turned_away);
            return Err(answer.retry_after);
        }
        // It was held for as long as it asked for.
        let held = answer.at - first;
        let poll = asks::poll(address, self.id, POLL_SECS);
        connection
            .send(&poll)
            .await
            .map_err(|_| failed(&counts.cut))?;
        Ok((held, connection))
    }
}
