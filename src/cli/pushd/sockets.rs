//! Where the daemon listens: addresses of its own, and sockets that a service manager holds for it.
//!
//! A socket that was handed over (`sd_listen_fds(3)`) outlives the process: who connects while the
//! daemon is being restarted waits in the socket's queue and is refused nothing.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, bail};
use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::flags::Flags;
use super::unix::{self, SocketFile};
use crate::limits;
use crate::server::{Accounts, Listener};

/// Where the daemon listens when nobody says otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8888);

/// Whom the flags trust on a network.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Trust {
    everybody: bool,
    /// Whoever calls has to say who they are.
    tokens: bool,
    /// TLS keeps tokens from being read on their way.
    tls: bool,
    /// The classic routes are served, and not to everybody.
    narrow_classic: bool,
}

impl Trust {
    /// What these flags say.
    pub(super) const fn of(flags: &Flags) -> Self {
        Self {
            everybody: flags.trust_everybody_on_the_network,
            tokens: flags.tokens.is_some(),
            tls: flags.tls.tls_cert.is_some(),
            narrow_classic: flags.classic && !flags.classic_lets_anybody_decide,
        }
    }

    /// Without tokens, whoever reaches the daemon may approve; so only this machine may reach it,
    /// unless the flags trust everybody, and the classic routes are served to a network only by a
    /// flag of their own.
    ///
    /// # Errors
    /// One of the addresses is reached by others.
    pub(super) fn check(self, addresses: &[SocketAddr]) -> anyhow::Result<()> {
        if self.tokens && self.narrow_classic {
            bail!(
                "--classic with --tokens: the classic routes take a yes from anybody without a \
                 token; leave --classic out, or give --classic-lets-anybody-decide if that is what \
                 you want"
            );
        }
        let wide = addresses
            .iter()
            .find(|address| !address.ip().to_canonical().is_loopback());
        match wide {
            Some(address) if !self.everybody && !self.tokens => bail!(
                "--listen {address}: whoever reaches this address could approve anything; name who \
                 may with --tokens FILE (`pushd token create` makes it), listen on 127.0.0.1, or \
                 give --trust-everybody-on-the-network if that is what you want"
            ),
            Some(address) if self.narrow_classic => bail!(
                "--classic with --listen {address}: the classic routes take a yes from anybody \
                 without a login, so they are for this machine only; listen on 127.0.0.1, leave \
                 --classic out, or give --classic-lets-anybody-decide if that is what you want"
            ),
            Some(address) if self.tokens => {
                if !self.tls {
                    tracing::warn!(%address, "tokens can be read on their way to it, without TLS");
                }
                Ok(())
            }
            Some(address) => {
                tracing::warn!(%address, "everybody who reaches this address may approve anything");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Looks whether what these sockets let callers do goes together. A user of a Unix socket is
    /// known, and may be no approver; the classic routes, or a port where nobody is known, would
    /// let them decide all the same.
    ///
    /// # Errors
    /// The classic routes would.
    pub(super) fn check_together(self, sockets: &Sockets) -> anyhow::Result<()> {
        if !sockets.have_users() {
            return Ok(());
        }
        if self.narrow_classic {
            bail!(
                "--classic with a Unix socket: the classic routes take a yes from every user of \
                 this machine, whatever --unix-approvers says; leave --classic out, or give \
                 --classic-lets-anybody-decide if that is what you want"
            );
        }
        if self.tokens {
            tracing::warn!(
                "whoever has a token and an account here has two names, and may ask under one and \
                 approve under the other"
            );
        }
        if !self.tokens && !sockets.listeners.iter().all(Sockets::is_unix) {
            tracing::warn!(
                "there is a port beside the Unix socket, on which every user of this machine may \
                 approve anything; leave the port out, or give --tokens"
            );
        }
        Ok(())
    }
}

/// Where the daemon listens.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) listeners: Vec<Listener>,
    /// The files of those that have one; they are removed when these are dropped.
    pub(super) files: Vec<SocketFile>,
}

impl Sockets {
    /// Whether users of this machine come by name.
    pub(super) fn have_users(&self) -> bool {
        self.listeners.iter().any(Self::is_unix)
    }

    const fn is_unix(listener: &Listener) -> bool {
        matches!(listener, Listener::Unix(..))
    }

    /// Tells the log where the daemon listens.
    pub(super) fn tell(&self) {
        let version = env!("CARGO_PKG_VERSION");
        for listener in &self.listeners {
            match listener {
                Listener::Network(listener) => {
                    if let Ok(address) = listener.local_addr() {
                        tracing::info!(%address, version, "listening");
                    }
                }
                Listener::Unix(listener, _) => {
                    let address = listener.local_addr().ok();
                    let path = address.as_ref().and_then(|address| address.as_pathname());
                    let path = path.map(|path| path.display().to_string());
                    tracing::info!(path, version, "listening");
                }
            }
        }
    }
}

/// The sockets that a service manager has handed to this process, which have to be as narrow as
/// any other; none without a manager. Those that are reached by a path are as narrow as the manager
/// made them: whoever connects there is known by name.
///
/// # Errors
/// One is no listening TCP or Unix socket, or is reached by others.
pub(super) fn handed_over(trust: Trust, accounts: &Arc<Accounts>) -> anyhow::Result<Sockets> {
    let mut handed = ListenFd::from_env();
    let mut sockets = Sockets::default();
    for index in 0..handed.len() {
        // A socket that is of another kind stays where it is.
        if let Ok(Some(listener)) = handed.take_unix_listener(index) {
            let listener = listener
                .set_nonblocking(true)
                .and_then(|()| UnixListener::from_std(listener))
                .context("cannot listen on a Unix socket, which was handed over")?;
            let accounts = Arc::clone(accounts);
            sockets.listeners.push(Listener::Unix(listener, accounts));
            continue;
        }
        let remedy = "hand over TCP sockets (ListenStream= with an address and a port) \
                      and Unix stream sockets (with a path) alone";
        let listener = handed
            .take_tcp_listener(index)
            .with_context(|| format!("socket {index} of the service manager: {remedy}"))?;
        let Some(listener) = listener else { continue };
        let address = listener
            .local_addr()
            .context("a socket that was handed over")?;
        trust
            .check(&[address])
            .context("a socket that was handed over")?;
        let listener = listener
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(listener))
            .with_context(|| format!("cannot listen on {address}, which was handed over"))?;
        sockets.listeners.push(Listener::Network(listener));
    }
    Ok(sockets)
}

/// Listens where `flags` say, beside the sockets that are there; when there are neither, on the
/// default.
///
/// # Errors
/// An address or a path cannot be listened on.
pub(super) async fn listen(
    flags: &Flags,
    handed: Sockets,
    accounts: &Arc<Accounts>,
) -> anyhow::Result<Sockets> {
    let mut sockets = handed;
    let mut addresses = flags.addresses();
    if flags.listen.is_empty() && sockets.listeners.is_empty() {
        addresses.push(DEFAULT);
    }
    for address in addresses {
        let listener = listen_at(address)?;
        sockets.listeners.push(Listener::Network(listener));
    }
    for path in flags.paths() {
        let bound = unix::listen(&path, flags.unix.unix_mode).await;
        let (listener, file) =
            bound.with_context(|| format!("cannot listen on unix:{}", path.display()))?;
        let listener = Listener::Unix(listener, Arc::clone(accounts));
        sockets.listeners.push(listener);
        sockets.files.push(file);
    }
    Ok(sockets)
}

/// Listens on an address.
///
/// # Errors
/// It cannot be listened on; the message says what may help.
pub(super) fn listen_at(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = bind(address);
    let hint = match bound.as_ref().map_err(io::Error::kind) {
        Err(io::ErrorKind::AddrInUse) => {
            "is another pushd running there? --listen takes another address, \
             with port 0 any free one"
        }
        Err(io::ErrorKind::AddrNotAvailable) => "this machine has no such address",
        Err(io::ErrorKind::PermissionDenied) => "ports below 1024 are for root; take another",
        Ok(_) | Err(_) => "--listen takes another address",
    };
    bound.with_context(|| format!("cannot listen on {address} ({hint})"))
}

/// Like tokio's own, with more room for those who come in the same moment: after a restart that is
/// everybody who waits.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(limits::LISTEN_BACKLOG)
}
