//! How often something happened, over time.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// The width of one bucket.
pub(crate) const BUCKET: Duration = Duration::from_millis(100);

/// Counts, a bucket of a tenth of a second each.
#[derive(Debug)]
pub(crate) struct Timeline {
    from: Instant,
    buckets: Vec<AtomicU32>,
}

impl Timeline {
    /// A timeline that begins at `from`; what happens after `length` is counted in its last bucket.
    pub(crate) fn new(from: Instant, length: Duration) -> Self {
        let buckets = length.as_millis().div_ceil(BUCKET.as_millis()).max(1);
        let buckets = usize::try_from(buckets).unwrap_or(1);
        Self {
            from,
            buckets: std::iter::repeat_with(AtomicU32::default)
                .take(buckets)
                .collect(),
        }
    }

    /// Counts one that happened at this moment.
    pub(crate) fn count(&self, at: Instant) {
        let bucket = at.saturating_duration_since(self.from).as_millis() / BUCKET.as_millis();
        let last = self.buckets.len() - 1;
        let bucket = usize::try_from(bucket).map_or(last, |bucket| bucket.min(last));
        self.buckets[bucket].fetch_add(1, Relaxed);
    }

    /// The counts, without the empty ones at the end.
    pub(crate) fn counts(&self) -> Vec<u32> {
        let mut counts: Vec<_> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Relaxed))
            .collect();
        let used = counts
            .iter()
            .rposition(|count| *count > 0)
            .map_or(0, |last| last + 1);
        counts.truncate(used);
        counts
    }

    /// The fullest bucket, as a rate per second.
    pub(crate) fn peak_per_second(&self) -> u32 {
        self.counts()
            .into_iter()
            .max()
            .unwrap_or(0)
            .saturating_mul(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_counted_where_it_happened() {
        let from = Instant::now();
        let timeline = Timeline::new(from, Duration::from_secs(1));
        for millis in [0, 99, 100, 350, 5000] {
            timeline.count(from + Duration::from_millis(millis));
        }
        assert_eq!(timeline.counts(), [2, 1, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(timeline.peak_per_second(), 20);
    }

    #[test]
    fn an_empty_one_has_no_counts() {
        let timeline = Timeline::new(Instant::now(), Duration::ZERO);
        assert_eq!(timeline.counts(), [0; 0]);
        assert_eq!(timeline.peak_per_second(), 0);
    }
}
