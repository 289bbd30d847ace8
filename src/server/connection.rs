//! One connection: HTTP/1.1 or HTTP/2, whichever the peer begins with.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Either;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::http::{HeaderValue, Request, header};

use super::accounts::Accounts;
use super::carried::Carried;
use super::line::{Line, Version};
use super::polite::{Polite, bare};
use super::socket::Socket;
use crate::burden::Carrier;
use crate::http::{Kind, Peer, Problem, Proxies, Remote, Response, Routes, WayBack};
use crate::limits;

/// What every connection gets.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// What is served.
    pub(super) routes: Routes,
    /// Winds the daemon down when it is cancelled.
    pub(super) drain: CancellationToken,
    /// Where calls of HTTP/2 are waited for.
    pub(super) calls: TaskTracker,
    /// Time for the head of a call to arrive, and for a new connection to send its first.
    pub(super) head_time: Duration,
    /// Who is believed about who calls.
    pub(super) proxies: Arc<Proxies>,
}

/// Who is at the other end.
#[derive(Clone)]
pub(super) enum Who {
    /// Somebody with an address, and the address that they connected to.
    Network(SocketAddr, SocketAddr),
    /// The user of this machine with this number, and what names it.
    Unix(u32, Arc<Accounts>),
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(remote, _) => write!(f, "{remote}"),
            Self::Unix(uid, _) => write!(f, "user {uid}"),
        }
    }
}

/// Serves a connection to its end. On `drain` it finishes the calls that it has and closes; it
/// ends at once when `carrier` is cut.
pub(super) async fn serve(line: Line, who: Who, carrier: Carrier, terms: Terms) -> Ended {
    let Terms {
        routes,
        drain,
        calls,
        head_time,
        proxies,
    } = terms;
    // One time for all that comes before the first call.
    let first_by = Instant::now() + head_time;
    let version = tokio::select! {
        biased;
        () = drain.cancelled() => return Ended::Itself,
        version = timeout_at(first_by, line.version()) => match version {
            Ok(Some(version)) => version,
            Ok(None) => return Ended::Itself,
            Err(_) => {
                tracing::debug!(?who, "nothing came in time");
                return Ended::Late;
            }
        },
    };
    let (called, first_call) = oneshot::channel();
    let called = Mutex::new(Some(called));
    let socket = line.socket().clone();
    let secure = line.is_secure();
    let watched = socket.clone();
    let of_calls = carrier.clone();
    let other_end = who.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        if let Some(called) = called.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody asks any more when the connection is ending anyway.
            called.send(()).unwrap_or_default();
        }
        let way_back = Arc::new(watched.way_back());
        let way_back = Some(WayBack(way_back));
        let peer = {
            let (host, carrier) = (host(&request), of_calls.clone());
            move |remote| Peer {
                remote,
                secure,
                host,
                carrier,
            }
        };
        let carrier = of_calls.clone();
        let answer = match &other_end {
            &Who::Network(remote, local) => {
                let remote = proxies.caller(remote, request.headers());
                let remote = Remote::Network { remote, local };
                Either::Left(routes.answer(request, peer(remote), way_back))
            }
            Who::Unix(uid, accounts) => {
                let (uid, accounts, routes) = (*uid, Arc::clone(accounts), routes.clone());
                Either::Right(Box::pin(async move {
                    match accounts.user(uid).await {
                        Ok(user) => {
                            let peer = peer(Remote::Unix(user));
                            routes.answer(request, peer, way_back).await
                        }
                        Err(error) => unnamed(uid, &error),
                    }
                }))
            }
        };
        answer
            .map(move |answer| Ok::<_, Infallible>(answer.map(|body| Carried::new(body, carrier))))
    });
    let io = TokioIo::new(Polite::new(line));
    let attendance = Attendance {
        socket,
        who,
        carrier,
        drain,
        first_call,
        first_by,
        version,
    };
    match version {
        Version::One => {
            let connection = pin!(http1(head_time).serve_connection(io, service));
            attend(connection, http1::Connection::graceful_shutdown, attendance).await
        }
        // In a box, so that connections of HTTP/1.1 have no room for it.
        Version::Two => {
            let mut connection = Box::pin(http2(Tracked(calls)).serve_connection(io, service));
            attend(
                connection.as_mut(),
                http2::Connection::graceful_shutdown,
                attendance,
            )
            .await
        }
    }
}

/// What is looked at beside a connection.
struct Attendance {
    socket: Socket,
    who: Who,
    carrier: Carrier,
    drain: CancellationToken,
    first_call: oneshot::Receiver<()>,
    first_by: Instant,
    version: Version,
}

