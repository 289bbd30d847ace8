//! How a connection begins on a port that speaks TLS.

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::Tls;
use crate::limits;
use crate::server::socket::Socket;

/// The first byte of a TLS handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// How a peer has begun.
pub(in crate::server) enum Greeting {
    /// By TLS, which both sides agree on.
    Tls(Box<TlsStream<Socket>>),
    /// By a word of plain HTTP; nothing has been read of it yet.
    Plain(TcpStream),
    /// By nothing that leads anywhere.
    Nothing,
}

/// Waits for the peer to begin, and carries out the handshake if it begins with one; within
/// [`limits::HANDSHAKE_TIME`]. Safe to drop at any time: the connection is closed then.
pub(in crate::server) async fn greet(stream: TcpStream, tls: &Tls) -> Greeting {
    let greeting = timeout(limits::HANDSHAKE_TIME, begin(stream, tls)).await;
    greeting.unwrap_or_else(|_| {
        tracing::debug!("a TLS handshake did not come to an end in time");
        tls.metrics.tls().failed.inc();
        Greeting::Nothing
    })
}

async fn begin(stream: TcpStream, tls: &Tls) -> Greeting {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1..) if first == [HANDSHAKE] => {}
        // A method of HTTP, of which all begin with a letter (RFC 9110 section 9.1).
        Ok(1..) if first[0].is_ascii_alphabetic() => return Greeting::Plain(stream),
        // Somebody who only looks whether the port is open says nothing, and is no failure.
        Ok(0) | Err(_) => return Greeting::Nothing,
        Ok(_) => {
            tls.metrics.tls().failed.inc();
            return Greeting::Nothing;
        }
    }
    let accepting = tls.acceptor().accept_with(Socket::new(stream), |session| {
        session.set_buffer_limit(Some(limits::TLS_BUFFER_BYTES));
    });
    match accepting.await {
        Ok(stream) => Greeting::Tls(Box::new(stream)),
        Err(error) => {
            tracing::debug!(%error, "TLS handshake");
            tls.metrics.tls().failed.inc();
            Greeting::Nothing
        }
    }
}
