//! A certificate chain and its key, as they are in two PEM files.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use crate::certificate::validity;
use crate::domain::Timestamp;
use crate::limits;
use crate::wire::rfc3339;

/// A chain and its key, which fit each other.
#[derive(Debug)]
pub(super) struct Pair {
    certified: Arc<CertifiedKey>,
    key_is_open: bool,
    lasts: Option<(Timestamp, Timestamp)>,
}

/// Why a chain and a key cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A file is missing, or not for us to read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A file is no such file at all.
    #[error("{path} has more than {most} bytes, which is no certificate and no key")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is read at most.
        most: usize,
    },
    /// The certificate's file has none in it.
    #[error("there is no certificate in {path}; it begins with -----BEGIN CERTIFICATE----- (PEM)")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key's file has none in it, or an encrypted one.
    #[error(
        "there is no key in {path}; it begins with -----BEGIN PRIVATE KEY----- (PEM), without a \
         passphrase"
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A file is no PEM.
    #[error("{path} is damaged: {cause}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: pem::Error,
    },
    /// The key and the certificate are not of each other.
    #[error(
        "the key in {key} does not fit the first certificate in {certificate}; the server's own \
         certificate stands first, those that it is signed by follow"
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// They are of a kind that is not known here.
    #[error("{certificate} and {key} cannot be used: {cause}")]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        cause: Error,
    },
    /// TLS itself cannot be set up.
    #[error("cannot set up TLS: {0}")]
    NoTls(Error),
}

impl Pair {
    /// Reads both files.
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "a new kind of error is told in the library's words"
    )]
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, PairError> {
        let chain = chain(certificate)?;
        let lasts = chain.first().and_then(|first| validity(first));
        let (bytes, key_is_open) = read(key)?;
        let secret = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => PairError::NoKey {
                path: key.to_owned(),
            },
            cause => damaged(key, cause),
        })?;
        let certified = CertifiedKey::from_der(chain, secret, &ring::default_provider());
        let certified = certified.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => PairError::Mismatch {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            },
            cause => PairError::Unusable {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
                cause,
            },
        })?;
        Ok(Self {
            certified: Arc::new(certified),
            key_is_open,
            lasts,
        })
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// When the certificate expires; `None` when it does not tell in a way that we read.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        self.lasts.map(|(_, until)| until)
    }

    /// Warns of what will be found fault with elsewhere.
    pub(super) fn warn(&self, certificate: &Path, key: &Path, now: Timestamp) {
        let certificate = certificate.display();
        match self.lasts {
            Some((_, until)) if until < now => {
                let expired = rfc3339(until);
                tracing::warn!(%certificate, %expired, "clients refuse the certificate: it has expired");
            }
            Some((from, _)) if now < from => {
                let from = rfc3339(from);
                tracing::warn!(%certificate, %from, "clients refuse the certificate: it is not valid yet");
            }
            Some(_) => {}
            None => tracing::warn!(%certificate, "cannot tell when the certificate expires"),
        }
        if self.key_is_open {
            let key = key.display();
            tracing::warn!(%key, "every user of this machine can read the key; make it mode 600");
        }
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let (bytes, _) = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|cause| damaged(path, cause))?;
    if chain.is_empty() {
        return Err(PairError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(chain)
}

/// The whole of a file, and whether every user can read it.
fn read(path: &Path) -> Result<(Vec<u8>, bool), PairError> {
    let unreadable = |cause| PairError::Unreadable {
        path: path.to_owned(),
        cause,
    };
    let most = limits::PEM_BYTES;
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    let mut bytes = Vec::new();
    let read = file.take(most as u64 + 1).read_to_end(&mut bytes);
    if read.map_err(unreadable)? > most {
        return Err(PairError::TooLarge {
            path: path.to_owned(),
            most,
        });
    }
    Ok((bytes, mode & 0o004 != 0))
}

fn damaged(path: &Path, cause: pem::Error) -> PairError {
    PairError::Damaged {
        path: path.to_owned(),
        cause,
    }
}
