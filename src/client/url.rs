//! Where the daemon is.

use std::fmt;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::{Host, Url};

use crate::domain::RequestId;

/// The address of a daemon: `http://host:port`, possibly with a path in front of every call, or
/// `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonUrl {
    /// Over a Unix socket a stand-in: HTTP needs a host (RFC 9110 section 7.2).
    url: Url,
    socket: Option<PathBuf>,
}

/// The text is no address of a daemon; the message names the value and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not a URL at all.
    #[error("{value:?} is no URL ({reason}); write it like {DEFAULT_URL}", DEFAULT_URL = DaemonUrl::DEFAULT)]
    Syntax {
        /// What was given.
        value: String,
        /// What the parser says.
        reason: url::ParseError,
    },
    /// A scheme that the clients do not speak, or an address without one.
    #[error("{value:?} does not begin with http://, https:// or unix:; write it like {DEFAULT_URL}", DEFAULT_URL = DaemonUrl::DEFAULT)]
    Scheme {
        /// What was given.
        value: String,
    },
    /// A path that no socket can have.
    #[error("{value:?} names no Unix socket: {reason}")]
    Socket {
        /// What was given.
        value: String,
        /// What is wrong with the path.
        reason: String,
    },
    /// A name or a password in front of the host. The value is not shown, as it has a secret.
    #[error(
        "the URL has a user name or a password in it, which would show in process lists; leave out what is before the @"
    )]
    Credentials,
    /// A `?query` or a `#fragment`.
    #[error("{value:?} has a query or a fragment in it; leave out everything from the {mark:?} on")]
    Tail {
        /// What was given.
        value: String,
        /// Where the surplus begins.
        mark: char,
    },
}

impl DaemonUrl {
    /// Where a daemon listens that was not told otherwise.
    pub const DEFAULT: &'static str = "http://127.0.0.1:8888";

    /// The URL of one of the daemon's paths; `path` may begin with a slash, and may have a query.
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let prefix = self.url.path().trim_end_matches('/');
        url.set_path(&format!("{prefix}/{}", path.trim_start_matches('/')));
        url.set_query(query);
        url
    }

    /// The host alone, an IPv6 address without its brackets; `None` for a Unix socket.
    pub fn host(&self) -> Option<String> {
        let host = self.url.host_str().filter(|_| self.socket.is_none())?;
        Some(host.trim_matches(['[', ']']).to_owned())
    }

    /// Whether it leads to this machine, whoever opens it: then it is of no use on another one.
    pub fn is_local(&self) -> bool {
        is_local(&self.url)
    }

    /// Whether what is said to it goes over a network for others to read.
    pub fn is_in_the_clear(&self) -> bool {
        // Other names below localhost are looked up, and may lead anywhere.
        let is_here =
            self.is_local() && self.host().is_none_or(|host| !host.ends_with(".localhost"));
        self.url.scheme() == "http" && !is_here && self.socket.is_none()
    }

    /// The page of a request; `None` for a Unix socket, which no browser opens.
    pub fn page(&self, id: RequestId) -> Option<Url> {
        let page = || self.join(&format!("/r/{id}"));
        self.socket.is_none().then(page)
    }

    /// The URL that calls are below; for a Unix socket with a stand-in for the host.
    pub const fn as_url(&self) -> &Url {
        &self.url
    }

    /// The path of the Unix socket, if it is one.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }
}

/// The path of a Unix socket, exactly as it is written. The text comes without its `unix:`.
///
/// # Errors
/// What is wrong with it: it is empty, has control characters in it, or is longer than the system
/// takes (`unix(7)`).
pub fn socket_path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("write the path of the socket behind unix:".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("there is a control character in the path".to_owned());
    }
    SocketAddr::from_pathname(text).map_err(|error| error.to_string())?;
    Ok(PathBuf::from(text))
}

impl Default for DaemonUrl {
    fn default() -> Self {
        Self::DEFAULT.parse().expect("it is one")
    }
}

impl fmt::Display for DaemonUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(path) => write!(f, "unix:{}", path.display()),
            None => f.write_str(self.url.as_str().trim_end_matches('/')),
        }
    }
}

