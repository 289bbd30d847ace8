//! The routes, called as the server calls them but without a connection: what filters, headers and
//! bodies cost on top of the use cases.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use pushd::approvals::classic::Receiver;
use pushd::burden::Burden;
use pushd::domain::RequestId;
use pushd::http::{AllowedHosts, Api, Peer, Remote, Response, Routes, Trust, WayBack, routes};
use tokio::runtime::Runtime;
use warp::http::{Method, Request, StatusCode, header};

use crate::approvals::{Inside, WAIT};
use crate::case::{Case, Operation};
use crate::hub::runtime;
use crate::samples::{LARGE, ask_json, id};

/// Requests that are there for operations that take one each.
const PENDING: u64 = 5_000;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("http/livez", |_| got("/livez", StatusCode::OK)),
        Case::new("http/a path that is not there", |_| {
            got("/v1/nothing", StatusCode::NOT_FOUND)
        }),
        Case::new("http/ask", |_| asked(0)).lasting(20_000),
        Case::new("http/ask with 64 KiB of details", |_| asked(LARGE))
            .lasting(500)
            .counted(100),
        Case::new("http/read", |_| {
            let daemon = Daemon::with_pending(1);
            let path = format!("/v1/requests/{}", id(0));
            Box::new(move || {
                let answer = daemon.run(daemon.get(&path));
                assert_eq!(answer.0, StatusCode::OK);
                black_box(answer);
            })
        }),
        Case::new("http/decide", |_| {
            let daemon = Daemon::with_pending(PENDING);
            let mut next = 0;
            Box::new(move || {
                let answer = daemon.run(daemon.approve(&id(next).to_string()));
                next += 1;
                assert_eq!(answer.0, StatusCode::OK);
                black_box(answer);
            })
        })
        .lasting(PENDING),
        Case::new("http/hold a wait and answer it, decided beneath", |_| {
            let daemon = Daemon::with_pending(PENDING);
            let mut next = 0;
            Box::new(move || {
                daemon.runtime.block_on(daemon.held(id(next)));
                next += 1;
            })
        })
        .lasting(PENDING),
        Case::new("http/flow: ask, hold a wait, decide, answer", |_| {
            let daemon = Daemon::begin();
            Box::new(move || daemon.runtime.block_on(daemon.flow(None)))
        })
        .lasting(10_000),
        Case::new("http/flow, with both events on a stream", |_| {
            let daemon = Daemon::begin();
            let mut stream = daemon.runtime.block_on(daemon.listen());
            Box::new(move || daemon.runtime.block_on(daemon.flow(Some(&mut stream))))
        })
        .lasting(10_000),
    ]
}

/// A call without a body.
fn got(path: &'static str, expected: StatusCode) -> Operation {
    let daemon = Daemon::begin();
    Box::new(move || {
        let answer = daemon.run(daemon.get(path));
        assert_eq!(answer.0, expected);
        black_box(answer);
    })
}

/// A new request with so many bytes of details.
fn asked(details: usize) -> Operation {
    let daemon = Daemon::begin();
    let body = Bytes::from(ask_json(details));
    Box::new(move || {
        let answer = daemon.run(daemon.ask(body.clone()));
        assert_eq!(answer.0, StatusCode::CREATED);
        black_box(answer);
    })
}

/// The routes of a daemon, and what is behind them.
struct Daemon {
    runtime: Runtime,
    inside: Inside,
    routes: Routes,
    /// What the server knows of each call.
    peer: Peer,
    way_back: WayBack,
    body: Bytes,
}

type Answer = (StatusCode, Bytes);

/// Somebody who stays.
struct There;

impl Receiver for There {
    fn is_gone(&self) -> bool {
        false
    }

    fn has_missed(&self) -> bool {
        false
    }
}

