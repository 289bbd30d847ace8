//! What the writer has made known: where the store stands, which rows are not filed, and the latest
//! events of the requests that were written last.
//!
//! Most reads are of requests that were just written, by those who wait for them. Only the writer
//! changes what is here, so nobody can put an older event over a newer one. It takes the requests
//! of a group out before COMMIT and puts their events in after it; in between, and whenever it is
//! not known what became of a group, the database answers. So an event here always is the latest
//! that the database shows.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rows::Standing;
use super::unfiled::{Found, Unfiled};
use crate::domain::{Event, EventId, Principal, RequestId, Timestamp};
use crate::limits;
use crate::store::{ListQuery, Range};

/// Shared by the writer, which changes it, and all who read.
pub(super) struct Published {
    // A std mutex: it is held for map operations, never over an await or a read of the disk.
    state: Mutex<State>,
}

struct State {
    standing: Standing,
    unfiled: Unfiled,
    recent: Recent,
}

impl Published {
    pub(super) fn new(standing: Standing, unfiled: Unfiled) -> Self {
        let state = State {
            standing,
            unfiled,
            recent: Recent::new(limits::RECENT_EVENTS, limits::RECENT_BYTES),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        self.state().standing
    }

    /// The latest event of a request, if it is remembered.
    pub(super) fn recent(&self, id: RequestId) -> Option<Event> {
        self.state().recent.latest.get(&id).cloned()
    }

    /// How many requests of this requester are pending.
    pub(super) fn pending_of(&self, requester: &Principal) -> usize {
        self.state().unfiled.pending_of(requester)
    }

    /// The latest commits of pending requests in a range, at most `limit`.
    pub(super) fn pending_in(&self, range: Range, limit: usize) -> Vec<EventId> {
        self.state().unfiled.pending_in(range, limit)
    }

    /// Pending requests in the order of their expiry, from behind this one on, at most `limit`.
    pub(super) fn by_expiry(
        &self,
        after: Option<(Timestamp, RequestId)>,
        limit: usize,
    ) -> Vec<(Timestamp, RequestId)> {
        self.state().unfiled.by_expiry(after, limit)
    }

    /// What is not filed of a list, at most `limit`; and a commit that it is sure to have seen.
    pub(super) fn find(&self, query: &ListQuery, limit: usize) -> (Found, EventId) {
        let state = self.state();
        (state.unfiled.find(query, limit), state.standing.head.event)
    }

    /// The rows to be filed, so that no more settled ones than `keep` are left.
    pub(super) fn to_be_filed(&self, keep: usize) -> Vec<EventId> {
        self.state().unfiled.to_be_filed(keep)
    }

    /// The database may soon show something else of these requests.
    pub(super) fn forget(&self, ids: impl Iterator<Item = RequestId>) {
        let mut state = self.state();
        for id in ids {
            state.recent.remove(id);
        }
    }

    /// What is up to this commit may be missing from the database from now on.
    ///
    /// Told before the COMMIT of a purge: a reader that meets the gap has to find it explained. If
    /// that COMMIT fails, a reader has been told too much, and starts anew for nothing.
    pub(super) fn purged(&self, purged: EventId) {
        let head = &mut self.state().standing.head;
        head.purged = head.purged.max(purged);
    }

    /// These rows are filed, these events are durable and readable, and the store stands there.
    pub(super) fn publish(&self, standing: Standing, filed: &[EventId], events: &[Event]) {
        let mut state = self.state();
        state.standing = standing;
        for event in events {
            state.unfiled.put(event);
            state.recent.insert(event.clone());
        }
        // The rows of events may be among them.
        for event in filed {
            state.unfiled.remove(*event);
        }
    }

    /// The database was opened again, and these are the rows that are not filed.
    pub(super) fn reload(&self, unfiled: Unfiled) {
        self.state().unfiled = unfiled;
    }

    /// The store stands there, after these events; whichever of their rows are not filed were there
    /// to be reloaded.
    pub(super) fn catch_up(&self, standing: Standing, events: &[Event]) {
        let mut state = self.state();
        state.standing = standing;
        for event in events {
            state.recent.insert(event.clone());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Latest events of requests, the oldest given up first.
struct Recent {
    latest: HashMap<RequestId, Event>,
    by_age: BTreeMap<EventId, RequestId>,
    bytes: usize,
    most_events: usize,
    most_bytes: usize,
}

impl Recent {
    fn new(most_events: usize, most_bytes: usize) -> Self {
        Self {
            latest: HashMap::new(),
            by_age: BTreeMap::new(),
            bytes: 0,
            most_events,
            most_bytes,
        }
    }

    fn insert(&mut self, event: Event) {
        self.remove(event.request.id);
        self.bytes += event.request.text_bytes();
        self.by_age.insert(event.id, event.request.id);
        self.latest.insert(event.request.id, event);
        while self.latest.len() > self.most_events || self.bytes > self.most_bytes {
            let Some((_, oldest)) = self.by_age.first_key_value() else {
                break;
            };
            self.remove(*oldest);
        }
    }

    fn remove(&mut self, id: RequestId) {
        if let Some(event) = self.latest.remove(&id) {
            self.by_age.remove(&event.id);
            self.bytes -= event.request.text_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::asked;

    fn event(id: u64, request: u8, details: usize) -> Event {
        let mut request = asked(request);
        request.details = crate::domain::Details::new("a".repeat(details)).unwrap();
        Event {
            id: EventId(id),
            request: request.into(),
        }
    }

    fn held(recent: &Recent) -> Vec<u64> {
        assert_eq!(recent.latest.len(), recent.by_age.len());
        let bytes: usize = recent.latest.values().map(|e| e.request.text_bytes()).sum();
        assert_eq!(recent.bytes, bytes);
        recent.by_age.keys().map(|id| id.0).collect()
    }

    #[test]
    fn the_oldest_events_are_given_up_first() {
        let mut recent = Recent::new(2, usize::MAX);
        for (id, request) in [(1, 1), (2, 2), (3, 1), (4, 3)] {
            recent.insert(event(id, request, 0));
        }
        assert_eq!(held(&recent), [3, 4]);
    }

    #[test]
    fn large_events_push_out_more() {
        let mut recent = Recent::new(100, 1000);
        for id in 1..=3 {
            recent.insert(event(id.into(), id, 300));
        }
        assert_eq!(held(&recent), [1, 2, 3]);
        recent.insert(event(4, 4, 700));
        assert_eq!(held(&recent), [4]);
        recent.insert(event(5, 5, 2000));
        assert_eq!(
            held(&recent),
            [0; 0],
            "one that is too large alone is not kept"
        );
        recent.remove(RequestId::from_bytes([9; 16]));
        assert_eq!(held(&recent), [0; 0]);
    }
}
