//! How many connections one address may have, so that one machine does not take them all.

use std::net::{IpAddr, Ipv6Addr};

use crate::shares::{Share, Shares};

/// Counts connections by address.
#[derive(Debug)]
pub struct PerAddress {
    most: usize,
    counts: fn(IpAddr) -> bool,
    open: Shares<IpAddr>,
}

impl PerAddress {
    /// At most `most` of each address, except those of this machine, which trusts itself.
    pub fn beyond_loopback(most: usize) -> Self {
        Self::of(most, |address| !address.is_loopback())
    }

    /// At most `most` of each address that `counts` is true of. It is given IPv4 addresses as such,
    /// also where they came by an IPv6 socket.
    pub fn of(most: usize, counts: fn(IpAddr) -> bool) -> Self {
        Self {
            most,
            counts,
            open: Shares::default(),
        }
    }

    /// Admits a connection from `address`; the place is its own until it is dropped.
    ///
    /// # Errors
    /// The address has as many as it may.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<Option<Share<IpAddr>>, Full> {
        let address = address.to_canonical();
        if !(self.counts)(address) {
            return Ok(None);
        }
        let place = self.open.take(network(address), self.most);
        place.map(Some).ok_or(Full)
    }
}

/// An address has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The address, or the network that it is one of: whoever has an IPv6 address has the 2^64 of its
/// /64 (RFC 4291 section 2.5.4, RFC 6177).
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let bits = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_and_others_have_theirs() {
        let limit = PerAddress::beyond_loopback(2);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(address);
        let held = (limit.admit(one).unwrap(), limit.admit(one).unwrap());
        assert_eq!(limit.admit(one).unwrap_err(), Full);
        // The same one, by an IPv6 socket.
        assert!(limit.admit(address("::ffff:192.0.2.1")).is_err());
        assert!(limit.admit(other).is_ok());
        drop(held);
        assert!(limit.admit(one).is_ok());
        assert_eq!(limit.open.holders(), 0);
    }

    #[test]
    fn ipv6_addresses_of_one_network_are_one() {
        let limit = PerAddress::beyond_loopback(1);
        let held = limit.admit(address("2001:db8::1")).unwrap();
        assert!(limit.admit(address("2001:db8::ffff:2")).is_err());
        assert!(limit.admit(address("2001:db8:0:1::1")).is_ok());
        drop(held);
    }

    #[test]
    fn this_machine_is_not_counted() {
        let limit = PerAddress::beyond_loopback(0);
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(limit.admit(address(loopback)).is_ok(), "{loopback}");
        }
        assert!(limit.admit(address("192.0.2.1")).is_err());
    }
}
