//! The daemon's clock, as its answers tell it: deadlines are the daemon's, not ours.

use tokio::time::Instant;

use crate::domain::Timestamp;
use crate::limits;

/// What the daemon's clock showed at some instant; it is taken to run as fast as ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct DaemonTime {
    shown: Timestamp,
    at: Instant,
}

impl DaemonTime {
    /// The clock showed `shown` when an answer came `at` that instant, or a little earlier.
    pub(super) const fn new(shown: Timestamp, at: Instant) -> Self {
        Self { shown, at }
    }

    fn now(self, at: Instant) -> Timestamp {
        self.shown.after(at.saturating_duration_since(self.at))
    }

    /// Takes in the `Date` of an answer that came `at` that instant.
    ///
    /// Dates are cut to the second, so one that is a bit behind says nothing new.
    pub(super) fn observe(&mut self, date: Timestamp, at: Instant) {
        let now = self.now(at);
        if now < date || now > date.after(limits::DATE_SLACK) {
            *self = Self::new(date, at);
        }
    }

    /// When the daemon's clock will show `then`; not before `at`.
    pub(super) fn instant(self, then: Timestamp, at: Instant) -> Instant {
        let left = then.since(self.now(at)).min(limits::DEADLINE_MAX);
        at + left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn noon() -> Timestamp {
        Timestamp::from_millis(1_700_000_000_400)
    }

    #[test]
    fn a_date_cut_to_the_second_does_not_move_the_clock() {
        let start = Instant::now();
        let mut time = DaemonTime::new(noon(), start);
        time.observe(
            Timestamp::from_millis(1_700_000_003_000),
            start + 3 * SECOND,
        );
        let deadline = time.instant(noon().after(10 * SECOND), start + 3 * SECOND);
        assert_eq!(deadline, start + 10 * SECOND);
    }

    #[test]
    fn a_clock_that_was_set_is_followed_in_both_directions() {
        let start = Instant::now();
        let hour = Duration::from_hours(1);
        for date in [noon().after(hour), noon().before(hour)] {
            let mut time = DaemonTime::new(noon(), start);
            time.observe(date, start);
            assert_eq!(time.instant(date.after(SECOND), start), start + SECOND);
        }
    }

    #[test]
    fn a_deadline_is_never_in_the_past_nor_beyond_reason() {
        let start = Instant::now();
        let time = DaemonTime::new(noon(), start);
        assert_eq!(time.instant(noon().before(SECOND), start), start);
        let never = Timestamp::from_millis(i64::MAX);
        assert_eq!(time.instant(never, start), start + limits::DEADLINE_MAX);
    }
}
