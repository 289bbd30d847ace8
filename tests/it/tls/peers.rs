//! Peers that do not speak TLS, or not to its end.

use rustix::process::Signal;

use crate::authority::Authority;
use crate::daemon::{Daemon, setup};
use crate::raw::Socket;

fn daemon() -> Daemon {
    Daemon::secured(setup().in_memory(), &Authority::new())
}

/// The first bytes of a handshake, and no more: a record of 512 bytes that does not come.
const BEGUN: [u8; 5] = [22, 3, 1, 2, 0];

#[tokio::test]
async fn a_handshake_that_does_not_go_on_holds_up_nobody_and_ends() {
    let daemon = daemon();
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut socket = daemon.socket().await;
        socket.say(BEGUN).await;
        slow.push(socket);
    }
    let mut silent = daemon.socket().await;
    assert_eq!(daemon.get("/v1/me").await.status, 200);
    for socket in &mut slow {
        socket.closed().await;
    }
    silent.closed().await;
    let failed = daemon.metric("pushd_tls_handshakes_failed_total").await;
    assert!(failed >= 21, "{failed}");
    daemon.metric_is("pushd_connections", 1).await;
}

#[tokio::test]
async fn a_plain_call_is_told_to_come_by_tls() {
    let daemon = daemon();
    let mut socket = daemon.socket().await;
    socket
        .say("POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n{}\n")
        .await;
    let answer = socket.answer().await;
    assert_eq!(answer.bare_problem(), (400, "tls_required".to_owned()));
    assert!(answer.detail().contains("https://"), "{answer:?}");
    socket.closed().await;
    let refused = "pushd_problems_total{code=\"tls_required\"}";
    daemon.metric_is(refused, 1).await;
}

#[tokio::test]
async fn what_is_neither_is_let_go() {
    let daemon = daemon();
    for bytes in [
        &b"\x00\x01\x02"[..],
        b"\x80\x2e\x01",
        b"\x16\x03\x01\x00\x01\xff",
    ] {
        let mut socket: Socket = daemon.socket().await;
        socket.say(bytes).await;
        let said = socket.closed().await;
        assert!(!said.starts_with(b"HTTP"), "{said:?}");
    }
    assert_eq!(daemon.get("/v1/me").await.status, 200);
}

#[tokio::test]
async fn a_handshake_does_not_keep_the_daemon_from_ending() {
    let mut daemon = setup()
        .in_memory()
        .flags("--drain 1h")
        .tls(&Authority::new().signs(&["127.0.0.1"]))
        .start();
    let mut begun = daemon.socket().await;
    begun.say(BEGUN).await;
    begun.heard().await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0));
    begun.closed().await;
}
