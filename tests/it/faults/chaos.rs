//! What happens to the daemon itself.

use std::fs;
use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use tokio::task;
use tokio::time::{sleep, timeout};

use super::history::{Fault, Notes};
use crate::daemon::{Daemon, Setup};
use crate::until::until;

/// One misfortune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfortune {
    /// `kill -9`, and a new start after a while.
    Killed,
    /// The same, and once more while it starts.
    KilledTwice,
    /// It is stopped for a while, as a machine that swaps.
    Stopped,
    /// It is asked to end, and started again.
    Replaced,
    /// Its files cannot grow for a while, from somewhere in the next few writes on.
    Full,
    /// The same, and then it is killed.
    FullAndKilled,
}

impl Misfortune {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::KilledTwice => "killed twice",
            Self::Stopped => "stopped",
            Self::Replaced => "replaced",
            Self::Full => "disk",
            Self::FullAndKilled => "disk and killed",
        }
    }
}

/// Breaks the daemon a few times, with `kill -9` among them; answers the one that is left, which
/// works. Before each time `burst` gives it something to do.
pub(crate) async fn break_daemon(
    mut daemon: Daemon,
    notes: &Notes,
    mut rng: Rng,
    mut burst: impl FnMut(Rng),
) -> Daemon {
    use Misfortune::{Full, FullAndKilled, Killed, KilledTwice, Replaced, Stopped};
    let others = [Killed, KilledTwice, Stopped, Replaced, Full, FullAndKilled];
    let mut plan = vec![Killed];
    for _ in 0..rng.usize(..3) {
        plan.push(others[rng.usize(..others.len())]);
    }
    rng.shuffle(&mut plan);
    for misfortune in plan {
        sleep(Duration::from_millis(rng.u64(20..500))).await;
        // The worst moment is when something was just told: whatever was not kept before is lost.
        if rng.bool() {
            drop(timeout(Duration::from_millis(300), notes.news()).await);
        }
        if rng.bool() {
            burst(rng.fork());
            sleep(Duration::from_micros(rng.u64(..8000))).await;
        }
        let from = notes.now();
        daemon = strike(daemon, misfortune, &mut rng).await;
        notes.open().faults.push(Fault {
            what: misfortune.name(),
            from,
            to: notes.now(),
        });
    }
    daemon
}

/// Lets it happen; answers the daemon that is left, which works.
pub(crate) async fn strike(mut daemon: Daemon, misfortune: Misfortune, rng: &mut Rng) -> Daemon {
    let away = Duration::from_millis([0, 0, 30, 300][rng.usize(..4)]);
    match misfortune {
        Misfortune::Killed => {
            daemon.crash();
            sleep(away).await;
            start(daemon.again()).await
        }
        Misfortune::KilledTwice => {
            daemon.crash();
            let setup = daemon.again();
            let mut child = setup.command().spawn().expect("the program can be run");
            sleep(Duration::from_millis(rng.u64(0..60))).await;
            drop((child.kill(), child.wait()));
            start(setup).await
        }
        Misfortune::Stopped => {
            daemon.signal(Signal::STOP);
            sleep(Duration::from_millis(rng.u64(50..700))).await;
            daemon.signal(Signal::CONT);
            daemon
        }
        Misfortune::Replaced => {
            daemon.signal(Signal::TERM);
            daemon.ended().await;
            start(daemon.again()).await
        }
        Misfortune::Full => {
            fill_up(&daemon, rng);
            sleep(Duration::from_millis(rng.u64(20..600))).await;
            daemon.limit_files(None);
            ready(&daemon).await;
            daemon
        }
        Misfortune::FullAndKilled => {
            fill_up(&daemon, rng);
            sleep(Duration::from_millis(rng.u64(..200))).await;
            daemon.crash();
            start(daemon.again()).await
        }
    }
}

/// Lets the log of the database grow by a few pages at most, so that a write breaks off somewhere.
fn fill_up(daemon: &Daemon, rng: &mut Rng) {
    let log = fs::metadata(daemon.setup().path("pushd.db-wal"));
    let size = log.map_or(0, |log| log.len());
    daemon.limit_files(Some(size + rng.u64(..30_000)));
}

/// Waits until it takes asks and decisions again.
async fn ready(daemon: &Daemon) {
    until("the daemon to be ready again", async || {
        (daemon.get("/readyz").await.status == 200).then_some(())
    })
    .await;
}

/// Starts it on the port that it had. For a moment another program may have that port for a
/// connection of its own, so it is tried again.
pub(crate) async fn start(setup: Setup) -> Daemon {
    until("the daemon to start again", async || {
        let setup = setup.clone();
        let starting = task::spawn_blocking(move || setup.try_start());
        match starting.await.expect("starting does not panic") {
            Ok(daemon) => Some(daemon),
            Err(log) => {
                assert!(log.contains("in use"), "it does not start: {log}");
                None
            }
        }
    })
    .await
}
