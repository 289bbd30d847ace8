//! How long a call is worth trying: as long as its caller waits, and a moment where they do not.

use std::time::Duration;

use tokio::time::Instant;

use super::errand::Errand;
use super::outgoing::Outgoing;
use crate::limits;

/// Until when it is tried.
pub(super) struct Patience {
    /// When the caller's wait is over; `None` when the call does not wait.
    pub(super) wait_until: Option<Instant>,
    /// When nobody tries any more.
    pub(super) deadline: Instant,
    /// How long after that an attempt may still take.
    slack: Duration,
}

impl Patience {
    /// How long this call is worth trying, from `now` on.
    pub(super) fn of(call: &Outgoing, now: Instant) -> Self {
        let wait_until = call.wait.map(|wait| now + wait);
        let (patience, slack) = match (call.errand, call.wait) {
            (Errand::Stream | Errand::Channel, _) => (limits::RELAY_OUTAGE, limits::RELAY_GRACE),
            (Errand::Ask, Some(wait)) => (wait.max(limits::RELAY_PATIENCE), limits::RELAY_GRACE),
            (_, Some(wait)) => (wait, limits::RELAY_GRACE),
            (_, None) => (limits::RELAY_PATIENCE, limits::RELAY_LAST_TRY),
        };
        Self {
            wait_until,
            deadline: now + patience,
            slack,
        }
    }

    /// What is left of the caller's wait.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        Some(self.wait_until?.saturating_duration_since(now))
    }

    /// How long an attempt that begins now may take; one after which others of a round are to come
    /// leaves them time.
    pub(super) fn of_attempt(&self, errand: Errand, now: Instant, is_last: bool) -> Duration {
        let all = match errand {
            // It is held for as long as its question lives, which is not said.
            Errand::Channel => return limits::RELAY_CLASSIC,
            Errand::Stream => limits::RELAY_STREAM_HEAD,
            Errand::Poll | Errand::Ask | Errand::Again | Errand::Once => {
                (self.deadline + self.slack).saturating_duration_since(now)
            }
        };
        // What is sent once is sent to nobody after it.
        if is_last || !errand.may_repeat() {
            return all;
        }
        let wait = self.left(now).unwrap_or_default().min(all);
        wait + (all.saturating_sub(wait) / 2).min(limits::TURN_TIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(wait: Option<u64>, deadline: u64) -> (Instant, Patience) {
        let now = Instant::now();
        let patience = Patience {
            wait_until: wait.map(|wait| now + Duration::from_secs(wait)),
            deadline: now + Duration::from_secs(deadline),
            slack: Duration::from_secs(2),
        };
        (now, patience)
    }

    #[test]
    fn who_is_not_the_last_leaves_the_others_time() {
        let (now, call) = patience(None, 8);
        let of = |errand, is_last| call.of_attempt(errand, now, is_last);
        assert_eq!(of(Errand::Again, true), Duration::from_secs(10));
        assert_eq!(of(Errand::Again, false), limits::TURN_TIME);
        assert_eq!(of(Errand::Stream, false), limits::TURN_TIME);
        assert_eq!(of(Errand::Once, false), Duration::from_secs(10));
        let (now, poll) = patience(Some(30), 30);
        let of = |is_last| poll.of_attempt(Errand::Poll, now, is_last);
        assert_eq!(of(true), Duration::from_secs(32));
        assert_eq!(of(false), Duration::from_secs(31));
        let late = now + Duration::from_secs(33);
        assert!(poll.of_attempt(Errand::Poll, late, true).is_zero());
    }
}
