//! Which names the daemon answers to, and which pages may make a browser call it.
//!
//! A page of another site can make a browser send calls here, with a name that it has pointed at
//! this machine (DNS rebinding) or across sites. The checks need no login and so hold from the
//! first day.

use std::net::IpAddr;

use warp::http::uri::Authority;
use warp::http::{HeaderMap, Method, header};

use super::{Kind, Peer, Problem};

/// Host names, beside the loopback ones and the address that was connected to, that the daemon
/// answers to.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// Answers to these names as well; case does not matter.
    pub fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Refuses a call for a host that is not this daemon. Over a Unix socket any name will do: a
    /// browser opens none, and clients make one up.
    ///
    /// # Errors
    /// [`Kind::WrongHost`].
    pub(crate) fn check(&self, peer: &Peer) -> Result<(), Problem> {
        let Some(local) = peer.remote.local_ip() else {
            return Ok(());
        };
        let refused = |name: &str| {
            let name = name.escape_debug();
            let detail = format!(
                "this daemon does not answer to the host {name}; \
                 start it with --allow-host {name} if it should"
            );
            Err(Problem::new(Kind::WrongHost, detail))
        };
        let Some(text) = &peer.host else {
            return refused("");
        };
        let Ok(authority) = text.parse::<Authority>() else {
            return refused(text);
        };
        let host = authority.host().to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let known = match bare.parse::<IpAddr>() {
            Ok(ip) => {
                let ip = ip.to_canonical();
                ip.is_loopback() || ip == local || self.has(bare)
            }
            Err(_) => bare == "localhost" || self.has(bare),
        };
        if known { Ok(()) } else { refused(&host) }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|allowed| allowed == name)
    }
}

/// Refuses a state-changing call that a browser makes for another site's page.
///
/// Programs send neither header. A browser sends `Origin` with every call that can change
/// something (Fetch Standard section 3.2) and `Sec-Fetch-Site` besides (Fetch Metadata).
///
/// # Errors
/// [`Kind::ForeignOrigin`].
pub(super) fn check_origin(
    method: &Method,
    headers: &HeaderMap,
    peer: &Peer,
) -> Result<(), Problem> {
    if method.is_safe() {
        return Ok(());
    }
    let refused = |what: &str, value: &[u8]| {
        let value = value.escape_ascii();
        let detail = format!("{what}: {value}: pages of other sites may not change anything here");
        Err(Problem::new(Kind::ForeignOrigin, detail))
    };
    for site in headers.get_all("sec-fetch-site") {
        if site != "same-origin" && site != "none" {
            return refused("Sec-Fetch-Site", site.as_bytes());
        }
    }
    for origin in headers.get_all(header::ORIGIN) {
        let own = origin.to_str().ok().and_then(|origin| {
            let authority = origin
                .strip_prefix("http://")
                .or(origin.strip_prefix("https://"))?;
            let host = peer.host.as_deref()?;
            Some(authority.eq_ignore_ascii_case(host))
        });
        if own != Some(true) {
            return refused("Origin", origin.as_bytes());
        }
    }
    Ok(())
}

/// Whether a call may use what the browser keeps for this origin: it comes from a page of ours, or
/// from nobody's page.
pub(super) fn is_own_page(headers: &HeaderMap, peer: &Peer) -> bool {
    // As if it were to change something: then every page has to say where it is from.
    check_origin(&Method::POST, headers, peer).is_ok()
}

/// Refuses a call that a browser makes for another site's page, on a path whose answers pages of
/// any origin may read, when it does not say which page that is.
///
/// A page that is to read the answer makes a CORS request, which has an `Origin` (Fetch Standard,
/// section 3.2). One that only wants the call to be made (an image, a script, a `no-cors` fetch)
/// shows in `Sec-Fetch-Site` alone, and what it asks would be asked by nobody.
///
/// # Errors
/// [`Kind::ForeignOrigin`].
pub(super) fn check_named(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    for site in headers.get_all("sec-fetch-site") {
        if site != "same-origin" && site != "none" {
            let site = site.as_bytes().escape_ascii();
            let detail = format!(
                "Sec-Fetch-Site: {site}, without an Origin: a page of another site has to call \
                 this with CORS, as XMLHttpRequest and fetch do unless told otherwise"
            );
            return Err(Problem::new(Kind::ForeignOrigin, detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use warp::http::HeaderValue;

    use super::*;
    use crate::http::{Remote, UnixUser};

    fn peer(host: Option<&str>) -> Peer {
        Peer {
            remote: Remote::Network {
                remote: "127.0.0.1:5000".parse().unwrap(),
                local: "192.0.2.7:8888".parse().unwrap(),
            },
            secure: false,
            host: host.map(str::to_owned),
            carrier: crate::burden::Burden::new(usize::MAX).carrier(),
        }
    }

    #[test]
    fn loopback_names_the_local_address_and_allowed_names_are_answered() {
        let hosts = AllowedHosts::new(&["Approve.example.org".to_owned()]);
        for good in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:8888",
            "127.8.9.1",
            "[::1]:8888",
            "192.0.2.7",
            "[::ffff:192.0.2.7]:80",
            "approve.EXAMPLE.org:443",
        ] {
            assert!(hosts.check(&peer(Some(good))).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_name_that_a_stranger_points_here_is_misdirected() {
        let hosts = AllowedHosts::default();
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "evil.example:8888",
            "192.0.2.8",
            "",
            "127.0.0.1.evil.example",
            "a b",
            "user@localhost@evil",
            "0x7f.1",
        ] {
            let refused = hosts.check(&peer(Some(bad))).unwrap_err();
            assert_eq!(refused.kind, Kind::WrongHost, "{bad}");
        }
        assert!(hosts.check(&peer(None)).is_err());
    }

    #[test]
    fn a_user_of_this_machine_may_call_the_daemon_by_any_name() {
        let user = UnixUser {
            name: "unix:ana".to_owned(),
            approver: false,
        };
        for host in [Some("evil.example"), Some("a b"), None] {
            let over_socket = Peer {
                remote: Remote::Unix(user.clone()),
                ..peer(host)
            };
            assert!(AllowedHosts::default().check(&over_socket).is_ok());
        }
    }

    #[test]
    fn other_sites_pages_change_nothing() {
        let check = |method: Method, name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            check_origin(&method, &headers, &peer(Some("localhost:8888"))).is_ok()
        };
        assert!(check(Method::POST, "origin", "http://localhost:8888"));
        assert!(check(Method::POST, "sec-fetch-site", "same-origin"));
        assert!(check(Method::GET, "origin", "http://evil.example"));
        for bad in [
            "null",
            "http://evil.example",
            "http://localhost:9999",
            "localhost:8888",
            "",
        ] {
            assert!(!check(Method::POST, "origin", bad), "{bad}");
            assert!(!check(Method::DELETE, "origin", bad), "{bad}");
        }
        for bad in ["cross-site", "same-site", "x"] {
            assert!(!check(Method::POST, "sec-fetch-site", bad), "{bad}");
        }
    }
}
