//! HTTP/1.1 on a bare socket: one call after the other on a connection that is kept.
//!
//! It understands what a peer answers, and nothing else of RFC 9112.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use memchr::memmem;
use pushd::limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Bytes of one answer that are taken: more than the longest that a workload asks for.
const ANSWER_BYTES: usize = 1024 * 1024;
/// Room that is made before each read.
const READ_BYTES: usize = 2048;

/// A connection to a peer.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// What a peer answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// Whether the connection ends with it.
    pub(crate) closes: bool,
    pub(crate) body: Vec<u8>,
    /// When it was here.
    pub(crate) at: Instant,
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its own bytes, the empty line included.
    pub(crate) bytes: usize,
    pub(crate) status: u16,
    /// Bytes of the body, when they are known.
    pub(crate) body: Option<usize>,
    /// Whether the body comes in chunks.
    pub(crate) chunked: bool,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) closes: bool,
}

impl Connection {
    /// Connects to a peer.
    ///
    /// # Errors
    /// It does not listen, or takes no connection for as long as a client tries.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = timeout(limits::CONNECT_TIME, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::new(),
        })
    }

    /// Sends the bytes of one call.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) async fn send(&mut self, call: &[u8]) -> io::Result<()> {
        self.stream.write_all(call).await
    }

    /// Reads the answer to the last call.
    ///
    /// # Errors
    /// The connection broke before it was whole.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        loop {
            if let Some(head) = head(&self.read)? {
                let body = head.body.unwrap_or(0);
                let whole = head.bytes.saturating_add(body);
                if whole > ANSWER_BYTES {
                    return Err(malformed("an answer that is too long"));
                }
                if self.read.len() >= whole {
                    let answer = Answer {
                        status: head.status,
                        retry_after: head.retry_after,
                        closes: head.closes,
                        body: self.read[head.bytes..whole].to_vec(),
                        at: Instant::now(),
                    };
                    self.read.drain(..whole);
                    return Ok(answer);
                }
            }
            self.read_more().await?;
        }
    }

    /// Reads the head of an answer whose body goes on and on; what follows it is left for
    /// [`Connection::take`].
    ///
    /// # Errors
    /// The connection broke before it was whole.
    pub(crate) async fn head(&mut self) -> io::Result<Head> {
        loop {
            if let Some(head) = head(&self.read)? {
                self.read.drain(..head.bytes);
                return Ok(head);
            }
            self.read_more().await?;
        }
    }

    /// The bytes that have come, at least one.
    ///
    /// # Errors
    /// The connection has ended.
    pub(crate) async fn take(&mut self) -> io::Result<Vec<u8>> {
        if self.read.is_empty() {
            self.read_more().await?;
        }
        Ok(std::mem::take(&mut self.read))
    }

    /// The socket, and what was read of it beyond the last head.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.read)
    }

    /// One call that has to succeed, with one of these statuses.
    ///
    /// # Errors
    /// The connection broke, or the peer answered otherwise.
    pub(crate) async fn call(&mut self, call: &[u8], statuses: &[u16]) -> anyhow::Result<Answer> {
        self.send(call).await.context("cannot send a call")?;
        let answer = self.answer().await.context("no answer to a call")?;
        answer.expect(statuses)
    }

    async fn read_more(&mut self) -> io::Result<()> {
        self.read.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Answer {
    /// The answer, if it has one of these statuses.
    ///
    /// # Errors
    /// It has another one.
    pub(crate) fn expect(self, statuses: &[u16]) -> anyhow::Result<Self> {
        if !statuses.contains(&self.status) {
            let body = String::from_utf8_lossy(&self.body);
            bail!("the answer is {} {body}", self.status);
        }
        Ok(self)
    }

    /// The answer, if the request in it has this status.
    ///
    /// # Errors
    /// It has another one.
    pub(crate) fn says(self, status: &str) -> anyhow::Result<Self> {
        let answer = self.expect(&[200])?;
        let told = member(&answer.body, "status");
        ensure!(
            told == Some(status),
            "the answer says {told:?}, and {status:?} is true"
        );
        Ok(answer)
    }
}

/// The bytes of a call without a body.
pub(crate) fn get(address: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes()
}

/// The bytes of a call with one.
pub(crate) fn post(address: SocketAddr, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A member of a JSON object that is a string without escapes, as all are that a workload looks at.
pub(crate) fn member<'a>(json: &'a [u8], name: &str) -> Option<&'a str> {
    memmem::find_iter(json, name).find_map(|at| {
        let before = json.get(..at)?;
        let after = json.get(at + name.len()..)?;
        before.ends_with(b"\"").then_some(())?;
        let value = after.strip_prefix(b"\":\"")?;
        let end = memchr::memchr(b'"', value)?;
        std::str::from_utf8(value.get(..end)?).ok()
    })
}

/// The head at the start of these bytes, if it is whole.
fn head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let text =
        std::str::from_utf8(&bytes[..end]).map_err(|_| malformed("a head that is no text"))?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status.and_then(|line| line.split(' ').next()?.parse().ok());
    let status = status.ok_or_else(|| malformed("no HTTP/1.1 status"))?;
    let mut head = Head {
        bytes: end + 4,
        status,
        body: None,
        chunked: false,
        retry_after: None,
        closes: false,
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let number = value.trim().parse();
        if name.eq_ignore_ascii_case("content-length") {
            head.body = Some(number.map_err(|_| malformed("a length that is no number"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.chunked = value.trim().eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("retry-after") {
            head.retry_after = number
                .ok()
                .map(|secs: usize| Duration::from_secs(secs as u64));
        } else if name.eq_ignore_ascii_case("connection") {
            head.closes = value.trim().eq_ignore_ascii_case("close");
        }
    }
    Ok(Some(head))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\
        connection: close\r\nretry-after: 3\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n";

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let whole = ANSWER
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        for length in 0..whole {
            assert_eq!(head(&ANSWER[..length]).unwrap(), None, "{length}");
        }
        let expected = Head {
            bytes: whole,
            status: 503,
            body: Some(2),
            chunked: false,
            retry_after: Some(Duration::from_secs(3)),
            closes: true,
        };
        assert_eq!(head(ANSWER).unwrap(), Some(expected));
    }

    #[test]
    fn a_body_in_chunks_is_told() {
        let streams = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(head(streams).unwrap().unwrap().chunked);
        assert!(!head(b"HTTP/1.1 200 OK\r\n\r\n").unwrap().unwrap().chunked);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for wrong in [
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        ] {
            assert!(head(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_member_is_found_by_its_name() {
        let json = br#"{"id":"abc","title":"load 1/2","status":"pending"}"#;
        assert_eq!(member(json, "id"), Some("abc"));
        assert_eq!(member(json, "status"), Some("pending"));
        assert_eq!(member(json, "topic"), None);
        // A name inside a value or at the end of another name is none.
        let json = br#"{"a":"status","xstatus":"no","status":"yes"}"#;
        assert_eq!(member(json, "status"), Some("yes"));
        assert_eq!(member(br#"{"status":"open"#, "status"), None);
    }

    #[test]
    fn a_body_has_its_length_in_bytes() {
        let address = "127.0.0.1:1".parse().unwrap();
        let call = String::from_utf8(post(address, "/p", "\"é\"")).unwrap();
        assert!(call.contains("Content-Length: 4\r\n"), "{call}");
    }
}
