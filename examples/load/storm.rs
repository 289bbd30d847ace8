//! A storm of reconnects: a daemon is killed under all who wait on it, and they come back.
//!
//! It is over when the daemons that are left say that they hold as many polls as were lost.

mod waiter;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::waiter::Waiter;
use crate::asks;
use crate::flags::StormFlags;
use crate::held::OPENING;
use crate::latency::Samples;
use crate::machine::{self, Used};
use crate::peer::{self, Kind, Server};
use crate::policy::Policy;
use crate::timeline::{BUCKET, Timeline};

/// Of so many held polls one may be missing: those that are between two polls.
const BETWEEN: u64 = 1000;

/// What all waiters know and count.
#[derive(Debug)]
struct Shared {
    servers: Vec<Server>,
    policy: Policy,
    /// Places for those who connect at first, who are not to be a storm themselves.
    opening: Semaphore,
    stage: watch::Receiver<Stage>,
    counts: Counts,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Calm,
    Storm,
    Over,
}

/// What happened on the way back.
#[derive(Debug, Default)]
struct Counts {
    /// Waiters whose last poll was answered as it should be.
    heard: AtomicU64,
    /// Connections that were tried.
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

/// Runs the workload.
pub(crate) async fn run(flags: StormFlags) -> anyhow::Result<Value> {
    let servers = flags.target.pushd();
    let name = machine::name(flags.kill)?;
    ensure!(
        name == "pushd",
        "process {} is a {name:?}, and only a pushd is killed",
        flags.kill
    );
    let load_average = machine::load_average()?;
    let count = u64::from(flags.count);
    let asked = asks::ask_many(&servers[..1], flags.count as usize, OPENING).await?;
    let first = if flags.spread { servers.len() } else { 1 };
    let (tell, stage) = watch::channel(Stage::Calm);
    let shared = Arc::new(Shared {
        servers: servers.clone(),
        policy: flags.policy,
        opening: Semaphore::new(OPENING),
        stage,
        counts: Counts::default(),
    });
    let mut waiters = JoinSet::new();
    for (number, id) in asked.ids.into_iter().enumerate() {
        waiters.spawn(Waiter::new(id, number % first, Arc::clone(&shared)).run());
    }
    peer::reach(&servers[..first], &[], Kind::Poll, count).await?;

    let watched = flags.target.watch.into_iter();
    let left: Vec<_> = watched
        .filter(|it| it.pid != flags.kill.unsigned_abs())
        .collect();
    let then = Used::now(&left)?;
    let begun = Instant::now();
    let pid = Pid::from_raw(flags.kill).context("0 is no process")?;
    kill_process(pid, Signal::KILL).context("cannot kill the daemon")?;
    tell.send_replace(Stage::Storm);
    let patience = Duration::from_secs(flags.seconds);
    let survivors = if servers.len() > 1 {
        &servers[1..]
    } else {
        &servers
    };
    let (curve, all) = back(survivors, count, begun + patience, &shared.counts).await;
    let cpu = Used::now(&left)?.since(&then);
    let elapsed = begun.elapsed();
    tell.send_replace(Stage::Over);

    let (tries, mut times) = (Timeline::new(begun, patience), Samples::default());
    let mut lost = 0_usize;
    while let Some(waiter) = waiters.join_next().await {
        let waiter = waiter??;
        lost += usize::from(waiter.was_cut);
        waiter.attempts.iter().for_each(|at| tries.count(*at));
        if let Some(held) = waiter.held {
            times.add(held.saturating_duration_since(begun));
        }
    }
    let counts = &shared.counts;
    let of = |count: &AtomicU64| count.load(Relaxed);
    let after = |part: u64| {
        let enough = |(_, held): &&(Duration, u64)| *held >= count * part / 1000;
        curve.iter().find(enough).map(|(at, _)| at.as_secs_f64())
    };
    Ok(json!({
        "workload": "storm",
        "policy": flags.policy.to_string(),
        "nodes": servers.len(),
        "count": count,
        "lost": lost,
        "came_back": times.len(),
        "cut_to_held_us": times.quantiles(),
        "half_held_seconds": after(500),
        "most_held_seconds": after(990),
        "all_held_seconds": all.map(|all| all.as_secs_f64()),
        "attempts": of(&counts.attempts),
        "refused": of(&counts.refused),
        "not_connected": of(&counts.not_connected),
        "cut": of(&counts.cut),
        "silent": of(&counts.silent),
        "turned_away": of(&counts.turned_away),
        "peak_attempts_per_second": tries.peak_per_second(),
        "attempts_per_100ms": tries.counts(),
        "held_polls": curve.iter().map(|(at, held)| (at.as_millis(), held)).collect::<Vec<_>>(),
        "seconds": elapsed.as_secs_f64(),
        "cpu_seconds": cpu,
        "cores": machine::cores(),
        "load_average": load_average,
    }))
}

/// Looks how many polls are held until it is as many as before and all waiters were heard; answers
/// what was seen, and when that was. A daemon that does not answer holds none.
async fn back(
    servers: &[Server],
    count: u64,
    end: Instant,
    counts: &Counts,
) -> (Vec<(Duration, u64)>, Option<Duration>) {
    let begun = Instant::now();
    let mut curve = Vec::new();
    while Instant::now() < end {
        let mut held = 0;
        for server in servers {
            held += server.holds(Kind::Poll).await.ok().flatten().unwrap_or(0);
        }
        curve.push((begun.elapsed(), held));
        let heard = counts.heard.load(Relaxed);
        if held + count / BETWEEN >= count && heard == count {
            return (curve, Some(begun.elapsed()));
        }
        sleep(BUCKET).await;
    }
    (curve, None)
}
