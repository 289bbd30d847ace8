//! A relay: it stands nearer to the callers than their daemon, and holds their calls while the
//! daemon is away.
//!
//! It has no store, no tokens and no say: each call is passed on as its caller has sent it, and the
//! answer is the daemon's. What it adds is patience. A call that a restart of the daemon would end
//! is sent again, where that is safe (`errand`), for as long as its caller waits (`hold`).
//!
//! It knows nothing of requests beyond the paths of the contract and the word `pending`.

mod answer;
mod errand;
mod figures;
mod headers;
mod hold;
mod looks;
mod outgoing;
mod patience;
mod room;
mod upstreams;
mod verdict;

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use warp::Filter;
use warp::http::{HeaderMap, HeaderValue, Method, header};

pub use upstreams::{Trusting, Upstreams};

use errand::Target;
use figures::Figures;
use outgoing::Outgoing;
use room::Room;

use crate::http::body::{self, BodyStream};
use crate::http::{AllowedHosts, Head, Kind, Peer, Problem, Response, Routes, head};
use crate::limits::{self, Arrival};
use crate::metrics::Metrics;
use crate::server::PerAddress;
use crate::shares::Share;
use crate::wire::media;

/// What a relay takes and passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How a call may arrive.
    pub arrival: Arrival,
    /// Calls that may be under way.
    pub calls: usize,
    /// Calls of one address, this machine's not counted: by HTTP/2 one connection may have many.
    pub calls_per_address: usize,
    /// Whether the classic routes are passed on.
    pub classic: bool,
    /// Whether callers from elsewhere may have what a daemon lets its own machine do.
    pub trusts_everybody: bool,
}

/// A relay.
#[derive(Debug)]
pub struct Relay {
    upstreams: Arc<Upstreams>,
    terms: Terms,
    /// The name that this process has in `Via`, by which it knows a call of its own.
    name: String,
    calls: Arc<Semaphore>,
    per_address: PerAddress,
    /// Room for bodies that are kept to be sent again.
    bodies: Arc<Room>,
    figures: Figures,
    metrics: Arc<Metrics>,
    drain: CancellationToken,
}

/// One call's place, until it is dropped.
#[derive(Debug)]
struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_address: Option<Share<IpAddr>>,
}

/// What every call brings.
struct Incoming {
    peer: Peer,
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: BodyStream,
}

impl Relay {
    /// A relay to these daemons, which winds down when `drain` is cancelled.
    pub fn new(
        upstreams: Arc<Upstreams>,
        terms: Terms,
        metrics: Arc<Metrics>,
        drain: CancellationToken,
    ) -> Arc<Self> {
        let kinds = [
            Kind::BodyTimeout,
            Kind::BodyTooLarge,
            Kind::Draining,
            Kind::NoSuchPath,
            Kind::OutcomeUnknown,
            Kind::TooManyConnections,
            Kind::TooManyConnectionsOfAddress,
            Kind::TooManyWaiters,
        ];
        let kinds = kinds.iter().chain(&Kind::RELAY);
        metrics.expect_problems(kinds.map(|kind| kind.row().1));
        Arc::new(Self {
            upstreams,
            terms,
            // Without a source of randomness a loop ends at the limit of calls.
            name: format!("pushd-relay-{:08x}", getrandom::u32().unwrap_or_default()),
            per_address: PerAddress::beyond_loopback(terms.calls_per_address),
            calls: Arc::new(Semaphore::new(terms.calls.min(Semaphore::MAX_PERMITS))),
            bodies: Room::new(limits::BURDEN_BYTES, terms.arrival.body_bytes),
            figures: Figures::default(),
            metrics,
            drain,
        })
    }

