//! Which of several daemons is asked next: values only.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// Whose turn it is among daemons that are named by their number.
///
/// The one that works is kept. When it fails, its turn is over and the next one has it, so that all
/// calls and the stream of a client move on together, and only once.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    current: usize,
    /// How often the turn has passed on.
    passed: u64,
    /// Until when each wants to be left alone.
    held: Vec<Option<Instant>>,
    /// The one of which people know that it is asked.
    told: usize,
}

/// One attempt at a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// At which.
    pub(super) node: usize,
    passed: u64,
}

impl Turns {
    /// Of so many daemons, the first has the turn.
    pub(super) fn new(count: usize) -> Self {
        Self {
            current: 0,
            passed: 0,
            held: vec![None; count],
            told: 0,
        }
    }

    /// Whose turn it is.
    pub(super) const fn current(&self) -> usize {
        self.current
    }

    /// Whom to ask in a round, one after the other until one answers. Those that want to be left
    /// alone are left out, unless that are all.
    pub(super) fn round(&self, now: Instant) -> Vec<usize> {
        let all = || self.in_order();
        let free: Vec<_> = all()
            .filter(|&node| self.left(node, now).is_none())
            .collect();
        if free.is_empty() {
            all().collect()
        } else {
            free
        }
    }

    /// An attempt that begins now.
    pub(super) const fn attempt(&self, node: usize) -> Attempt {
        Attempt {
            node,
            passed: self.passed,
        }
    }

    /// For how long this one wants to be left alone.
    pub(super) fn left(&self, node: usize, now: Instant) -> Option<Duration> {
        let left = self
            .held
            .get(node)
            .copied()??
            .saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// An attempt has failed, and the daemon wants to be left alone for a while, if it said so.
    pub(super) fn failed(&mut self, attempt: Attempt, hold: Option<Duration>, now: Instant) {
        if let Some(held) = self.held.get_mut(attempt.node) {
            *held = hold.map(|hold| now + hold.min(limits::RETRY_AFTER_MAX));
        }
        if attempt.node == self.current {
            self.current = (self.current + 1) % self.held.len();
            self.passed += 1;
        }
    }

    /// An attempt was answered. It is this one's turn from now on, unless the turn has passed since
    /// the attempt began, which is the later news. Tells whom people believed to be asked, if that
    /// was another.
    pub(super) fn answered(&mut self, attempt: Attempt) -> Option<usize> {
        if let Some(held) = self.held.get_mut(attempt.node) {
            *held = None;
        }
        if attempt.passed != self.passed {
            return None;
        }
        self.current = attempt.node;
        let before = std::mem::replace(&mut self.told, attempt.node);
        (before != attempt.node).then_some(before)
    }

    fn in_order(&self) -> impl Iterator<Item = usize> {
        let count = self.held.len();
        (0..count).map(move |step| (self.current + step) % count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_one_that_works_is_kept_and_after_it_comes_the_next_in_order() {
        let now = Instant::now();
        let mut turns = Turns::new(3);
        assert_eq!(turns.round(now), [0, 1, 2]);
        turns.failed(turns.attempt(0), None, now);
        assert_eq!(turns.round(now), [1, 2, 0]);
        assert_eq!(turns.answered(turns.attempt(1)), Some(0));
        assert_eq!(turns.answered(turns.attempt(1)), None, "it is told once");
        assert_eq!(turns.round(now), [1, 2, 0]);
        turns.failed(turns.attempt(1), None, now);
        turns.failed(turns.attempt(2), None, now);
        assert_eq!(turns.round(now), [0, 1, 2]);
    }

    #[test]
    fn calls_that_fail_together_pass_the_turn_on_once() {
        let now = Instant::now();
        let mut turns = Turns::new(3);
        let attempts = [turns.attempt(0), turns.attempt(0)];
        for attempt in attempts {
            turns.failed(attempt, None, now);
        }
        assert_eq!(turns.current(), 1);
    }

    #[test]
    fn an_answer_from_before_the_turn_passed_does_not_bring_it_back() {
        let now = Instant::now();
        let mut turns = Turns::new(2);
        let poll = turns.attempt(0);
        turns.failed(turns.attempt(0), None, now);
        assert_eq!(turns.answered(turns.attempt(1)), Some(0));
        assert_eq!(turns.answered(poll), None);
        assert_eq!(turns.current(), 1);
    }

    #[test]
    fn whoever_knows_what_the_current_one_does_not_has_the_turn() {
        let mut turns = Turns::new(2);
        assert_eq!(turns.answered(turns.attempt(1)), Some(0));
        assert_eq!(turns.current(), 1);
    }

    #[test]
    fn one_that_wants_to_be_left_alone_holds_back_no_other() {
        let now = Instant::now();
        let mut turns = Turns::new(2);
        turns.failed(turns.attempt(0), Some(9 * SECOND), now);
        turns.failed(turns.attempt(1), None, now);
        assert_eq!((turns.current(), turns.round(now)), (0, vec![1]));
        turns.failed(turns.attempt(1), Some(SECOND), now);
        assert_eq!(turns.round(now), [0, 1], "somebody has to be asked");
        assert_eq!(turns.round(now + 2 * SECOND), [1]);
        assert_eq!(turns.round(now + 9 * SECOND), [0, 1]);
        turns.failed(turns.attempt(0), Some(Duration::MAX), now);
        assert_eq!(turns.left(0, now), Some(limits::RETRY_AFTER_MAX));
    }

    proptest! {
        #[test]
        fn a_round_asks_nobody_twice_and_always_somebody(
            count in 1_usize..6, steps in prop::collection::vec((0_usize..6, any::<bool>(), any::<bool>()), 0..40),
        ) {
            let now = Instant::now();
            let mut turns = Turns::new(count);
            for (node, fails, holds) in steps {
                let attempt = turns.attempt(node % count);
                if fails {
                    turns.failed(attempt, holds.then_some(SECOND), now);
                } else {
                    turns.answered(attempt);
                }
                let mut round = turns.round(now);
                prop_assert!(!round.is_empty());
                round.sort_unstable();
                round.dedup();
                prop_assert_eq!(round.len(), turns.round(now).len());
                prop_assert!(round.iter().all(|&node| node < count));
            }
        }
    }
}
