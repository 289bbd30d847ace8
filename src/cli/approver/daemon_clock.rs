//! The daemon's time, as far as the stream tells it, and durations as people read them.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::Timestamp;

/// What the daemon's clock showed at some instant. Ages and times left are the daemon's, because
/// it decides when a request expires.
#[derive(Clone, Copy, Debug)]
pub(super) struct DaemonClock {
    shown: Timestamp,
    at: Instant,
}

impl DaemonClock {
    pub(super) const fn new(shown: Timestamp, at: Instant) -> Self {
        Self { shown, at }
    }

    /// What it shows now, if it runs as fast as ours.
    pub(super) fn now(self, at: Instant) -> Timestamp {
        self.shown.after(at.saturating_duration_since(self.at))
    }
}

/// A duration in its two largest units, such as `4 min 10 s`.
pub(super) fn spell(duration: Duration) -> String {
    let secs = duration.as_secs();
    let (days, hours, mins, secs) =
        (secs / 86_400, secs / 3600 % 24, secs / 60 % 60, secs % 60);
    match (days, hours, mins) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, _) => two((mins, "min"), (secs, "s")),
        (0, _, _) => two((hours, "h"), (mins, "min")),
        (_, _, _) => two((days, "d"), (hours, "h")),
    }
}

fn two(large: (u64, &str), small: (u64, &str)) -> String {
    let (number, unit) = large;
    match small {
        (0, _) => format!("{number} {unit}"),
        (rest, small) => format!("{number} {unit} {rest} {small}"),
    }
}

/// A point in time, to the second, in UTC; with its date when it is not soon.
pub(super) fn spell_time(at: Timestamp, left: Duration) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
    let format = if left < Duration::from_hours(20) {
        "%H:%M:%S UTC"
    } else {
        "%Y-%m-%d %H:%M UTC"
    };
    Some(time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_two_units() {
        for (secs, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (250, "4 min 10 s"),
            (3600, "1 h"),
            (3_660, "1 h 1 min"),
            (86_400, "1 d"),
            (95_000, "1 d 2 h"),
        ] {
            assert_eq!(spell(Duration::from_secs(secs)), text);
        }
    }

    #[test]
    fn the_clock_goes_on() {
        let at = Instant::now();
        let noon = Timestamp::from_millis(1_700_000_000_000);
        let clock = DaemonClock::new(noon, at);
        let second = Duration::from_secs(1);
        assert_eq!(clock.now(at + second), noon.after(second));
        assert_eq!(spell_time(noon, second).unwrap(), "22:13:20 UTC");
        assert_eq!(spell_time(noon, Duration::from_hours(48)).unwrap(), "2023-11-14 22:13 UTC");
    }
}
