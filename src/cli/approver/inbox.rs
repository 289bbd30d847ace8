//! What waits for an answer, in which order, and which request is asked now: values only.

use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

use crate::domain::{EventId, RequestId, Timestamp};
use crate::limits;
use crate::wire::{RequestView, Status};

/// Final requests that are remembered, so that an older event does not bring one back.
const SETTLED: usize = 256;

/// The pending requests that an approver knows, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pending: BTreeMap<Place, Entry>,
    places: BTreeMap<RequestId, Place>,
    settled: VecDeque<(RequestId, EventId)>,
    bytes: usize,
    overflowed: bool,
    /// When a request to ask was looked for last.
    looked: Option<Instant>,
    /// Whether a policy judges each request before a person is asked.
    has_policy: bool,
    /// When a request to judge was looked for last.
    looked_to_judge: Option<Instant>,
    /// What is asked now.
    current: Option<Current>,
    /// Who answers here, if the daemon knows them by name.
    me: Option<String>,
}

/// Requests are asked in the order in which the daemon accepted them.
type Place = (Timestamp, RequestId);

#[derive(Debug)]
struct Entry {
    view: Box<RequestView>,
    /// When it was skipped last.
    skipped: Option<Instant>,
    /// How far the policy is with it, and whether it was voted on here.
    judged: Judged,
    /// Whether it was there before a reset and has not come again.
    stale: bool,
    /// Bytes that it holds.
    size: usize,
}

/// How far the policy is with a request, in the version that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    /// It has not seen it.
    No,
    /// It judges it, or an older version of it.
    Now,
    /// Its verdict could not be told; it judges it again at that time.
    Again(Instant),
    /// Its verdict does not count yet; it judges it again at that time, and people are asked
    /// meanwhile.
    Later(Instant),
    /// It has left it open.
    Open,
    /// A vote was given here, and others are waited for: nobody here is asked.
    Voted,
}

/// The request that is on the screen, in the version that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Current {
    id: RequestId,
    version: EventId,
}

/// What a change means to the person at the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Another number of requests waits; `arrived` when one has come.
    Count {
        /// Whether there is a request that was not there before.
        arrived: bool,
    },
    /// The request on the screen has other votes, in the same version.
    Votes(Box<RequestView>),
    /// The request on the screen has another version now.
    Redraw,
    /// The request on the screen is final, or gone.
    Settled(Gone),
}

/// What became of the request on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The daemon says what.
    As(Box<RequestView>),
    /// The daemon no longer names it among the pending ones.
    Unknown,
}

impl Inbox {
    /// An inbox whose requests a policy judges.
    pub(super) fn judged() -> Self {
        Self {
            has_policy: true,
            ..Self::default()
        }
    }

    /// Takes in who answers here, if that is known: what they have voted on is not asked again.
    pub(super) fn answers_as(&mut self, me: Option<String>) {
        self.me = me.or_else(|| self.me.take());
    }

    /// Takes in what the daemon says about a request.
    pub(super) fn apply(&mut self, view: Box<RequestView>) -> Change {
        if self.is_outdated(&view) {
            // It may be the answer to a reset, so what we have is there still.
            self.refresh(view.id);
            return Change::None;
        }
        if view.status == Status::Pending {
            self.put(view)
        } else {
            self.settle(view)
        }
    }

    /// Everything known is in doubt until it comes again.
    pub(super) fn reset(&mut self) {
        self.settled.clear();
        self.overflowed = false;
        for entry in self.pending.values_mut() {
            entry.stale = true;
        }
    }

    /// All that is pending has come: what is in doubt still is gone.
    pub(super) fn caught_up(&mut self) -> Change {
        let stale = self.pending.values().filter(|entry| entry.stale);
        let stale: Vec<RequestId> = stale.map(|entry| entry.view.id).collect();
        let any = !stale.is_empty();
        let mut change = if any {
            Change::Count { arrived: false }
        } else {
            Change::None
        };
        for id in stale {
            drop(self.remove(id));
            if self.take_current(id) {
                change = Change::Settled(Gone::Unknown);
            }
        }
        change
    }

    /// Chooses the request to ask: the oldest that was not skipped, and when all were skipped,
    /// the one whose time to return has come. `daemon_now` leaves out those whose time is over.
    pub(super) fn choose(
        &mut self,
        now: Instant,
        daemon_now: Option<Timestamp>,
    ) -> Option<RequestView> {
        self.looked = Some(now);
        let (has_policy, me) = (self.has_policy, self.me.as_deref());
        let askable = |entry: &&Entry| {
            entry.waits(daemon_now) && entry.is_for_people(has_policy) && !entry.is_voted_by(me)
        };
        let mut entries = self.pending.values().filter(askable);
        let fresh = entries.clone().find(|entry| entry.skipped.is_none());
        let chosen = fresh.or_else(|| {
            entries
                .by_ref()
                .filter(|entry| entry.returns().is_some_and(|at| at <= now))
                .min_by_key(|entry| entry.skipped)
        })?;
        let view = (*chosen.view).clone();
        self.current = Some(Current {
            id: view.id,
            version: view.version,
        });
        Some(view)
    }

