//! How bytes get to the daemon: TLS, proxies, sockets.

use url::Url;

use super::url::is_local;
use crate::limits;

/// The HTTP client could not be built, for example because the system's TLS roots are unreadable.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up HTTP for {url}")]
pub struct TransportError {
    url: String,
    source: reqwest::Error,
}

/// An HTTP client that fits `url`: redirects are not followed, and nothing has a time limit but
/// connecting, which may take [`limits::CONNECT_TIME`].
///
/// This machine is never reached through a proxy, whatever `http_proxy` says. The system's TLS
/// roots are loaded only when TLS can be needed, because that costs milliseconds at every start.
///
/// A client for another origin, such as the target of a redirect, is made by another call.
///
/// # Errors
/// TLS is needed and cannot be set up.
pub(super) fn transport(url: &Url, program: &str) -> Result<reqwest::Client, TransportError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing a race against another thread that installs a provider is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let local = is_local(url);
    let mut builder = reqwest::Client::builder()
        .user_agent(format!("pushd-{program}/{}", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(limits::CONNECT_TIME)
        .tcp_nodelay(true);
    if local {
        builder = builder.no_proxy();
    }
    if url.scheme() == "http" && (local || !a_proxy_speaks_tls()) {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|source| TransportError {
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
