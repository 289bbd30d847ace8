//! The book of leases: who polls for which request, and which lease runs until when.
//!
//! Functions of values and `now`, with no input or output. A lease runs only while no poll is held,
//! and begins anew with each that ends. Requests without a lease are not in the book, nor are those
//! that are final.
//!
//! Where several nodes serve the same store, each has a book of its own, and what another node knows
//! comes in as hearsay: it lengthens a lease here, and is never passed on, so that no two books can
//! keep a request alive by telling each other of it.

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
    /// Those that another node has asked about a short while ago, and that have had a sign of life
    /// since.
    news: BTreeSet<RequestId>,
}

#[derive(Debug)]
struct Lease {
    asker: Principal,
    way: Option<Channel>,
    length: Duration,
    /// Polls that are held; while there is one, the ends say nothing.
    polls: u32,
    /// When it ends by what has happened at this node.
    ends: Instant,
    /// When it ends by what is known of other nodes, or not known; it has no meaning before `ends`.
    heard: Instant,
    /// Until when a sign of life is news for another node.
    asked: Option<Instant>,
}

impl Lease {
    fn end(&self) -> Instant {
        self.ends.max(self.heard)
    }

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
            heard: now,
            asked: None,
        };
        self.running.insert((lease.end(), request.id));
        self.leases.insert(request.id, lease);
    }

    /// A poll of `by` comes; answers whether it counts, and has to [leave](Self::leave) then.
    pub(super) fn enter(&mut self, id: RequestId, by: &Caller, now: Instant) -> bool {
        let Some(lease) = self.leases.get_mut(&id).filter(|lease| lease.is_of(by)) else {
            return false;
        };
        if lease.polls == 0 {
            self.running.remove(&(lease.end(), id));
        }
        lease.polls += 1;
        if lease.asked.take().is_some_and(|until| now < until) {
            self.news.insert(id);
        }
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
            lease.ends = now + lease.length;
            self.running.insert((lease.end(), id));
        }
    }

    /// A lease that runs begins anew.
    pub(super) fn restart(&mut self, id: RequestId, now: Instant) {
        self.change(id, |lease| {
            if lease.polls == 0 {
                lease.ends = now + lease.length;
            }
        });
    }

    /// Changes when a lease ends.
    fn change(&mut self, id: RequestId, change: impl FnOnce(&mut Lease)) {
        let Some(lease) = self.leases.get_mut(&id) else {
            return;
        };
        let before = lease.end();
        change(lease);
        if lease.polls == 0 && self.running.remove(&(before, id)) {
            self.running.insert((lease.end(), id));
        }
    }

    /// All that run begin anew: the daemon could not be reached for a while.
    pub(super) fn restart_all(&mut self, now: Instant) {
        for id in self.running_ids() {
            self.restart(id, now);
        }
    }

    fn running_ids(&self) -> Vec<RequestId> {
        self.running.iter().map(|(_, id)| *id).collect()
    }

    /// Another node says that this lease has so long left there, which is never more than all of it.
    /// What is heard while a poll is held here counts when the poll has ended.
    pub(super) fn hear(&mut self, id: RequestId, left: Duration, now: Instant) {
        self.change(id, |lease| {
            lease.heard = lease.heard.max(now + left.min(lease.length));
        });
    }

    /// A lease that runs ends no sooner than a whole one from now, since it is not known what another
    /// node would say; nothing was heard here that could be told to others.
    pub(super) fn put_off(&mut self, id: RequestId, now: Instant) {
        self.hear(id, Duration::MAX, now);
    }

    /// All that run are put off.
    pub(super) fn put_off_all(&mut self, now: Instant) {
        for id in self.running_ids() {
            self.put_off(id, now);
        }
    }

    /// What this node can say of these leases from what has happened at it: how long each has left,
    /// for those that have. A sign of life of one of them is [news](Self::take_news) until `until`.
    pub(super) fn kept(
        &mut self,
        ids: &[RequestId],
        now: Instant,
        until: Instant,
    ) -> Vec<(RequestId, Duration)> {
        let mut kept = Vec::new();
        for id in ids {
            let Some(lease) = self.leases.get_mut(id) else {
                continue;
            };
            lease.asked = Some(until);
            let left = match lease.polls {
                0 => lease.ends.saturating_duration_since(now),
                _ => lease.length,
            };
            if !left.is_zero() {
                kept.push((*id, left));
            }
        }
        kept
    }

    /// At most `most` that had a sign of life after another node had asked about them, each told
    /// once, with how long their leases have left now.
    pub(super) fn take_news(&mut self, now: Instant, most: usize) -> Vec<(RequestId, Duration)> {
        let mut ids = std::mem::take(&mut self.news);
        if let Some(next) = ids.iter().nth(most).copied() {
            self.news = ids.split_off(&next);
        }
        let ids: Vec<_> = ids.into_iter().collect();
        self.kept(&ids, now, now)
    }

    /// Whether there is such news.
    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// At most `most` whose lease has ended. They stay in the book until they are final.
    pub(super) fn ended(&self, now: Instant, most: usize) -> Vec<RequestId> {
        let ended = self.running.iter().take_while(|(ends, _)| *ends <= now);
        ended.take(most).map(|(_, id)| *id).collect()
    }

    /// Whether the lease of this one had ended by then, and nobody has given a sign of life since.
    pub(super) fn has_ended(&self, id: RequestId, by: Instant) -> bool {
        let lease = self.leases.get(&id);
        lease.is_some_and(|lease| lease.polls == 0 && lease.end() <= by)
    }

    /// Its request is final, or there is none.
    pub(super) fn forget(&mut self, id: RequestId) {
        if let Some(lease) = self.leases.remove(&id) {
            self.running.remove(&(lease.end(), id));
            self.news.remove(&id);
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
