//! What the parts of the daemon cost, each by itself and without sockets.
//!
//! ```sh
//! cargo bench                              # all of them, in nanoseconds, beside the last run
//! cargo bench -- hub                       # those whose names match
//! cargo test --bench in_process            # each of them once
//! scripts/instructions.sh                  # instructions instead of time, for a busy machine
//! ```
//!
//! Beside what criterion takes there is what the script needs: `names` writes the table of the
//! benchmarks, and `count NAME TIMES FOLDER` does one operation so many times and nothing else, with
//! what takes long to prepare kept in that folder.

mod approvals;
mod case;
mod domain;
mod http;
mod hub;
mod samples;
mod store;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use criterion::Criterion;
use tokio::time::Instant;

use case::{Case, Prepared, Room};

/// What the daemon has as well.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["names"] => names(),
        ["count", name, times, folder] => count(name, times, folder),
        _ => measure(),
    }
}

/// All benchmarks, from the inside out.
fn cases() -> Vec<Case> {
    [
        domain::cases(),
        wire::cases(),
        hub::cases(),
        store::cases(),
        approvals::cases(),
        http::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[allow(clippy::print_stdout, reason = "the table is what is asked for")]
fn names() {
    for case in cases() {
        println!("{}\t{}\t{}", case.name, case.times, case.parts);
    }
}

/// Does one operation so many times.
fn count(name: &str, times: &str, folder: &str) {
    let case = cases().into_iter().find(|case| case.name == name);
    let case = case.expect("the name is one of those that `names` writes");
    let times = times.parse().expect("the second argument is a number");
    assert!(times <= case.lasts, "{name} lasts for {} times", case.lasts);
    let room = Room::kept(PathBuf::from(folder));
    let mut prepared = Prepared::new(&case, &room);
    prepared.repeat(times);
    // The end of the process is quicker than taking everything apart.
    std::mem::forget(prepared);
}

/// Measures time, as the arguments say.
fn measure() {
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
        .configure_from_args();
    // Whoever only wants to see that they run does not want to wait for large stores.
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    let room = if is_test {
        Room::small()
    } else {
        Room::large()
    };
    for case in cases() {
        let mut prepared = None;
        let mut group = criterion.benchmark_group(case.group());
        if case.parts > 1 {
            group.throughput(criterion::Throughput::Elements(case.parts));
        }
        group.bench_function(case.rest(), |bencher| {
            bencher.iter_custom(|times| {
                let mut left = times;
                let mut spent = Duration::ZERO;
                while left > 0 {
                    let prepared = prepared.get_or_insert_with(|| Prepared::new(&case, &room));
                    let now = left.min(prepared.left());
                    let begun = Instant::now();
                    prepared.repeat(now);
                    spent += begun.elapsed();
                    left -= now;
                }
                spent
            });
        });
        group.finish();
    }
    criterion.final_summary();
}
