//! Requests in memory, in all the orders in which they are read.
//!
//! The whole of the store that forgets everything, and what each node sees of a store that others
//! write to as well. It is told what there is and has no rules about it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use super::page::Filling;
use super::{Head, ListQuery, Page, Place, Range, StoreError};
use crate::domain::{Event, EventId, Principal, Request, RequestId, Timestamp};

/// All requests of a store, each at its latest event.
#[derive(Default)]
pub(super) struct View {
    requests: HashMap<RequestId, Event>,
    /// Those whose record cannot be read.
    bad: HashMap<RequestId, Bad>,
    by_event: BTreeMap<EventId, RequestId>,
    pending: BTreeSet<EventId>,
    pending_of: HashMap<Principal, usize>,
    pending_bytes: u64,
    by_expiry: BTreeSet<(Timestamp, RequestId)>,
    by_place: BTreeSet<Place>,
    by_settled: BTreeSet<(Timestamp, RequestId)>,
    head: Head,
}

/// What is known of a request whose record cannot be read.
#[derive(Debug)]
struct Bad {
    event: EventId,
    settled_at: Option<Timestamp>,
    why: StoreError,
}

impl View {
    /// Where the store stands.
    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// The latest event of a request.
    pub(super) fn get(&self, id: RequestId) -> Option<&Event> {
        self.requests.get(&id)
    }

    /// Takes up an event: it is the latest of its request, and of all.
    pub(super) fn put(&mut self, event: Event) {
        let request = &event.request;
        self.remove(request.id);
        self.head.event = self.head.event.max(event.id);
        self.by_event.insert(event.id, request.id);
        self.by_place.insert(Place::of(request));
        match request.settled_at {
            None => {
                self.pending.insert(event.id);
                self.pending_bytes += bytes_of(request);
                let requester = request.requester.principal.clone();
                *self.pending_of.entry(requester).or_default() += 1;
                self.by_expiry.insert((request.expires_at, request.id));
            }
            Some(at) => {
                self.by_settled.insert((at, request.id));
            }
        }
        self.requests.insert(request.id, event);
    }

    /// The same of one whose record cannot be read, and why; it became final then.
    pub(super) fn put_bad(
        &mut self,
        id: RequestId,
        event: EventId,
        settled_at: Option<Timestamp>,
        why: StoreError,
    ) {
        self.remove(id);
        self.head.event = self.head.event.max(event);
        if let Some(at) = settled_at {
            self.by_settled.insert((at, id));
        }
        let bad = Bad {
            event,
            settled_at,
            why,
        };
        self.bad.insert(id, bad);
    }

    /// Why the record of a request cannot be read, if it is so.
    pub(super) fn why_bad(&self, id: RequestId) -> Option<&StoreError> {
        self.bad.get(&id).map(|bad| &bad.why)
    }

