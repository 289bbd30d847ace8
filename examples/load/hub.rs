//! The least that a hub on the same HTTP library can be: it passes on what is asked and decided, and
//! has no history, tokens, time-outs, limits or rules.
//!
//! It is what the daemon is compared with, and nothing else. It understands the calls of the daemon
//! that workloads make, and tells of the topic of a stream nothing: all streams have all events.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};

use crate::flags::HubFlags;
use crate::{report, runtime};

/// Events that a stream may be behind; one that is further behind ends.
const TAIL: usize = 16 * 1024;
/// Bytes that a stream gets at once at most.
const PIECE_BYTES: usize = 256 * 1024;
/// Sockets that a thread was not able to take yet.
const HANDED: usize = 4096;

/// What is asked, by its number.
#[derive(Debug)]
struct Hub {
    requests: Mutex<HashMap<u64, Asked>>,
    next: AtomicU64,
    waiters: AtomicUsize,
    tail: Mutex<Tail>,
    head: watch::Sender<u64>,
}

/// A request that was not answered yet.
#[derive(Debug)]
struct Asked {
    /// Its members behind its id and status.
    rest: Bytes,
    /// Who waits for it.
    waiter: Option<oneshot::Sender<Bytes>>,
    decided: bool,
}

/// The last events.
#[derive(Debug, Default)]
struct Tail {
    /// The number of the first one that is kept.
    first: u64,
    events: VecDeque<Bytes>,
}

/// Serves until the process ends.
///
/// # Errors
/// The address cannot be listened on.
pub(crate) fn run(flags: &HubFlags) -> anyhow::Result<()> {
    let hub = Arc::new(Hub {
        requests: Mutex::default(),
        next: AtomicU64::new(0),
        waiters: AtomicUsize::new(0),
        tail: Mutex::default(),
        head: watch::channel(0).0,
    });
    let mut others = Vec::new();
    for _ in 1..flags.threads {
        let (hand, handed) = mpsc::channel(HANDED);
        let hub = Arc::clone(&hub);
        let run = move || runtime()?.block_on(take(handed, hub));
        std::thread::Builder::new()
            .spawn(run)
            .context("no thread")?;
        others.push(hand);
    }
    runtime()?.block_on(accept(flags.address, hub, others))
}

/// Accepts, and hands every thread its part of the connections.
async fn accept(
    address: SocketAddr,
    hub: Arc<Hub>,
    others: Vec<mpsc::Sender<std::net::TcpStream>>,
) -> anyhow::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener: TcpListener = socket.listen(4096)?;
    report::write(&json!({ "address": listener.local_addr()?.to_string() }))?;
    for turn in 0.. {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        match others.get(turn % (others.len() + 1)) {
            Some(other) => other.send(stream.into_std()?).await?,
            None => drop(tokio::spawn(serve(stream, Arc::clone(&hub)))),
        }
    }
    Ok(())
}

/// Serves what another thread hands over.
async fn take(
    mut handed: mpsc::Receiver<std::net::TcpStream>,
    hub: Arc<Hub>,
) -> anyhow::Result<()> {
    while let Some(stream) = handed.recv().await {
        drop(tokio::spawn(serve(
            TcpStream::from_std(stream)?,
            Arc::clone(&hub),
        )));
    }
    Ok(())
}

