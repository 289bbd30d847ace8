//! What people do through a proxy, and what they do not notice.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use crate::daemon::setup;
use crate::event_stream::fill;
use crate::programs::{Requester, approver};
use crate::proxies::proxy::{Kind, Proxy};
use crate::until::until;

/// Streams are not held back, polls are held as long as they say, and the daemon's keep-alives
/// come through as they are sent.
async fn streams_and_polls_come_through(kind: Kind) {
    let mut daemon = setup().start();
    let proxy = Proxy::before(&daemon, kind).await;
    let direct = std::mem::replace(&mut daemon.clients, proxy.clients());
    let mut stream = daemon.listen("").await;
    stream.beginning().await;
    let id = daemon.ask("Deploy?").await;
    assert_eq!(stream.event().await.data["id"], *id);
    let held = daemon.get(&format!("/v1/requests/{id}?wait=17")).spawn();
    daemon.waiters_are(1).await;
    // Beyond what tests wait otherwise: it comes after 15 quiet seconds.
    let comment = timeout(Duration::from_secs(40), stream.next_block()).await;
    assert_eq!(comment.unwrap().as_deref(), Some(": keep-alive\n\n"));
    let held = timeout(Duration::from_secs(40), held)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(held.status, 200);
    assert_eq!(held.json()["status"], "pending");
    assert_eq!(held.header("preference-applied"), Some("wait=17"));
    daemon.approve(&id).await;
    assert_eq!(stream.event().await.data["status"], "approved");
    // The proxy used its connections again: the daemon holds two idle ones at most beside the stream's.
    daemon.clients = direct;
    assert!(daemon.metric("pushd_connections").await <= 4);
}

#[tokio::test]
async fn streams_and_polls_come_through_nginx() {
    streams_and_polls_come_through(Kind::Nginx).await;
}

#[tokio::test]
async fn streams_and_polls_come_through_caddy() {
    streams_and_polls_come_through(Kind::Caddy).await;
}

async fn restarts_and_reloads_are_survived(kind: Kind) {
    let daemon = setup().start();
    let mut proxy = Proxy::before(&daemon, kind).await;
    let url = proxy.url();
    let mut requester = Requester::start(&url, &["-m", "Deploy?", "--timeout", "2s"]);
    requester.told("asked").await;
    let terminal = approver(&url);
    terminal.wait_for("Deploy?");
    proxy.stop();
    requester.told("trouble").await;
    daemon.subscribers_are(0).await;
    proxy.start_again().await;
    requester.told("the trouble is over").await;
    daemon.subscribers_are(1).await;
    assert!(requester.runs());
    terminal.answer("y");
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");

    let requester = Requester::start(&url, &["-m", "And this?", "--timeout", "2s"]);
    requester.told("asked").await;
    terminal.wait_for("And this?");
    proxy.reload();
    // The stream is cut with what served it before, and opened again.
    daemon.subscribers_are(0).await;
    daemon.subscribers_are(1).await;
    terminal.answer("n not today");
    let left = requester.left().await;
    assert_eq!(left.code, Some(1), "{left:?}");
    assert_eq!(daemon.requests().await.len(), 2, "nothing was asked twice");
}

#[tokio::test]
async fn restarts_and_reloads_of_nginx_are_survived() {
    restarts_and_reloads_are_survived(Kind::Nginx).await;
}

#[tokio::test]
async fn restarts_and_reloads_of_caddy_are_survived() {
    restarts_and_reloads_are_survived(Kind::Caddy).await;
}

async fn the_clients_host_decides_and_forwarded_addresses_are_not_believed(kind: Kind) {
    let mut daemon = setup().flags("--allow-host approvals.example.org").start();
    let proxy = Proxy::before(&daemon, kind).await;
    daemon.clients = proxy.clients();
    let named = |host: &str, origin: &str| {
        daemon
            .asking(&json!({"title": "Deploy?"}))
            .header("host", host)
            .header("origin", origin)
            .header("x-forwarded-for", "192.0.2.66")
            .header("forwarded", "for=192.0.2.66")
    };
    let (own, other) = ("approvals.example.org", "evil.example.org");
    let asked = named(own, "https://approvals.example.org").await;
    assert_eq!(asked.status, 201, "{asked:?}");
    assert_eq!(asked.json()["requester"]["address"], "127.0.0.1");
    let refused = named(other, "https://evil.example.org").await;
    assert_eq!(refused.problem(), (421, "wrong_host".to_owned()));
    let refused = named(own, "https://evil.example.org").await;
    assert_eq!(refused.problem(), (403, "foreign_origin".to_owned()));
}

#[tokio::test]
async fn the_clients_host_decides_behind_nginx() {
    the_clients_host_decides_and_forwarded_addresses_are_not_believed(Kind::Nginx).await;
}

#[tokio::test]
async fn the_clients_host_decides_behind_caddy() {
    the_clients_host_decides_and_forwarded_addresses_are_not_believed(Kind::Caddy).await;
}

/// A proxy that buffered would take everything off the daemon's hands and fill its own disk with
/// it, up to a gigabyte for each reader that does not keep up.
async fn a_reader_that_is_stuck_is_seen_to_be_by_the_daemon(kind: Kind) {
    let daemon = setup().start();
    let proxy = Proxy::before(&daemon, kind).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stuck = socket.connect(proxy.address()).await.unwrap();
    let call = "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stuck.write_all(call.as_bytes()).await.unwrap();
    daemon.subscribers_are(1).await;
    // More than all the sockets on the way hold.
    fill(&daemon, 400).await;
    let mut looks = Vec::new();
    until("the daemon to be stuck", async || {
        looks.push(daemon.metric("pushd_slowest_subscriber_events").await);
        let last = looks.last_chunk::<30>()?;
        (last[0] > 0 && last.iter().all(|behind| *behind == last[0])).then_some(())
    })
    .await;
    drop(stuck);
    daemon.subscribers_are(0).await;
}

#[tokio::test]
async fn a_reader_that_is_stuck_behind_nginx_is_seen_to_be() {
    a_reader_that_is_stuck_is_seen_to_be_by_the_daemon(Kind::Nginx).await;
}

#[tokio::test]
async fn a_reader_that_is_stuck_behind_caddy_is_seen_to_be() {
    a_reader_that_is_stuck_is_seen_to_be_by_the_daemon(Kind::Caddy).await;
}
