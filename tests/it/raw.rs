//! A bare socket, for what no HTTP client would say.

use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::call::Reply;
use crate::daemon::Daemon;
use crate::until::{soon, until};

/// A connection to a daemon, to be spoken on byte by byte.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Daemon {
    /// Opens a connection and says nothing.
    pub(crate) async fn socket(&self) -> Socket {
        let stream = soon("a connection", TcpStream::connect(self.address())).await;
        Socket {
            stream: stream.unwrap(),
            read: Vec::new(),
        }
    }

    /// What the daemon answers to these bytes.
    pub(crate) async fn say(&self, bytes: impl AsRef<[u8]>) -> Reply {
        let mut socket = self.socket().await;
        socket.say(bytes).await;
        socket.answer().await
    }
}

impl Socket {
    /// Sends bytes. The daemon may have closed the connection meanwhile; what it has said before
    /// is still to be read.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let sending = self.stream.write_all(bytes.as_ref());
        drop(soon("the daemon to take the bytes", sending).await);
    }

    /// Reads the next answer.
    ///
    /// # Panics
    /// The connection ends before it is whole.
    pub(crate) async fn answer(&mut self) -> Reply {
        let reading = async {
            loop {
                if let Some((reply, length)) = parse(&self.read) {
                    self.read.drain(..length);
                    return reply;
                }
                let mut part = [0; 16 * 1024];
                let so_far = String::from_utf8_lossy(&self.read);
                match self.stream.read(&mut part).await {
                    Ok(0) => panic!("the connection was closed after {so_far:?}"),
                    Ok(length) => self.read.extend_from_slice(&part[..length]),
                    Err(error) => panic!("{error} after {so_far:?}"),
                }
            }
        };
        soon("an answer", reading).await
    }

    /// Waits until the daemon has closed the connection; answers what it had said before.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        let reading = async {
            let mut part = [0; 16 * 1024];
            while let Ok(length @ 1..) = self.stream.read(&mut part).await {
                self.read.extend_from_slice(&part[..length]);
            }
            std::mem::take(&mut self.read)
        };
        soon("the daemon to close the connection", reading).await
    }

    /// Waits until the daemon has taken all that was said out of its kernel's hands.
    pub(crate) async fn heard(&self) {
        let ours = self.stream.local_addr().unwrap().port();
        let theirs = self.stream.peer_addr().unwrap().port();
        until("the daemon to read", async || {
            // proc_net_tcp(5): the local and remote address of the daemon's end, and in the fifth
            // column the bytes that wait to be sent and to be read.
            let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
            let (local, remote) = (format!(":{theirs:04X}"), format!(":{ours:04X}"));
            let mut rows = table.lines().map(|row| row.split_whitespace());
            rows.any(|mut row| {
                row.nth(1).is_some_and(|address| address.ends_with(&local))
                    && row.next().is_some_and(|address| address.ends_with(&remote))
                    && row
                        .nth(1)
                        .is_some_and(|queues| queues.ends_with(":00000000"))
            })
            .then_some(())
        })
        .await;
    }
}

/// The answer at the start of `bytes` and its length, when it is whole.
fn parse(bytes: &[u8]) -> Option<(Reply, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.parse().unwrap(), value.trim().parse().unwrap()))
        .collect();
    let length = headers.get("content-length");
    let length = length.map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    let body = bytes.get(end..end + length)?.to_vec();
    let reply = Reply {
        status,
        headers,
        body,
    };
    Some((reply, end + length))
}

impl Reply {
    /// Status and code of an error that was read from a bare socket, where nothing has checked yet
    /// that it is a whole problem document.
    pub(crate) fn bare_problem(&self) -> (u16, String) {
        assert_eq!(self.media(), Some("application/problem+json"), "{self:?}");
        let problem: Value = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert_ne!(problem["detail"], "", "{self:?}");
        self.problem()
    }
}
