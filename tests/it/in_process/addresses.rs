//! Connections of one address, with addresses of this machine that count as foreign ones.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use pushd::server::{Listener, PerAddress, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::Inside;
use crate::until::{soon, until};

/// The address of this machine that ends like this.
const fn here(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

/// What is answered to one call on a new connection from `source`, and the connection.
async fn call(source: IpAddr, server: SocketAddr) -> (String, TcpStream) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source, 0)).unwrap();
    let mut stream = socket.connect(server).await.unwrap();
    let get = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Whoever is turned away may find the connection closed already.
    let mut answer = Vec::new();
    if stream.write_all(get).await.is_ok() {
        let reading = async {
            let ends = [b"live\n".as_slice(), b"}".as_slice()];
            while !ends.iter().any(|end| answer.ends_with(end)) {
                match stream.read_buf(&mut answer).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
            }
        };
        soon("an answer", reading).await;
    }
    (String::from_utf8(answer).unwrap(), stream)
}

#[tokio::test]
async fn one_address_does_not_take_the_places_of_others() {
    let inside = Inside::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let routes = pushd::http::routes(&inside.api);
    let metrics = std::sync::Arc::clone(&inside.api.metrics);
    let kept_out = inside.api.approvals.leases().kept_out();
    let serving = Server::new(routes, metrics, 100, inside.drain.clone())
        .with_per_address(PerAddress::of(2, |address| address != here(1)))
        .with_kept_out(kept_out.clone())
        .run(vec![Listener::Network(listener)], Duration::from_secs(1));
    let story = async {
        let mut open = Vec::new();
        for source in [2, 2, 3, 3, 1, 1, 1, 1] {
            let (answer, stream) = call(here(source), server).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{source}: {answer}");
            open.push((source, stream));
        }
        assert!(!kept_out.is_noted());
        for _ in 0..30 {
            let (answer, _) = call(here(2), server).await;
            assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
            assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
            assert!(
                answer.contains("too_many_connections_of_address"),
                "{answer}"
            );
        }
        assert!(kept_out.is_noted(), "leases are told of it");
        // A place that is free again is given again, and those of others stay theirs.
        open.retain(|(source, _)| *source != 2);
        until("a free place", async || {
            let (answer, _) = call(here(2), server).await;
            answer.starts_with("HTTP/1.1 200").then_some(())
        })
        .await;
        let (answer, _) = call(here(3), server).await;
        assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    };
    tokio::select! {
        () = serving => unreachable!("it was not told to end"),
        () = story => {}
    }
}
