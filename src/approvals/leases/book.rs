//! The book of leases: who polls for which request, and which lease runs until when.
//!
//! Functions of values and `now`, with no input or output. A lease runs only while no poll is held,
//! and begins anew with each that ends. Requests without a lease are not in the book, nor are those
//! that are final.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{Caller, Channel, Principal, Request, RequestId, Status};

/// All leases of pending requests.
#[derive(Debug, Default)]
pub(super) struct Book {
    leases: BTreeMap<RequestId, Lease>,
    /// Those that no poll is held for, the first to end first.
    running: BTreeSet<(Instant, RequestId)>,
}

#[derive(Debug)]
struct Lease {
    asker: Principal,
    way: Option<Channel>,
    length: Duration,
    /// Polls that are held; while there is one, `ends` says nothing.
    polls: u32,
    ends: Instant,
}

impl Lease {
    /// Whether a sign of life of `by` is one of the asker.
    ///
    /// Where nobody is told apart, all have the same name. So somebody who says to have come by
    /// another way than the ask, as a page or an approver's terminal does, is not the asker.
    fn is_of(&self, by: &Caller) -> bool {
        let same_way = by.channel == self.way || matches!(by.channel, None | Some(Channel::Api));
        by.principal == self.asker && same_way
    }
}

impl Book {
    /// Takes up what a request has become: a pending one with a lease that is not in the book yet
    /// begins to run, a final one leaves, and so does one that was freed of its lease.
    pub(super) fn note(&mut self, request: &Request, now: Instant) {
        let Some(secs) = request.lease_secs else {
            return self.forget(request.id);
        };
        if request.status != Status::Pending {
            return self.forget(request.id);
        }
        if self.leases.contains_key(&request.id) {
            return;
        }
        let length = Duration::from_secs(secs);
        let lease = Lease {
            asker: request.requester.principal.clone(),
            way: request.requester.channel,
            length,
            polls: 0,
            ends: now + length,
        };
        self.running.insert((lease.ends, request.id));
        self.leases.insert(request.id, lease);
    }

    /// A poll of `by` comes; answers whether it counts, and has to [leave](Self::leave) then.
    pub(super) fn enter(&mut self, id: RequestId, by: &Caller) -> bool {
        let Some(lease) = self.leases.get_mut(&id).filter(|lease| lease.is_of(by)) else {
            return false;
        };
        if lease.polls == 0 {
            self.running.remove(&(lease.ends, id));
        }
        lease.polls += 1;
        true
    }

    /// A poll that counted has ended; with the last one the lease begins anew.
    pub(super) fn leave(&mut self, id: RequestId, now: Instant) {
        // The request may have become final meanwhile.
        let Some(lease) = self.leases.get_mut(&id) else {
            return;
        };
        lease.polls = lease.polls.saturating_sub(1);
        if lease.polls == 0 {
            self.restart(id, now);
        }
    }

    /// A lease that runs begins anew.
    pub(super) fn restart(&mut self, id: RequestId, now: Instant) {
        let Some(lease) = self.leases.get_mut(&id).filter(|lease| lease.polls == 0) else {
            return;
        };
        self.running.remove(&(lease.ends, id));
        lease.ends = now + lease.length;
        self.running.insert((lease.ends, id));
    }

    /// All that run begin anew: the daemon could not be reached for a while.
    pub(super) fn restart_all(&mut self, now: Instant) {
        for (_, id) in std::mem::take(&mut self.running) {
            self.restart(id, now);
        }
    }

    /// At most `most` whose lease has ended. They stay in the book until they are final.
    pub(super) fn ended(&self, now: Instant, most: usize) -> Vec<RequestId> {
        let ended = self.running.iter().take_while(|(ends, _)| *ends <= now);
        ended.take(most).map(|(_, id)| *id).collect()
    }

    /// Whether the lease of this one had ended by then, and nobody has given a sign of life since.
    pub(super) fn has_ended(&self, id: RequestId, by: Instant) -> bool {
        let lease = self.leases.get(&id);
        lease.is_some_and(|lease| lease.polls == 0 && lease.ends <= by)
    }

    /// Its request is final, or there is none.
    pub(super) fn forget(&mut self, id: RequestId) {
        if let Some(lease) = self.leases.remove(&id) {
            self.running.remove(&(lease.ends, id));
        }
    }

    /// When the first of those that run ends; `None` when none runs.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.running.first().map(|(ends, _)| *ends)
    }

    /// How many leases there are, and how many of them run.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.leases.len(), self.running.len())
    }
}

#[cfg(test)]
mod tests;
