//! A steady load for a long time, with restarts: what the daemon holds must stay flat, and the
//! way from a decision to the answer as short as it was.
//!
//! `scripts/soak.sh load` runs it and draws the figures that it prints, a line each few seconds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::daemon::{Daemon, Setup, setup};

/// Time between two asks.
const PACE: Duration = Duration::from_millis(20);
/// Time between two lines of figures.
const SAMPLE: Duration = Duration::from_secs(10);
/// Seconds between two restarts, unless `PUSHD_SOAK_RESTART_SECS` says otherwise.
const RESTART: usize = 600;
/// Waiters whose request nobody decides, and streams that only listen.
const IDLE: usize = 200;
const STREAMS: usize = 20;

/// What was counted since the last sample.
#[derive(Debug, Default)]
struct Count {
    latencies: Vec<Duration>,
    flows: usize,
    retries: usize,
}

#[derive(Clone, Debug)]
struct Load {
    http: reqwest::Client,
    base: String,
    count: Arc<Mutex<Count>>,
}

impl Load {
    /// Calls until there is a good answer.
    async fn call(&self, request: impl Fn(&Self) -> reqwest::RequestBuilder) -> (Value, bool) {
        let mut first = true;
        loop {
            let answer = async {
                let response = request(self).send().await.ok()?;
                if !response.status().is_success() {
                    return None;
                }
                serde_json::from_slice(&response.bytes().await.ok()?).ok()
            };
            if let Some(answer) = answer.await {
                return (answer, first);
            }
            first = false;
            self.count.lock().unwrap().retries += 1;
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ask(&self, key: &str) -> String {
        let body = json!({"title": key, "details": "what a plan says\n".repeat(20)}).to_string();
        let (asked, _) = self
            .call(|load| {
                let request = load.http.post(format!("{}/v1/requests", load.base));
                let request = request.header("content-type", "application/json");
                request.header("idempotency-key", key).body(body.clone())
            })
            .await;
        asked["id"].as_str().unwrap().to_owned()
    }

    /// Polls until the request is final; answers when that was, and whether it was not disturbed.
    async fn wait(&self, id: &str) -> (Instant, bool) {
        let path = format!("{}/v1/requests/{id}?wait=60", self.base);
        let mut calm = true;
        loop {
            let (view, first) = self.call(|load| load.http.get(&path)).await;
            calm &= first;
            if view["status"] == "approved" {
                return (Instant::now(), calm);
            }
            // A daemon that drains has answered early.
            calm = false;
        }
    }

    /// Asks, waits, decides after a while, and notes how long the answer took.
    async fn flow(self, key: String, think: Duration) {
        let id = self.ask(&key).await;
        let (waiting, waited) = (self.clone(), id.clone());
        let waiting = task::spawn(async move { waiting.wait(&waited).await });
        sleep(think).await;
        let begun = Instant::now();
        let path = format!("{}/v1/requests/{id}/decision", self.base);
        let (_, decided_first) = self
            .call(|load| {
                let request = load.http.post(&path).body(r#"{"verdict": "approve"}"#);
                request.header("content-type", "application/json")
            })
            .await;
        let (answered, calm) = waiting.await.unwrap();
        let mut count = self.count.lock().unwrap();
        count.flows += 1;
        if calm && decided_first {
            count.latencies.push(answered - begun);
        }
    }

    /// Holds a poll for ever.
    async fn idle(self, id: String) {
        self.wait(&id).await;
    }

    /// Listens for ever.
    async fn listen(self) {
        loop {
            if let Ok(mut stream) = self
                .http
                .get(format!("{}/v1/events", self.base))
                .send()
                .await
            {
                while let Ok(Some(_)) = stream.chunk().await {}
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The n-th part of a hundred.
fn percentile(sorted: &[Duration], n: usize) -> u128 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * n / 100).map_or(0, Duration::as_micros)
}

async fn restart(mut daemon: Daemon, n: u64) -> Daemon {
    if n.is_multiple_of(2) {
        daemon.crash();
    } else {
        daemon.signal(Signal::TERM);
        daemon.ended().await;
    }
    let again: Setup = daemon.again();
    task::spawn_blocking(|| again.start()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes as long as PUSHD_SOAK_SECS says; scripts/soak.sh runs it"]
async fn a_steady_load_leaves_nothing_behind() {
    let setting = |name| Some(std::env::var(name).ok()?.parse::<usize>().unwrap());
    let seconds = setting("PUSHD_SOAK_SECS").unwrap_or(60) as u64;
    let restart_secs = setting("PUSHD_SOAK_RESTART_SECS").unwrap_or(RESTART);
    // In samples.
    let restarts = (restart_secs as u64 / SAMPLE.as_secs()).max(1);
    let mut daemon = setup().flags("--retain 1m").start();
    let load = Load {
        http: daemon.clients.http1.clone(),
        base: daemon.url(),
        count: Arc::default(),
    };
    let undecided = load.ask("undecided").await;
    let mut holding = JoinSet::new();
    for _ in 0..IDLE {
        holding.spawn(load.clone().idle(undecided.clone()));
    }
    for _ in 0..STREAMS {
        holding.spawn(load.clone().listen());
    }
    let (mut rng, mut flows) = (Rng::with_seed(1), JoinSet::new());
    let begun = Instant::now();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut asked, mut samples) = (0, 0);
    let mut next_sample = begun + SAMPLE;
    say("seconds,rss_kib,descriptors,threads,flows,retries,p50_us,p99_us");
    while begun.elapsed().as_secs() < seconds {
        pace.tick().await;
        asked += 1;
        let think = Duration::from_millis(rng.u64(20..400));
        flows.spawn(load.clone().flow(format!("soak-{asked}"), think));
        while flows.try_join_next().is_some() {}
        if Instant::now() >= next_sample {
            next_sample += SAMPLE;
            samples += 1;
            let count = std::mem::take(&mut *load.count.lock().unwrap());
            let mut latencies = count.latencies;
            latencies.sort_unstable();
            let held = daemon.holds();
            say(&format!(
                "{},{},{},{},{},{},{},{}",
                begun.elapsed().as_secs(),
                held.rss_kib,
                held.descriptors,
                held.threads,
                count.flows,
                count.retries,
                percentile(&latencies, 50),
                percentile(&latencies, 99)
            ));
            if samples % restarts == 0 {
                daemon = restart(daemon, samples / restarts).await;
            }
        }
    }
    // Everybody who asked gets the answer.
    while let Some(flow) = flows.join_next().await {
        flow.unwrap();
    }
    holding.shutdown().await;
    daemon.waiters_are(0).await;
    daemon.subscribers_are(0).await;
}

#[allow(clippy::print_stderr, reason = "the figures are what it is run for")]
fn say(line: &str) {
    eprintln!("{line}");
}