/// Drives a connection to its end; `wind_down` has it finish what it has.
async fn attend<C>(
    mut connection: Pin<&mut C>,
    wind_down: impl Fn(Pin<&mut C>),
    attendance: Attendance,
) -> Ended
where
    C: Future<Output = hyper::Result<()>>,
{
    let Attendance {
        socket,
        who,
        carrier,
        drain,
        first_call,
        first_by,
        version,
    } = attendance;
    // In a box, which is gone as soon as the first call is there.
    let mut late = Some(Box::pin(late(first_call, first_by)));
    let mut gone = pin!(socket.gone());
    let mut cut = pin!(carrier.cut());
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            // Before the connection, so that answers given while draining close it.
            () = drain.cancelled(), if !draining => {
                draining = true;
                wind_down(connection.as_mut());
                // Whoever has called nothing yet is waited for by hyper until HTTP/2 has begun.
                if version == Version::Two && late.is_some() {
                    return Ended::Itself;
                }
            }
            // Before it too, so that a peer that keeps its connection busy cannot put it off.
            () = &mut cut => {
                tracing::debug!(?who, "the peer is too slow");
                socket.abandon();
                return Ended::TooSlow;
            }
            ended = connection.as_mut() => {
                let Err(error) = ended else {
                    return Ended::Itself;
                };
                tracing::debug!(?who, %error, "connection");
                return if error.is_timeout() { Ended::Late } else { Ended::Itself };
            }
            () = &mut gone => {
                tracing::debug!(?who, "the peer has gone");
                return Ended::Itself;
            }
            is_late = next(&mut late), if late.is_some() => {
                late = None;
                if is_late {
                    tracing::debug!(?who, "no call came in time");
                    return Ended::Late;
                }
            }
        }
    }
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// As connections do: somebody closed it.
    Itself,
    /// What was held for it was needed, or held for too long.
    TooSlow,
    /// No call came in time, or no more of one.
    Late,
}

/// Runs each call of HTTP/2 as a task that is waited for when the daemon winds down.
#[derive(Clone, Debug)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, call: F) {
        self.0.spawn(call);
    }
}

fn http1(head_time: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_buf_size(limits::HEAD_BYTES)
        .half_close(false);
    builder
}

fn http2(executor: Tracked) -> http2::Builder<Tracked> {
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits::HTTP2_PING)
        .keep_alive_timeout(limits::HTTP2_PING_TIME)
        .max_concurrent_streams(limits::HTTP2_STREAMS)
        .initial_stream_window_size(limits::HTTP2_WINDOW)
        .initial_connection_window_size(limits::HTTP2_WINDOW)
        .max_frame_size(limits::HTTP2_FRAME)
        .max_send_buf_size(limits::HTTP2_SEND_BUFFER)
        .max_pending_accept_reset_streams(limits::HTTP2_PENDING_RESETS)
        .max_local_error_reset_streams(limits::HTTP2_FAULTS)
        .max_header_list_size(u32::try_from(limits::HEAD_BYTES).unwrap_or(u32::MAX));
    builder
}

/// Waits for what is there.
async fn next<F: Future + Unpin>(some: &mut Option<F>) -> F::Output {
    match some {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Whether no first call has come in time, which HTTP/2 has no timer for.
async fn late(first_call: oneshot::Receiver<()>, first_by: Instant) -> bool {
    timeout_at(first_by, first_call).await.is_err()
}

/// The host that a call is for: `:authority` in HTTP/2, the `Host` header in HTTP/1.1
/// (RFC 9110 section 7.2).
fn host(request: &Request<Incoming>) -> Option<String> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str().to_owned());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next()?;
    if hosts.next().is_some() {
        return None;
    }
    host.to_str().ok().map(str::to_owned)
}

/// The answer to somebody whom the system does not name.
fn unnamed(uid: u32, error: &std::io::Error) -> Response {
    tracing::warn!(uid, %error, "the user database does not say who a caller is");
    let detail = "this machine's user database does not say who you are; the daemon's log says why";
    let mut answer = Problem::new(Kind::Internal, detail).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Tells a peer that there is no room.
pub(super) async fn turn_away(stream: impl AsyncRead + AsyncWrite + Unpin, kind: Kind) {
    let detail = if kind == Kind::TooManyConnectionsOfAddress {
        "this daemon has as many connections of your address as it takes; close some, or try again"
    } else {
        "this daemon has as many connections as it takes; try again"
    };
    part(stream, &Problem::new(kind, detail)).await;
}

/// Tells a peer that it has to begin by TLS.
pub(super) async fn ask_for_tls(stream: TcpStream) {
    let detail = "this port speaks TLS: use a URL that begins with https://";
    part(stream, &Problem::new(Kind::TlsRequired, detail)).await;
}

/// Tells a peer why nothing comes of its connection, and hears it out for a moment: closing a
/// socket with unread bytes in it would take the answer away again.
async fn part(mut stream: impl AsyncRead + AsyncWrite + Unpin, problem: &Problem) {
    let answer = bare(problem);
    let parting = async {
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    match timeout(limits::TURN_AWAY_TIME, parting).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(%error, "turning a connection away"),
    }
}