    /// All that it serves. Every call is answered, unknown paths included.
    pub fn routes(self: &Arc<Self>) -> Routes {
        let relay = Arc::clone(self);
        let filter = warp::any()
            .map(move || Arc::clone(&relay))
            .and(head())
            .and(warp::method())
            .and(warp::path::full())
            .and(warp::body::stream())
            .then(
                |relay: Arc<Self>, head: Box<Head>, method, path: warp::path::FullPath, body| {
                    let call = Incoming {
                        peer: head.peer,
                        method,
                        path: path.as_str().to_owned(),
                        query: head.query,
                        headers: head.headers,
                        body: body::boxed(body),
                    };
                    async move { relay.serve(call).await }
                },
            );
        Routes::new(filter.boxed())
    }

    /// Looks at the daemons again and again; it has no end. Dropping it is safe.
    pub async fn look(&self) {
        self.upstreams.look(&self.drain).await;
    }

    async fn serve(self: Arc<Self>, call: Incoming) -> Response {
        let announced = body::is_announced(&call.headers);
        match Arc::clone(&self).answer(call).await {
            Ok(response) => response,
            Err(problem) => {
                self.metrics.problem(problem.kind.row().1);
                let mut response = own(problem.into_response());
                if announced {
                    // What was not read would be taken for the next call.
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                response
            }
        }
    }

    async fn answer(self: Arc<Self>, call: Incoming) -> Result<Response, Problem> {
        let errand = match errand::target(&call.method, &call.path, self.terms.classic) {
            Target::Live => return Ok(word("live\n".to_owned(), media::TEXT)),
            Target::Ready => return self.ready(),
            Target::Figures => return self.figures(&call.peer),
            Target::Nothing => {
                let detail = "there is nothing at this path of the relay";
                return Err(Problem::new(Kind::NoSuchPath, detail));
            }
            Target::Daemon(errand) => errand,
        };
        let place = self.place(&call.peer)?;
        let call = Outgoing::of(&self, call, errand).await?;
        self.figures.calls.inc();
        let fetched = hold::carry(&self, &call).await?;
        Ok(fetched.into_response(place, self.drain.clone()))
    }

    /// A place for one more call.
    fn place(&self, peer: &Peer) -> Result<Place, Problem> {
        let of_address = peer.remote.ip().map(|ip| self.per_address.admit(ip));
        let Ok(of_address) = of_address.transpose() else {
            let detail = format!(
                "this relay has {} calls of your address under way, as many as it takes; end some, \
                 or try again",
                self.terms.calls_per_address
            );
            return Err(Problem::new(Kind::TooManyConnectionsOfAddress, detail));
        };
        let Ok(of_all) = Arc::clone(&self.calls).try_acquire_owned() else {
            let detail = format!(
                "this relay has {} calls under way, as many as it takes; try again",
                self.terms.calls
            );
            return Err(Problem::new(Kind::TooManyWaiters, detail));
        };
        Ok(Place {
            _of_all: of_all,
            _of_address: of_address.flatten(),
        })
    }

    /// Whether calls that come now reach a daemon that takes them.
    fn ready(&self) -> Result<Response, Problem> {
        if self.drain.is_cancelled() {
            return Err(Problem::new(Kind::Draining, "this relay is shutting down"));
        }
        if self.upstreams.ready() == 0 {
            return Err(self.upstreams.nobody());
        }
        Ok(word("ready\n".to_owned(), media::TEXT))
    }

    /// The relay's own figures, for this machine alone: it knows nobody whom it could ask for a
    /// token.
    fn figures(&self, peer: &Peer) -> Result<Response, Problem> {
        AllowedHosts::default().check(peer)?;
        if !peer.remote.is_local() {
            let detail = "a relay shows its figures on its own machine alone";
            return Err(Problem::new(Kind::Forbidden, detail));
        }
        let open = self.terms.calls - self.calls.available_permits().min(self.terms.calls);
        let text = self
            .figures
            .text(&self.metrics, &self.upstreams, open, self.terms.calls);
        let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Ok(word(text, media))
    }
}

fn word(text: String, media: &'static str) -> Response {
    let mut response = Response::new(text.into());
    let media = HeaderValue::from_static(media);
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    own(response)
}

/// What the relay's own answers have in common with a daemon's: nobody keeps, embeds or frames them.
fn own(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("content-security-policy", "frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
