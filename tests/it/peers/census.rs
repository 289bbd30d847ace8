//! What a daemon has: memory, descriptors, threads.

use std::fmt;
use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::{Instant, sleep};

use crate::daemon::Daemon;

/// What a process has at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Census {
    /// Memory of its own, in KiB: shared pages count in part (PSS).
    pub(super) memory: u64,
    pub(super) descriptors: usize,
    pub(super) threads: usize,
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            memory,
            descriptors,
            threads,
        } = self;
        write!(
            f,
            "{} MiB, {descriptors} descriptors, {threads} threads",
            memory / 1024
        )
    }
}

/// How long things may take to be as they were: longer than the longest patience of the daemon
/// that a short test meets.
const PATIENCE: Duration = Duration::from_secs(40);

impl Daemon {
    pub(super) fn census(&self) -> Census {
        let process = format!("/proc/{}", self.process());
        let rollup = fs::read_to_string(format!("{process}/smaps_rollup")).unwrap();
        let mut lines = rollup.lines();
        let pss = lines.find_map(|line| line.strip_prefix("Pss:")).unwrap();
        let count = |what: &str| fs::read_dir(format!("{process}/{what}")).unwrap().count();
        Census {
            memory: pss.trim_end_matches("kB").trim().parse().unwrap(),
            descriptors: count("fd"),
            threads: count("task"),
        }
    }

    /// Waits until the daemon has no more than it had `before`, `memory` MiB aside: an allocator
    /// keeps some of what it was given back, and the store its latest events.
    ///
    /// # Panics
    /// It has not come to that.
    pub(super) async fn is_as(&self, before: Census, memory: u64) {
        let begun = Instant::now();
        loop {
            let now = self.census();
            // The connections of our own clients and of the store's readers come and go.
            if now.descriptors <= before.descriptors + 16
                && now.threads <= before.threads + 16
                && now.memory <= before.memory + memory * 1024
            {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{now}, and before {before}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Makes sure that this process may open so many files.
pub(super) fn may_open(files: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < files) {
        let raised = Rlimit {
            current: Some(files),
            ..limit
        };
        setrlimit(Resource::Nofile, raised).expect("these tests need that many open files");
    }
}

/// The most memory that a daemon has while something goes on, in MiB over what it had.
pub(super) async fn peak(daemon: &Daemon, before: Census, during: impl Future<Output = ()>) -> u64 {
    let mut during = std::pin::pin!(during);
    let mut most = 0;
    loop {
        tokio::select! {
            () = &mut during => return most,
            () = sleep(Duration::from_millis(20)) => {
                let now = daemon.census().memory.saturating_sub(before.memory);
                most = most.max(now / 1024);
            }
        }
    }
}
