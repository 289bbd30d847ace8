//! From sockets to calls: the accept loop, TLS, who connects, the limits, and winding down.
//!
//! warp's own server has no time-out for headers and no bound on its shutdown, so hyper drives its
//! service here: one task for each connection, and one for each call of HTTP/2.

mod accounts;
mod addresses;
mod carried;
mod connection;
mod line;
mod polite;
mod socket;
mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use accounts::{Accounts, ApproverError};
pub use addresses::PerAddress;
pub(crate) use addresses::network;
pub use tls::{PairError, Tls};

use connection::{Ended, Terms, Who};
use line::Line;
use socket::{Socket, Stream};
use tls::{Greeting, greet};

use crate::approvals::leases::KeptOut;
use crate::burden::Burden;
use crate::http::{Kind, Proxies, Routes};
use crate::limits;
use crate::metrics::Metrics;

/// A server on bound listeners.
#[derive(Debug)]
pub struct Server {
    terms: Terms,
    tls: Option<Arc<Tls>>,
    metrics: Arc<Metrics>,
    burden: Arc<Burden>,
    places: Arc<Semaphore>,
    per_address: PerAddress,
    doorstep: Arc<Semaphore>,
    kept_out: KeptOut,
}

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// From a network, or from this machine by its address.
    Network(TcpListener),
    /// From this machine, by a path. Who connects is known to these.
    Unix(UnixListener, Arc<Accounts>),
}

impl Listener {
    /// The next connection. Safe to drop at any time.
    async fn accept(&self) -> io::Result<(Stream, Who)> {
        match self {
            Self::Network(listener) => {
                let (stream, remote) = listener.accept().await?;
                let local = stream.local_addr()?;
                Ok((stream.into(), Who::Network(remote, local)))
            }
            Self::Unix(listener, accounts) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                Ok((stream.into(), Who::Unix(uid, Arc::clone(accounts))))
            }
        }
    }
}

impl Server {
    /// A server of `routes`, with room for `most` connections, that winds down when `drain` is
    /// cancelled.
    pub fn new(
        routes: Routes,
        metrics: Arc<Metrics>,
        most: usize,
        drain: CancellationToken,
    ) -> Self {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        let doorstep = Arc::new(Semaphore::new(limits::TURN_AWAY));
        let terms = Terms {
            routes,
            drain,
            calls: TaskTracker::new(),
            head_time: limits::HEAD_TIME,
            proxies: Arc::default(),
        };
        Self {
            terms,
            tls: None,
            metrics,
            burden: Burden::new(limits::BURDEN_BYTES),
            places,
            per_address: PerAddress::beyond_loopback(most),
            doorstep,
            kept_out: KeptOut::default(),
        }
    }

