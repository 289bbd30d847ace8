//! The way to where the daemon should listen: its name, and a connection.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::report::Report;
use crate::cli::exit;
use crate::client::DaemonUrl;
use crate::limits;

const ADDRESS: &str = "address";
const CONNECT: &str = "connect";

/// Looks it up and connects; answers whether somebody listens.
pub(super) async fn look(report: &mut Report, url: &DaemonUrl) -> bool {
    if let Some(path) = url.socket() {
        return socket(report, path).await;
    }
    let (Some(host), Some(port)) = (url.host(), url.as_url().port_or_known_default()) else {
        let remedy = format!("write it like {}", DaemonUrl::DEFAULT);
        report.fail(ADDRESS, exit::USAGE, format!("{url} has no host"), remedy);
        return false;
    };
    let Some(addresses) = addresses(report, &host, port).await else {
        return false;
    };
    let mut trouble = None;
    for address in addresses {
        match connected(TcpStream::connect(address)).await {
            Ok(_) => {
                report.ok(CONNECT, format!("somebody listens at {address}"));
                return true;
            }
            Err(error) => trouble = Some((address, error)),
        }
    }
    if let Some((address, error)) = trouble {
        let remedy = remedy(&error);
        report.fail(
            CONNECT,
            exit::UNAVAILABLE,
            format!("{address}: {error}"),
            remedy,
        );
    }
    false
}

async fn addresses(report: &mut Report, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(vec![SocketAddr::new(address, port)]);
    }
    let found = match timeout(limits::CONNECT_TIME, lookup_host((host, port))).await {
        Ok(found) => found.map(Vec::from_iter),
        Err(_) => Err(Error::from(ErrorKind::TimedOut)),
    };
    match found {
        Ok(found) if !found.is_empty() => {
            let all: Vec<_> = found.iter().map(|one| one.ip().to_string()).collect();
            report.ok(ADDRESS, format!("{host} is {}", all.join(", ")));
            Some(found)
        }
        Ok(_) => {
            let words = format!("{host} has no address");
            report.fail(ADDRESS, exit::UNAVAILABLE, words, NAME_REMEDY);
            None
        }
        Err(error) => {
            let words = format!("{host} cannot be looked up: {error}");
            report.fail(ADDRESS, exit::UNAVAILABLE, words, NAME_REMEDY);
            None
        }
    }
}

const NAME_REMEDY: &str = "correct the name in --url, or see why this machine's name server does \
                           not know it";

async fn socket(report: &mut Report, path: &Path) -> bool {
    let shown = path.display();
    match connected(UnixStream::connect(path)).await {
        Ok(_) => {
            report.ok(CONNECT, format!("somebody listens at {shown}"));
            true
        }
        Err(error) => {
            let remedy = remedy(&error);
            report.fail(
                CONNECT,
                exit::UNAVAILABLE,
                format!("{shown}: {error}"),
                remedy,
            );
            false
        }
    }
}

async fn connected<T>(connecting: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = || Error::new(ErrorKind::TimedOut, "no answer in time");
    let connected = timeout(limits::CONNECT_TIME, connecting).await;
    connected.unwrap_or_else(|_| Err(late()))
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "a new kind of error gets the general advice"
)]
fn remedy(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => {
            "start the daemon there (env pushd), or correct the port or path in --url"
        }
        ErrorKind::NotFound => "start the daemon, or correct the path in --url",
        ErrorKind::PermissionDenied => {
            "have the folder of the socket, or --unix-mode of the daemon, let you in"
        }
        ErrorKind::TimedOut => "see whether a firewall is in the way, or the machine is down",
        _ => "see whether this machine reaches the daemon's at all",
    }
}
