//! Parked long polls, keyed by request.
//!
//! Register first, then read the state, then wait: whatever is committed after the registration
//! wakes the waiter, and whatever was committed before it is in what was read. The guard that
//! registering returns takes the entry away again, however the wait ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::Full;
use crate::domain::{Event, EventId, RequestId};

/// What a waiter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// The request's final state.
    Final,
    /// Any commit after this one.
    After(EventId),
}

impl Wants {
    /// Whether `event` is it.
    pub fn are_met_by(self, event: &Event) -> bool {
        match self {
            Self::Final => event.request.status.is_final(),
            Self::After(id) => event.id > id,
        }
    }
}

/// All parked long polls of a daemon.
#[derive(Debug)]
pub struct Waiters {
    // A std mutex: it is held for map operations only, never over an await.
    parked: Arc<Mutex<Parked>>,
    most: usize,
}

#[derive(Debug, Default)]
struct Parked {
    // One ordered map for all: a request's waiters are a range of it, so that an entry costs no
    // collection of its own and one of thousands on a request leaves as cheaply as a lone one.
    places: BTreeMap<(RequestId, u64), Place>,
    next: u64,
}

#[derive(Debug)]
struct Place {
    wants: Wants,
    wake: oneshot::Sender<Event>,
}

impl Waiters {
    /// No waiters, and room for `most`.
    pub fn new(most: usize) -> Self {
        Self {
            parked: Arc::default(),
            most,
        }
    }

    /// Parks a waiter for the request `id`.
    ///
    /// # Errors
    /// As many wait as may.
    pub fn register(&self, id: RequestId, wants: Wants) -> Result<Waiter, Full> {
        let (wake, woken) = oneshot::channel();
        let mut parked = lock(&self.parked);
        if parked.places.len() >= self.most {
            return Err(Full { most: self.most });
        }
        let key = (id, parked.next);
        parked.next += 1;
        parked.places.insert(key, Place { wants, wake });
        drop(parked);
        Ok(Waiter {
            parked: Arc::clone(&self.parked),
            key,
            woken,
        })
    }

    /// Wakes those whom `event` concerns.
    pub fn deliver(&self, event: &Event) {
        let mut parked = lock(&self.parked);
        let id = event.request.id;
        let concerned: Vec<_> = parked
            .places
            .range((id, 0)..=(id, u64::MAX))
            .filter(|(_, place)| place.wants.are_met_by(event))
            .map(|(key, _)| *key)
            .collect();
        let woken: Vec<_> = concerned
            .iter()
            .filter_map(|key| parked.places.remove(key))
            .collect();
        drop(parked);
        for place in woken {
            // A waiter that has just left does not need the answer.
            drop(place.wake.send(event.clone()));
        }
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        lock(&self.parked).places.len()
    }
}

fn lock(parked: &Mutex<Parked>) -> MutexGuard<'_, Parked> {
    parked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One parked long poll; dropping it takes it off the list.
#[derive(Debug)]
pub struct Waiter {
    parked: Arc<Mutex<Parked>>,
    key: (RequestId, u64),
    woken: oneshot::Receiver<Event>,
}

impl Waiter {
    /// Waits until the event comes that is waited for. Safe to drop and call again until it has
    /// answered; then it has no more to say.
    pub async fn woken(&mut self) -> Event {
        match (&mut self.woken).await {
            Ok(event) => event,
            // Only a wake removes the sender, so this waiter has had its event.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let left = lock(&self.parked).places.remove(&self.key);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EventId, Status};
    use crate::hub::tests::event;

    #[tokio::test]
    async fn a_wake_up_between_registering_and_waiting_is_not_lost() {
        let waiters = Waiters::new(8);
        let answer = event(2, 1, Status::Approved);
        let mut waiter = waiters.register(answer.request.id, Wants::Final).unwrap();
        waiters.deliver(&answer);
        assert_eq!(waiter.woken().await, answer);
    }

    #[tokio::test]
    async fn only_what_is_wanted_wakes() {
        let waiters = Waiters::new(8);
        let seen = event(2, 1, Status::Pending);
        let id = seen.request.id;
        let mut waits_for_the_end = waiters.register(id, Wants::Final).unwrap();
        let mut waits_for_news = waiters.register(id, Wants::After(EventId(1))).unwrap();
        let up_to_date = waiters.register(id, Wants::After(EventId(2))).unwrap();
        let other = waiters.register(event(9, 2, Status::Pending).request.id, Wants::Final);
        waiters.deliver(&seen);
        assert_eq!(waits_for_news.woken().await, seen);
        assert_eq!(waiters.count(), 3);
        let end = event(3, 1, Status::Denied);
        waiters.deliver(&end);
        assert_eq!(waits_for_the_end.woken().await, end);
        assert_eq!(waiters.count(), 1, "the one on another request still waits");
        drop((up_to_date, other));
    }

    #[test]
    fn a_waiter_that_leaves_takes_its_entry_with_it() {
        let waiters = Waiters::new(8);
        let id = event(1, 1, Status::Pending).request.id;
        let (first, second) = (
            waiters.register(id, Wants::Final),
            waiters.register(id, Wants::Final),
        );
        drop(first);
        assert_eq!(waiters.count(), 1);
        drop(second);
        assert_eq!(waiters.count(), 0);
        waiters.deliver(&event(2, 1, Status::Approved));
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let waiters = Waiters::new(1);
        let id = event(1, 1, Status::Pending).request.id;
        let first = waiters.register(id, Wants::Final).unwrap();
        assert_eq!(
            waiters.register(id, Wants::Final).unwrap_err(),
            Full { most: 1 }
        );
        drop(first);
        assert!(waiters.register(id, Wants::Final).is_ok());
    }
}
