//! How long a waiter pauses before it comes back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use pushd::client::Backoff;
use pushd::limits;

/// The rule of the pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// What the clients of this project do.
    Client,
    /// The same bounds, without chance.
    Steady,
    /// No pauses.
    None,
    /// A random moment within this time, then as the clients.
    Spread(Duration),
}

/// The pauses of one waiter.
#[derive(Debug)]
pub(crate) struct Pauses {
    policy: Policy,
    /// Within which time the first pause is drawn.
    first: Option<Duration>,
    backoff: Backoff,
    failures: u32,
}

impl Policy {
    /// The pauses of a waiter that knows so many nodes.
    pub(crate) const fn pauses(self, nodes: usize) -> Pauses {
        // Clients that know several go on at a moment of their own.
        let first = match self {
            Self::Spread(within) => Some(within),
            Self::Client if nodes > 1 => Some(limits::TURN_SPREAD),
            Self::Client | Self::Steady | Self::None => None,
        };
        Pauses {
            policy: self,
            first,
            backoff: Backoff::new(),
            failures: 0,
        }
    }
}

impl Pauses {
    /// The pause after one more failure.
    pub(crate) fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        if let Some(within) = self.first.take() {
            return within.mul_f64(fastrand::f64());
        }
        let failures = self.failures;
        self.failures += 1;
        match self.policy {
            Policy::Client | Policy::Spread(_) => self.backoff.next(retry_after),
            Policy::Steady => {
                let (first, longest) = limits::BACKOFF;
                let doubled = first.saturating_mul(2_u32.saturating_pow(failures));
                retry_after.unwrap_or_default() + doubled.min(longest)
            }
            Policy::None => Duration::ZERO,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("client"),
            Self::Steady => f.write_str("steady"),
            Self::None => f.write_str("none"),
            Self::Spread(within) => write!(f, "spread={}", humantime::format_duration(*within)),
        }
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("spread=")) {
            ("client", _) => Ok(Self::Client),
            ("steady", _) => Ok(Self::Steady),
            ("none", _) => Ok(Self::None),
            (_, Some(within)) => match humantime::parse_duration(within) {
                Ok(within) => Ok(Self::Spread(within)),
                Err(error) => Err(format!("{within:?} is no time such as 2s: {error}")),
            },
            _ => Err(format!(
                "{text:?} is not client, steady, none or spread=TIME"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(policy: &str) -> Vec<Duration> {
        let mut pauses = policy.parse::<Policy>().unwrap().pauses(1);
        (0..8).map(|_| pauses.next(None)).collect()
    }

    #[test]
    fn each_policy_pauses_within_its_bounds() {
        let steady = pauses("steady");
        let millis: Vec<_> = steady.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        for (client, steady) in pauses("client").into_iter().zip(&steady) {
            assert!(client <= *steady && client >= *steady / 2);
        }
        assert_eq!(
            "spread=2s".parse::<Policy>().unwrap().to_string(),
            "spread=2s"
        );
        assert!(pauses("none").iter().all(Duration::is_zero));
        assert!(pauses("spread=2s")[0] <= Duration::from_secs(2));
        assert!(pauses("spread=2s")[1] <= limits::BACKOFF.0);
    }

    #[test]
    fn clients_that_know_several_nodes_are_spread() {
        let firsts = (0..100).map(|_| Policy::Client.pauses(2).next(None));
        let firsts: std::collections::BTreeSet<_> = firsts.collect();
        assert!(firsts.iter().all(|first| *first <= limits::TURN_SPREAD));
        assert!(firsts.last() > Some(&limits::BACKOFF.0));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for wrong in ["", "Client", "spread", "spread=", "spread=soon"] {
            assert!(wrong.parse::<Policy>().is_err(), "{wrong:?}");
        }
    }
}
