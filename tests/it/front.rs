//! Something between a client and a daemon: a proxy that behaves, or does not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::daemon::Daemon;

/// What is done with a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// It goes to the daemon, and the answer back.
    Through,
    /// It goes to the daemon, and the answer is lost.
    AnswerLost,
    /// The end of it is lost on the way to the daemon, whose answer goes back.
    CallCut,
    /// It is answered here, with this status, content type and body.
    Page(&'static str, &'static str, &'static str),
}

/// What a proxy says while its backend restarts.
pub(crate) const NO_BACKEND: Way = Way::Page(
    "404 Not Found",
    "text/plain; charset=utf-8",
    "404 page not found\n",
);
/// Another of its kind.
pub(crate) const BAD_GATEWAY: Way = Way::Page(
    "502 Bad Gateway",
    "text/html",
    "<html><h1>502 Bad Gateway</h1></html>",
);

/// The proxy; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Front {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    /// A proxy before `daemon`. `script` says what is done with each call, by its number, from 0,
    /// and its request line.
    pub(crate) async fn before(
        daemon: &Daemon,
        script: impl Fn(usize, &str) -> Way + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let backend = daemon.address();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&calls);
        let script = Arc::new(script);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                connections.spawn(serve(client, backend, seen, script));
            }
        });
        Self {
            address,
            calls,
            task,
        }
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The request lines so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

/// One call, whose connection is closed after it. A browser opens connections that it has no use
/// for yet, so a call may be long in coming.
async fn serve(
    mut client: TcpStream,
    backend: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    script: Arc<impl Fn(usize, &str) -> Way>,
) {
    let Some(call) = receive(&mut client).await else {
        return;
    };
    let line = call.lines().next().unwrap_or_default().to_owned();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(line.clone());
        seen.len() - 1
    };
    let way = script(number, &line);
    let served = async {
        if let Way::Page(status, kind, body) = way {
            let length = body.len();
            let page = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
            return client.write_all(page.as_bytes()).await;
        }
        let mut daemon = TcpStream::connect(backend).await?;
        let call = call.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let whole = call.as_bytes();
        if let Way::CallCut = way {
            daemon.write_all(&whole[..whole.len() - 1]).await?;
            daemon.shutdown().await?;
        } else {
            daemon.write_all(whole).await?;
        }
        if let Way::AnswerLost = way {
            daemon.read_to_end(&mut Vec::new()).await?;
        } else {
            copy_bidirectional(&mut client, &mut daemon).await?;
        }
        Ok(())
    };
    // Either side may leave at any time.
    drop(served.await);
}

async fn receive(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase().lines().find_map(|line| {
                let length = line.strip_prefix("content-length:")?;
                Some(length.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
