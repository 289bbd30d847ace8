//! What one node has taken up of the bucket, message by message in their order.
//!
//! Nothing here depends on who reads, or when: every node that has come to the same message has the
//! same requests, and has seen the same writes count.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::HeaderMap;
use tokio::sync::oneshot;

use super::chain::Chain;
use super::message::{self, Content, Mark};
use crate::domain::{Event, EventId, RequestId, Timestamp};
use crate::store::StoreError;
use crate::store::view::View;

/// What was taken up of the bucket.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) requests: View,
    chains: HashMap<RequestId, Chain>,
    /// What retention has purged, and the number of the message that says so.
    pub(super) mark: Option<(u64, Mark)>,
    /// What was found purged and is still in the bucket: the key, and the last message of it.
    leftovers: Vec<(RequestId, u64)>,
    /// The name of this node, with which the names of its writes begin.
    pub(super) node: String,
    /// The last message that was taken up, and when NATS had stored it.
    pub(super) last_at: Option<(u64, Timestamp)>,
    /// The last event before numbers that did not come: what followed on it, or on one before it, may
    /// have been removed.
    pub(super) gap: Option<EventId>,
    /// Whether all that was there when the bucket was opened is taken up.
    pub(super) is_live: bool,
    /// The writes of this node that are on their way, by their names.
    awaited: HashMap<String, oneshot::Sender<Verdict>>,
}

/// What became of a write at its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts, as this event.
    Counts(EventId),
    /// Another came before it.
    Late,
}

/// What has to be done after a message was taken up.
#[derive(Debug)]
pub(super) enum Told {
    /// The feed is told of an event.
    Event(Event),
    /// The record of an event cannot be read.
    Bad(EventId, StoreError),
    /// An event is no longer the latest of its request.
    Replaced(EventId),
    /// A message of this node does not count, and only takes room.
    Late(EventId),
}

impl Seen {
    /// Nothing yet, for a node of this name.
    pub(super) fn of(node: String) -> Self {
        Self {
            node,
            ..Self::default()
        }
    }

    /// Takes up the message with this number, which comes after all that were taken up.
    pub(super) fn take_up(
        &mut self,
        number: u64,
        key: &str,
        headers: &HeaderMap,
        payload: &[u8],
        told: &mut Vec<Told>,
    ) {
        match message::read(key, headers, payload) {
            Content::Request {
                id,
                settled_at,
                follows,
                record,
            } => {
                let mut chain = self.chains.get(&id).copied();
                let counts = Chain::take_up(&mut chain, number, follows);
                if let Some(chain) = chain {
                    self.chains.insert(id, chain);
                }
                let event = EventId(number);
                self.decide(headers, event, counts);
                if !counts {
                    if self.is_ours(headers) {
                        told.push(Told::Late(event));
                    }
                    return;
                }
                told.extend(self.requests.remove(id).map(Told::Replaced));
                match record {
                    Ok(request) => {
                        let request = Arc::from(request);
                        let event = Event { id: event, request };
                        self.requests.put(event.clone());
                        told.push(Told::Event(event));
                    }
                    Err(error) => {
                        self.requests.put_bad(id, event, settled_at, error.clone());
                        told.push(Told::Bad(event, error));
                    }
                }
            }
            Content::Deleted(id) => {
                self.chains.remove(&id);
                if let Some(gone) = self.requests.remove(id) {
                    self.requests.purged(gone);
                    told.push(Told::Replaced(gone));
                }
            }
            Content::Purged(mark) => self.purge(number, mark, self.is_ours(headers), told),
            Content::Other => {}
        }
    }

    /// Whoever waits for this write is told.
    fn decide(&mut self, headers: &HeaderMap, event: EventId, counts: bool) {
        let name = message::write(headers);
        let Some(answer) = name.and_then(|name| self.awaited.remove(name)) else {
            return;
        };
        // Its writer may have given up.
        let is_heard = answer
            .send(if counts {
                Verdict::Counts(event)
            } else {
                Verdict::Late
            })
            .is_ok();
        tracing::trace!(
            event = event.0,
            counts,
            is_heard,
            "a write of this node came"
        );
    }

    /// Whether this node has written it, since it was started.
    fn is_ours(&self, headers: &HeaderMap) -> bool {
        let name = message::write(headers);
        name.is_some_and(|name| !self.node.is_empty() && name.starts_with(&self.node))
    }

    fn purge(&mut self, number: u64, mark: Mark, is_ours: bool, told: &mut Vec<Told>) {
        let event = self
            .mark
            .map_or(mark.event, |(_, known)| known.event.max(mark.event));
        self.mark = Some((number, Mark { event, ..mark }));
        self.requests.purged(event);
        let always = EventId(u64::MAX);
        let earlier = mark.earlier.map(|(number, last)| (EventId(number), last));
        for (until, last) in earlier.into_iter().chain([(always, mark.last)]) {
            let last = (last.settled_at, last.id);
            for (id, gone) in self.requests.forget_settled(last, until) {
                told.push(Told::Replaced(gone));
                // Whoever wrote the mark removes them, if it lives; what is there when the bucket is
                // opened nobody may have removed.
                let is_left = is_ours || !self.is_live;
                if let Some(chain) = self.chains.remove(&id).filter(|_| is_left) {
                    self.leftovers.push((id, chain.tail));
                }
            }
        }
    }

    /// The gap that is noted, and what retention may have removed while this node did not see it end:
    /// the requests that are not settled, each with its latest event. What is newer than all that was
    /// ever purged is not among them.
    pub(super) fn may_be_gone(&self) -> Option<(EventId, Vec<(RequestId, EventId)>)> {
        let gap = self.gap?;
        let purged = self.mark.map_or(EventId::ZERO, |(_, mark)| mark.event);
        Some((gap, self.requests.unsettled(gap.min(purged))))
    }

    /// Nothing from before this gap is gone any more, without it being known.
    pub(super) fn close_gap(&mut self, gap: EventId) {
        self.gap = self.gap.filter(|noted| *noted > gap);
    }

    /// Whether this event may be gone from the bucket.
    pub(super) fn is_before_gap(&self, event: EventId) -> bool {
        self.gap.is_some_and(|gap| event <= gap)
    }

    /// Forgets a request, if this is still its latest event; answers whether it was.
    pub(super) fn forget(&mut self, id: RequestId, event: EventId) -> bool {
        if self.requests.event_of(id) != Some(event) {
            return false;
        }
        self.chains.remove(&id);
        self.requests.remove(id);
        self.requests.purged(event);
        true
    }

    /// What was purged and has not been removed from the bucket, so far as this node knows; it has to
    /// be [given back](Self::keep_leftovers) where that did not work.
    pub(super) fn take_leftovers(&mut self) -> Vec<(RequestId, u64)> {
        std::mem::take(&mut self.leftovers)
    }

    pub(super) fn keep_leftovers(&mut self, leftovers: Vec<(RequestId, u64)>) {
        self.leftovers.extend(leftovers);
    }

    /// Waits for what becomes of the write of this name.
    pub(super) fn await_write(&mut self, name: &str) -> oneshot::Receiver<Verdict> {
        let (sender, receiver) = oneshot::channel();
        self.awaited.insert(name.to_owned(), sender);
        receiver
    }

    /// Nobody waits for it any more.
    pub(super) fn forget_write(&mut self, name: &str) {
        self.awaited.remove(name);
    }
}
