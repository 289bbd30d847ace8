//! The flags of `pushd relay`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{ArrivalFlags, LogFormat, Threads, TlsFlags, at_least_one, drain};
use crate::client::DaemonUrl;
use crate::limits;

#[allow(
    clippy::doc_markdown,
    rustdoc::bare_urls,
    reason = "these comments are the help text"
)]
/// The flags of `pushd relay`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli::pushd) struct RelayFlags {
    /// A daemon to pass calls on to: http://HOST:PORT or https://HOST:PORT; may be repeated
    ///
    /// With several, all calls go to the one that has answered last, and to the next when it fails.
    /// They have to be daemons of one store. A Unix socket is refused: the daemon would take all
    /// callers for the relay's own account.
    #[arg(
        long,
        value_name = "URL",
        env = "PUSHD_UPSTREAM",
        required = true,
        value_delimiter = ',',
        value_parser = upstream
    )]
    pub(in crate::cli::pushd) upstream: Vec<DaemonUrl>,

    /// Certificates (PEM) of the authorities to trust for daemons, IN PLACE OF the system's
    #[arg(long, value_name = "FILE", env = "PUSHD_CA_CERT")]
    pub(in crate::cli::pushd) ca_cert: Option<PathBuf>,

    /// Address to listen on; may be given several times
    #[arg(
        long,
        value_name = "ADDR",
        env = "PUSHD_LISTEN",
        default_value = "127.0.0.1:8889",
        value_delimiter = ',',
        value_parser = address
    )]
    pub(in crate::cli::pushd) listen: Vec<SocketAddr>,

    #[command(flatten)]
    pub(in crate::cli::pushd) threads: Threads,

    #[command(flatten)]
    pub(in crate::cli::pushd) tls: TlsFlags,

    /// Let a network in although a daemon asks for no tokens: ANYBODY MAY ASK AND APPROVE
    ///
    /// Without this flag a relay that listens on other than loopback addresses, or is given
    /// --trust-proxy, passes calls on to daemons alone that were seen to ask for tokens.
    #[arg(long, env = "PUSHD_TRUST_EVERYBODY_ON_THE_NETWORK")]
    pub(in crate::cli::pushd) trust_everybody_on_the_network: bool,

    /// Pass the classic routes on as well: /longPolling, /btServer, /ensure and /sure
    ///
    /// The daemon has to serve them (--classic).
    #[arg(long, env = "PUSHD_CLASSIC")]
    pub(in crate::cli::pushd) classic: bool,

    /// Pass the classic routes on from a network: ANYBODY MAY SAY YES on them
    #[arg(long, env = "PUSHD_CLASSIC_LETS_ANYBODY_DECIDE")]
    pub(in crate::cli::pushd) classic_lets_anybody_decide: bool,

    /// How long open calls may take to finish after SIGTERM
    #[arg(long, value_name = "TIME", env = "PUSHD_DRAIN", default_value = "5s", value_parser = drain)]
    pub(in crate::cli::pushd) drain: Duration,

    /// Open connections at most [default: half of the limit of open files less 256]
    #[arg(long, value_name = "N", env = "PUSHD_MAX_CONNECTIONS", value_parser = at_least_one)]
    pub(in crate::cli::pushd) max_connections: Option<usize>,

    /// Open connections of one address at most, and calls under way [default: 2048, or half of all
    /// if that is fewer]
    ///
    /// IPv6 addresses count together by their first 64 bits. Loopback addresses are not counted.
    #[arg(long, value_name = "N", env = "PUSHD_MAX_CONNECTIONS_PER_ADDRESS", value_parser = at_least_one)]
    pub(in crate::cli::pushd) max_connections_per_address: Option<usize>,

    /// Calls under way at most, streams included [default: as many as connections]
    ///
    /// Each has a connection of its own to the daemon.
    #[arg(long, value_name = "N", env = "PUSHD_MAX_CALLS", value_parser = at_least_one)]
    pub(in crate::cli::pushd) max_calls: Option<usize>,

    /// Address of a proxy in front of this relay that is believed who calls; may be repeated
    ///
    /// Others than this machine reach the relay by it, so the daemon has to ask for tokens.
    #[arg(
        long,
        value_name = "IP",
        env = "PUSHD_TRUST_PROXY",
        value_delimiter = ','
    )]
    pub(in crate::cli::pushd) trust_proxy: Vec<IpAddr>,

    #[command(flatten)]
    pub(in crate::cli::pushd) arrival: ArrivalFlags,

    /// How log lines are written to stderr
    #[arg(
        long,
        value_name = "FORMAT",
        env = "PUSHD_LOG_FORMAT",
        default_value = "text"
    )]
    pub(in crate::cli::pushd) log_format: LogFormat,

    /// What is logged: error, warn, info, debug, trace, or a tracing filter
    #[arg(long, value_name = "LEVEL", env = "PUSHD_LOG", default_value = "info")]
    pub(in crate::cli::pushd) log: String,
}

fn upstream(text: &str) -> Result<DaemonUrl, String> {
    let url: DaemonUrl = text.parse().map_err(|error| format!("{error}"))?;
    if url.socket().is_some() {
        return Err(
            "a daemon knows who calls on a Unix socket by the account, and would take all callers \
             of the relay for the relay's own; write the http or https URL of a port"
                .to_owned(),
        );
    }
    Ok(url)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse();
    address.map_err(|_| "write an IP address and a port, like 127.0.0.1:8889".to_owned())
}

impl RelayFlags {
    /// An address that others than this machine reach.
    pub(in crate::cli::pushd) fn listens_wide(&self) -> Option<SocketAddr> {
        let mut addresses = self.listen.iter();
        let wide = addresses.find(|address| !address.ip().to_canonical().is_loopback());
        wide.copied()
    }

    /// The flag by which others than this machine reach it: where a proxy stands before it, they do
    /// wherever it listens.
    pub(in crate::cli::pushd) fn wide(&self) -> Option<String> {
        let address = self.listens_wide();
        let listens = address.map(|address| format!("--listen {address}"));
        listens.or_else(|| Some(format!("--trust-proxy {}", self.trust_proxy.first()?)))
    }

    /// Whether there are more daemons than a relay takes.
    pub(in crate::cli::pushd) const fn has_too_many_upstreams(&self) -> bool {
        self.upstream.len() > limits::RELAY_UPSTREAMS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_behind_a_relay_is_reached_by_a_port() {
        assert!(upstream("https://pushd.example/below").is_ok());
        for bad in [
            "unix:/run/pushd.sock",
            "pushd.example:8888",
            "https://a:b@c",
        ] {
            assert!(upstream(bad).is_err(), "{bad}");
        }
    }
}
