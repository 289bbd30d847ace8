//! One run on a cluster: three daemons, three servers, their clients and their misfortunes.

use std::time::Duration;

use tokio::time::Instant;

use super::chaos::{break_nodes, break_servers};
use super::nodes::{Cluster, blocking};
use crate::faults::chaos::start;
use crate::faults::clients::Client;
use crate::faults::history::{Fault, History};
use crate::faults::run::{Crowd, Run, spawn_burst};
use crate::faults::setting;

/// Makes the run of `seed`; answers what was noted.
pub(crate) async fn with_a_cluster(seed: u64) -> History {
    let lasting = Duration::from_secs(setting("PUSHD_CLUSTER_SECS", 10));
    let requesters = setting("PUSHD_CLUSTER_REQUESTERS", 6);
    let crowd = Crowd {
        deciders: 3,
        askers: 4,
        requesters: requesters.try_into().expect("it is a small number"),
        lasting,
        // Many ask less often, so that the machine has time for all.
        pause: Duration::from_millis(500 + 100 * requesters),
    };
    let mut run = Run::new(seed, crowd);
    let cluster = Cluster::start(3).await;
    let addresses = cluster.addresses();
    let Cluster { daemons, servers } = cluster;
    let direct = Client::at(&addresses, &run.notes);
    let person = run.begin(&addresses).await;
    let (notes, mark, end) = (
        run.notes.clone(),
        run.title("burst"),
        Instant::now() + lasting,
    );
    let (of_nodes, of_servers) = (run.rng.fork(), run.rng.fork());
    let mut bursts = 0;
    let burst = |rng| {
        bursts += 1;
        spawn_burst(&mut run.tasks, &direct, &format!("{mark}-{bursts}"), rng);
    };
    let (mut daemons, ()) = tokio::join!(
        break_nodes(daemons, &direct, &notes, of_nodes, end, burst),
        break_servers(&servers, &direct, &notes, of_servers, end),
    );
    run.end(&direct).await;
    drop(person);
    run.rest(&direct).await;
    // All of them at once, so that nothing counts that only lived in the memory of any.
    let from = notes.now();
    for node in &mut daemons {
        node.crash();
    }
    let again = std::sync::Arc::clone(&servers);
    blocking(move || {
        (0..again.count()).for_each(|n| again.kill(n));
        (0..again.count()).for_each(|n| again.restart(n));
        again.wait_until_ready();
    })
    .await;
    let mut left = Vec::new();
    for node in daemons {
        left.push(start(node.again()).await);
    }
    let (what, to) = ("nats killed", notes.now());
    notes.open().faults.push(Fault { what, from, to });
    let history = run.history(&direct).await;
    // Each request alone as well, which is another way to the store than the list.
    for view in &history.store {
        for node in 0..direct.nodes() {
            direct.only(node).read(&view.id).await;
        }
    }
    let looks = notes.open().looks.clone();
    History { looks, ..history }
}