    /// Speaks TLS with all who come from a network, and nothing else.
    #[must_use]
    pub fn with_tls(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    /// Waits for the head of a call for so long, and for a new connection to send its first.
    #[must_use]
    pub fn with_head_time(self, head_time: Duration) -> Self {
        let terms = Terms {
            head_time,
            ..self.terms
        };
        Self { terms, ..self }
    }

    /// Takes the word of these about who calls, and counts their own connections for no address.
    #[must_use]
    pub fn with_proxies(self, proxies: Proxies) -> Self {
        let terms = Terms {
            proxies: Arc::new(proxies),
            ..self.terms
        };
        Self { terms, ..self }
    }

    /// Has no more connections of one address than this says.
    #[must_use]
    pub fn with_per_address(self, per_address: PerAddress) -> Self {
        Self {
            per_address,
            ..self
        }
    }

    /// Tells it here when it turns somebody away, or cannot let them in.
    #[must_use]
    pub fn with_kept_out(self, kept_out: KeptOut) -> Self {
        Self { kept_out, ..self }
    }

    /// Serves `listeners` until `drain` is cancelled; then takes no more connections, lets those
    /// that are open finish what they have, and waits for them, at most for `grace`.
    pub async fn run(self, listeners: Vec<Listener>, grace: Duration) {
        let accepting = listeners.into_iter().map(|listener| self.accept(listener));
        let serving = async {
            futures_util::future::join_all(accepting).await;
            self.terms.calls.close();
            if timeout(grace, self.terms.calls.wait()).await.is_err() {
                let open = self.terms.calls.len();
                tracing::warn!(open, "connections did not finish in time and are given up");
            }
        };
        tokio::select! {
            () = serving => {}
            // It has no end.
            () = self.burden.watch() => {}
        }
    }

    async fn accept(&self, listener: Listener) {
        // When it was told that none can be accepted, which would fill the log otherwise.
        let mut told: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.terms.drain.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, who)) => self.admit(stream, who),
                // One connection's trouble, such as one that was reset while it waited, is not
                // ours; too many open files passes, and until then those who come wait.
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    self.kept_out.note();
                    if told.is_none_or(|told| told.elapsed() > limits::ACCEPT_NEWS) {
                        tracing::warn!(%error, "cannot accept a connection");
                        told = Some(Instant::now());
                    }
                    sleep(limits::ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, stream: Stream, who: Who) {
        if let Stream::Network(stream) = &stream
            && let Err(error) = socket::prepare(stream)
        {
            tracing::debug!(%error, ?who, "socket options");
        }
        let of_address = match &who {
            Who::Network(remote, _) if self.terms.proxies.believe(remote.ip()) => Ok(None),
            Who::Network(remote, _) => self.per_address.admit(remote.ip()),
            Who::Unix(..) => Ok(None),
        };
        let Ok(of_address) = of_address else {
            tracing::debug!(?who, "too many connections of this address");
            self.turn_away(stream, Kind::TooManyConnectionsOfAddress);
            return;
        };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.turn_away(stream, Kind::TooManyConnections);
            return;
        };
        let (terms, metrics) = (self.terms.clone(), Arc::clone(&self.metrics));
        let (tls, carrier) = (self.tls.clone(), self.burden.carrier());
        self.terms.calls.spawn(async move {
            let open = Open::new(Arc::clone(&metrics));
            let line = match (stream, tls) {
                (Stream::Network(stream), Some(tls)) => {
                    // In a box, so that connections without TLS have no room for it.
                    Box::pin(secured(stream, &tls, &metrics, &terms.drain)).await
                }
                (stream, _) => Some(Line::Plain(Socket::new(stream))),
            };
            if let Some(line) = line {
                let ended = connection::serve(line, who, carrier, terms).await;
                match ended {
                    Ended::Itself => {}
                    Ended::TooSlow => drop(metrics.cut.inc()),
                    Ended::Late => drop(metrics.late.inc()),
                }
            }
            drop((open, place, of_address));
        });
    }

    fn turn_away(&self, stream: Stream, kind: Kind) {
        self.metrics.problem(kind.row().1);
        self.kept_out.note();
        // Over TLS the answer would have to wait for a handshake, so closing says it.
        if matches!(stream, Stream::Network(_)) && self.tls.is_some() {
            return;
        }
        // Too many of these as well: then closing says it.
        if let Ok(place) = Arc::clone(&self.doorstep).try_acquire_owned() {
            let line = Line::Plain(Socket::new(stream));
            self.terms.calls.spawn(async move {
                connection::turn_away(line, kind).await;
                drop(place);
            });
        }
    }
}

/// A connection with TLS on it, if the peer begins one; `drain` ends the wait for that.
async fn secured(
    stream: TcpStream,
    tls: &Tls,
    metrics: &Metrics,
    drain: &CancellationToken,
) -> Option<Line> {
    let greeting = tokio::select! {
        biased;
        () = drain.cancelled() => return None,
        greeting = greet(stream, tls) => greeting,
    };
    match greeting {
        Greeting::Tls(stream) => Some(Line::Tls(stream)),
        Greeting::Plain(stream) => {
            metrics.problem(Kind::TlsRequired.row().1);
            connection::ask_for_tls(stream).await;
            None
        }
        Greeting::Nothing => None,
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
