//! The promises, attacked: real programs on bad connections, killed, stopped and replaced.
//!
//! Each run is drawn from a seed. Everybody in it notes what they sent and were told, and a
//! checker holds the notes and what is finally in the store against the promises.
//!
//! `PUSHD_FAULT_RUNS` says how many runs there are, from the seed `PUSHD_FAULT_SEED` on, and
//! `PUSHD_FAULT_JOBS` how many at a time.

pub(crate) mod chaos;
pub(crate) mod clients;
mod forged;
pub(crate) mod history;
mod link;
mod people;
mod rules;
pub(crate) mod run;
mod stumbling;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use self::history::History;

/// A series of runs, of which each is drawn from a seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    /// What the names of its settings begin with.
    pub(crate) settings: &'static str,
    /// How many runs it has, unless a setting says otherwise.
    pub(crate) runs: u64,
    /// And how many at a time.
    pub(crate) jobs: u64,
}

const FAULTS: Series = Series {
    settings: "PUSHD_FAULT",
    runs: 12,
    jobs: 3,
};

/// A number from the environment.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value} is no number")),
        Err(_) => default,
    }
}

#[test]
fn the_promises_hold_whatever_breaks() {
    FAULTS.attack(
        "faults::the_promises_hold_whatever_breaks",
        run::with_a_daemon,
    );
}

#[test]
fn the_promises_hold_with_a_store_that_stumbles() {
    FAULTS.attack(
        "faults::the_promises_hold_with_a_store",
        run::with_a_stumbling_store,
    );
}

impl Series {
    /// Makes the runs of all seeds.
    ///
    /// # Panics
    /// A promise was broken; the message says by which seed, and how to repeat it.
    pub(crate) fn attack<F: Future<Output = History>>(self, test: &str, run: fn(u64) -> F) {
        let name = self.settings;
        let setting = |what, default| setting(&format!("{name}_{what}"), default);
        let (first, runs) = (setting("SEED", 1), setting("RUNS", self.runs));
        let jobs = setting("JOBS", self.jobs);
        let (next, result) = (AtomicU64::new(first), Mutex::new(Found::default()));
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::SeqCst);
                        if seed >= first + runs {
                            break;
                        }
                        one_run(seed, run, &result);
                    }
                });
            }
        });
        let Found { tally, broken } = result.into_inner().expect("no thread panics");
        say(&format!("{tally:?}"));
        if let Some(seed) = broken.first() {
            panic!(
                "promises were broken by the seeds {broken:?}; to repeat one: {name}_SEED={seed} \
                 {name}_RUNS=1 cargo test --test it {test} -- --nocapture"
            );
        }
    }
}

/// What came out so far.
#[derive(Debug, Default)]
struct Found {
    tally: Tally,
    broken: Vec<u64>,
}

/// Makes the run of this seed. A runtime of its own keeps it apart from those beside it.
fn one_run<F: Future<Output = History>>(seed: u64, run: fn(u64) -> F, result: &Mutex<Found>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let run = AssertUnwindSafe(|| runtime.block_on(run(seed)));
    let history = catch_unwind(run);
    let mut result = result.lock().expect("no thread panics");
    // A panic has been printed.
    let violations = history.map(|history| {
        result.tally.add(&history);
        rules::check(&history)
    });
    if !matches!(&violations, Ok(violations) if violations.is_empty()) {
        say(&format!("seed {seed}: {violations:#?}"));
        result.broken.push(seed);
    }
}

#[allow(
    clippy::print_stderr,
    reason = "the figures of a long run, and the evidence of a failed one"
)]
fn say(text: &str) {
    eprintln!("{text}");
}

/// What the runs consisted of.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    runs: usize,
    requests: usize,
    faults: usize,
    kills: usize,
    full: usize,
    servers: usize,
    decisions: usize,
    looks: usize,
    told: usize,
    requesters: usize,
    /// Answers that were behind what another daemon had answered before, and the furthest, in
    /// milliseconds.
    behind: usize,
    furthest: history::At,
}

impl Tally {
    fn add(&mut self, history: &History) {
        self.runs += 1;
        self.requests += history.store.len();
        self.faults += history.faults.len();
        let kills = history.faults.iter().map(|fault| match fault.what {
            "killed" | "disk and killed" => 1,
            "killed twice" => 2,
            _ => 0,
        });
        let full = |fault: &&history::Fault| fault.what.starts_with("disk");
        let servers = |fault: &&history::Fault| fault.what.starts_with("nats");
        self.servers += history.faults.iter().filter(servers).count();
        self.full += history.faults.iter().filter(full).count();
        self.kills += kills.sum::<usize>();
        self.decisions += history.decisions.len();
        self.looks += history.looks.len();
        self.told += history.streams.values().map(Vec::len).sum::<usize>();
        self.requesters += history.ran.len();
        for behind in rules::behind(history) {
            self.behind += 1;
            self.furthest = self.furthest.max(behind);
        }
    }
}
