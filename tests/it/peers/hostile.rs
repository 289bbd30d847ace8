//! What hostile peers do on their sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authority::Authority;
use crate::daemon::Daemon;
use crate::until::soon;

/// Opens `count` connections with hardly any room for what comes, says the same on each, and reads
/// nothing.
pub(super) async fn deaf(address: SocketAddr, count: usize, says: &[u8]) -> Vec<TcpStream> {
    let connections = (0..count).map(async |_| {
        let mut stream = narrow(address).await.unwrap();
        // It may be too much for the daemon, which then closes; that is what is tested.
        drop(stream.write_all(says).await);
        stream
    });
    soon("the connections", join_all(connections)).await
}

/// The same over TLS, with a daemon whose certificate is of `authority`.
pub(super) async fn deaf_over_tls(
    address: SocketAddr,
    authority: &Authority,
    count: usize,
    says: &[u8],
) -> Vec<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let trusting = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tls = TlsConnector::from(Arc::new(trusting));
    let connections = (0..count).map(async |_| {
        let stream = narrow(address).await.unwrap();
        let name = ServerName::from(address.ip());
        let mut stream = tls.connect(name, stream).await.unwrap();
        drop(stream.write_all(says).await);
        stream
    });
    soon("the connections", join_all(connections)).await
}

/// A connection with hardly any room for what comes.
pub(super) async fn narrow(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(address).await
}

/// A call by GET, for connections that stay open.
pub(super) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// Makes requests that are as large as any when they are written down: characters that JSON writes
/// with six. Answers their ids.
pub(super) async fn large_requests(daemon: &Daemon, count: usize) -> Vec<String> {
    let details = "\u{1}".repeat(64 * 1024);
    let mut ids = Vec::new();
    for _ in 0..count {
        let asked = daemon
            .asking(&json!({"title": "large", "topic": "large", "details": details}))
            .await;
        assert_eq!(asked.status, 201);
        ids.push(asked.id());
    }
    ids
}

/// Waits until the daemon has closed all of these, reading on; answers how many bytes came.
pub(super) async fn read_out(connections: &mut [TcpStream]) -> usize {
    let reading = connections.iter_mut().map(async |stream| {
        let (mut space, mut sum) = (vec![0; 64 * 1024], 0);
        while let Ok(read @ 1..) = stream.read(&mut space).await {
            sum += read;
        }
        sum
    });
    join_all(reading).await.into_iter().sum()
}
