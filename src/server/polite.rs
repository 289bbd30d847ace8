//! A socket that refuses in whole sentences, and hears its peer out.
//!
//! What is no HTTP reaches no route: hyper answers it by itself, with a status and an empty body.
//! Here that answer gets the body that all errors have. And a connection that ends with a refusal
//! is not let go while the peer is still sending, because closing a socket with unread bytes in it
//! takes the answer away again (RFC 9112 section 9.6).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use warp::http::StatusCode;

use crate::http::{Kind, Problem};
use crate::limits;
use crate::wire::media;

/// A socket as described above.
#[derive(Debug)]
pub(super) struct Polite<S> {
    socket: S,
    // An answer of ours that is still to be written, and how much of it was.
    answer: Vec<u8>,
    written: usize,
    // The last answer on this connection was a refusal.
    refused: bool,
    parting: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Polite<S> {
    /// A polite `socket`.
    pub(super) fn new(socket: S) -> Self {
        Self {
            socket,
            answer: Vec::new(),
            written: 0,
            refused: false,
            parting: None,
        }
    }

    /// Writes the rest of our own answer.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.answer.get(self.written..) {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Looks at what is about to be written; answers whether it was replaced by an answer of ours.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        // hyper begins a write with the head of an answer or with a part of a body; only heads are
        // of interest, and no body of ours begins like one.
        if !bytes.starts_with(b"HTTP/1.") {
            return false;
        }
        self.refused = bytes.get(8..10) == Some(b" 4");
        match bare_refusal(bytes) {
            Some(problem) => {
                (self.answer, self.written) = (bare(&problem), 0);
                true
            }
            None => false,
        }
    }

    /// Reads and forgets until the peer has no more to say or the time for it is over.
    fn poll_hear_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let parting = self
            .parting
            .get_or_insert_with(|| Box::pin(sleep(limits::PARTING_TIME)));
        if parting.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut space = [0; 4096];
        loop {
            let mut read = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

/// The problem that hyper's own answer stands for. Answers of ours always have a body.
fn bare_refusal(bytes: &[u8]) -> Option<Problem> {
    // Every answer comes by here, and nearly none is of these.
    if !matches!(bytes.get(9..12), Some(b"400" | b"431")) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .or(text.strip_prefix("HTTP/1.0 "))?;
    let is_empty = text.ends_with("\r\n\r\n")
        && text
            .split("\r\n")
            .any(|line| line.eq_ignore_ascii_case("content-length: 0"));
    if !is_empty {
        return None;
    }
    let status: StatusCode = status.get(..3)?.parse().ok()?;
    match status {
        StatusCode::BAD_REQUEST => Some(Problem::new(
            Kind::InvalidHttp,
            "what came is no call as HTTP/1.1 writes it",
        )),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            let most = limits::HEAD_BYTES;
            let detail = format!("request line and headers are larger than {most} bytes");
            Some(Problem::new(Kind::HeadTooLarge, detail))
        }
        _ => None,
    }
}

/// A problem as the last answer on a connection, for when no route can give it.
pub(super) fn bare(problem: &Problem) -> Vec<u8> {
    let (status, _) = problem.kind.row();
    let body = serde_json::to_vec(&problem.view())
        .expect("a problem has text keys and writes without errors");
    let retry_after = problem.retry_after().map_or_else(String::new, |wait| {
        format!("retry-after: {}\r\n", wait.as_secs())
    });
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {}\r\ncontent-length: {}\r\n{retry_after}\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
        media::PROBLEM,
        body.len(),
    );
    [head.as_bytes(), &body].concat()
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Polite<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Polite<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_answer(cx))?;
        if self.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_answer(cx))?;
        // A head is always the first slice, and hyper's own answer has no other.
        if let Some(first) = slices.first()
            && self.replaces(first)
        {
            return Poll::Ready(Ok(first.len()));
        }
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.parting.is_none() {
            ready!(self.poll_answer(cx))?;
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        }
        if self.refused {
            ready!(self.poll_hear_out(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    const EMPTY: &[u8] =
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_bare_refusal_gets_a_body() {
        // A pipe that takes a few bytes at a time, so that writing stops in between.
        let (ours, mut theirs) = duplex(7);
        let mut polite = Polite::new(ours);
        let writing = tokio::spawn(async move {
            polite.write_all(EMPTY).await.unwrap();
            polite.shutdown().await.unwrap();
        });
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        drop(theirs);
        writing.await.unwrap();
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
        assert!(text.contains("\"code\":\"invalid_http\""), "{text}");
    }

    #[test]
    fn an_answer_with_a_body_is_left_alone() {
        let head = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 10\r\n\r\n".as_slice();
        assert!(bare_refusal(head).is_none());
        assert!(bare_refusal(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_none());
        assert!(bare_refusal(b"data: HTTP/1.1 400\r\ncontent-length: 0\r\n\r\n").is_none());
        assert!(bare_refusal(b"\xff").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_peer_that_goes_on_sending_is_heard_out_for_a_while() {
        let (ours, mut theirs) = duplex(64);
        let mut polite = Polite::new(ours);
        let begun = Instant::now();
        let parting = tokio::spawn(async move {
            polite
                .write_all(b"HTTP/1.1 413 Too Large\r\n")
                .await
                .unwrap();
            polite.shutdown().await.unwrap();
        });
        theirs.write_all(&[0; 10_000]).await.unwrap();
        parting.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), limits::PARTING_TIME.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn any_other_peer_is_let_go_at_once() {
        let (ours, _theirs) = duplex(64);
        let mut polite = Polite::new(ours);
        let begun = Instant::now();
        polite
            .write_all(b"HTTP/1.1 404 Not Found\r\n")
            .await
            .unwrap();
        polite.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        polite.shutdown().await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 0);
    }
}
