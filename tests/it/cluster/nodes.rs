//! Three daemons on one server, or on a cluster of three.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task;
use tokio::time::{sleep, timeout};

use crate::daemon::{Daemon, Setup, setup};
use crate::nats_server::NatsServers;

/// How long it may take until a daemon is ready again, with a choice of new leaders among the
/// servers, on a busy machine.
pub(crate) const RECOVERY: Duration = Duration::from_secs(45);

/// Daemons that share a store.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) daemons: Vec<Daemon>,
    pub(crate) servers: Arc<NatsServers>,
}

impl Cluster {
    /// Starts so many servers, and then three daemons at once.
    pub(crate) async fn start(servers: usize) -> Self {
        Self::start_with(servers, "").await
    }

    /// The same, with these flags for each daemon.
    pub(crate) async fn start_with(servers: usize, flags: &str) -> Self {
        let servers = blocking(move || NatsServers::start(servers)).await;
        let starting = [(); 3].map(|()| {
            let setup = on(&servers).flags(flags);
            task::spawn_blocking(move || setup.start())
        });
        let mut daemons = Vec::new();
        for starting in starting {
            daemons.push(starting.await.expect("it starts"));
        }
        Self {
            daemons,
            servers: Arc::new(servers),
        }
    }

    /// Does something with the servers that takes its time.
    pub(crate) async fn with_servers(&self, work: impl FnOnce(&NatsServers) + Send + 'static) {
        let servers = Arc::clone(&self.servers);
        blocking(move || work(&servers)).await;
    }

    /// Waits until all daemons are ready.
    pub(crate) async fn all_are_ready(&self) {
        for daemon in &self.daemons {
            patiently("the daemon to be ready", async || {
                (daemon.get("/readyz").await.status == 200).then_some(())
            })
            .await;
        }
    }

    /// Where each daemon listens.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.daemons.iter().map(Daemon::address).collect()
    }
}

/// A daemon on these servers.
pub(crate) fn on(servers: &NatsServers) -> Setup {
    let replicas = servers.count();
    setup()
        .store(&servers.urls())
        .flags(&format!("--nats-replicas {replicas}"))
}

/// Looks again and again until `look` finds something, also while servers choose a new leader.
///
/// # Panics
/// It has not been found by then; the message says `what` was waited for.
pub(crate) async fn patiently<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let found = timeout(RECOVERY, looking).await;
    found.unwrap_or_else(|_| panic!("waited {RECOVERY:?} in vain for {what}"))
}

/// Does what blocks beside everything else.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    task::spawn_blocking(work)
        .await
        .expect("its panic has been printed")
}
