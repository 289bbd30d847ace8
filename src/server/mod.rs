//! From sockets to calls: the accept loop, its limits, and winding down.
//!
//! warp's own server has no time-out for headers and no bound on its shutdown, so its service is
//! driven here by hyper-util: one task for each connection, and one for each call of HTTP/2.

mod carried;
mod connection;
mod polite;
mod socket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::filters::BoxedFilter;

use crate::burden::Burden;
use crate::http::{Kind, Response};
use crate::limits;
use crate::metrics::Metrics;

/// A server on bound listeners.
#[derive(Debug)]
pub struct Server {
    routes: BoxedFilter<(Response,)>,
    metrics: Arc<Metrics>,
    burden: Arc<Burden>,
    places: Arc<Semaphore>,
    doorstep: Arc<Semaphore>,
    connections: TaskTracker,
    drain: CancellationToken,
}

impl Server {
    /// A server of `routes`, with room for `most` connections, that winds down when `drain` is
    /// cancelled.
    pub fn new(
        routes: BoxedFilter<(Response,)>,
        metrics: Arc<Metrics>,
        most: usize,
        drain: CancellationToken,
    ) -> Self {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        let doorstep = Arc::new(Semaphore::new(limits::TURN_AWAY));
        Self {
            routes,
            metrics,
            burden: Burden::new(limits::BURDEN_BYTES),
            places,
            doorstep,
            connections: TaskTracker::new(),
            drain,
        }
    }

    /// Serves `listeners` until `drain` is cancelled; then takes no more connections, lets those
    /// that are open finish what they have, and waits for them, at most for `grace`.
    pub async fn run(self, listeners: Vec<TcpListener>, grace: Duration) {
        let accepting = listeners.into_iter().map(|listener| self.accept(listener));
        let serving = async {
            futures_util::future::join_all(accepting).await;
            self.connections.close();
            if timeout(grace, self.connections.wait()).await.is_err() {
                let open = self.connections.len();
                tracing::warn!(open, "connections did not finish in time and are given up");
            }
        };
        tokio::select! {
            () = serving => {}
            // It has no end.
            () = self.burden.watch() => {}
        }
    }

    async fn accept(&self, listener: TcpListener) {
        // When it was told that none can be accepted, which would fill the log otherwise.
        let mut told: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.drain.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => self.admit(stream, remote),
                // One connection's trouble, such as one that was reset while it waited, is not
                // ours; too many open files passes, and until then those who come wait.
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    if told.is_none_or(|told| told.elapsed() > limits::ACCEPT_NEWS) {
                        tracing::warn!(%error, "cannot accept a connection");
                        told = Some(Instant::now());
                    }
                    sleep(limits::ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, stream: tokio::net::TcpStream, remote: SocketAddr) {
        if let Err(error) = socket::prepare(&stream) {
            tracing::debug!(%error, %remote, "socket options");
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.problem(Kind::TooManyConnections.row().1);
            // Too many of these as well: then closing says it.
            if let Ok(place) = Arc::clone(&self.doorstep).try_acquire_owned() {
                self.connections.spawn(async move {
                    connection::turn_away(stream).await;
                    drop(place);
                });
            }
            return;
        };
        let (routes, metrics) = (self.routes.clone(), Arc::clone(&self.metrics));
        let (carrier, drain) = (self.burden.carrier(), self.drain.clone());
        let calls = self.connections.clone();
        self.connections.spawn(async move {
            let open = Open::new(Arc::clone(&metrics));
            let ended = connection::serve(stream, remote, routes, carrier, drain, calls).await;
            if ended == connection::Ended::TooSlow {
                metrics.cut.inc();
            }
            drop((open, place));
        });
    }
}

/// Counts a connection while it is open, however it ends.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: Arc<Metrics>) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
