//! Who waits for what: long polls parked under a request, streams reading the tail of events, and
//! who stands behind them.
//!
//! The hub is told of commits in their order and wakes whom they concern. It knows no store, no
//! HTTP and no rules, it never blocks, and it keeps nothing for somebody who has gone.

pub mod listeners;
pub mod subscribers;
pub mod tail;
pub mod waiters;

pub use listeners::{Hears, Listeners, Listening};
pub use subscribers::{Filter, Subscriber};
pub use tail::{Entry, Tail, TailRead};
pub use waiters::{Waiter, Waiters, Wants};

use crate::domain::{Event, EventId};
use crate::limits::Limits;

/// No more places: the limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {most} places are taken")]
pub struct Full {
    /// The limit.
    pub most: usize,
}

/// The waiters and the tail of one daemon.
#[derive(Debug)]
pub struct Hub {
    /// Long polls, by request.
    pub waiters: Waiters,
    /// Recent events, for streams.
    pub tail: Tail,
    /// Those of the streams that belong to somebody who may decide.
    pub listeners: Listeners,
}

impl Hub {
    /// A hub without events, waiters and subscribers.
    pub fn new(limits: &Limits) -> Self {
        Self {
            waiters: Waiters::new(limits.waiters),
            tail: Tail::new(limits.subscribers),
            listeners: Listeners::default(),
        }
    }

    /// Starts the tail after `head`, the newest commit of the store; called once, before anybody
    /// subscribes.
    pub fn begin(&self, head: EventId) {
        self.tail.begin(head);
    }

    /// Takes the next commits, in event-id order: first an answer for those who wait, then the
    /// news for those who listen.
    pub fn deliver(&self, events: &[Event]) {
        for event in events {
            self.waiters.deliver(event);
        }
        self.tail.extend(events);
    }

    /// All up to `head` was delivered that could be.
    pub fn reached(&self, head: EventId) {
        self.tail.reached(head);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::domain::{
        Ask, Caller, Details, Digest, Event, EventId, Request, RequestId, Status, Timestamp, Title,
        Topic,
    };

    /// Event `id` of request `name`, in this state.
    pub(crate) fn event(id: u64, name: u8, status: Status) -> Event {
        event_about(id, name, status, &Topic::default())
    }

    /// The same, of a request about this topic, which `ci` has asked.
    pub(crate) fn event_about(id: u64, name: u8, status: Status, topic: &Topic) -> Event {
        let ask = Ask {
            title: Title::new("Deploy?".to_owned()).unwrap(),
            details: Details::new(String::new()).unwrap(),
            fields: Vec::new(),
            topic: topic.clone(),
            expires_in: Some(Duration::from_mins(1)),
            match_code: None,
            command: None,
            need: None,
            from: Vec::new(),
            lease: None,
            use_within: crate::limits::USE_WITHIN.1,
            digest: Digest::of(b""),
        };
        let now = Timestamp::from_millis(0);
        let name = RequestId::from_bytes([name; 16]);
        let mut request = Request::asked(name, ask, Caller::named("ci"), now);
        request.status = status;
        Event {
            id: EventId(id),
            request: Arc::new(request),
        }
    }
}
