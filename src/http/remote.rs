//! Who is at the other end of a connection, as far as the system vouches for it.

use std::net::{IpAddr, SocketAddr};

use crate::domain::{Principal, Rights, Role, TopicPattern};

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// A network address, which says where a call comes from but not whose it is.
    Network {
        /// The address of the other side.
        remote: SocketAddr,
        /// The address that it connected to.
        local: SocketAddr,
    },
    /// A user of this machine, over a Unix socket.
    Unix(UnixUser),
}

/// A user of this machine, for whom the kernel vouches (`SO_PEERCRED`, `unix(7)`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixUser {
    /// The principal: `unix:` and the name of the account, or `unix:uid-` and the number of one
    /// that has no name.
    pub name: String,
    /// Whether `--unix-approvers` names the user, or a group that the user is in.
    pub approver: bool,
}

impl UnixUser {
    /// What they may do: ask, and decide if they are an approver.
    pub fn rights(&self) -> Rights {
        let mut roles = vec![Role::Requester];
        if self.approver {
            roles.push(Role::Approver);
        }
        Rights {
            principal: Principal::new(&self.name),
            is_known: true,
            roles,
            topics: vec![TopicPattern::new(TopicPattern::ALL).expect("it is a pattern")],
        }
    }
}

impl Remote {
    /// The address of the other side, an IPv4 address that IPv6 carries as itself; `None` over a
    /// Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Network { remote, .. } => Some(remote.ip().to_canonical()),
            Self::Unix(_) => None,
        }
    }

    /// The address that was connected to, in the same form.
    pub fn local_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Network { local, .. } => Some(local.ip().to_canonical()),
            Self::Unix(_) => None,
        }
    }

    /// Whether the other side is on this machine.
    pub fn is_local(&self) -> bool {
        self.ip().is_none_or(|ip| ip.is_loopback())
    }

    /// The user of this machine, where the system says it.
    pub const fn user(&self) -> Option<&UnixUser> {
        match self {
            Self::Network { .. } => None,
            Self::Unix(user) => Some(user),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(remote: &str) -> Remote {
        Remote::Network {
            remote: remote.parse().unwrap(),
            local: "[::ffff:192.0.2.7]:8888".parse().unwrap(),
        }
    }

    #[test]
    fn an_address_is_the_same_however_it_is_carried() {
        let mapped = network("[::ffff:127.0.0.1]:5");
        assert_eq!(mapped.ip(), network("127.0.0.1:6").ip());
        assert_eq!(mapped.local_ip(), Some("192.0.2.7".parse().unwrap()));
        assert!(mapped.is_local() && network("[::1]:5").is_local());
        assert!(!network("192.0.2.8:5").is_local() && mapped.user().is_none());
    }

    #[test]
    fn a_user_of_this_machine_has_a_name_and_no_address() {
        let user = UnixUser {
            name: "unix:ana".to_owned(),
            approver: true,
        };
        let remote = Remote::Unix(user.clone());
        assert!(remote.is_local() && remote.ip().is_none() && remote.local_ip().is_none());
        assert_eq!(remote.user(), Some(&user));
    }
}
