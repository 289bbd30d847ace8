//! Which headers go on, in both directions (RFC 9110 section 7.6).

use std::collections::HashSet;

use warp::http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use warp::http::{HeaderMap, StatusCode};

use crate::http::{Kind, Peer, Problem};

/// Headers that are about one connection, beside those that `Connection` names.
const OF_ONE_HOP: [HeaderName; 8] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    // The relay has read the body already.
    EXPECT,
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The caller's headers as a daemon gets them. The host stays what the caller has named, because
/// the daemon holds pages of other sites against it; `name` is the relay's own.
///
/// # Errors
/// [`Kind::WrongHost`] for a call that names no host, or several; [`Kind::RelayLoop`] for one that
/// this relay has sent itself.
pub(super) fn to_daemon(
    headers: &HeaderMap,
    peer: &Peer,
    name: &str,
) -> Result<HeaderMap, Problem> {
    let host = peer.host.as_deref().map(HeaderValue::from_str);
    let Some(Ok(host)) = host else {
        let detail = "the call names no host, or more than one; send one Host header";
        return Err(Problem::new(Kind::WrongHost, detail));
    };
    let vias = headers.get_all(VIA).iter();
    let mut vias = vias.flat_map(|via| via.as_bytes().split(|byte| *byte == b','));
    if vias.any(|via| via.trim_ascii().ends_with(name.as_bytes())) {
        let detail = "this call has come by this relay before: --upstream leads back to it";
        return Err(Problem::new(Kind::RelayLoop, detail));
    }
    let mut passed = end_to_end(headers);
    passed.remove(CONTENT_LENGTH);
    passed.insert(HOST, host);
    if let Ok(via) = HeaderValue::try_from(format!("1.1 {name}")) {
        passed.append(VIA, via);
    }
    if let Some(ip) = peer.remote.ip() {
        // One line, whose last word is ours, whatever the caller has made up before it.
        let before = headers.get_all(FORWARDED_FOR).iter();
        let before = before.filter_map(|value| value.to_str().ok());
        let ip = ip.to_string();
        let line = before.chain([&*ip]).collect::<Vec<_>>().join(", ");
        if let Ok(line) = HeaderValue::try_from(line) {
            passed.insert(FORWARDED_FOR, line);
        }
    }
    Ok(passed)
}

/// A daemon's headers as the caller gets them. `whole` says that the body is there as a whole, so
/// that its length is known better than from a header.
pub(super) fn to_caller(
    headers: &HeaderMap,
    status: StatusCode,
    is_head: bool,
    whole: bool,
) -> HeaderMap {
    let mut passed = end_to_end(headers);
    if whole && !is_head && status != StatusCode::NOT_MODIFIED {
        passed.remove(CONTENT_LENGTH);
    }
    passed
}

fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named = headers.get_all(CONNECTION).iter();
    let named: HashSet<_> = named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let is_of_one_hop = OF_ONE_HOP.contains(name)
            || ["keep-alive", "proxy-connection"].contains(&name.as_str())
            || named.contains(name.as_str());
        if !is_of_one_hop {
            passed.append(name, value.clone());
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::burden::Burden;
    use crate::http::Remote;

    fn peer(host: Option<&str>) -> Peer {
        Peer {
            remote: Remote::Network {
                remote: "[::ffff:192.0.2.1]:5000".parse().unwrap(),
                local: "192.0.2.7:8888".parse().unwrap(),
            },
            secure: false,
            host: host.map(str::to_owned),
            carrier: Burden::new(usize::MAX).carrier(),
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_is_about_one_connection_stays_on_it() {
        let sent = headers(&[
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("upgrade", "h2c"),
            ("te", "trailers"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic eA=="),
            ("authorization", "Bearer x"),
            ("cookie", "pushd=x"),
        ]);
        let passed = to_daemon(&sent, &peer(Some("h:1")), "me").unwrap();
        let mut names: Vec<_> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected = ["authorization", "cookie", "host", "via", "x-forwarded-for"];
        assert_eq!(names, expected);
        assert_eq!(passed["host"], "h:1");
    }

    #[test]
    fn the_last_address_is_the_one_that_was_seen() {
        let sent = headers(&[
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "127.0.0.1"),
        ]);
        let passed = to_daemon(&sent, &peer(Some("h")), "me").unwrap();
        let line = passed.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>();
        assert_eq!(line, ["10.0.0.1, 127.0.0.1, 192.0.2.1"]);
    }

    #[test]
    fn a_call_without_one_host_and_a_call_of_its_own_go_nowhere() {
        let kind =
            |headers: &HeaderMap, host| to_daemon(headers, &peer(host), "me-1").unwrap_err().kind;
        assert_eq!(kind(&HeaderMap::new(), None), Kind::WrongHost);
        let looped = headers(&[("via", "1.1 other, 1.1 me-1")]);
        assert_eq!(kind(&looped, Some("h")), Kind::RelayLoop);
    }
}