impl Daemon {
    fn begin() -> Self {
        let runtime = runtime();
        let inside = runtime.block_on(Inside::begin());
        let api = Api {
            approvals: Arc::clone(&inside.approvals),
            metrics: Arc::clone(&inside.metrics),
            renderings: Arc::default(),
            hosts: Arc::new(AllowedHosts::default()),
            trust: Trust::in_everybody(),
            classic: None,
            public_url: None,
        };
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            runtime,
            inside,
            routes: routes(&api),
            peer: Peer {
                remote: Remote::Network {
                    remote: address(50_000),
                    local: address(8888),
                },
                secure: false,
                host: Some("127.0.0.1:8888".to_owned()),
                carrier: Burden::new(usize::MAX).carrier(),
            },
            way_back: WayBack(Arc::new(There)),
            body: Bytes::from(ask_json(0)),
        }
    }

    /// The same, where the requests with the numbers below this one are pending.
    fn with_pending(requests: u64) -> Self {
        let daemon = Self::begin();
        daemon.runtime.block_on(daemon.inside.ask_below(requests));
        daemon
    }

    /// A call as it comes from `curl`.
    fn send(&self, method: Method, path: &str, body: Bytes) -> BoxFuture<'static, Response> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1:8888")
            .header(header::ACCEPT, "*/*");
        if !body.is_empty() {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::CONTENT_LENGTH, body.len());
        }
        let request = request.body(Full::new(body));
        let way_back = Some(self.way_back.clone());
        let request = request.expect("it is a request");
        self.routes
            .answer(request, self.peer.clone(), way_back)
            .boxed()
    }

    fn get(&self, path: &str) -> BoxFuture<'static, Response> {
        self.send(Method::GET, path, Bytes::new())
    }

    fn ask(&self, body: Bytes) -> BoxFuture<'static, Response> {
        self.send(Method::POST, "/v1/requests", body)
    }

    fn approve(&self, id: &str) -> BoxFuture<'static, Response> {
        let path = format!("/v1/requests/{id}/decision");
        let body = Bytes::from_static(br#"{"verdict":"approve"}"#);
        self.send(Method::POST, &path, body)
    }

    fn wait(&self, id: &str) -> BoxFuture<'static, Response> {
        self.get(&format!("/v1/requests/{id}?wait={}", WAIT.as_secs()))
    }

    fn run(&self, answering: BoxFuture<'static, Response>) -> Answer {
        self.runtime.block_on(async { read(answering.await).await })
    }

    /// A call that is held as a task of its own, as on a connection of its own.
    async fn hold(&self, id: &str) -> tokio::task::JoinHandle<Answer> {
        let answering = self.wait(id);
        let held = tokio::spawn(async move { read(answering.await).await });
        while self.inside.approvals.hub().waiters.count() == 0 {
            tokio::task::yield_now().await;
        }
        held
    }

    async fn held(&self, id: RequestId) {
        let held = self.hold(&id.to_string()).await;
        self.inside.approve(id).await;
        let (status, body) = held.await.expect("the call is answered");
        assert_eq!(status, StatusCode::OK);
        black_box(body);
    }

    /// A stream that is live.
    async fn listen(&self) -> Response {
        let mut stream = self.get("/v1/events").await;
        // The mark and the block after it come as one.
        while !contains(&piece(&mut stream).await, "caught-up") {}
        stream
    }

    async fn flow(&self, mut stream: Option<&mut Response>) {
        let asked = self.ask(self.body.clone()).await;
        assert_eq!(asked.status(), StatusCode::CREATED);
        let id = {
            let location = asked.headers()[header::LOCATION].to_str();
            let location = location.expect("it is a path");
            location.rsplit('/').next().unwrap_or_default().to_owned()
        };
        black_box(read(asked).await);
        let held = self.hold(&id).await;
        if let Some(stream) = &mut stream {
            assert!(contains(&piece(stream).await, "\"pending\""));
        }
        let (status, body) = read(self.approve(&id).await).await;
        assert_eq!(status, StatusCode::OK);
        black_box(body);
        let (status, body) = held.await.expect("the call is answered");
        assert_eq!(status, StatusCode::OK);
        assert!(contains(&body, "\"approved\""));
        if let Some(stream) = stream {
            assert!(contains(&piece(stream).await, "\"approved\""));
        }
    }
}

/// The whole of an answer.
async fn read(answer: Response) -> Answer {
    let status = answer.status();
    let body = answer.into_body().collect().await;
    (status, body.expect("it is in memory").to_bytes())
}

/// The next piece of a stream.
async fn piece(stream: &mut Response) -> Bytes {
    let frame = stream.body_mut().frame().await;
    let frame = frame.expect("it goes on").expect("it is in memory");
    frame.into_data().expect("there are no trailers")
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}
