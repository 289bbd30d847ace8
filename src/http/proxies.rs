//! Which proxies are believed what they say about who calls.

use std::net::{IpAddr, SocketAddr};

use warp::http::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The addresses of proxies and relays whose `X-Forwarded-For` counts.
///
/// It tells an address to show, to keep in the history, and to count a share by. No proxy elsewhere
/// can say that a call comes from this machine, which some things are for alone.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<IpAddr>);

impl Proxies {
    /// Believes these; IPv4 addresses also where they come by an IPv6 socket.
    pub fn new(addresses: &[IpAddr]) -> Self {
        Self(addresses.iter().map(IpAddr::to_canonical).collect())
    }

    /// Whether somebody at this address is believed.
    pub fn believe(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Who has called, if `remote` is the other end of the connection: the last address that is not
    /// a proxy's, seen from here. Each proxy appends whom it has seen, so what stands before the
    /// first that is not believed may be made up. This machine's own addresses mean another machine
    /// where somebody on another machine says them.
    pub fn caller(&self, remote: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        let mut caller = remote;
        let lines = headers.get_all(FORWARDED_FOR).iter();
        let lines: Vec<_> = lines
            .map(|line| line.to_str().unwrap_or_default())
            .collect();
        let mut said = lines.iter().rev().flat_map(|line| line.rsplit(','));
        while self.believe(caller.ip()) {
            let Some(Ok(address)) = said.next().map(|text| text.trim().parse::<IpAddr>()) else {
                break;
            };
            let is_here = |address: IpAddr| address.to_canonical().is_loopback();
            if is_here(address) && !is_here(caller.ip()) {
                break;
            }
            // A port is not said.
            caller = SocketAddr::new(address, 0);
        }
        caller
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use warp::http::{HeaderName, HeaderValue};

    use super::*;

    fn caller(remote: &str, lines: &[&'static str]) -> String {
        let proxies = Proxies::new(&["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        let remote = SocketAddr::new(remote.parse().unwrap(), 5000);
        proxies.caller(remote, &headers).ip().to_string()
    }

    #[test]
    fn the_last_address_that_no_proxy_has_is_the_callers() {
        for (remote, lines, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "198.51.100.7"),
            ("192.0.2.1", &["10.0.0.1, 198.51.100.7"], "198.51.100.7"),
            (
                "192.0.2.1",
                &["10.0.0.1", "198.51.100.7,192.0.2.2"],
                "198.51.100.7",
            ),
            ("::ffff:192.0.2.1", &["2001:db8::1"], "2001:db8::1"),
            ("192.0.2.1", &[], "192.0.2.1"),
            ("192.0.2.1", &["unknown"], "192.0.2.1"),
            ("192.0.2.1", &["10.0.0.1, , 192.0.2.2"], "192.0.2.2"),
        ] {
            assert_eq!(caller(remote, lines), expected, "{remote} {lines:?}");
        }
    }

    #[test]
    fn a_proxy_elsewhere_speaks_of_no_caller_on_this_machine() {
        for here in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            let line: &'static str = here.to_owned().leak();
            assert_eq!(caller("192.0.2.1", &[line]), "192.0.2.1", "{here}");
            assert_eq!(
                caller("192.0.2.1", &[line, "192.0.2.2"]),
                "192.0.2.2",
                "{here}"
            );
        }
        // One on this machine does, also by way of itself.
        let here = Proxies::new(&["127.0.0.1".parse().unwrap()]);
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static(FORWARDED_FOR),
            HeaderValue::from_static("::1"),
        )]);
        let remote = "127.0.0.1:5".parse().unwrap();
        assert_eq!(here.caller(remote, &headers).to_string(), "[::1]:0");
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(caller("198.51.100.9", &["127.0.0.1"]), "198.51.100.9");
    }

    proptest! {
        #[test]
        fn whatever_a_stranger_writes_the_proxy_has_the_last_word(line in "[ -~]{0,80}") {
            let mut headers = HeaderMap::new();
            let said = format!("{line},198.51.100.7");
            headers.append(FORWARDED_FOR, HeaderValue::try_from(said).unwrap());
            let proxies = Proxies::new(&["192.0.2.1".parse().unwrap()]);
            let caller = |remote: &str| proxies.caller(remote.parse().unwrap(), &headers);
            prop_assert_eq!(caller("192.0.2.1:5").to_string(), "198.51.100.7:0");
            prop_assert_eq!(caller("198.51.100.9:5").to_string(), "198.51.100.9:5");
        }
    }
}
