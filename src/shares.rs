//! How much each of many has of something at the same time: connections of an address, long polls
//! of a principal.
//!
//! A leaf: it counts, and does not know what. Only who has something is remembered.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts what each holder has.
#[derive(Debug)]
pub struct Shares<K: Eq + Hash> {
    // A std mutex: it is held for a look into the map, never over an await.
    held: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Eq + Hash> Default for Shares<K> {
    fn default() -> Self {
        Self {
            held: Arc::default(),
        }
    }
}

/// One thing that somebody has, until it is dropped.
#[derive(Debug)]
pub struct Share<K: Eq + Hash> {
    held: Arc<Mutex<HashMap<K, usize>>>,
    holder: K,
    before: usize,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// Gives `holder` one more, however many it has.
    pub fn enter(&self, holder: K) -> Share<K> {
        self.give(holder, usize::MAX)
            .expect("nobody has as many as there are numbers")
    }

    /// Gives `holder` one more, unless it has `most`.
    pub fn take(&self, holder: K, most: usize) -> Option<Share<K>> {
        self.give(holder, most)
    }

    fn give(&self, holder: K, most: usize) -> Option<Share<K>> {
        let mut held = lock(&self.held);
        let before = held.get(&holder).copied().unwrap_or_default();
        if before >= most {
            return None;
        }
        held.insert(holder.clone(), before + 1);
        drop(held);
        Some(Share {
            held: Arc::clone(&self.held),
            holder,
            before,
        })
    }

    /// How many have something.
    pub fn holders(&self) -> usize {
        lock(&self.held).len()
    }
}

impl<K: Eq + Hash> Share<K> {
    /// How many its holder had before it.
    pub const fn before(&self) -> usize {
        self.before
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        match held.get_mut(&self.holder) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(held.remove(&self.holder)),
        }
    }
}

fn lock<K>(held: &Mutex<HashMap<K, usize>>) -> MutexGuard<'_, HashMap<K, usize>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_share_and_gives_it_back() {
        let shares = Shares::default();
        let first = shares.take("a", 2).unwrap();
        let second = shares.take("a", 2).unwrap();
        assert_eq!((first.before(), second.before()), (0, 1));
        assert!(shares.take("a", 2).is_none());
        assert!(shares.take("b", 2).is_some(), "others have theirs");
        drop(first);
        assert!(shares.take("a", 2).is_some());
        assert_eq!(shares.enter("a").before(), 1);
    }

    #[test]
    fn nobody_is_remembered_who_has_nothing() {
        let shares = Shares::default();
        let held: Vec<_> = (0..100).map(|n| shares.enter(n)).collect();
        assert_eq!(shares.holders(), 100);
        drop(held);
        assert_eq!(shares.holders(), 0);
    }
}
