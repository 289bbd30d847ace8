//! Asks that are on their way to the store, so that those at the same time do not share the last
//! room for a pending request.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the asks that are on their way.
#[derive(Debug, Default)]
pub(super) struct OnTheWay(AtomicUsize);

/// One of them, until it is dropped.
pub(super) struct Passage<'a> {
    all: &'a AtomicUsize,
    before: usize,
}

impl OnTheWay {
    /// Sets out.
    pub(super) fn enter(&self) -> Passage<'_> {
        let before = self.0.fetch_add(1, Ordering::AcqRel);
        Passage {
            all: &self.0,
            before,
        }
    }
}

impl Passage<'_> {
    /// Whether there is room for this one beside the `pending` ones, of `most` in all.
    ///
    /// `pending` has to be read after setting out and the passage held until the store has
    /// answered: an ask is then seen here, or in `pending`, or near the limit in both, and one may
    /// be refused that would just have fitted.
    pub(super) fn has_room(&self, pending: usize, most: usize) -> bool {
        pending.saturating_add(self.before) < most
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_at_the_same_time_do_not_share_the_last_room() {
        let on_the_way = OnTheWay::default();
        let first = on_the_way.enter();
        assert!(first.has_room(0, 1) && !first.has_room(1, 1));
        let second = on_the_way.enter();
        assert!(!second.has_room(0, 1) && second.has_room(0, 2));
        drop((first, second));
        assert!(on_the_way.enter().has_room(0, 1));
    }
}
