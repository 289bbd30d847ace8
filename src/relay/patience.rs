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

    /// How long an attempt that begins now may take.
    pub(super) fn of_attempt(&self, errand: Errand, now: Instant) -> Duration {
        match errand {
            Errand::Channel => limits::RELAY_CLASSIC,
            Errand::Stream => limits::RELAY_STREAM_HEAD,
            Errand::Poll | Errand::Ask | Errand::Again | Errand::Once => {
                (self.deadline + self.slack).saturating_duration_since(now)
            }
        }
    }
}
