//! An accepted socket: its options, and a look at whether its peer has gone.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt as _;
use rustix::net::{RecvFlags, recv};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

use crate::approvals::classic::Receiver;
use crate::limits;

/// Sends small answers at once, and notices a peer that has vanished without a word.
///
/// # Errors
/// The system refuses an option; the connection works without it.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new()
        .with_time(limits::TCP_KEEPALIVE_IDLE)
        .with_interval(limits::TCP_KEEPALIVE_INTERVAL)
        .with_retries(limits::TCP_KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(limits::TCP_USER_TIMEOUT))?;
        socket.set_tcp_notsent_lowat(limits::TCP_UNSENT)?;
    }
    Ok(())
}

/// A stream of bytes, as the system has it.
#[derive(Debug)]
pub(super) enum Stream {
    /// From a network, or from this machine by its address.
    Network(TcpStream),
    /// From this machine, by a path.
    Unix(UnixStream),
}

impl Stream {
    async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Network(stream) => stream.ready(interest).await,
            Self::Unix(stream) => stream.ready(interest).await,
        }
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Network(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Network(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Reads what is there.
    ///
    /// When it does not fill `buf`, there is no more at the moment, and trying again would only
    /// hear so from the system. So that counts as having tried: the next read waits until the
    /// system tells of more, or of the end.
    fn try_read_buf(&self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut read = 0;
        let tried = match self {
            Self::Network(stream) => stream.try_io(Interest::READABLE, || {
                read = stream.try_read_buf(buf)?;
                is_emptied(read, buf)
            }),
            Self::Unix(stream) => stream.try_io(Interest::READABLE, || {
                read = stream.try_read_buf(buf)?;
                is_emptied(read, buf)
            }),
        };
        if read > 0 { Ok(()) } else { tried }
    }

    fn try_peek(&self, first: &mut [u8]) -> io::Result<usize> {
        let mut peek = || Ok(recv(self, &mut *first, RecvFlags::PEEK)?.0);
        match self {
            Self::Network(stream) => stream.try_io(Interest::READABLE, peek),
            Self::Unix(stream) => stream.try_io(Interest::READABLE, &mut peek),
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Network(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Network(stream) => stream.try_write_vectored(slices),
            Self::Unix(stream) => stream.try_write_vectored(slices),
        }
    }
}

/// Tells tokio that the socket is empty when so much was `read` and `buf` has room left. Reading
/// nothing is the end, which stays.
fn is_emptied(read: usize, buf: &ReadBuf<'_>) -> io::Result<()> {
    if read > 0 && buf.remaining() > 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(())
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Network(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Network(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

/// A socket that is read and written in one place and watched in another.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    stream: Arc<Stream>,
    fate: Arc<Fate>,
}

/// What is known of a connection, even when it is over.
#[derive(Debug, Default)]
struct Fate {
    /// The peer has thrown it away, and with it what it had not read.
    broken: AtomicBool,
    calls: AtomicU64,
}

impl Fate {
    /// Notes what reading or writing came to.
    fn watch<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        if let Err(error) = &outcome
            && matches!(error.kind(), ConnectionReset | BrokenPipe)
        {
            self.broken.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

/// The way back to whoever made a call, without keeping the connection open.
#[derive(Debug)]
pub(super) struct WayBack {
    stream: Weak<Stream>,
    fate: Arc<Fate>,
    /// The number of the call on its connection.
    call: u64,
}

impl WayBack {
    /// Looks at the connection without taking anything from it: whether the peer has closed it.
    fn look(&self) -> Option<bool> {
        let stream = self.stream.upgrade()?;
        let peeked = SockRef::from(&*stream).peek(&mut [MaybeUninit::uninit()]);
        match self.fate.watch(peeked) {
            Ok(0) => Some(true),
            // The last word of TLS may lie before the end, unread.
            Ok(_) => {
                let ready = stream.ready(Interest::READABLE).now_or_never();
                Some(ready.is_some_and(|ready| ready.is_ok_and(Ready::is_read_closed)))
            }
            Err(error) => Some(error.kind() != io::ErrorKind::WouldBlock),
        }
    }
}

impl Receiver for WayBack {
    fn is_gone(&self) -> bool {
        self.look().unwrap_or(true)
    }

    /// A client that stops waiting closes its socket, and its system then refuses the answer that
    /// comes after that with a reset. A later call on the connection shows that it has arrived.
    fn has_missed(&self) -> bool {
        // The look notes a reset that nobody has read yet.
        let closed = self.look();
        let last = self.fate.calls.load(Ordering::Relaxed) == self.call;
        last && closed != Some(false) && self.fate.broken.load(Ordering::Relaxed)
    }
}

impl Socket {
    /// The socket of this connection.
    pub(super) fn new(stream: impl Into<Stream>) -> Self {
        Self {
            stream: Arc::new(stream.into()),
            fate: Arc::default(),
        }
    }

    /// The way back for the next call on this connection.
    pub(super) fn way_back(&self) -> WayBack {
        WayBack {
            stream: Arc::downgrade(&self.stream),
            fate: Arc::clone(&self.fate),
            call: self.fate.calls.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }

    /// Has the system forget what it was to send, as soon as the socket is closed.
    pub(super) fn abandon(&self) {
        self.fate.broken.store(true, Ordering::Relaxed);
        if let Err(error) = SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "what was sent stays until its time is over");
        }
    }

    /// Waits for the first bytes that lie there, and leaves them; answers how many they are, and
    /// whether the peer has said that no more will come. Safe to drop at any time.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) async fn peek(&self, first: &mut [u8]) -> io::Result<(usize, bool)> {
        loop {
            let ready = self.stream.ready(Interest::READABLE).await?;
            match self.stream.try_peek(first) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(come) => return Ok((come, come == 0 || ready.is_read_closed())),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the peer has closed its side and whoever reads had time to notice.
    ///
    /// hyper reads on while it answers, and so finds the end of a connection by itself, except
    /// when something that it does not want yet stands before the end: a second call, or a body
    /// that nobody reads. Then a held poll would outlive its connection.
    pub(super) async fn gone(&self) {
        loop {
            match self.stream.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => {
                    // Either it is being read right now, or it is one of these cases, in which
                    // nothing but looking again tells.
                    sleep(limits::UNREAD_LOOK).await;
                }
                Ok(_) | Err(_) => return sleep(limits::UNREAD_LOOK).await,
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.fate.watch(self.stream.try_read_buf(buf)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was written is the system's; there is nothing in between.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.stream).shutdown(std::net::Shutdown::Write))
    }
}

impl Socket {
    fn poll_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&Stream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.fate.watch(write(&self.stream)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}
