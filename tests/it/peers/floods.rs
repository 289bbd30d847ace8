//! Peers that keep the daemon busy with what HTTP/2 allows them to say.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::healthy::Healthy;
use super::http2::{self, Frame, frame};
use crate::daemon::{Daemon, setup};
use crate::until::soon;

/// Says all of it, reading what comes; answers whether the daemon has closed the connection.
async fn flood(daemon: &Daemon, says: &[u8]) -> bool {
    let stream = TcpStream::connect(daemon.address()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut space = vec![0; 64 * 1024];
        while let Ok(1..) = read.read(&mut space).await {}
    });
    let written = soon("the flood to be over", write.write_all(says)).await;
    let closed = written.is_err() || {
        // A call that is answered after the flood shows that the connection lives.
        let closed = tokio::time::timeout(std::time::Duration::from_secs(3), reading);
        closed.await.is_ok()
    };
    drop(write);
    closed
}

#[tokio::test]
async fn floods_of_http2_frames_end_their_connection_or_cost_nothing() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let mut healthy = Healthy::new(&daemon).await;
    let before = daemon.census();
    let opening = http2::opening(&[]);
    let poll = format!("/v1/requests/{id}?wait=60");
    let resets = (0..20_000).flat_map(|number| [http2::get(number, &poll), http2::reset(number)]);
    let resets: Vec<u8> = resets.flatten().collect();
    let block = http2::block(0x82, "/livez", &[]);
    let endless = frame(Frame::Headers, 0, 1, &block);
    let more = frame(Frame::Continuation, 0, 1, &[0x82; 1000]);
    let empty = frame(Frame::Continuation, 0, 1, &[]);
    let ping = frame(Frame::Ping, 0, 0, &[7; 8]);
    let settings = frame(Frame::Settings, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]);
    let floods = [
        ("resets", resets, true),
        (
            "headers",
            [endless.clone(), more.repeat(2000)].concat(),
            true,
        ),
        (
            "empty headers",
            [endless, empty.repeat(20_000)].concat(),
            true,
        ),
        // These are answered one by one, and cost a peer as much as they cost us.
        ("pings", ping.repeat(100_000), false),
        ("settings", settings.repeat(50_000), false),
    ];
    for (name, flooding, ends) in floods {
        let says = [opening.clone(), flooding].concat();
        let both = tokio::join!(flood(&daemon, &says), healthy.approvals(3));
        assert_eq!(both.0, ends, "{name}");
    }
    daemon.waiters_are(0).await;
    daemon.is_as(before, 96).await;
}

/// One stream more than is allowed is refused, and the others go on.
#[tokio::test]
async fn http2_streams_beyond_their_limit_are_refused_one_by_one() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let mut says = http2::opening(&[]);
    for number in 0..300 {
        says.extend(http2::get(number, &format!("/v1/requests/{id}?wait=60")));
    }
    let mut stream = TcpStream::connect(daemon.address()).await.unwrap();
    stream.write_all(&says).await.unwrap();
    daemon.waiters_are(256).await;
    drop(stream);
    daemon.waiters_are(0).await;
}

/// What h2 refuses by itself has a status and no body; nothing of ours is asked.
#[tokio::test]
async fn an_http2_head_that_is_too_large_is_refused_by_its_status_alone() {
    let daemon = setup().start();
    let call = daemon.call_http2(reqwest::Method::GET, "/livez");
    let answer = call.header("x-large", &"x".repeat(40_000)).open().await;
    assert_eq!(answer.status(), 431);
    assert_eq!(answer.bytes().await.unwrap(), "");
    let call = daemon.call_http2(reqwest::Method::GET, "/livez").await;
    assert_eq!(call.status, 200);
}
