//! How bytes get to the daemon: TLS, proxies, sockets.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use reqwest::Certificate;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use url::Url;

use super::url::is_local;
use crate::limits;

/// HTTP to the daemon cannot be set up, or not as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The HTTP client could not be built, for example because the system's TLS roots are
    /// unreadable.
    #[error(
        "cannot set up HTTP for {url}; is there a certificate of an authority on this machine? \
         --ca-cert names one"
    )]
    Client {
        /// Where it should have led.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The file of certificates is missing, or not for us to read.
    #[error("--ca-cert {path}: cannot read it")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no certificate in it, or something else.
    #[error(
        "--ca-cert {path}: there is no certificate in it; it begins with \
         -----BEGIN CERTIFICATE----- (PEM)"
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
}

/// The authorities whose word counts, in place of the system's.
#[derive(Clone, Debug)]
pub struct Authorities(Vec<Certificate>);

impl Authorities {
    /// Reads them from a PEM file, which may have several.
    ///
    /// # Errors
    /// It cannot be read, or has none.
    pub fn read(path: &Path) -> Result<Self, TransportError> {
        let mut bytes = Vec::new();
        let read = File::open(path)
            .and_then(|file| file.take(limits::PEM_BYTES as u64).read_to_end(&mut bytes));
        read.map_err(|source| TransportError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        match Certificate::from_pem_bundle(&bytes) {
            Ok(certificates) if !certificates.is_empty() => Ok(Self(certificates)),
            Ok(_) | Err(_) => Err(TransportError::NoCertificate {
                path: path.to_owned(),
            }),
        }
    }
}

/// A token on its way to a daemon. It is never shown.
#[derive(Clone)]
pub struct Secret(HeaderValue);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The text is no token; it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no token in it: one is a single word of letters and digits, as `pushd token create` prints it"
)]
pub struct NoSecret;

impl FromStr for Secret {
    type Err = NoSecret;

    fn from_str(text: &str) -> Result<Self, NoSecret> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NoSecret);
        }
        let mut value = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| NoSecret)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

/// An HTTP client that fits `url`: redirects are not followed, and nothing has a time limit but
/// connecting, which may take `connect`. With `socket` everything goes through that Unix socket.
///
/// Where the name has several addresses, they are tried in the order of the name server, each for
/// its share of that time, and IPv4 beside IPv6 (RFC 8305) after 300 ms.
///
/// The other side's certificate is always looked at; nothing turns that off. It has to be of one of
/// `authorities`, or else of one that the system trusts.
///
/// With `token` every call carries it, so such a client is for the daemon's own origin alone.
///
/// This machine is never reached through a proxy, whatever `http_proxy` says. The system's TLS
/// roots are loaded only when TLS can be needed, because that costs milliseconds at every start.
///
/// A client for another origin, such as the target of a redirect, is made by another call.
///
/// # Errors
/// TLS is needed and cannot be set up.
pub(super) fn transport(
    url: &Url,
    socket: Option<&Path>,
    authorities: Option<&Authorities>,
    token: Option<&Secret>,
    connect: Duration,
    program: &str,
) -> Result<reqwest::Client, TransportError> {
    build(
        builder(url, socket, authorities, token, connect, program),
        url,
    )
}

/// An HTTP client of a relay for one of its daemons: as for a client of ours, but with nobody's token,
/// and by HTTP/1.1 alone, in which each call names the host that its caller has named, and the end
/// of a caller's connection is the end of one towards the daemon.
///
/// What is idle is let go of before the daemon closes it, and a daemon whose machine is gone is
/// noticed within some seconds by the kernel, however long a call may wait.
///
/// # Errors
/// TLS is needed and cannot be set up.
pub fn relaying(
    url: &Url,
    authorities: Option<&Authorities>,
    connect: Duration,
) -> Result<reqwest::Client, TransportError> {
    let builder = builder(url, None, authorities, None, connect, "relay")
        .http1_only()
        .pool_idle_timeout(limits::RELAY_IDLE)
        .tcp_keepalive(limits::RELAY_KEEPALIVE_IDLE)
        .tcp_keepalive_interval(limits::RELAY_KEEPALIVE_INTERVAL)
        .tcp_keepalive_retries(limits::RELAY_KEEPALIVE_PROBES);
    build(builder, url)
}

fn builder(
    url: &Url,
    socket: Option<&Path>,
    authorities: Option<&Authorities>,
    token: Option<&Secret>,
    connect: Duration,
    program: &str,
) -> reqwest::ClientBuilder {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing a race against another thread that installs a provider is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let local = is_local(url);
    let mut builder = reqwest::Client::builder()
        .user_agent(format!("pushd-{program}/{}", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(connect)
        .tcp_nodelay(true);
    if let Some(Secret(token)) = token {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, token.clone())]);
        builder = builder.default_headers(headers);
    }
    if local {
        builder = builder.no_proxy();
    }
    if let Some(path) = socket {
        builder = builder.unix_socket(path);
    }
    if url.scheme() == "https" {
        // So that a client can tell when the certificate expires.
        builder = builder.tls_info(true);
        if let Some(Authorities(certificates)) = authorities {
            builder = builder.tls_certs_only(certificates.iter().cloned());
        }
    } else if local || !a_proxy_speaks_tls() {
        builder = builder.tls_certs_only([]);
    }
    builder
}

fn build(builder: reqwest::ClientBuilder, url: &Url) -> Result<reqwest::Client, TransportError> {
    builder.build().map_err(|source| TransportError::Client {
        url: url.origin().ascii_serialization(),
        source,
    })
}

/// Whether the environment names a proxy that is itself reached by TLS.
fn a_proxy_speaks_tls() -> bool {
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .any(|proxy| {
            proxy
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("https:")
        })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::client::stand_in::{Reply, StandIn};

    #[tokio::test]
    async fn of_a_name_with_several_addresses_one_that_refuses_is_passed_over() {
        let server = StandIn::start(|_, _| Reply::json("{}")).await;
        let port = server.url().as_url().port().unwrap();
        let nobody = Ipv4Addr::new(127, 0, 0, 2);
        let addresses =
            [nobody, Ipv4Addr::LOCALHOST].map(|address| SocketAddr::new(address.into(), port));
        let url = Url::parse(&format!("http://several.test:{port}/")).unwrap();
        let http = builder(&url, None, None, None, limits::CONNECT_TIME, "test")
            .no_proxy()
            .resolve_to_addrs("several.test", &addresses)
            .build()
            .unwrap();
        let response = http.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }
}
