//! What the processes of a crowd do.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, sleep};

use super::census::may_open;
use super::hostile::{get, narrow};
use super::http2::{self, Frame, frame};
use crate::call::Clients;

/// Names the role, the daemon and the size to a process that is to play one.
pub(super) const ROLE: &str = "PUSHD_TEST_ROLE";

/// No test of its own: a process of [`super::crowd`], until its standard input ends.
#[test]
#[ignore = "plays a role in other tests"]
fn a_role() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let words: Vec<_> = role.split(' ').collect();
    let [role, address, size] = words[..] else {
        panic!("{role:?} is no role");
    };
    let (address, size) = (address.parse().unwrap(), size.parse().unwrap());
    may_open(19_000);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::spawn(|| {
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        std::process::exit(0);
    });
    match role {
        "waiters" => runtime.block_on(waiters(address, size)),
        "hostile" => runtime.block_on(hostile(address, size)),
        _ => panic!("{role:?} is no role"),
    }
}

/// Polls one of a hundred requests, again and again.
async fn waiters(address: SocketAddr, count: usize) {
    let clients = Clients::new(address);
    let mut ids = Vec::new();
    for number in 0..100 {
        let members = json!({"title": format!("crowd {number}"), "expires_in_secs": 86_400});
        let ask = clients.http1.post(format!("http://{address}/v1/requests"));
        let ask = ask
            .header("content-type", "application/json")
            .body(members.to_string());
        let answer = ask.send().await.unwrap().bytes().await.unwrap();
        let view: Value = serde_json::from_slice(&answer).unwrap();
        ids.push(view["id"].as_str().unwrap().to_owned());
    }
    for number in 0..count {
        let path = format!("/v1/requests/{}?wait=60", ids[number % ids.len()]);
        tokio::spawn(wait(address, get(&path)));
        // As they come in a crowd, and not all in the same instant.
        if number % 50 == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    }
    std::future::pending::<()>().await;
}

async fn wait(address: SocketAddr, poll: Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut space = [0; 4096];
    loop {
        stream.write_all(&poll).await.unwrap();
        // An answer is small and comes in one piece.
        let read = stream.read(&mut space).await.unwrap();
        assert!(
            space[..read].starts_with(b"HTTP/1.1 200"),
            "a waiter is refused"
        );
    }
}

/// All kinds of hostile peers at once. Whoever is closed comes again after a second.
async fn hostile(address: SocketAddr, size: usize) {
    let list = get("/v1/requests?topic=large");
    let stream = get("/v1/events");
    let head = "POST /v1/requests HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/json\r\ncontent-length: 500000\r\n\r\n";
    let body = [head.as_bytes(), &vec![b' '; 300_000]].concat();
    let mut windowless = http2::opening(&[(http2::INITIAL_WINDOW, 0)]);
    let mut streams = http2::opening(&[]);
    for number in 0..200 {
        windowless.extend(http2::get(number, "/v1/requests?topic=large&limit=1"));
        streams.extend(http2::get(number, "/v1/events"));
    }
    let resets =
        (0..200).flat_map(|number| [http2::get(number, "/v1/events"), http2::reset(number)]);
    let resets = [http2::opening(&[]), resets.flatten().collect()].concat();
    let pings = frame(Frame::Ping, 0, 0, &[7; 8]).repeat(1000);
    let pings = [http2::opening(&[]), pings].concat();
    for (says, count) in [
        (list.clone(), 20),
        (list.repeat(100), 5),
        (stream, 20),
        (body, 20),
        (windowless, 2),
        (streams, 1),
        (resets, 1),
        (pings, 1),
        (Vec::new(), 50),
        (b"GET / HTTP/1.1\r\nx: ".to_vec(), 40),
        (head.as_bytes().to_vec(), 20),
    ] {
        for number in 0..count * size {
            tokio::spawn(keep_saying(address, says.clone(), phase(number)));
        }
    }
    for number in 0..10 * size {
        tokio::spawn(sip(address, list.clone(), phase(number)));
    }
    std::future::pending::<()>().await;
}

/// When in a second a peer does what it does: they know nothing of each other, so not all at once.
fn phase(number: usize) -> Duration {
    Duration::from_millis((number * 617 % 1000) as u64)
}

/// Says this, then a byte a second, and never reads.
async fn keep_saying(address: SocketAddr, says: Vec<u8>, phase: Duration) {
    sleep(phase).await;
    loop {
        if let Ok(mut stream) = narrow(address).await {
            let mut second = interval(Duration::from_secs(1));
            let trickles = !says.is_empty() && !says.starts_with(b"PRI");
            // It may be stuck or closed, or never be looked at: that is what is tried.
            let mut said = stream.write_all(&says).await;
            while said.is_ok() {
                second.tick().await;
                said = if trickles {
                    stream.write_all(b" ").await
                } else {
                    closed(&stream)
                };
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// An error once the other side has closed.
fn closed(stream: &TcpStream) -> std::io::Result<()> {
    match stream.try_read(&mut [0; 1]) {
        Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
        Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Reads a few bytes a second.
async fn sip(address: SocketAddr, says: Vec<u8>, phase: Duration) {
    sleep(phase).await;
    loop {
        if let Ok(mut stream) = narrow(address).await {
            let mut second = interval(Duration::from_secs(1));
            if stream.write_all(&says).await.is_ok() {
                while let Ok(1..) = stream.read(&mut [0; 10]).await {
                    second.tick().await;
                }
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}