    /// The next request for the policy, which is its from now on: the oldest that it has not judged
    /// in this version.
    pub(super) fn next_to_judge(
        &mut self,
        now: Instant,
        daemon_now: Option<Timestamp>,
    ) -> Option<RequestView> {
        self.looked_to_judge = Some(now);
        let current = self.current.map(|current| current.id);
        let me = self.me.as_deref();
        let entry = self.pending.values_mut().find(|entry| {
            entry.waits(daemon_now)
                && entry.is_for_policy(now)
                && !entry.is_voted_by(me)
                && current != Some(entry.view.id)
        })?;
        entry.judged = Judged::Now;
        Some((*entry.view).clone())
    }

    /// When the policy is to judge a request again, of those whose time had not come when
    /// [`Inbox::next_to_judge`] looked.
    pub(super) fn judged_again(&self) -> Option<Instant> {
        let looked = self.looked_to_judge;
        let entries = self.pending.values();
        let again = entries.filter_map(|entry| match entry.judged {
            Judged::Again(at) | Judged::Later(at) => Some(at),
            Judged::No | Judged::Now | Judged::Open | Judged::Voted => None,
        });
        again
            .filter(|&at| looked.is_none_or(|looked| at > looked))
            .min()
    }

    /// The policy has no opinion on a request, or its verdict does not count. It is not asked again
    /// about the version that it has judged.
    pub(super) fn leave_open(&mut self, id: RequestId, version: EventId) {
        if let Some(entry) = self.entry(id) {
            entry.judged = if entry.view.version == version {
                Judged::Open
            } else {
                Judged::No
            };
        }
    }

    /// The policy judges a request again at that time.
    pub(super) fn judge_again(&mut self, id: RequestId, at: Instant) {
        if let Some(entry) = self.entry(id) {
            entry.judged = Judged::Again(at);
        }
    }

    /// The policy judges a request again at that time, and people are asked meanwhile.
    pub(super) fn judge_later(&mut self, id: RequestId, at: Instant) {
        if let Some(entry) = self.entry(id) {
            entry.judged = Judged::Later(at);
        }
    }

    /// A vote was given here on a request that needs more of them, which is so now.
    pub(super) fn voted(&mut self, view: Box<RequestView>) {
        let id = view.id;
        self.take_current(id);
        drop(self.apply(view));
        if let Some(entry) = self.entry(id) {
            entry.judged = Judged::Voted;
        }
    }

    /// The current request as it is now, which is drawn again.
    pub(super) fn again(&mut self) -> Option<RequestView> {
        let id = self.current?.id;
        let view = (*self.entry(id)?.view).clone();
        self.current = Some(Current {
            id,
            version: view.version,
        });
        Some(view)
    }

    /// When the next skipped request returns, of those whose time had not come when
    /// [`Inbox::choose`] looked; it may have come since. One that was not asked although its time
    /// had come waits for the daemon's word.
    pub(super) fn next_return(&self) -> Option<Instant> {
        let returns = self.pending.values().filter_map(Entry::returns);
        returns
            .filter(|&at| self.looked.is_none_or(|looked| at > looked))
            .min()
    }

    /// Requests that wait for their time to return.
    pub(super) fn skipped(&self) -> usize {
        let entries = self.pending.values();
        entries.filter(|entry| entry.skipped.is_some()).count()
    }

    /// Leaves the current request where it is, to be asked again.
    pub(super) const fn put_back(&mut self) {
        self.current = None;
    }

    /// Puts the current request behind the others.
    pub(super) fn skip(&mut self, now: Instant) {
        if let Some(current) = self.current.take()
            && let Some(entry) = self.entry(current.id)
        {
            entry.skipped = Some(now);
        }
    }

    /// Takes the current request out: it was decided, and `at` is the commit that says so.
    pub(super) fn done(&mut self, id: RequestId, at: Option<EventId>) {
        drop(self.remove(id));
        self.take_current(id);
        if let Some(at) = at {
            self.remember(id, at);
        }
    }

    /// Requests that wait besides the current one.
    pub(super) fn others(&self) -> usize {
        let current = self.current.map(|current| current.id);
        let me = self.me.as_deref();
        let entries = self.pending.values();
        let others = entries.filter(|entry| current != Some(entry.view.id));
        others
            .filter(|entry| entry.judged != Judged::Voted && !entry.is_voted_by(me))
            .count()
    }

    /// Whether requests were left out for want of room, and there is room again.
    pub(super) fn has_room_again(&self) -> bool {
        self.overflowed
            && self.pending.len() <= limits::INBOX / 2
            && self.bytes <= limits::INBOX_BYTES / 2
    }

