//! What lies between one client and the daemon: a TCP proxy that breaks what passes through it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// What happens to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Through,
    /// Each piece comes later.
    Delayed(Duration),
    /// Few bytes at a time.
    Throttled,
    /// Byte for byte, at first.
    Split,
    /// It ends after so many bytes in one direction.
    Ends(Way, usize, End),
    /// The first call is sent twice; one of the answers is thrown away.
    Twice,
    /// It is reset at once.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Both sides are closed.
    Cut,
    /// Both sides are reset.
    Reset,
    /// One direction ends, the other goes on.
    Half,
    /// Nothing passes any more; after this time both sides are reset.
    Silence(Duration),
}

impl Fate {
    fn draw(rng: &mut Rng) -> Self {
        let way = if rng.bool() { Way::Up } else { Way::Down };
        // Most calls are a few hundred bytes; a stream has more.
        let most = [64, 400, 1500, 6000][rng.usize(..4)];
        let after = rng.usize(..most);
        let end = |end| Self::Ends(way, after, end);
        match rng.u8(0..20) {
            0..6 => Self::Through,
            6..8 => Self::Delayed(Duration::from_millis(rng.u64(1..40))),
            8 => Self::Throttled,
            9 => Self::Split,
            10..12 => end(End::Cut),
            12..14 => end(End::Reset),
            14 => end(End::Half),
            15..17 => end(End::Silence(Duration::from_millis(
                [200, 800, 2500][rng.usize(..3)],
            ))),
            17..19 => Self::Twice,
            _ => Self::Refused,
        }
    }
}

/// A place to connect to instead of the daemon; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    address: SocketAddr,
    calm: CancellationToken,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// A link to the daemon at `backend`, with fates drawn from `rng`.
    pub(crate) async fn to(backend: SocketAddr, mut rng: Rng) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calm = CancellationToken::new();
        let token = calm.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    continue;
                };
                let fate = if token.is_cancelled() {
                    Fate::Through
                } else {
                    Fate::draw(&mut rng)
                };
                connections.spawn(serve(client, backend, fate, token.clone()));
            }
        });
        Self {
            address,
            calm,
            task,
        }
    }

    /// Where the client connects to.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the silences and breaks nothing any more.
    pub(crate) fn calm_down(&self) {
        self.calm.cancel();
    }
}

async fn serve(mut client: TcpStream, backend: SocketAddr, fate: Fate, calm: CancellationToken) {
    if fate == Fate::Refused {
        reset(client);
        return;
    }
    let Ok(mut daemon) = TcpStream::connect(backend).await else {
        reset(client);
        return;
    };
    drop((client.set_nodelay(true), daemon.set_nodelay(true)));
    if fate == Fate::Twice {
        let Ok(first) = first_call(&mut client).await else {
            return;
        };
        if let Ok(ghost) = TcpStream::connect(backend).await {
            tokio::spawn(forget(ghost, first.clone()));
        }
        if daemon.write_all(&first).await.is_err() {
            return;
        }
    }
    let ending = {
        let (from_client, to_client) = client.split();
        let (from_daemon, to_daemon) = daemon.split();
        let up = pass(from_client, to_daemon, fate, Way::Up);
        let down = pass(from_daemon, to_client, fate, Way::Down);
        // When one direction has come to its end by itself, the other still may have something.
        let both = async {
            tokio::pin!(up, down);
            tokio::select! {
                ending = &mut up => match ending { Some(end) => Some(end), None => down.await },
                ending = &mut down => match ending { Some(end) => Some(end), None => up.await },
            }
        };
        both.await
    };
    match ending {
        Some(End::Silence(time)) => {
            drop(timeout(time, calm.cancelled()).await);
            reset(client);
            reset(daemon);
        }
        Some(End::Reset) => {
            reset(client);
            reset(daemon);
        }
        Some(End::Cut | End::Half) | None => {}
    }
}

/// Sends a call whose answer nobody reads to its end.
async fn forget(mut ghost: TcpStream, call: Vec<u8>) {
    if ghost.write_all(&call).await.is_ok() {
        let mut answer = [0; 1024];
        drop(timeout(Duration::from_millis(500), ghost.read(&mut answer)).await);
    }
}

/// The first call of a connection, as far as it has a length.
async fn first_call(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut call = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&call);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            let length = length
                .and_then(|length| length.trim().parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Ok(call);
            }
        }
        if client.read_buf(&mut call).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Passes bytes on as `fate` has it; answers the end that it prescribes, or none when the
/// direction ended by itself.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    fate: Fate,
    way: Way,
) -> Option<End> {
    let mut left = match fate {
        Fate::Ends(broken, after, end) => (broken == way).then_some((after, end)),
        Fate::Through
        | Fate::Delayed(_)
        | Fate::Throttled
        | Fate::Split
        | Fate::Twice
        | Fate::Refused => None,
    };
    let mut split = 300;
    let mut bytes = vec![
        0;
        if fate == Fate::Throttled {
            64
        } else {
            16 * 1024
        }
    ];
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else {
            drop(to.shutdown().await);
            return None;
        };
        let mut piece = &bytes[..read];
        match fate {
            Fate::Delayed(time) => sleep(time).await,
            Fate::Throttled => sleep(Duration::from_millis(1)).await,
            Fate::Split => {
                while split > 0 && !piece.is_empty() {
                    to.write_all(&piece[..1]).await.ok()?;
                    tokio::task::yield_now().await;
                    piece = &piece[1..];
                    split -= 1;
                }
            }
            Fate::Through | Fate::Ends(..) | Fate::Twice | Fate::Refused => {}
        }
        if let Some((after, end)) = &mut left {
            if piece.len() >= *after {
                drop(to.write_all(&piece[..*after]).await);
                if *end == End::Half {
                    drop(to.shutdown().await);
                    // What still comes is swallowed, so that its sender is not told.
                    while matches!(from.read(&mut bytes).await, Ok(1..)) {}
                    return None;
                }
                return Some(*end);
            }
            *after -= piece.len();
        }
        to.write_all(piece).await.ok()?;
    }
}

/// Closes a connection with a reset instead of an end.
fn reset(connection: TcpStream) {
    drop(connection.set_zero_linger());
    drop(connection);
}

/// Links of one run, which calm down together.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<Arc<Link>>);

impl Links {
    pub(crate) async fn add(&mut self, backend: SocketAddr, rng: Rng) -> Arc<Link> {
        let link = Arc::new(Link::to(backend, rng).await);
        self.0.push(Arc::clone(&link));
        link
    }

    pub(crate) fn calm_down(&self) {
        for link in &self.0 {
            link.calm_down();
        }
    }
}
