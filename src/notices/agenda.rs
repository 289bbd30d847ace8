//! What there is to tell of, and when to remind: a state machine over events and times.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::domain::{Event, EventId, RequestId, Status, Timestamp};
use crate::limits;

/// When a request that is still pending is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reminders {
    /// The time between two of them, and before the first.
    pub after: Duration,
    /// How many there are for one request.
    pub times: u32,
}

impl Reminders {
    /// The next reminder after `now` of a request of that time, and which one it is, from 1. What
    /// was due while nobody could tell is left out.
    fn next(&self, created_at: Timestamp, now: Timestamp) -> Option<(Timestamp, u32)> {
        let after = self.after.as_millis().max(1);
        let past = now.since(created_at).as_millis() / after;
        let number = u32::try_from(past).ok()?.checked_add(1)?;
        (number <= self.times).then(|| (created_at.after(self.after * number), number))
    }
}

/// Something to tell of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The request of this event was asked.
    Asked,
    /// It became final.
    Settled,
}

/// What was told of, and which reminders are to come.
#[derive(Debug)]
pub(super) struct Agenda {
    /// The newest commit when this process began. What was asked before it another process has told
    /// of.
    began: EventId,
    reminders: Option<Reminders>,
    pending: HashMap<RequestId, Pending>,
    due: BTreeSet<(Timestamp, RequestId)>,
    /// What was pending before the stream began anew, until it has told what is.
    before: HashMap<RequestId, Pending>,
    settled: Settled,
}

/// The requests whose outcome was told, the latest of them, so that it is not told again for what
/// was done with it later.
#[derive(Debug)]
struct Settled {
    told: HashSet<RequestId>,
    /// In the order in which they were told, each with the version that it settled at.
    order: VecDeque<(RequestId, EventId)>,
    /// Whatever was settled until then was told, or never will be.
    until: EventId,
}

impl Settled {
    fn was_told(&self, event: &Event) -> bool {
        event.version() <= self.until || self.told.contains(&event.request.id)
    }

