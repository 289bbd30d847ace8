//! A bare socket, for what no HTTP client would say.

use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

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

    /// Opens a connection with so little room for what comes that a few megabytes fill it, the
    /// daemon's end included.
    pub(crate) async fn narrow_socket(&self) -> Socket {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = soon("a connection", socket.connect(self.address())).await;
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
                let read = self.stream.read_buf(&mut self.read).await;
                let so_far = String::from_utf8_lossy(&self.read);
                match read {
                    Ok(0) => panic!("the connection was closed after {so_far:?}"),
                    Ok(_) => {}
                    Err(error) => panic!("{error} after {so_far:?}"),
                }
            }
        };
        soon("an answer", reading).await
    }

    /// Waits until there is something to read, and leaves it there.
    pub(crate) async fn readable(&self) {
        soon("an answer", self.stream.readable()).await.unwrap();
    }

    /// Waits until the daemon has closed the connection; answers what it had said before.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        let reading = async {
            while let Ok(1..) = self.stream.read_buf(&mut self.read).await {}
            std::mem::take(&mut self.read)
        };
        soon("the daemon to close the connection", reading).await
    }

    /// Waits until the daemon has taken all that was said out of its kernel's hands.
    pub(crate) async fn heard(&self) {
        until("the daemon to read", async || {
            let (_, to_read) = self.queues()?;
            (to_read == 0).then_some(())
        })
        .await;
    }

    /// Waits until the daemon cannot write on, because nobody reads here.
    pub(crate) async fn stuck(&self) {
        let mut looks = Vec::new();
        until("the daemon to be stuck", async || {
            let (to_send, _) = self.queues()?;
            looks.push(to_send);
            let last = looks.last_chunk::<10>()?;
            (to_send > 0 && last.iter().all(|queue| *queue == to_send)).then_some(())
        })
        .await;
    }

    /// The bytes that wait at the daemon's end to be sent and to be read.
    fn queues(&self) -> Option<(u64, u64)> {
        let ours = self.stream.local_addr().unwrap().port();
        let theirs = self.stream.peer_addr().unwrap().port();
        let (local, remote) = (format!(":{theirs:04X}"), format!(":{ours:04X}"));
        // proc_net_tcp(5): after the number of the row come the local and the remote address, the
        // state, and both queues, all in hexadecimal.
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let row = table
            .lines()
            .map(|row| row.split_whitespace().collect::<Vec<_>>());
        let mut row = row.filter(|row| row[1].ends_with(&local) && row[2].ends_with(&remote));
        let (to_send, to_read) = row.next()?[4].split_once(':')?;
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        Some((number(to_send), number(to_read)))
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