async fn serve(stream: TcpStream, hub: Arc<Hub>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&hub)));
    let serving = hyper::server::conn::http1::Builder::new();
    // A connection that breaks is over, which is all that follows from it.
    drop(
        serving
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

type Answer<S> = Response<Either<Full<Bytes>, StreamBody<S>>>;

async fn answer(
    request: Request<Incoming>,
    hub: Arc<Hub>,
) -> Result<Answer<impl Stream<Item = Result<Frame<Bytes>, Infallible>>>, hyper::Error> {
    let path = request.uri().path();
    if request.method() == Method::POST {
        let id = path.strip_suffix("/decision").and_then(id);
        let body = request.into_body().collect().await?.to_bytes();
        return Ok(match id {
            None => told(StatusCode::CREATED, hub.ask(&body)),
            Some(id) => hub
                .decide(id)
                .map_or_else(none, |view| told(StatusCode::OK, view)),
        });
    }
    if path == "/v1/events" {
        let events = StreamBody::new(hub.events());
        let mut answer = Response::new(Either::Right(events));
        let kind = header::HeaderValue::from_static("text/event-stream");
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        return Ok(answer);
    }
    if path == "/metrics" {
        return Ok(told(StatusCode::OK, hub.metrics()));
    }
    let Some(id) = id(path) else {
        return Ok(none());
    };
    let answer = hub.wait(id).await;
    Ok(answer.map_or_else(none, |view| told(StatusCode::OK, view)))
}

fn told<S>(status: StatusCode, body: Bytes) -> Answer<S> {
    let mut answer = Response::new(Either::Left(Full::new(body)));
    *answer.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

fn none<S>() -> Answer<S> {
    told(StatusCode::NOT_FOUND, Bytes::new())
}

/// The request that a path is of.
fn id(path: &str) -> Option<u64> {
    path.strip_prefix("/v1/requests/")?.parse().ok()
}

/// A request as it is told.
fn view(id: u64, status: &str, rest: &[u8]) -> Bytes {
    let mut view = BytesMut::with_capacity(rest.len() + 64);
    view.extend_from_slice(format!("{{\"id\":\"{id:026}\",\"status\":\"{status}\",").as_bytes());
    view.extend_from_slice(rest);
    view.freeze()
}

impl Hub {
    fn requests(&self) -> MutexGuard<'_, HashMap<u64, Asked>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what is asked and tells all streams.
    fn ask(&self, body: &Bytes) -> Bytes {
        let id = self.next.fetch_add(1, Relaxed);
        // A copy, as the body is a part of the whole buffer of its connection.
        let rest = Bytes::copy_from_slice(body.get(1..).unwrap_or_default());
        let told = view(id, "pending", &rest);
        let asked = Asked {
            rest,
            waiter: None,
            decided: false,
        };
        self.requests().insert(id, asked);
        let mut event = BytesMut::with_capacity(told.len() + 32);
        event.extend_from_slice(format!("id: {id}\ndata: ").as_bytes());
        event.extend_from_slice(&told);
        event.extend_from_slice(b"\n\n");
        let mut tail = self.tail();
        tail.events.push_back(event.freeze());
        if tail.events.len() > TAIL {
            tail.events.pop_front();
            tail.first += 1;
        }
        let head = tail.first + tail.events.len() as u64;
        drop(tail);
        // Another thread may have kept and told a later one in between.
        self.head.send_if_modified(|told| {
            let is_news = *told < head;
            *told = head.max(*told);
            is_news
        });
        told
    }

    /// Decides, and tells who waits.
    fn decide(&self, id: u64) -> Option<Bytes> {
        let mut requests = self.requests();
        let asked = requests.get_mut(&id)?;
        let told = view(id, "approved", &asked.rest);
        match asked.waiter.take() {
            Some(waiter) => {
                requests.remove(&id);
                drop(requests);
                // Who has left meanwhile hears nothing.
                drop(waiter.send(told.clone()));
            }
            None => asked.decided = true,
        }
        Some(told)
    }

    /// Waits for the decision.
    async fn wait(&self, id: u64) -> Option<Bytes> {
        let answer = {
            let mut requests = self.requests();
            let asked = requests.get_mut(&id)?;
            if asked.decided {
                return Some(view(id, "approved", &requests.remove(&id)?.rest));
            }
            let (waiter, answer) = oneshot::channel();
            asked.waiter = Some(waiter);
            answer
        };
        self.waiters.fetch_add(1, Relaxed);
        let told = answer.await.ok();
        self.waiters.fetch_sub(1, Relaxed);
        told
    }

    fn metrics(&self) -> Bytes {
        let waiters = self.waiters.load(Relaxed);
        let streams = self.head.receiver_count();
        format!("pushd_waiters {waiters}\npushd_subscribers {streams}\n").into()
    }

    /// All events from now on; all that a stream is behind are one piece.
    fn events(self: Arc<Self>) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
        let head = self.head.subscribe();
        let next = *head.borrow();
        let first = Some(Bytes::from_static(b": hi\n\n"));
        stream::unfold(
            (self, head, next, first),
            |(hub, mut head, next, first)| async move {
                if let Some(first) = first {
                    return Some((Ok(Frame::data(first)), (hub, head, next, None)));
                }
                head.wait_for(|head| *head > next).await.ok()?;
                let (piece, next) = hub.tail().after(next)?;
                Some((Ok(Frame::data(piece)), (hub, head, next, None)))
            },
        )
    }
}

impl Tail {
    /// The events from this number on, and the number behind them; none if they are not kept.
    fn after(&self, next: u64) -> Option<(Bytes, u64)> {
        let skipped = usize::try_from(next.checked_sub(self.first)?).ok()?;
        let mut events = self.events.range(skipped.min(self.events.len())..);
        let first = events.next()?;
        if events.len() == 0 {
            return Some((first.clone(), next + 1));
        }
        let (mut piece, mut count) = (BytesMut::from(&first[..]), 1);
        for event in events {
            if piece.len() + event.len() > PIECE_BYTES {
                break;
            }
            piece.extend_from_slice(event);
            count += 1;
        }
        Some((piece.freeze(), next + count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_behind_gets_all_of_it_at_once() {
        let mut tail = Tail {
            first: 5,
            events: VecDeque::new(),
        };
        tail.events.extend(["a", "b", "c"].map(Bytes::from));
        assert_eq!(tail.after(5), Some(("abc".into(), 8)));
        assert_eq!(tail.after(7), Some(("c".into(), 8)));
        assert_eq!(tail.after(8), None);
        assert_eq!(tail.after(4), None);
    }
}
