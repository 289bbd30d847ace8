//! Where the daemon is.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use crate::domain::RequestId;

/// The address of a daemon: `http://host:port`, possibly with a path in front of every call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonUrl(Url);

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
    #[error("{value:?} does not begin with http:// or https://; write it like {DEFAULT_URL}", DEFAULT_URL = DaemonUrl::DEFAULT)]
    Scheme {
        /// What was given.
        value: String,
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
        let mut url = self.0.clone();
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let prefix = self.0.path().trim_end_matches('/');
        url.set_path(&format!("{prefix}/{}", path.trim_start_matches('/')));
        url.set_query(query);
        url
    }

    /// The host alone, an IPv6 address without its brackets.
    pub fn host(&self) -> Option<String> {
        let host = self.0.host_str()?;
        Some(host.trim_matches(['[', ']']).to_owned())
    }

    /// Whether it leads to this machine, whoever opens it: then it is of no use on another one.
    pub fn is_local(&self) -> bool {
        is_local(&self.0)
    }

    /// The page of a request.
    pub fn page(&self, id: RequestId) -> Url {
        self.join(&format!("/r/{id}"))
    }

    /// The address itself.
    pub const fn as_url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for DaemonUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl FromStr for DaemonUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let value = || text.to_owned();
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
        Ok(Self(url))
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
            "unix:/run/pushd",
            "ftp://h",
        ] {
            let error = text.parse::<DaemonUrl>().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
            assert!(error.contains("http://127.0.0.1:8888"), "{error}");
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
