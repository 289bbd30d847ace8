//! What goes through a relay, and what stays outside.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{relay, relay_to};
use crate::daemon::setup;

/// What somebody in a daemon's place is sent for these bytes.
async fn heard_of(bytes: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/below", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 16 * 1024];
            let read = stream.read(&mut bytes).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            if !text.contains("/readyz") {
                told.lock().unwrap().push_str(&text);
            }
            let answer = "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 2\r\n\
                          connection: close, x-hop\r\nx-hop: 1\r\nset-cookie: a=b\r\n\r\nok";
            drop(stream.write_all(answer.as_bytes()).await);
        }
    });
    let (setup, command) = relay(&url, "--listen 127.0.0.1:0");
    let relay = setup.start_by(command);
    let reply = relay.say(bytes).await;
    // A redirect is the caller's to follow.
    assert_eq!(reply.status, 302, "{reply:?}");
    assert_eq!(reply.header("location"), Some("/elsewhere"));
    assert_eq!(reply.header("set-cookie"), Some("a=b"));
    assert_eq!((reply.header("x-hop"), reply.text().as_str()), (None, "ok"));
    heard.lock().unwrap().clone()
}

#[tokio::test]
async fn who_calls_goes_on_and_what_is_about_the_connection_does_not() {
    let heard = heard_of(
        "GET /v1/me?x=%2e HTTP/1.1\r\nHost: approvals.example\r\nAuthorization: Bearer x\r\n\
         Cookie: pushd=y\r\nOrigin: https://approvals.example\r\nConnection: keep-alive, x-secret\r\n\
         X-Secret: 1\r\nUpgrade: websocket\r\nTE: trailers\r\nProxy-Authorization: Basic eA==\r\n\
         X-Forwarded-For: 10.1.2.3\r\n\r\n",
    )
    .await
    .to_ascii_lowercase();
    assert!(
        heard.starts_with("get /below/v1/me?x=%2e http/1.1\r\n"),
        "{heard}"
    );
    for line in [
        "host: approvals.example\r\n",
        "authorization: bearer x\r\n",
        "cookie: pushd=y\r\n",
        "origin: https://approvals.example\r\n",
        "x-forwarded-for: 10.1.2.3, 127.0.0.1\r\n",
        "via: 1.1 pushd-relay-",
    ] {
        assert!(heard.contains(line), "no {line:?} in {heard}");
    }
    for word in [
        "x-secret",
        "upgrade",
        "te:",
        "proxy-",
        "keep-alive",
        "pushd-relayed",
    ] {
        assert!(!heard.contains(word), "{word:?} in {heard}");
    }
}

#[tokio::test]
async fn paths_that_are_not_for_callers_lead_nowhere() {
    let daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    for path in [
        "/v1/../metrics",
        "/v1/%2e%2e/metrics",
        "/elsewhere",
        "/sure",
        "/v1",
    ] {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let reply = relay.say(bytes).await;
        assert_eq!(reply.problem(), (404, "no_such_path".to_owned()), "{path}");
    }
    // Its figures are its own.
    let figures = relay.get("/metrics").open().await.text().await.unwrap();
    assert!(figures.contains("pushd_relay_calls_open"), "{figures}");
    assert!(!figures.contains("pushd_waiters"), "{figures}");
    let rebound = relay.get("/metrics").header("host", "evil.example");
    assert_eq!(rebound.open().await.status(), 421);
}

#[tokio::test]
async fn the_daemon_judges_hosts_and_pages_as_if_they_had_come_to_it() {
    let daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    let rebound = relay.get("/v1/me").header("host", "evil.example").await;
    assert_eq!(rebound.problem(), (421, "wrong_host".to_owned()));
    let foreign = relay
        .asking(&json!({"title": "Deploy?"}))
        .header("origin", "http://evil.example")
        .await;
    assert_eq!(foreign.problem(), (403, "foreign_origin".to_owned()));
    let own = relay
        .asking(&json!({"title": "Deploy?"}))
        .header("origin", &relay.url())
        .await;
    assert_eq!(own.status, 201);
}

#[tokio::test]
async fn bodies_and_calls_have_their_bounds_at_the_relay() {
    let daemon = setup().start();
    let relay = relay_to(&[&daemon], "--max-body-bytes 8192 --max-calls 1");
    let large = json!({"title": "Deploy?", "details": "x".repeat(9000)});
    let reply = relay.asking(&large).await;
    assert_eq!(reply.problem(), (413, "body_too_large".to_owned()));
    assert_eq!(reply.header("connection"), Some("close"));
    let id = relay.ask("Deploy?").await;
    let held = relay.get(&format!("/v1/requests/{id}?wait=60")).spawn();
    daemon.waiters_are(1).await;
    let reply = relay.get("/v1/me").open().await;
    assert_eq!(reply.status(), 503);
    held.abort();
    daemon.waiters_are(0).await;
}

/// A relay that leads to itself would call itself without end.
#[tokio::test]
async fn a_relay_that_leads_to_itself_says_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (setup, command) = relay(&format!("http://{address}"), &format!("--listen {address}"));
    let relay = setup.start_by(command);
    let answer = relay.get("/v1/me").open().await;
    assert_eq!(answer.status(), 508);
    assert!(answer.text().await.unwrap().contains("relay_loop"));
}

/// The address of who called the relay is the one that is shown, and only where the daemon was told
/// to believe it.
#[tokio::test]
async fn a_daemon_believes_the_proxies_that_it_was_told_to() {
    for (flags, expected) in [
        ("", "127.0.0.1"),
        ("--trust-proxy 192.0.2.9,127.0.0.1", "198.51.100.7"),
    ] {
        let daemon = setup().flags(flags).start();
        let believing = "--trust-proxy 127.0.0.1 --trust-everybody-on-the-network";
        let relay = relay_to(&[&daemon], believing);
        let call = relay.get("/v1/me");
        let me = call
            .header("x-forwarded-for", "10.0.0.1, 198.51.100.7")
            .await;
        assert_eq!(me.json()["address"], expected, "{flags}");
    }
}

/// By HTTP/2 a stranger has many calls on one connection, and would hold all that a relay has.
#[tokio::test]
async fn one_address_does_not_hold_all_calls() {
    let daemon = setup().start();
    let flags = "--max-connections-per-address 2 --trust-proxy 127.0.0.1 \
                 --trust-everybody-on-the-network";
    let relay = relay_to(&[&daemon], flags);
    let id = relay.ask("Deploy?").await;
    let poll = |from: &str| {
        let path = format!("/v1/requests/{id}?wait=60");
        let call = relay.call_http2(Method::GET, &path);
        call.header("x-forwarded-for", from)
    };
    let held = [(); 2].map(|()| poll("198.51.100.7").spawn());
    daemon.waiters_are(2).await;
    let refused = poll("198.51.100.7").await;
    let expected = (429, "too_many_connections_of_address".to_owned());
    assert_eq!(refused.problem(), expected);
    let other = poll("198.51.100.8").spawn();
    daemon.waiters_are(3).await;
    daemon.approve(&id).await;
    for held in held.into_iter().chain([other]) {
        assert_eq!(held.await.unwrap().json()["status"], "approved");
    }
}
