//! The daemon's time: wall-clock time that never runs backwards within a process.
//!
//! It knows nothing but the domain's [`Timestamp`]. The domain takes `now` as an argument; the use
//! cases ask a [`Clock`] for it.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::Timestamp;

/// Where `now` comes from.
pub trait Clock: Send + Sync {
    /// The present; never earlier than an earlier answer of the same clock.
    fn now(&self) -> Timestamp;
}

/// The system's clock, kept from running backwards.
///
/// When the wall clock is set forward, time jumps with it. When it is set back, time goes on at
/// the pace of the monotonic clock instead of standing still, so that a request still expires as
/// long after its ask as was agreed.
#[derive(Debug)]
pub struct SystemClock {
    last: Mutex<Reading>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    now: Timestamp,
    at: Instant,
}

impl SystemClock {
    /// A clock that starts at the wall clock's present.
    pub fn new() -> Self {
        let (wall, at) = read();
        Self {
            last: Mutex::new(Reading { now: wall, at }),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let mut last = self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (wall, at) = read();
        let now = forward(last.now, at.saturating_duration_since(last.at), wall);
        // A reading is kept only when it moved by a whole millisecond: the rest of a millisecond
        // must not be lost at every call, or frequent callers would stop a set-back clock.
        if now > last.now {
            *last = Reading { now, at };
        }
        now
    }
}

/// The later of what the wall clock shows and what the monotonic clock makes of the last reading.
fn forward(last: Timestamp, elapsed: Duration, wall: Timestamp) -> Timestamp {
    last.after(elapsed).max(wall)
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is the Clock that the rest asks"
)]
fn read() -> (Timestamp, Instant) {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    (Timestamp::from_millis(0).after(wall), Instant::now())
}

/// A clock for tests: it stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = now.after(by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_wall_clock_set_forward_takes_time_with_it() {
        let last = Timestamp::from_millis(1_000);
        let wall = last.after(HOUR);
        assert_eq!(forward(last, Duration::from_millis(5), wall), wall);
    }

    #[test]
    fn a_wall_clock_set_back_does_not_stop_time() {
        let last = Timestamp::from_millis(10_000_000);
        let wall = last.before(HOUR);
        let now = forward(last, Duration::from_millis(5), wall);
        assert_eq!(now, last.after(Duration::from_millis(5)));
    }

    #[test]
    fn time_never_runs_backwards() {
        let clock = SystemClock::new();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }
}
