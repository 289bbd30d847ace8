//! The store for trials and tests: everything in memory, gone with the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::page::Filling;
use super::{Commit, Feed, Head, Health, ListQuery, Page, Place, Range, Store, StoreError};
use crate::domain::{Event, EventId, HistoryId, Principal, Request, RequestId, Status, Timestamp};

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
    requests: HashMap<RequestId, Event>,
    by_event: BTreeMap<EventId, RequestId>,
    pending: BTreeSet<EventId>,
    by_expiry: BTreeSet<(Timestamp, RequestId)>,
    by_place: BTreeSet<Place>,
    by_settled: BTreeSet<(Timestamp, RequestId)>,
    head: EventId,
    purged: EventId,
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

impl State {
    fn insert(&mut self, request: Request) -> Event {
        self.head = self.head.next();
        let event = Event {
            id: self.head,
            request: Arc::new(request),
        };
        let request = &event.request;
        if let Some(before) = self.requests.insert(request.id, event.clone()) {
            self.unlist(&before);
        }
        self.by_event.insert(event.id, request.id);
        self.by_place.insert(Place::of(request));
        match request.settled_at {
            None => {
                self.pending.insert(event.id);
                self.by_expiry.insert((request.expires_at, request.id));
            }
            Some(at) => {
                self.by_settled.insert((at, request.id));
            }
        }
        event
    }

    fn unlist(&mut self, event: &Event) {
        let request = &event.request;
        self.by_event.remove(&event.id);
        self.pending.remove(&event.id);
        self.by_expiry.remove(&(request.expires_at, request.id));
        self.by_place.remove(&Place::of(request));
        if let Some(at) = request.settled_at {
            self.by_settled.remove(&(at, request.id));
        }
    }

    fn at(&self, id: EventId) -> Option<Event> {
        self.requests.get(self.by_event.get(&id)?).cloned()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn history(&self) -> HistoryId {
        self.history
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let state = self.state()?;
        Ok(Head {
            event: state.head,
            purged: state.purged,
        })
    }

    async fn get(&self, id: RequestId) -> Result<Option<Event>, StoreError> {
        Ok(self.state()?.requests.get(&id).cloned())
    }

    async fn commit(
        &self,
        expected: Option<EventId>,
        request: Request,
    ) -> Result<Commit, StoreError> {
        let mut state = self.state()?;
        let current = state.requests.get(&request.id);
        if current.map(|event| event.id) != expected {
            return Ok(Commit::Conflict(current.cloned()));
        }
        let event = state.insert(request);
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
        if range.until <= range.after {
            return Ok(Vec::new());
        }
        let state = self.state()?;
        let wanted = range.after.next()..=range.until;
        let ids: Vec<EventId> = if only_pending {
            state.pending.range(wanted).take(limit).copied().collect()
        } else {
            state
                .by_event
                .range(wanted)
                .take(limit)
                .map(|(id, _)| *id)
                .collect()
        };
        Ok(ids.into_iter().filter_map(|id| state.at(id)).collect())
    }

    async fn list(&self, query: ListQuery) -> Result<Page, StoreError> {
        let state = self.state()?;
        let places: Box<dyn Iterator<Item = &Place> + Send> = match query.after {
            Some(after) => Box::new(state.by_place.range(..after).rev()),
            None => Box::new(state.by_place.iter().rev()),
        };
        let mut page = Filling::new(query.limit);
        for event in places.filter_map(|place| state.requests.get(&place.id)) {
            let request = &event.request;
            let seen_by = query.seen_by.as_ref();
            let may_be_seen = seen_by.is_none_or(|rights| rights.may_see(request));
            let is_wanted = may_be_seen
                && query.status.is_none_or(|status| request.status == status)
                && query
                    .topic
                    .as_ref()
                    .is_none_or(|topic| request.topic == *topic);
            let mut step = page.look_at(Place::of(request), may_be_seen);
            if is_wanted && step.is_continue() {
                step = page.show(event.clone());
            }
            if let ControlFlow::Break(next) = step {
                return Ok(page.end(Some(next), state.head));
            }
        }
        Ok(page.end(None, state.head))
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        let state = self.state()?;
        let due = state
            .by_expiry
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(limit);
        Ok(due
            .filter_map(|(_, id)| state.requests.get(id).cloned())
            .collect())
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.state()?.by_expiry.first().map(|(at, _)| *at))
    }

    async fn pending(&self) -> Result<usize, StoreError> {
        Ok(self.state()?.pending.len())
    }

    async fn pending_of(&self, requester: &Principal) -> Result<usize, StoreError> {
        let state = self.state()?;
        let theirs = state.requests.values().filter(|event| {
            let request = &event.request;
            request.status == Status::Pending && request.requester.principal == *requester
        });
        Ok(theirs.count())
    }

    async fn purge(&self, settled_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut state = self.state()?;
        let old = state
            .by_settled
            .iter()
            .take_while(|(at, _)| *at < settled_before);
        let old: Vec<RequestId> = old.take(limit).map(|(_, id)| *id).collect();
        for id in &old {
            if let Some(event) = state.requests.remove(id) {
                debug_assert_ne!(
                    event.request.status,
                    Status::Pending,
                    "only settled ones age"
                );
                state.unlist(&event);
                state.purged = state.purged.max(event.id);
            }
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
