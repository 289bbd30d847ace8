//! Where the bucket is, what it is made like, and who we are there.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use async_nats::{ConnectOptions, Event, ServerAddr};

use super::OpenError;
use crate::limits;

/// The NATS servers, as they are named on a command line: `nats://HOST[:PORT]`, several with commas
/// between them. `tls://` asks for TLS.
#[derive(Clone, Debug)]
pub struct Servers(Vec<ServerAddr>);

impl PartialEq for Servers {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Servers {}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, server) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{}", server.as_url_str())?;
        }
        Ok(())
    }
}

impl FromStr for Servers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let servers: Result<Vec<_>, _> = text.split(',').map(server).collect();
        let servers = servers?;
        if servers.len() > limits::NATS_SERVERS {
            let most = limits::NATS_SERVERS;
            return Err(format!(
                "at most {most} servers; the others are found through them"
            ));
        }
        Ok(Self(servers))
    }
}

fn server(text: &str) -> Result<ServerAddr, String> {
    let text = text.trim();
    let bad = |why: &str| format!("{text:?} is no NATS server: {why}; write nats://HOST:PORT");
    if text.is_empty() {
        return Err(bad("it is empty"));
    }
    let server: ServerAddr = text.parse().map_err(|_| bad("it is no address"))?;
    if !matches!(server.scheme(), "nats" | "tls") {
        return Err(bad("it begins with neither nats:// nor tls://"));
    }
    if server.has_user_pass() || server.as_url_str().contains('@') {
        return Err(
            "a name or password in the address would show in process lists: use \
                    --nats-user and --nats-password-file"
                .to_owned(),
        );
    }
    if server.host().is_empty() {
        return Err(bad("it has no host"));
    }
    Ok(server)
}

/// The name of a bucket: letters, digits, `-` and `_`, at most 64 of them.
///
/// # Errors
/// What is wrong with it.
pub fn bucket_name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || text.len() > limits::NATS_BUCKET_NAME || !text.chars().all(is_plain) {
        let most = limits::NATS_BUCKET_NAME;
        return Err(format!("write 1 to {most} letters, digits, - and _"));
    }
    Ok(text.to_owned())
}

/// All that is needed to open a bucket.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The servers.
    pub servers: Servers,
    /// The bucket; see [`bucket_name`].
    pub bucket: String,
    /// On how many servers each record is kept; an odd number.
    pub replicas: usize,
    /// Bytes that the bucket may have, on each of them, when it is made.
    pub max_bytes: u64,
    /// Who we are there.
    pub access: Access,
}

/// Who we are at the servers, and whom we take them for. No secret is in it, only files with some.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// A file of NATS credentials (a JWT and its key).
    pub credentials: Option<PathBuf>,
    /// A user, and the file with the password.
    pub user: Option<(String, PathBuf)>,
    /// A file with a token.
    pub token: Option<PathBuf>,
    /// Certificates of the authorities that count, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl Settings {
    /// How to connect.
    ///
    /// # Errors
    /// A file of the access cannot be used.
    pub(super) fn options(&self) -> Result<ConnectOptions, OpenError> {
        let access = &self.access;
        let mut options = ConnectOptions::new()
            .name("pushd")
            .connection_timeout(limits::NATS_CALL)
            .request_timeout(Some(limits::NATS_CALL))
            .ping_interval(limits::NATS_PING)
            .reconnect_delay_callback(pause)
            .max_reconnects(None)
            .event_callback(tell)
            .subscription_capacity(limits::NATS_FEED_QUEUE)
            .client_capacity(limits::NATS_COMMANDS);
        // Servers that are found through others are named without saying so, and whoever is on the way
        // to one could have the password in the clear.
        let is_asked_for = self.servers.0.iter().any(ServerAddr::tls_required);
        if is_asked_for || access.ca.is_some() || access.certificate.is_some() {
            options = options.require_tls(true);
        }
        if let Some(path) = &access.credentials {
            let flag = "--nats-credentials";
            let refused = |error: std::io::Error| bad_file(flag, path, &error);
            options = options.credentials(&text(flag, path)?).map_err(refused)?;
        }
        if let Some((user, path)) = &access.user {
            let password = text("--nats-password-file", path)?;
            options = options.user_and_password(user.clone(), password);
        }
        if let Some(path) = &access.token {
            options = options.token(text("--nats-token-file", path)?);
        }
        if let Some(path) = &access.ca {
            text("--nats-ca-cert", path)?;
            options = options.add_root_certificates(path.clone());
        }
        if let Some((certificate, key)) = &access.certificate {
            text("--nats-cert", certificate)?;
            text("--nats-key", key)?;
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        Ok(options)
    }

    pub(super) fn addresses(&self) -> Vec<ServerAddr> {
        self.servers.0.clone()
    }
}

/// Tells the person who runs the daemon what the connection does.
async fn tell(event: Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("the connection to NATS is lost"),
        Event::LameDuckMode => tracing::info!("a NATS server is about to end"),
        Event::ServerError(error) => tracing::warn!(%error, "NATS"),
        // Each attempt to connect again that fails; the store tells that it is away.
        Event::ClientError(error) => tracing::debug!(%error, "NATS"),
        Event::Draining | Event::Closed | Event::SlowConsumer(_) => tracing::debug!(%event, "NATS"),
    }
}

/// How long to wait before the `attempt`-th try to reach a server again.
fn pause(attempt: usize) -> Duration {
    let (first, most) = limits::STORE_REOPEN;
    let doublings = u32::try_from(attempt).unwrap_or(u32::MAX).min(16);
    first.saturating_mul(1 << doublings).min(most) / 2
}

fn text(flag: &'static str, path: &Path) -> Result<String, OpenError> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| {
        file.take(limits::PEM_BYTES as u64)
            .read_to_string(&mut text)
    });
    read.map_err(|error| bad_file(flag, path, &error))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(bad_file(flag, path, &"it is empty"));
    }
    Ok(text.to_owned())
}

fn bad_file(flag: &'static str, path: &Path, reason: &dyn fmt::Display) -> OpenError {
    OpenError::File {
        flag,
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_with_commas_between_them() {
        let servers: Servers = "nats://a:1,tls://b , nats://[::1]:4222".parse().unwrap();
        assert_eq!(servers.to_string(), "nats://a:1,tls://b,nats://[::1]:4222");
    }

    #[test]
    fn what_is_no_server_is_refused_by_name() {
        for (bad, why) in [
            ("nats://a,", "empty"),
            ("http://a", "no address"),
            ("ws://a", "neither"),
            ("nats://", "no host"),
            ("nats://user:secret@a", "process lists"),
            ("nats://token@a", "process lists"),
        ] {
            let error = bad.parse::<Servers>().unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(vec!["nats://a"; 99].join(",").parse::<Servers>().is_err());
    }

    #[test]
    fn a_bucket_has_a_plain_name() {
        assert_eq!(bucket_name("pushd-prod_2"), Ok("pushd-prod_2".to_owned()));
        let long = "a".repeat(65);
        for bad in ["", "a.b", "a b", "a>", "a*", "ä", &long] {
            assert!(bucket_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn attempts_to_reach_a_server_become_rarer() {
        assert!(pause(0) < pause(3));
        assert_eq!(pause(16), pause(usize::MAX));
        assert!(pause(usize::MAX) <= limits::STORE_REOPEN.1);
    }
}
