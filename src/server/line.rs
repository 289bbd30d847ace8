//! What HTTP is spoken on: a socket as it is, or TLS on one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;
use tokio_rustls::server::TlsStream;

use super::socket::Socket;
use crate::limits;

/// One of the two. It is one type for both, so that HTTP is compiled once, and a plain connection
/// has nothing of TLS in it but this choice.
#[derive(Debug)]
pub(super) enum Line {
    /// A socket as it is.
    Plain(Socket),
    /// TLS, with a socket of its own.
    Tls(Box<TlsStream<Socket>>),
}

impl Line {
    /// The socket underneath.
    pub(super) fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Whether TLS keeps others from reading and changing what is said.
    pub(super) const fn is_secure(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// HTTP/1.1, or 1.0.
    One,
    /// HTTP/2.
    Two,
}

impl Version {
    /// What HTTP/2 begins with (RFC 9113 section 3.4), as far as HTTP/1.1 has no method like it.
    const PREFACE: &[u8; 4] = b"PRI ";

    /// The version that begins like this; `None` when more has to be known.
    fn of(first: &[u8]) -> Option<Self> {
        match first.get(..Self::PREFACE.len()) {
            Some(start) if start == Self::PREFACE => Some(Self::Two),
            None if Self::PREFACE.starts_with(first) => None,
            Some(_) | None => Some(Self::One),
        }
    }
}

impl Line {
    /// Waits until the peer has shown which version it speaks, and takes nothing of what it says;
    /// `None` when it has gone. Safe to drop at any time.
    ///
    /// TLS has agreed on one (RFC 9113 section 3.2). hyper-util would tell the versions apart as
    /// well, but it reads the first bytes by themselves to do so; hyper's buffer then holds twice
    /// the memory for as long as the connection lasts.
    pub(super) async fn version(&self) -> Option<Version> {
        match self {
            Self::Tls(stream) => Some(match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Version::Two,
                Some(_) | None => Version::One,
            }),
            Self::Plain(socket) => {
                let (mut first, mut pause) = ([0; Version::PREFACE.len()], limits::VERSION_LOOK);
                loop {
                    let (come, is_all) = socket.peek(&mut first).await.ok()?;
                    if let Some(version) = Version::of(&first[..come]) {
                        return Some(version);
                    }
                    if is_all {
                        return None;
                    }
                    // It lies there unread, so nothing but looking again tells of more. Whoever sends
                    // the first of it and no more is looked at ever less often.
                    sleep(pause).await;
                    pause = (pause * 2).min(limits::UNREAD_LOOK);
                }
            }
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    /// Over TLS it says so before it closes, so that the peer knows that nothing was cut off
    /// (RFC 8446 section 6.1).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_version() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        for come in 1..4 {
            assert_eq!(Version::of(&preface[..come]), None, "{come}");
        }
        assert_eq!(Version::of(&preface[..4]), Some(Version::Two));
        for first in [
            "G", "GET ", "POST", "PUT ", "PR\r\n", "PRIM", "\r\nPR", "PP",
        ] {
            assert_eq!(
                Version::of(first.as_bytes()),
                Some(Version::One),
                "{first:?}"
            );
        }
    }
}
