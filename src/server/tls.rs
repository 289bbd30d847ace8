//! TLS: the certificate that is shown, its replacement while the daemon runs, and the handshake.
//!
//! A new certificate comes with a new configuration, and so with no memory of earlier sessions: who
//! connects from then on sees it and resumes nothing. Connections that are open keep theirs.

mod handshake;
mod pair;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::sign::SingleCertAndKey;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;

pub(super) use handshake::{Greeting, greet};
use pair::Pair;
pub use pair::PairError;

use crate::clock::Clock;
use crate::metrics::{Metrics, TlsFigures};
use crate::watched::Watched;

/// What a peer may choose to speak inside (RFC 7301): the first that both know.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificate that connections are given, and where it comes from.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    served: RwLock<Arc<ServerConfig>>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    watched: Mutex<Watched>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the chain and the key, both PEM.
    ///
    /// A certificate that is out of date, and a key that every user can read, are taken with a
    /// warning. Clients refuse the first by themselves, and a daemon that runs can be mended
    /// without a restart; the second is how containers are given their secrets, in a place where
    /// there is no other user.
    ///
    /// # Errors
    /// See [`PairError`].
    pub fn open(
        certificate: PathBuf,
        key: PathBuf,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, PairError> {
        // Before they are read, so that no change falls in between.
        let watched = Watched::new(vec![certificate.clone(), key.clone()]);
        let pair = Pair::read(&certificate, &key)?;
        pair.warn(&certificate, &key, clock.now());
        let tls = Self {
            certificate,
            key,
            served: RwLock::new(configuration(&pair)?),
            clock,
            metrics,
            watched: Mutex::new(watched),
        };
        tls.figures().serves(pair.expires_at());
        Ok(tls)
    }

    /// Reads both files again whenever one of them changes, without end. What cannot be used
    /// changes nothing, is logged once, and shows in the metrics. Safe to drop at any time; while
    /// it runs, a second call waits for it.
    pub async fn follow(self: Arc<Self>) {
        let mut watched = self.watched.lock().await;
        loop {
            watched.changed().await;
            self.read_again().await;
        }
    }

    async fn read_again(self: &Arc<Self>) {
        let this = Arc::clone(self);
        // A file system may hang, and would take a thread of the runtime with it.
        let read = spawn_blocking(move || Pair::read(&this.certificate, &this.key)).await;
        let Ok(read) = read else { return };
        let usable = read.and_then(|pair| Ok((configuration(&pair)?, pair)));
        match usable {
            Ok((configuration, pair)) => {
                self.figures().serves(pair.expires_at());
                *self.served.write().unwrap_or_else(PoisonError::into_inner) = configuration;
                pair.warn(&self.certificate, &self.key, self.clock.now());
                tracing::info!(
                    certificate = %self.certificate.display(),
                    expires = pair.expires_at().map(crate::wire::rfc3339),
                    "new connections get the new certificate"
                );
            }
            Err(error) => {
                self.figures().cannot_read();
                tracing::error!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "the certificate on the disk cannot be used; the one before it is served on"
                );
            }
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&served))
    }

    fn figures(&self) -> &TlsFigures {
        self.metrics.tls()
    }
}

/// TLS 1.2 and 1.3 with this certificate. No client is asked for one of its own, and no early data
/// is taken, which could be played again (RFC 8446 section 8).
fn configuration(pair: &Pair) -> Result<Arc<ServerConfig>, PairError> {
    let provider = Arc::new(ring::default_provider());
    let mut configuration = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(PairError::NoTls)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair.certified())));
    configuration.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(configuration))
}