    fn put(&mut self, view: Box<RequestView>) -> Change {
        let (id, place) = (view.id, (view.created_at, view.id));
        let size = size(&view);
        let version = view.version;
        let arrived = !self.places.contains_key(&id);
        let is_current = self.current.is_some_and(|current| current.id == id);
        let skipped = self.entry(id).and_then(|entry| entry.skipped);
        let judged = self
            .entry(id)
            .map(|entry| entry.judged_as(version, is_current));
        let judged = match judged {
            // The vote was taken back, or fell away.
            Some(Judged::Voted) if self.me.is_some() && !is_voted_by(&view, self.me.as_deref()) => {
                Judged::Open
            }
            Some(judged) => judged,
            None => Judged::No,
        };
        // What the policy may answer calls nobody.
        let calls = arrived && (!self.has_policy || view.match_code_required);
        let old = self.remove(id);
        let others = |old: &Entry| old.view.decisions != view.decisions;
        let now = if is_current && old.as_ref().is_some_and(others) {
            Change::Votes(view.clone())
        } else {
            Change::None
        };
        let full = self.pending.len() >= limits::INBOX || self.bytes + size > limits::INBOX_BYTES;
        if full && !is_current {
            self.overflowed = true;
            return if arrived {
                Change::None
            } else {
                Change::Count { arrived: false }
            };
        }
        self.bytes += size;
        self.places.insert(id, place);
        let entry = Entry {
            view,
            skipped,
            judged,
            stale: false,
            size,
        };
        self.pending.insert(place, entry);
        match self.current {
            Some(current) if current.id == id && current.version != version => Change::Redraw,
            Some(current) if current.id == id => now,
            Some(_) | None if arrived => Change::Count { arrived: calls },
            Some(_) | None => Change::None,
        }
    }

    fn settle(&mut self, view: Box<RequestView>) -> Change {
        let known = self.remove(view.id).is_some();
        self.remember(view.id, view.event_id);
        if self.take_current(view.id) {
            Change::Settled(Gone::As(view))
        } else if known {
            Change::Count { arrived: false }
        } else {
            Change::None
        }
    }

    fn is_outdated(&mut self, view: &RequestView) -> bool {
        let settled = self
            .settled
            .iter()
            .any(|&(id, at)| id == view.id && view.event_id <= at);
        let id = view.id;
        settled
            || self
                .entry(id)
                .is_some_and(|entry| !entry.stale && view.event_id < entry.view.event_id)
    }

    fn refresh(&mut self, id: RequestId) {
        if let Some(entry) = self.entry(id) {
            entry.stale = false;
        }
    }

    fn entry(&mut self, id: RequestId) -> Option<&mut Entry> {
        self.pending.get_mut(self.places.get(&id)?)
    }

    fn remove(&mut self, id: RequestId) -> Option<Entry> {
        let place = self.places.remove(&id);
        let entry = place.and_then(|place| self.pending.remove(&place));
        if let Some(entry) = &entry {
            self.bytes = self.bytes.saturating_sub(entry.size);
        }
        entry
    }

    fn take_current(&mut self, id: RequestId) -> bool {
        self.current.take_if(|current| current.id == id).is_some()
    }

    fn remember(&mut self, id: RequestId, at: EventId) {
        if self.settled.len() == SETTLED {
            self.settled.pop_front();
        }
        self.settled.push_back((id, at));
    }
}

impl Entry {
    /// Whether it is there still, as far as anybody knows.
    fn waits(&self, daemon_now: Option<Timestamp>) -> bool {
        !self.stale && daemon_now.is_none_or(|now| now < self.view.expires_at)
    }

    fn is_voted_by(&self, me: Option<&str>) -> bool {
        is_voted_by(&self.view, me)
    }

    fn is_for_people(&self, has_policy: bool) -> bool {
        match self.judged {
            Judged::Open | Judged::Later(_) => true,
            Judged::No | Judged::Now | Judged::Again(_) => {
                !has_policy || self.view.match_code_required
            }
            Judged::Voted => false,
        }
    }

    /// A match code is on a screen that no policy can see.
    fn is_for_policy(&self, now: Instant) -> bool {
        let is_due = match self.judged {
            Judged::No => true,
            Judged::Again(at) | Judged::Later(at) => at <= now,
            Judged::Now | Judged::Open | Judged::Voted => false,
        };
        is_due && !self.view.match_code_required
    }

    /// What stands of what was judged, when the request has this version. A request that a person
    /// looks at stays with that person.
    fn judged_as(&self, version: EventId, is_current: bool) -> Judged {
        if self.view.version == version || self.judged == Judged::Now {
            self.judged
        } else if is_current {
            Judged::Open
        } else {
            Judged::No
        }
    }

    fn returns(&self) -> Option<Instant> {
        self.skipped.map(|skipped| skipped + limits::SKIP_TIME)
    }
}

/// Whether they have voted on it.
fn is_voted_by(view: &RequestView, me: Option<&str>) -> bool {
    let by = |me| {
        let mut votes = view.decisions.iter();
        votes.any(|vote| vote.approver.principal == me)
    };
    me.is_some_and(by)
}

/// Bytes that a request holds, roughly: every text in it counts, whoever it is from.
fn size(view: &RequestView) -> usize {
    serde_json::to_vec(view).map_or(limits::INBOX_BYTES, |bytes| bytes.len())
}

#[cfg(test)]
mod tests;
