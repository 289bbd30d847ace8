//! How long to wait before the next attempt.

use std::time::Duration;

use crate::limits;

/// Pauses between attempts: doubling from the first to the longest of [`limits::BACKOFF`], each
/// shortened by up to half at random, so that many clients that failed together do not come back
/// together.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
    longest: Option<Duration>,
}

impl Backoff {
    /// A backoff that has seen no failure.
    pub const fn new() -> Self {
        Self {
            failures: 0,
            longest: None,
        }
    }

    /// The same for the holder of a `lease`, who has to come back before it ends: its pauses are
    /// never longer than half of it, whatever a server wishes.
    pub const fn under(lease: Option<Duration>) -> Self {
        let longest = match lease {
            Some(lease) => lease.checked_div(2),
            None => None,
        };
        Self {
            failures: 0,
            longest,
        }
    }

    /// Notes a failure and gives the pause before the next attempt.
    ///
    /// A server's `Retry-After` is a lower bound, up to [`limits::RETRY_AFTER_MAX`].
    pub fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        let pause = pause(self.failures, retry_after, roll());
        let pause = pause.min(self.longest.unwrap_or(pause));
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// Notes a success: the next pause is a short one again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The pause after `failures` earlier failures; `roll` is the chance, from 0 to 1.
fn pause(failures: u32, retry_after: Option<Duration>, roll: f64) -> Duration {
    let (first, longest) = limits::BACKOFF;
    let doubled = first.saturating_mul(2_u32.saturating_pow(failures));
    let backoff = doubled.min(longest);
    let jittered = backoff.mul_f64(0.5 + 0.5 * roll.clamp(0.0, 1.0));
    match retry_after {
        // The jitter comes on top, or everybody would return at the very second that was named.
        Some(asked) => asked.min(limits::RETRY_AFTER_MAX) + jittered,
        None => jittered,
    }
}

/// A random number from 0 to 1; without a source of randomness the middle is good enough.
pub(super) fn roll() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let longest: Vec<_> = (0..8).map(|n| pause(n, None, 1.0).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause(0, None, 0.0), Duration::from_millis(50));
    }

    #[test]
    fn a_success_makes_the_next_pause_short_again() {
        let mut backoff = Backoff::new();
        for _ in 0..10 {
            backoff.next(None);
        }
        assert!(backoff.next(None) > limits::BACKOFF.0);
        backoff.reset();
        assert!(backoff.next(None) <= limits::BACKOFF.0);
    }

    #[test]
    fn chance_is_not_constant() {
        let mut backoff = Backoff {
            failures: 20,
            ..Backoff::new()
        };
        let pauses: std::collections::BTreeSet<_> = (0..32).map(|_| backoff.next(None)).collect();
        assert!(pauses.len() > 1, "{pauses:?}");
    }

    #[test]
    fn under_a_lease_no_pause_is_longer_than_half_of_it() {
        for lease in [Duration::from_secs(1), Duration::from_secs(6)] {
            let mut backoff = Backoff::under(Some(lease));
            let pauses = (0..20).map(|_| backoff.next(Some(limits::RETRY_AFTER_MAX)));
            assert!(pauses.max() <= Some(lease / 2));
        }
        let wish = Some(limits::RETRY_AFTER_MAX);
        assert!(Backoff::under(None).next(wish) >= limits::RETRY_AFTER_MAX);
    }

    proptest! {
        #[test]
        fn a_pause_is_bounded_on_both_sides(
            failures: u32, asked in prop::option::of(any::<u64>()), roll in 0.0..=1.0,
        ) {
            let asked = asked.map(Duration::from_millis);
            let pause = pause(failures, asked, roll);
            let floor = asked.unwrap_or_default().min(limits::RETRY_AFTER_MAX);
            prop_assert!(pause >= floor + limits::BACKOFF.0 / 2);
            prop_assert!(pause <= floor + limits::BACKOFF.1);
        }
    }
}
