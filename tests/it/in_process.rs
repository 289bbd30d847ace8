//! What takes its time, with time paused: the routes alone, without sockets.
//!
//! A paused clock jumps while a socket is idle, so these tests call the routes directly.

mod addresses;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use pushd::approvals::{Approvals, Pump};
use pushd::burden::Burden;
use pushd::clock::SystemClock;
use pushd::domain::HistoryId;
use pushd::http::{AllowedHosts, Api, Peer, Remote, Response, Trust, routes};
use pushd::hub::Hub;
use pushd::limits::Limits;
use pushd::metrics::Metrics;
use pushd::store::Feed;
use pushd::store::memory::MemoryStore;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warp::http::{Method, Request};

/// A daemon's inside.
struct Inside {
    api: Api,
    drain: CancellationToken,
}

impl Inside {
    async fn new() -> Self {
        let (limits, drain) = (Limits::for_descriptors(1024), CancellationToken::new());
        let metrics = Arc::new(Metrics::default());
        let pump = Pump::new(Arc::new(Hub::new(&limits)), Arc::clone(&metrics));
        let feed = Arc::clone(&pump) as Arc<dyn Feed>;
        let store = Arc::new(MemoryStore::new(HistoryId::from_random(14), feed));
        let clock = Arc::new(SystemClock::new());
        let begun = Approvals::begin(store, pump, clock, limits, drain.clone());
        let approvals = begun.await.unwrap();
        let hosts = Arc::new(AllowedHosts::default());
        let api = Api {
            approvals,
            metrics,
            hosts,
            renderings: Arc::default(),
            trust: Trust::in_everybody(),
            classic: None,
            public_url: None,
        };
        Self { api, drain }
    }

    async fn call(&self, method: Method, target: &str, headers: &[(&str, &str)]) -> Response {
        self.send(method, target, headers, String::new()).await
    }

    async fn get(&self, target: &str) -> Response {
        self.call(Method::GET, target, &[]).await
    }

    async fn ask(&self, members: Value) -> Response {
        let json = [("content-type", "application/json")];
        self.send(Method::POST, "/v1/requests", &json, members.to_string())
            .await
    }

    async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Response {
        let address = SocketAddr::from(([127, 0, 0, 1], 8888));
        let peer = Peer {
            remote: Remote::Network {
                remote: address,
                local: address,
            },
            secure: false,
            host: Some("localhost".to_owned()),
            carrier: Burden::new(usize::MAX).carrier(),
        };
        let request = Request::builder().method(method).uri(target);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        routes(&self.api).answer(request, peer, None).await
    }
}

async fn view(response: Response) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