    fn tell(&mut self, event: &Event) {
        let id = event.request.id;
        if !self.told.insert(id) {
            return;
        }
        self.order.push_back((id, event.version()));
        if self.order.len() > limits::NOTICES_TOLD
            && let Some((oldest, version)) = self.order.pop_front()
        {
            self.told.remove(&oldest);
            self.until = self.until.max(version);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    created_at: Timestamp,
    next: Option<(Timestamp, u32)>,
}

impl Agenda {
    /// Nothing is told of yet.
    pub(super) fn new(began: EventId, reminders: Option<Reminders>) -> Self {
        Self {
            began,
            reminders,
            pending: HashMap::new(),
            due: BTreeSet::new(),
            before: HashMap::new(),
            settled: Settled {
                told: HashSet::new(),
                order: VecDeque::new(),
                until: began,
            },
        }
    }

    /// Takes the next event of the stream; answers what of it is to be told. Each request is asked
    /// once and settled once, however many events there are of it.
    pub(super) fn hear(&mut self, event: &Event, now: Timestamp) -> Option<Due> {
        let request = &event.request;
        let id = request.id;
        if request.status == Status::Pending {
            if self.pending.contains_key(&id) {
                return None;
            }
            let was_there = self.before.remove(&id).is_some();
            let created_at = request.created_at;
            self.note(id, created_at, now);
            let is_new = event.version() > self.began && !was_there;
            return is_new.then_some(Due::Asked);
        }
        let was_pending = self.forget(id);
        // Later commits of a final request keep its version. Whoever has fallen behind may hear of
        // it by such a one alone.
        let is_news = was_pending || !self.settled.was_told(event);
        if is_news {
            self.settled.tell(event);
        }
        is_news.then_some(Due::Settled)
    }

    /// The stream begins anew, and tells first what is pending.
    pub(super) fn begins_anew(&mut self) {
        self.before = std::mem::take(&mut self.pending);
        self.due.clear();
    }

    /// All that is pending was told; answers how many requests were settled without our knowing.
    pub(super) fn caught_up(&mut self) -> usize {
        std::mem::take(&mut self.before).len()
    }

    /// When the next reminder is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The reminders that are due, each with its number.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<(RequestId, u32)> {
        let mut all = Vec::new();
        while let Some(&(at, id)) = self.due.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, id));
            let Some(pending) = self.pending.get(&id).copied() else {
                continue;
            };
            all.extend(pending.next.map(|(_, number)| (id, number)));
            self.note(id, pending.created_at, now);
        }
        all
    }

    fn note(&mut self, id: RequestId, created_at: Timestamp, now: Timestamp) {
        let next = self.reminders.and_then(|all| all.next(created_at, now));
        self.due.extend(next.map(|(at, _)| (at, id)));
        self.pending.insert(id, Pending { created_at, next });
    }

    fn forget(&mut self, id: RequestId) -> bool {
        let before = self.before.remove(&id).is_some();
        let Some(pending) = self.pending.remove(&id) else {
            return before;
        };
        if let Some((at, _)) = pending.next {
            self.due.remove(&(at, id));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::hub::tests::event;

    const MINUTE: Duration = Duration::from_mins(1);
    const T0: Timestamp = Timestamp::from_millis(0);

    /// Event `id` of request `name`, which keeps the version that it had.
    fn later(id: u64, name: u8, status: Status, version: u64) -> Event {
        let mut event = event(id, name, status);
        Arc::get_mut(&mut event.request).unwrap().changed_at = Some(EventId(version));
        event
    }

    fn agenda(times: u32) -> Agenda {
        let after = MINUTE;
        Agenda::new(EventId(10), Some(Reminders { after, times }))
    }

    fn id(name: u8) -> RequestId {
        RequestId::from_bytes([name; 16])
    }

    fn at(mins: u64) -> Timestamp {
        T0.after(MINUTE * u32::try_from(mins).unwrap())
    }

    #[test]
    fn each_request_is_told_of_once_and_its_outcome_once() {
        let mut agenda = agenda(3);
        let mut hear = |event| agenda.hear(&event, T0);
        assert_eq!(hear(event(11, 1, Status::Pending)), Some(Due::Asked));
        assert_eq!(hear(later(12, 1, Status::Pending, 11)), None, "seen");
        assert_eq!(hear(event(13, 1, Status::Approved)), Some(Due::Settled));
        assert_eq!(hear(later(14, 1, Status::Approved, 13)), None, "used");
        assert_eq!(agenda.next_due(), None);
    }

    #[test]
    fn what_was_there_before_is_only_reminded_of_and_its_outcome_told() {
        let mut agenda = agenda(3);
        assert_eq!(agenda.hear(&event(9, 1, Status::Pending), T0), None);
        assert_eq!(agenda.hear(&later(12, 2, Status::Pending, 8), T0), None);
        assert_eq!(agenda.due(at(1)), [(id(1), 1), (id(2), 1)]);
        let settled = agenda.hear(&event(13, 1, Status::Expired), at(1));
        assert_eq!(settled, Some(Due::Settled));
        assert_eq!(agenda.due(at(2)), [(id(2), 2)]);
    }

    #[test]
    fn changes_that_were_overtaken_are_told_as_what_they_came_to() {
        let mut agenda = agenda(3);
        let mut hear = |event| agenda.hear(&event, T0);
        assert_eq!(hear(later(12, 1, Status::Pending, 11)), Some(Due::Asked));
        assert_eq!(hear(later(15, 1, Status::Denied, 14)), Some(Due::Settled));
    }

    /// The reader had fallen behind, and the approval was used before it was read: nobody was told
    /// that it had been given.
    #[test]
    fn an_outcome_that_is_first_heard_of_by_its_use_is_told_once() {
        let mut agenda = agenda(3);
        let mut hear = |event| agenda.hear(&event, T0);
        let used = later(15, 1, Status::Approved, 13);
        assert_eq!(hear(used), Some(Due::Settled));
        assert_eq!(hear(later(16, 1, Status::Approved, 13)), None);
        let before = later(17, 2, Status::Approved, 9);
        assert_eq!(hear(before), None, "another process has told of it");
    }

    #[test]
    fn what_is_remembered_of_outcomes_is_bounded_and_none_is_told_twice() {
        let mut agenda = agenda(0);
        let of = |n: u64, at, status| {
            let mut event = later(at, 0, status, n);
            Arc::get_mut(&mut event.request).unwrap().id =
                RequestId::from_bytes(u128::from(n).to_be_bytes());
            event
        };
        let most = u64::try_from(limits::NOTICES_TOLD).unwrap();
        let all = 11..11 + most + 5;
        for n in all.clone() {
            let settled = agenda.hear(&of(n, n, Status::Approved), T0);
            assert_eq!(settled, Some(Due::Settled));
        }
        assert_eq!(agenda.settled.order.len(), limits::NOTICES_TOLD);
        assert_eq!(agenda.settled.told.len(), limits::NOTICES_TOLD);
        for n in all {
            assert_eq!(
                agenda.hear(&of(n, n + 2 * most, Status::Approved), T0),
                None
            );
        }
    }

    #[test]
    fn reminders_come_at_their_times_and_are_bounded_in_number() {
        let mut agenda = agenda(2);
        agenda.hear(&event(11, 1, Status::Pending), T0);
        assert_eq!(agenda.next_due(), Some(at(1)));
        assert_eq!(agenda.due(T0), []);
        assert_eq!(agenda.due(at(1)), [(id(1), 1)]);
        assert_eq!(agenda.due(at(1)), []);
        assert_eq!(agenda.due(at(2)), [(id(1), 2)]);
        assert_eq!(agenda.next_due(), None);
    }

    #[test]
    fn reminders_that_nobody_could_tell_are_left_out() {
        let mut agenda = agenda(5);
        agenda.hear(&event(9, 1, Status::Pending), at(3));
        assert_eq!(agenda.next_due(), Some(at(4)));
        assert_eq!(agenda.due(at(4)), [(id(1), 4)]);
        assert_eq!(agenda.next_due(), Some(at(5)));
        let mut late = Agenda::new(EventId(10), agenda.reminders);
        late.hear(&event(9, 1, Status::Pending), at(90));
        assert_eq!(late.next_due(), None);
    }

    #[test]
    fn a_stream_that_begins_anew_tells_nothing_twice() {
        let mut agenda = agenda(3);
        agenda.hear(&event(11, 1, Status::Pending), T0);
        agenda.hear(&event(12, 2, Status::Pending), T0);
        agenda.begins_anew();
        assert_eq!(agenda.hear(&event(11, 1, Status::Pending), T0), None);
        let asked = agenda.hear(&event(14, 3, Status::Pending), T0);
        assert_eq!(asked, Some(Due::Asked));
        assert_eq!(agenda.caught_up(), 1, "the second was settled meanwhile");
        assert_eq!(agenda.due(at(1)), [(id(1), 1), (id(3), 1)]);
    }

    #[test]
    fn without_reminders_nothing_is_ever_due() {
        let mut agenda = Agenda::new(EventId(10), None);
        agenda.hear(&event(11, 1, Status::Pending), T0);
        assert_eq!(agenda.next_due(), None);
    }
}
