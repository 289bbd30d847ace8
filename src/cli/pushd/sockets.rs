//! Where the daemon listens: addresses of its own, and sockets that a service manager holds for it.
//!
//! A socket that was handed over (`sd_listen_fds(3)`) outlives the process: who connects while the
//! daemon is being restarted waits in the socket's queue and is refused nothing.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, bail};
use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket};

use super::flags::Flags;
use crate::limits;

/// Where the daemon listens when nobody says otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8888);

/// Whom the flags trust on a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    everybody: bool,
    /// Whoever calls has to say who they are.
    tokens: bool,
    /// The classic routes are served, and not to everybody.
    narrow_classic: bool,
}

impl Trust {
    /// What these flags say.
    pub(super) const fn of(flags: &Flags) -> Self {
        Self {
            everybody: flags.trust_everybody_on_the_network,
            tokens: flags.tokens.is_some(),
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
            Some(_) if self.tokens => Ok(()),
            Some(address) => {
                tracing::warn!(%address, "everybody who reaches this address may approve anything");
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The sockets that a service manager has handed to this process, which have to be as narrow as
/// any other; none without a manager.
///
/// # Errors
/// One is no listening TCP socket, or is reached by others.
pub(super) fn handed_over(trust: Trust) -> anyhow::Result<Vec<TcpListener>> {
    let mut handed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed.len() {
        let remedy = "hand over TCP sockets alone (ListenStream= with an address and a port)";
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
        listener
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(listener))
            .map(|listener| listeners.push(listener))
            .with_context(|| format!("cannot listen on {address}, which was handed over"))?;
    }
    Ok(listeners)
}

/// Listens on `addresses` beside the sockets that are there; when there are neither, on the
/// default.
///
/// # Errors
/// An address cannot be listened on.
pub(super) fn listen(
    addresses: &[SocketAddr],
    handed: Vec<TcpListener>,
) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = handed;
    let addresses = if addresses.is_empty() && listeners.is_empty() {
        &[DEFAULT]
    } else {
        addresses
    };
    for &address in addresses {
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
        listeners.push(bound.with_context(|| format!("cannot listen on {address} ({hint})"))?);
    }
    Ok(listeners)
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