/// The next piece of a stream, as it was written.
async fn piece(stream: &mut Response) -> Option<String> {
    let frame = stream.body_mut().frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

/// Reads a stream up to the block that moves the cursor after `caught-up`.
async fn catch_up(stream: &mut Response) {
    while !piece(stream).await.unwrap().contains("caught-up") {}
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_gets_a_comment_every_15_seconds() {
    let inside = Inside::new().await;
    let mut stream = inside.get("/v1/events").await;
    catch_up(&mut stream).await;
    for _ in 0..3 {
        let begun = Instant::now();
        assert_eq!(piece(&mut stream).await.unwrap(), ": keep-alive\n\n");
        assert_eq!(begun.elapsed().as_secs(), 15);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_of_json_lines_gets_an_empty_line() {
    let inside = Inside::new().await;
    let accept = [("accept", "application/x-ndjson")];
    let mut stream = inside.call(Method::GET, "/v1/events", &accept).await;
    catch_up(&mut stream).await;
    assert_eq!(piece(&mut stream).await.unwrap(), "\n");
}

#[tokio::test(start_paused = true)]
async fn a_filtered_stream_that_has_moved_on_says_so_instead_of_a_comment() {
    let inside = Inside::new().await;
    let mut stream = inside.get("/v1/events?topic=a").await;
    catch_up(&mut stream).await;
    inside
        .ask(json!({"title": "elsewhere", "topic": "b"}))
        .await;
    // The history is half of the 14 that the store was made with.
    assert_eq!(piece(&mut stream).await.unwrap(), "id: 7-1\n\n");
    assert_eq!(piece(&mut stream).await.unwrap(), ": keep-alive\n\n");
    inside.ask(json!({"title": "here", "topic": "a"})).await;
    assert!(
        piece(&mut stream)
            .await
            .unwrap()
            .starts_with("event: request\nid: 7-2\n")
    );
    assert_eq!(piece(&mut stream).await.unwrap(), ": keep-alive\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_held_for_as_long_as_it_says() {
    let inside = Inside::new().await;
    let asked = inside.ask(json!({"title": "Deploy?"})).await;
    let tag = asked.headers()["etag"].to_str().unwrap().to_owned();
    let id = view(asked).await["id"].as_str().unwrap().to_owned();
    for (wait, tags, status, secs) in [
        ("7", "\"0\"", 200, 0),
        ("7", &*tag, 304, 7),
        ("600", &*tag, 304, 60),
        ("600", "\"0\", \"1x\"", 200, 0),
    ] {
        let begun = Instant::now();
        let target = format!("/v1/requests/{id}?wait={wait}");
        let known = [("if-none-match", tags)];
        let response = inside.call(Method::GET, &target, &known).await;
        assert_eq!(
            (response.status().as_u16(), begun.elapsed().as_secs()),
            (status, secs)
        );
    }
    let begun = Instant::now();
    let response = inside.get(&format!("/v1/requests/{id}?wait=60")).await;
    assert_eq!(view(response).await["status"], "pending");
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for_longer_than_20_seconds() {
    let inside = Inside::new().await;
    let address = SocketAddr::from(([127, 0, 0, 1], 8888));
    let host = Some("localhost".to_owned());
    let peer = Peer {
        remote: Remote::Network {
            remote: address,
            local: address,
        },
        secure: false,
        host,
        carrier: Burden::new(usize::MAX).carrier(),
    };
    let never =
        futures_util::stream::pending::<Result<hyper::body::Frame<Bytes>, std::io::Error>>();
    let request = Request::post("/v1/requests")
        .header("content-type", "application/json")
        .body(http_body_util::StreamBody::new(never))
        .unwrap();
    let begun = Instant::now();
    let response = routes(&inside.api).answer(request, peer, None).await;
    assert_eq!(response.status(), 408);
    assert_eq!(view(response).await["code"], "body_timeout");
    assert_eq!(begun.elapsed(), Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_winds_down_takes_nothing_new_and_finishes_what_it_can() {
    let inside = Inside::new().await;
    let asked = view(inside.ask(json!({"title": "Deploy?"})).await).await;
    let path = format!("/v1/requests/{}", asked["id"].as_str().unwrap());
    let mut stream = inside.get("/v1/events").await;
    catch_up(&mut stream).await;
    let begun = Instant::now();
    let winding_down = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        inside.drain.cancel();
    };
    let waiting = format!("{path}?wait=60");
    let (held, ()) = tokio::join!(inside.get(&waiting), winding_down);
    assert_eq!(view(held).await["status"], "pending");
    assert_eq!(piece(&mut stream).await, None);

    for response in [
        inside.ask(json!({"title": "Deploy?"})).await,
        inside.get("/v1/events").await,
        inside.get("/readyz").await,
    ] {
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(view(response).await["code"], "draining");
    }
    assert_eq!(inside.get("/livez").await.status(), 200);
    assert_eq!(
        inside.get(&waiting).await.status(),
        200,
        "and it is not held"
    );
    let body = json!({"verdict": "approve"}).to_string();
    let headers = [("content-type", "application/json")];
    let target = format!("{path}/decision");
    let decided = inside.send(Method::POST, &target, &headers, body).await;
    assert_eq!(view(decided).await["status"], "approved");
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}
