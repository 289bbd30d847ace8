//! A server that plays a daemon, or something that is none, for tests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::DaemonUrl;

/// One call as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Method and path.
    pub(crate) line: String,
    head: String,
    /// The body.
    pub(crate) body: String,
}

impl Call {
    /// The value of a header; `name` in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What to do with a call.
pub(crate) enum Reply {
    /// These bytes, then the connection is closed.
    Raw(String),
    /// The connection stays open and nothing comes.
    Silence,
    /// The connection is closed.
    Cut,
}

impl Reply {
    /// A whole answer.
    pub(crate) fn new(status: &str, kind: &str, body: &str) -> Self {
        Self::with(status, &format!("content-type: {kind}\r\n"), body)
    }

    /// A whole answer with these header lines, each ended by CR LF.
    pub(crate) fn with(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Raw(format!(
            "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    }

    /// A good answer with JSON.
    pub(crate) fn json(body: &str) -> Self {
        Self::new("200 OK", "application/json", body)
    }

    /// A problem document.
    pub(crate) fn problem(status: u16, code: &str, detail: &str) -> Self {
        let body = serde_json::json!({ "status": status, "code": code, "detail": detail });
        let status = format!("{status} No");
        Self::new(&status, "application/problem+json", &body.to_string())
    }
}

/// The server; it ends when it is dropped.
pub(crate) struct StandIn {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    task: JoinHandle<()>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl StandIn {
    /// A server on a free port that answers each call by `script`, which also gets its number,
    /// from 0.
    pub(crate) async fn start(script: impl Fn(usize, &Call) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&calls);
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some(call) = receive(&mut stream).await else {
                    continue;
                };
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(call.clone());
                    seen.len() - 1
                };
                match script(number, &call) {
                    Reply::Raw(bytes) => drop(stream.write_all(bytes.as_bytes()).await),
                    Reply::Silence => held.push(stream),
                    Reply::Cut => {}
                }
            }
        });
        Self {
            address,
            calls,
            task,
        }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> DaemonUrl {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// What arrived so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Call> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let (line, head) = head.split_once("\r\n").unwrap_or((head, ""));
            let line = line.trim_end_matches(" HTTP/1.1").to_owned();
            let call = Call {
                line,
                head: head.to_owned(),
                body: body.to_owned(),
            };
            let length = call.header("content-length").unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                return Some(call);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
