//! The flags about a store on NATS.

use std::path::PathBuf;

use clap::Args;

use crate::limits;
use crate::store::nats::{Access, Servers, Settings, bucket_name};

#[allow(
    clippy::doc_markdown,
    clippy::struct_field_names,
    reason = "these comments are the help text, and the names the flags"
)]
/// The bucket, and who the daemon is at NATS; only for `--store nats://...`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli::pushd) struct NatsFlags {
    /// On how many NATS servers each record is kept: 1, 3 or 5
    ///
    /// All daemons on one bucket say the same. With 3 the bucket outlives the loss of one server,
    /// with 5 of two.
    #[arg(
        long,
        value_name = "N",
        env = "PUSHD_NATS_REPLICAS",
        default_value_t = 1,
        value_parser = replicas
    )]
    nats_replicas: usize,

    /// The bucket; it is made when it is missing
    #[arg(
        long,
        value_name = "NAME",
        env = "PUSHD_NATS_BUCKET",
        default_value = "pushd",
        value_parser = bucket_name
    )]
    nats_bucket: String,

    /// Bytes that the bucket may have on each server when it is made
    ///
    /// A request takes about 1 to 2 KiB, three or four times over. When nine tenths of it are full,
    /// asks are refused.
    #[arg(
        long,
        value_name = "N",
        env = "PUSHD_NATS_MAX_BYTES",
        default_value_t = limits::NATS_BYTES,
        value_parser = clap::value_parser!(u64).range(limits::NATS_BYTES_MIN..=limits::NATS_BYTES_MAX)
    )]
    nats_max_bytes: u64,

    /// File with NATS credentials: a JWT and its key, as `nsc` writes it
    #[arg(long, value_name = "FILE", env = "PUSHD_NATS_CREDENTIALS")]
    nats_credentials: Option<PathBuf>,

    /// User at NATS
    #[arg(
        long,
        value_name = "NAME",
        env = "PUSHD_NATS_USER",
        requires = "nats_password_file"
    )]
    nats_user: Option<String>,

    /// File with the password of that user
    #[arg(
        long,
        value_name = "FILE",
        env = "PUSHD_NATS_PASSWORD_FILE",
        requires = "nats_user"
    )]
    nats_password_file: Option<PathBuf>,

    /// File with a token for NATS
    #[arg(long, value_name = "FILE", env = "PUSHD_NATS_TOKEN_FILE")]
    nats_token_file: Option<PathBuf>,

    /// Certificates (PEM) of the authorities that NATS's certificate may be of [default: the system's]
    ///
    /// TLS is used where a server asks for it, and always with tls:// in --store.
    #[arg(long, value_name = "FILE", env = "PUSHD_NATS_CA_CERT")]
    nats_ca_cert: Option<PathBuf>,

    /// Certificate (PEM) of this daemon for NATS
    #[arg(
        long,
        value_name = "FILE",
        env = "PUSHD_NATS_CERT",
        requires = "nats_key"
    )]
    nats_cert: Option<PathBuf>,

    /// Key (PEM) of that certificate
    #[arg(
        long,
        value_name = "FILE",
        env = "PUSHD_NATS_KEY",
        requires = "nats_cert"
    )]
    nats_key: Option<PathBuf>,
}

impl NatsFlags {
    /// What they say of the bucket on these servers.
    pub(in crate::cli::pushd) fn settings(self, servers: Servers) -> Settings {
        Settings {
            servers,
            bucket: self.nats_bucket,
            replicas: self.nats_replicas,
            max_bytes: self.nats_max_bytes,
            access: Access {
                credentials: self.nats_credentials,
                user: self.nats_user.zip(self.nats_password_file),
                token: self.nats_token_file,
                ca: self.nats_ca_cert,
                certificate: self.nats_cert.zip(self.nats_key),
            },
        }
    }
}

fn replicas(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|error| format!("{error}"))?;
    if limits::NATS_REPLICAS.contains(&number) {
        return Ok(number);
    }
    Err("1, 3 or 5: an even number is no safer than one less".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_kept_on_an_odd_number_of_servers() {
        for good in ["1", "3", "5"] {
            assert!(replicas(good).is_ok(), "{good}");
        }
        for bad in ["0", "2", "4", "6", "7", "-1", ""] {
            assert!(replicas(bad).is_err(), "{bad}");
        }
    }
}