impl FromStr for DaemonUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let value = || text.to_owned();
        if let Some(path) = text.strip_prefix("unix:") {
            let socket = socket_path(path).map_err(|reason| BadUrl::Socket {
                value: value(),
                reason,
            })?;
            let url = Url::parse("http://localhost").expect("it is one");
            let socket = Some(socket);
            return Ok(Self { url, socket });
        }
        let url = match Url::parse(text) {
            Ok(url) => url,
            // "localhost" and "127.0.0.1:8888" are addresses that only lack the scheme.
            Err(url::ParseError::RelativeUrlWithoutBase) => {
                return Err(BadUrl::Scheme { value: value() });
            }
            Err(reason) => {
                return Err(BadUrl::Syntax {
                    value: value(),
                    reason,
                });
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Credentials);
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadUrl::Scheme { value: value() });
        }
        if url.query().is_some() || url.fragment().is_some() {
            let mark = if url.query().is_some() { '?' } else { '#' };
            return Err(BadUrl::Tail {
                value: value(),
                mark,
            });
        }
        let socket = None;
        Ok(Self { url, socket })
    }
}

/// Whether the URL leads to this machine: a loopback address, the unspecified address, or a name
/// that stands for one (RFC 6761 section 6.3).
pub(super) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => {
            let ip = ip.to_canonical();
            ip.is_loopback() || ip.is_unspecified()
        }
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_whether_or_not_slashes_meet() {
        for (base, path, expected) in [
            ("http://h:1", "v1/me", "http://h:1/v1/me"),
            ("http://h:1/", "/v1/me", "http://h:1/v1/me"),
            ("https://h/pushd", "/v1/me", "https://h/pushd/v1/me"),
            (
                "https://h/pushd/",
                "v1/e?topic=a",
                "https://h/pushd/v1/e?topic=a",
            ),
        ] {
            let base: DaemonUrl = base.parse().unwrap();
            assert_eq!(base.join(path).as_str(), expected);
        }
    }

    #[test]
    fn an_address_without_scheme_is_told_what_it_lacks() {
        for text in [
            "127.0.0.1:8888",
            "localhost:8888",
            "localhost",
            "/run/pushd.sock",
            "ftp://h",
        ] {
            let error = text.parse::<DaemonUrl>().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
            assert!(error.contains("http://127.0.0.1:8888"), "{error}");
        }
    }

    #[test]
    fn the_path_of_a_socket_is_taken_exactly() {
        for path in [
            "/run/pushd.sock",
            "pushd.sock",
            "./a b%20?x#y",
            "///x",
            "/tmp/ä",
        ] {
            let url: DaemonUrl = format!("unix:{path}").parse().unwrap();
            assert_eq!(url.socket(), Some(Path::new(path)));
            assert_eq!(url.to_string(), format!("unix:{path}"));
            assert_eq!(url.join("/v1/me").as_str(), "http://localhost/v1/me");
            assert!(url.is_local() && url.host().is_none());
            assert_eq!(url.page(RequestId::from_bytes([0; 16])), None);
        }
        let long = format!("unix:/{}", "a".repeat(200));
        for bad in ["unix:", "unix:a\u{1b}[2J", "unix:a\0b", &long] {
            let error = bad.parse::<DaemonUrl>().unwrap_err();
            assert!(matches!(error, BadUrl::Socket { .. }), "{error}");
            assert!(!error.to_string().chars().any(char::is_control), "{error}");
        }
    }

    #[test]
    fn a_password_is_refused_without_being_repeated() {
        for text in [
            "http://me:hunter2@h",
            "http://me@h",
            "gopher://me:hunter2@h",
        ] {
            let error = text.parse::<DaemonUrl>().unwrap_err();
            assert_eq!(error, BadUrl::Credentials);
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn a_query_or_a_fragment_is_refused() {
        for text in ["http://h/?a=b", "http://h/#x", "http://h?"] {
            let error = text.parse::<DaemonUrl>().unwrap_err();
            assert!(matches!(error, BadUrl::Tail { .. }), "{error}");
        }
        let error = "http://".parse::<DaemonUrl>().unwrap_err();
        assert!(matches!(error, BadUrl::Syntax { .. }), "{error}");
    }

    #[test]
    fn every_spelling_of_this_machine_is_local() {
        for (text, local) in [
            ("http://127.0.0.1:8888", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:8888", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://0.0.0.0:8888", true),
            ("http://LOCALHOST", true),
            ("http://localhost.", true),
            ("http://a.localhost", true),
            ("http://notlocalhost", false),
            ("http://localhost.example.org", false),
            ("http://10.0.0.1", false),
        ] {
            let url: DaemonUrl = text.parse().unwrap();
            assert_eq!(is_local(url.as_url()), local, "{text}");
        }
    }
}
