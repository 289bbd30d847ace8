//! What happens to the daemons, and to the servers that keep what they know.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout};

use super::nodes::{RECOVERY, blocking};
use crate::daemon::Daemon;
use crate::faults::chaos::{Misfortune, strike};
use crate::faults::clients::Client;
use crate::faults::history::{At, Fault, Notes};
use crate::nats_server::NatsServers;

/// Breaks one daemon after the other until `end`; answers them all, and all work. Before each time
/// `burst` gives them something to do.
pub(crate) async fn break_nodes(
    mut daemons: Vec<Daemon>,
    direct: &Client,
    notes: &Notes,
    mut rng: Rng,
    end: Instant,
    mut burst: impl FnMut(Rng),
) -> Vec<Daemon> {
    use Misfortune::{Killed, KilledTwice, Replaced, Stopped};
    let all = [Killed, Killed, KilledTwice, Stopped, Replaced];
    loop {
        sleep(Duration::from_millis(rng.u64(200..3000))).await;
        if Instant::now() >= end {
            return daemons;
        }
        // The worst moment is when something was just told.
        if rng.bool() {
            drop(timeout(Duration::from_millis(300), notes.news()).await);
        }
        if rng.bool() {
            burst(rng.fork());
            sleep(Duration::from_micros(rng.u64(..8000))).await;
        }
        let (which, misfortune) = (rng.usize(..daemons.len()), all[rng.usize(..all.len())]);
        let from = notes.now();
        let node = strike(daemons.remove(which), misfortune, &mut rng).await;
        daemons.insert(which, node);
        recovered(direct, which, misfortune.name(), notes).await;
        note(notes, misfortune.name(), from);
    }
}

/// One misfortune of a server.
#[derive(Clone, Copy, Debug)]
enum Outage {
    Killed,
    /// Its connections stay open, and nothing answers.
    Stopped,
    /// It ends in good order, as for an upgrade.
    Replaced,
}

impl Outage {
    fn name(self) -> &'static str {
        match self {
            Self::Killed => "nats killed",
            Self::Stopped => "nats stopped",
            Self::Replaced => "nats replaced",
        }
    }

    /// Lets it happen; a second server is left alone until this one has caught up again, so a
    /// majority always stays.
    fn strike(self, servers: &NatsServers, which: usize, away: Duration) {
        #[allow(
            clippy::disallowed_methods,
            reason = "it has a thread of its own, and real servers are away for real time"
        )]
        let stay_away = || std::thread::sleep(away);
        match self {
            Self::Killed => {
                servers.kill(which);
                stay_away();
                servers.restart(which);
            }
            Self::Stopped => {
                servers.stop(which);
                stay_away();
                servers.resume(which);
            }
            Self::Replaced => {
                servers.end(which);
                stay_away();
                servers.restart(which);
            }
        }
        servers.wait_until_ready();
    }
}

/// Breaks one server after the other until `end`.
pub(crate) async fn break_servers(
    servers: &Arc<NatsServers>,
    direct: &Client,
    notes: &Notes,
    mut rng: Rng,
    end: Instant,
) {
    let all = [Outage::Killed, Outage::Stopped, Outage::Replaced];
    loop {
        sleep(Duration::from_millis(rng.u64(200..3000))).await;
        if Instant::now() >= end {
            return;
        }
        if rng.bool() {
            drop(timeout(Duration::from_millis(300), notes.news()).await);
        }
        let (which, outage) = (rng.usize(..servers.count()), all[rng.usize(..all.len())]);
        let away = Duration::from_millis([0, 300, 2000, 5000][rng.usize(..4)]);
        let (from, servers) = (notes.now(), Arc::clone(servers));
        blocking(move || outage.strike(&servers, which, away)).await;
        for node in 0..direct.nodes() {
            recovered(direct, node, outage.name(), notes).await;
        }
        note(notes, outage.name(), from);
    }
}

/// Waits until a daemon is ready again.
async fn recovered(direct: &Client, node: usize, what: &str, notes: &Notes) {
    let client = direct.only(node);
    let recovering = async {
        while !client.is_ready().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(RECOVERY, recovering).await.is_err() {
        let stuck = format!("daemon {node} is not ready, and has not recovered after: {what}");
        notes.open().stuck.push(stuck);
    }
}

fn note(notes: &Notes, what: &'static str, from: At) {
    let to = notes.now();
    notes.open().faults.push(Fault { what, from, to });
}
