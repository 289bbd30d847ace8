//! A private authority that signs what a test needs, certificates that nobody should accept
//! included.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use data_encoding::BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData as _,
    date_time_ymd,
};
use sha2::{Digest as _, Sha256};

use crate::call::Clients;
use crate::daemon::{Daemon, Setup};

/// An authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, for those who trust it.
    pub(crate) pem: String,
}

/// A certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority {}", MADE.fetch_add(1, Ordering::Relaxed));
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// Another authority that is believed for the sake of this one, if it comes with its certificate.
    pub(crate) fn appoints(&self) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority of another");
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// A certificate for these names, which may be addresses.
    pub(crate) fn signs(&self, names: &[&str]) -> Signed {
        self.signs_as(names, |_| {})
    }

    /// One that was valid, and is no more.
    pub(crate) fn signed_long_ago(&self, names: &[&str]) -> Signed {
        self.signs_as(names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    /// One that is valid to the beginning of this year.
    pub(crate) fn signed_until(&self, year: i32, names: &[&str]) -> Signed {
        self.signs_as(names, |params| params.not_after = date_time_ymd(year, 1, 1))
    }

    /// One that will be valid, and is not yet.
    pub(crate) fn signed_too_early(&self, names: &[&str]) -> Signed {
        self.signs_as(names, |params| {
            params.not_before = date_time_ymd(2200, 1, 1);
            params.not_after = date_time_ymd(2201, 1, 1);
        })
    }

    fn signs_as(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Signed {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Signed {
    /// The hash of the public key, by which Chromium is told to believe it: SHA-256 over what the
    /// certificate says of it (RFC 7469 section 2.4), base 64.
    pub(crate) fn key_hash(&self) -> String {
        let key = KeyPair::from_pem(&self.key).unwrap();
        BASE64.encode(&Sha256::digest(key.subject_public_key_info()))
    }

    /// Puts both where the daemon of `setup` reads them, each in one step.
    pub(crate) fn put(&self, setup: &Setup) {
        replace(&setup.path("tls.pem"), &self.certificate);
        replace(&setup.path("tls.key"), &self.key);
    }
}

/// Replaces a file as a careful tool does, private to its owner.
pub(crate) fn replace(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&next, path).unwrap();
}

impl Setup {
    /// Speaks TLS with this certificate.
    pub(crate) fn tls(self, signed: &Signed) -> Self {
        signed.put(&self);
        let (certificate, key) = (self.path("tls.pem"), self.path("tls.key"));
        self.flags(&format!(
            "--tls-cert {} --tls-key {}",
            certificate.display(),
            key.display()
        ))
    }

    /// The file of an authority's certificate.
    pub(crate) fn authority(&self, authority: &Authority) -> PathBuf {
        let path = self.path("authority.pem");
        std::fs::write(&path, &authority.pem).unwrap();
        path
    }
}

impl Daemon {
    /// A daemon with a certificate of `authority`, whom its clients trust.
    pub(crate) fn secured(setup: Setup, authority: &Authority) -> Self {
        let mut daemon = setup
            .tls(&authority.signs(&["127.0.0.1", "localhost"]))
            .start();
        daemon.trust(authority);
        daemon
    }

    /// From now on its clients speak TLS, and trust this authority alone.
    pub(crate) fn trust(&mut self, authority: &Authority) {
        self.clients = Clients::trusting(self.address(), &authority.pem);
    }

    /// Where clients find it that speak TLS.
    pub(crate) fn https(&self) -> String {
        format!("https://{}", self.address())
    }
}
