//! What the user database has answered, for as long as it counts, and no more than a bound of it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::limits;

/// At most [`limits::ACCOUNTS`] answers, each for [`limits::ACCOUNT_KEEP`].
#[derive(Debug)]
pub(super) struct Memory<K, V> {
    // A std mutex: it is held for a look into the map, never over an await.
    known: Mutex<HashMap<K, Known<V>>>,
}

#[derive(Clone, Debug)]
struct Known<V> {
    value: V,
    since: Instant,
}

impl<V> Known<V> {
    fn counts(&self) -> bool {
        self.since.elapsed() < limits::ACCOUNT_KEEP
    }
}

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        let known = Mutex::default();
        Self { known }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Memory<K, V> {
    /// What was answered about this one a short while ago.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let known = self.known();
        let known = known.get(key)?;
        known.counts().then(|| known.value.clone())
    }

    /// Remembers an answer. More than its bound in a few seconds are asked for again.
    pub(super) fn put(&self, key: &K, value: &V) {
        let mut known = self.known();
        if known.len() >= limits::ACCOUNTS {
            known.retain(|_, known| known.counts());
        }
        if known.len() < limits::ACCOUNTS || known.contains_key(key) {
            let (value, since) = (value.clone(), Instant::now());
            known.insert(key.clone(), Known { value, since });
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<K, Known<V>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded_and_counts_for_a_while() {
        let memory = Memory::default();
        for uid in 0..2 * limits::ACCOUNTS {
            memory.put(&uid, &"ana");
        }
        assert_eq!(memory.known().len(), limits::ACCOUNTS);
        assert_eq!(memory.get(&7), Some("ana"));
        tokio::time::advance(limits::ACCOUNT_KEEP).await;
        assert_eq!(memory.get(&7), None);
        memory.put(&(3 * limits::ACCOUNTS), &"eve");
        assert_eq!(memory.known().len(), 1, "the old ones make room");
    }
}
