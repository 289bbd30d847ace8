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

/// A duration in one unit that is fine enough for it, such as `90 s` or `45 min`, cut and not
/// rounded, so that no time is left that is not there.
pub(super) fn spell(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..120 => format!("{secs} s"),
        120..7_200 => format!("{} min", secs / 60),
        7_200..172_800 => format!("{} h", secs / 3600),
        _ => format!("{} d", secs / 86_400),
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
    fn a_duration_is_told_in_a_unit_that_is_fine_enough() {
        for (secs, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_199, "119 min"),
            (7_200, "2 h"),
            (172_799, "47 h"),
            (172_800, "2 d"),
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
        assert_eq!(
            spell_time(noon, Duration::from_hours(48)).unwrap(),
            "2023-11-14 22:13 UTC"
        );
    }
}