    /// Forgets a request; answers its latest event, if it was there.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<EventId> {
        if let Some(bad) = self.bad.remove(&id) {
            if let Some(at) = bad.settled_at {
                self.by_settled.remove(&(at, id));
            }
            return Some(bad.event);
        }
        let event = self.requests.remove(&id)?;
        let request = &event.request;
        self.by_event.remove(&event.id);
        if self.pending.remove(&event.id) {
            self.pending_bytes -= bytes_of(request);
            self.settle_one_of(&request.requester.principal);
        }
        self.by_expiry.remove(&(request.expires_at, id));
        self.by_place.remove(&Place::of(request));
        if let Some(at) = request.settled_at {
            self.by_settled.remove(&(at, id));
        }
        Some(event.id)
    }

    fn settle_one_of(&mut self, requester: &Principal) {
        if let Entry::Occupied(mut pending) = self.pending_of.entry(requester.clone()) {
            *pending.get_mut() -= 1;
            if *pending.get() == 0 {
                pending.remove();
            }
        }
    }

    /// What is up to this event may be missing.
    pub(super) fn purged(&mut self, event: EventId) {
        self.head.purged = self.head.purged.max(event);
        // The newest of all may be among them, and its id is not used again.
        self.head.event = self.head.event.max(event);
    }

    /// At most `limit` requests that became final before then, the longest settled first, each with
    /// its latest event.
    pub(super) fn settled_before(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Vec<(Timestamp, RequestId, EventId)> {
        let old = self.by_settled.iter().take_while(|(at, _)| *at < before);
        old.take(limit)
            .filter_map(|(at, id)| Some((*at, *id, self.event_of(*id)?)))
            .collect()
    }

    /// Forgets all that became final up to this place in the order of becoming so, and have not
    /// changed after `until`; answers their names and latest events.
    pub(super) fn forget_settled(
        &mut self,
        last: (Timestamp, RequestId),
        until: EventId,
    ) -> Vec<(RequestId, EventId)> {
        let old: Vec<_> = self
            .by_settled
            .range(..=last)
            .filter_map(|(_, id)| Some((*id, self.event_of(*id)?)))
            .filter(|(_, event)| *event <= until)
            .collect();
        for (id, _) in &old {
            self.remove(*id);
        }
        old
    }

    /// The requests that are not settled, also those whose record cannot be read and may be, with their
    /// latest events, up to this one.
    pub(super) fn unsettled(&self, until: EventId) -> Vec<(RequestId, EventId)> {
        let pending = self.pending.range(..=until);
        let pending = pending.filter_map(|event| Some((*self.by_event.get(event)?, *event)));
        let bad = self.bad.iter().filter(|(_, bad)| bad.settled_at.is_none());
        let bad = bad.map(|(id, bad)| (*id, bad.event));
        let bad = bad.filter(|(_, event)| *event <= until);
        pending.chain(bad).collect()
    }

    /// The latest event of a request, also where its record cannot be read.
    pub(super) fn event_of(&self, id: RequestId) -> Option<EventId> {
        let good = self.requests.get(&id).map(|event| event.id);
        good.or_else(|| self.bad.get(&id).map(|bad| bad.event))
    }

    /// See [`Store::changes`](super::Store::changes).
    pub(super) fn changes(&self, range: Range, only_pending: bool, limit: usize) -> Vec<Event> {
        if range.until <= range.after {
            return Vec::new();
        }
        let wanted = range.after.next()..=range.until;
        let at = |id: &EventId| self.requests.get(self.by_event.get(id)?).cloned();
        if only_pending {
            let ids = self.pending.range(wanted);
            return ids.take(limit).filter_map(at).collect();
        }
        let ids = self.by_event.range(wanted).map(|(id, _)| id);
        ids.take(limit).filter_map(at).collect()
    }

    /// See [`Store::list`](super::Store::list).
    pub(super) fn list(&self, query: &ListQuery) -> Page {
        let places: Box<dyn Iterator<Item = &Place> + Send> = match query.after {
            Some(after) => Box::new(self.by_place.range(..after).rev()),
            None => Box::new(self.by_place.iter().rev()),
        };
        let mut page = Filling::new(query.limit);
        for event in places.filter_map(|place| self.requests.get(&place.id)) {
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
                return page.end(Some(next), self.head.event);
            }
        }
        page.end(None, self.head.event)
    }

    /// See [`Store::overdue`](super::Store::overdue).
    pub(super) fn overdue(&self, now: Timestamp, limit: usize) -> Vec<Event> {
        let due = self.by_expiry.iter().take_while(|(at, _)| *at <= now);
        due.take(limit)
            .filter_map(|(_, id)| self.requests.get(id).cloned())
            .collect()
    }

    /// See [`Store::next_expiry`](super::Store::next_expiry).
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.by_expiry.first().map(|(at, _)| *at)
    }

    /// How many are pending, with those whose record cannot be read.
    pub(super) fn pending(&self) -> usize {
        let bad = self.bad.values().filter(|bad| bad.settled_at.is_none());
        self.pending.len() + bad.count()
    }

    /// About how many bytes the records of those that are pending have.
    pub(super) fn pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// How many of this requester are pending.
    pub(super) fn pending_of(&self, requester: &Principal) -> usize {
        self.pending_of.get(requester).copied().unwrap_or_default()
    }
}

/// The bytes of a request's text, and about those of all the rest.
fn bytes_of(request: &Request) -> u64 {
    const REST: usize = 1024;
    u64::try_from(request.text_bytes() + REST).unwrap_or(u64::MAX)
}
