//! The store for trials and tests: everything in memory, gone with the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::view::View;
use super::{Commit, Feed, Head, Health, ListQuery, Page, Range, Store, StoreError};
use crate::domain::{Event, EventId, HistoryId, Principal, Request, RequestId, Timestamp};

/// Requests in memory.
pub struct MemoryStore {
    history: HistoryId,
    feed: Arc<dyn Feed>,
    // A std mutex: it is held for map operations and the feed's delivery, never over an await.
    state: Mutex<State>,
    health: watch::Sender<Health>,
}

#[derive(Default)]
struct State {
    view: View,
    closed: bool,
}

impl MemoryStore {
    /// An empty store with this history number.
    pub fn new(history: HistoryId, feed: Arc<dyn Feed>) -> Self {
        let (health, _) = watch::channel(Health::Ready);
        Self {
            history,
            feed,
            state: Mutex::default(),
            health,
        }
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(StoreError::Unavailable("it is closed".to_owned()));
        }
        Ok(state)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn history(&self) -> HistoryId {
        self.history
    }

    async fn head(&self) -> Result<Head, StoreError> {
        Ok(self.state()?.view.head())
    }

    async fn get(&self, id: RequestId) -> Result<Option<Event>, StoreError> {
        Ok(self.state()?.view.get(id).cloned())
    }

    async fn commit(
        &self,
        expected: Option<EventId>,
        request: Request,
    ) -> Result<Commit, StoreError> {
        let view = &mut self.state()?.view;
        let current = view.get(request.id);
        if current.map(|event| event.id) != expected {
            return Ok(Commit::Conflict(current.cloned()));
        }
        let event = Event {
            id: view.head().event.next(),
            request: Arc::new(request),
        };
        view.put(event.clone());
        // Delivered under the lock, so that the feed sees commits in their order.
        self.feed.deliver(std::slice::from_ref(&event));
        Ok(Commit::Done(event))
    }

    async fn changes(
        &self,
        range: Range,
        only_pending: bool,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        Ok(self.state()?.view.changes(range, only_pending, limit))
    }

    async fn list(&self, query: ListQuery) -> Result<Page, StoreError> {
        Ok(self.state()?.view.list(&query))
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        Ok(self.state()?.view.overdue(now, limit))
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.state()?.view.next_expiry())
    }

    async fn pending(&self) -> Result<usize, StoreError> {
        Ok(self.state()?.view.pending())
    }

    async fn pending_of(&self, requester: &Principal) -> Result<usize, StoreError> {
        Ok(self.state()?.view.pending_of(requester))
    }

    async fn purge(&self, settled_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let view = &mut self.state()?.view;
        let old = view.settled_before(settled_before, limit);
        for (_, id, event) in &old {
            view.remove(*id);
            view.purged(*event);
        }
        Ok(old.len())
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    async fn close(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SharedStore;
    use crate::store::contract::{Opener, suite};

    struct Memory;

    #[async_trait]
    impl Opener for Memory {
        fn durable(&self) -> bool {
            false
        }

        async fn open(&self, feed: Arc<dyn Feed>) -> SharedStore {
            Arc::new(MemoryStore::new(HistoryId::from_random(7), feed))
        }
    }

    suite!(Memory);
}
