//! The rules again, on plain values and for one caller at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::approvals::Error;
use crate::domain::{Event, EventId, Refusal, RequestId, Status, Timestamp, Verdict};

/// A request as it ought to be.
#[derive(Clone, Debug)]
struct Life {
    requester: String,
    title: String,
    created: Timestamp,
    expires: Timestamp,
    status: Status,
    decision: Option<(String, Verdict)>,
    seen_by: Vec<String>,
    settled: Option<Timestamp>,
    /// The event id of the latest commit, and of the one that changed the status.
    event: u64,
    version: u64,
    steps: usize,
}

/// All that was asked and answered.
pub(super) struct Model {
    pub(super) now: Timestamp,
    room: usize,
    lives: BTreeMap<RequestId, Life>,
    /// Every id that there ever was, in the order of the asks.
    ids: Vec<RequestId>,
    asked: u64,
    /// How many commits there were; the event ids have no gaps as long as no commit fails.
    pub(super) commits: u64,
    news: Vec<Status>,
    pub(super) purged: EventId,
}

/// What an ask comes to.
#[derive(Debug)]
pub(super) enum Asks {
    Is { id: RequestId, replayed: bool },
    KeyReused(RequestId),
    TooMany,
}

/// Why a command is refused.
#[derive(Debug)]
pub(super) enum Refused {
    NotFound,
    By(Refusal),
}

impl Model {
    pub(super) fn new(now: Timestamp, room: usize) -> Self {
        Self {
            now,
            room,
            lives: BTreeMap::new(),
            ids: Vec::new(),
            asked: 0,
            commits: 0,
            news: Vec::new(),
            purged: EventId::ZERO,
        }
    }

    /// The id that the next ask without a key gets.
    pub(super) fn fresh_id(&self) -> RequestId {
        RequestId::from_bytes(u128::from(self.asked).to_be_bytes())
    }

    /// The id in a slot; beyond the last, one that nobody has asked under.
    pub(super) fn id(&self, slot: usize) -> RequestId {
        // The latest ones are the most interesting.
        let id = self.ids.iter().rev().nth(slot);
        id.copied().unwrap_or(RequestId::from_bytes([0xff; 16]))
    }

    pub(super) fn ids(&self) -> Vec<RequestId> {
        self.ids.clone()
    }

    pub(super) fn version(&self, id: RequestId) -> EventId {
        EventId(self.lives.get(&id).map_or(0, |life| life.version))
    }

    pub(super) fn is_pending(&self, id: RequestId) -> bool {
        self.lives
            .get(&id)
            .is_some_and(|life| life.status == Status::Pending)
    }

    pub(super) fn ask(&mut self, who: &str, key: Option<&str>, title: &str, secs: u64) -> Asks {
        let id = match key {
            Some(key) => RequestId::derive(who, key),
            None => self.fresh_id(),
        };
        self.asked += 1;
        if let Some(life) = self.lives.get(&id) {
            if life.title != title {
                return Asks::KeyReused(id);
            }
            self.expire(id);
            return Asks::Is { id, replayed: true };
        }
        // What is overdue counts until somebody meets it.
        if self
            .lives
            .values()
            .filter(|life| life.status == Status::Pending)
            .count()
            >= self.room
        {
            return Asks::TooMany;
        }
        self.ids.retain(|known| *known != id);
        self.ids.push(id);
        let life = Life {
            requester: who.to_owned(),
            title: title.to_owned(),
            created: self.now,
            expires: self.now.after(Duration::from_secs(secs)),
            status: Status::Pending,
            decision: None,
            seen_by: Vec::new(),
            settled: None,
            event: 0,
            version: 0,
            steps: 0,
        };
        self.lives.insert(id, life);
        self.commit(id, Status::Pending);
        Asks::Is {
            id,
            replayed: false,
        }
    }

    pub(super) fn decide(
        &mut self,
        id: RequestId,
        who: &str,
        verdict: Verdict,
        shown: Option<EventId>,
    ) -> Result<(), Refused> {
        let life = self.present(id)?;
        if life.decision == Some((who.to_owned(), verdict)) {
            return Ok(());
        }
        self.open(id)?;
        let current = self.version(id);
        if let Some(named) = shown.filter(|named| *named != current) {
            return Err(Refused::By(Refusal::OtherVersion { named, current }));
        }
        self.life(id).decision = Some((who.to_owned(), verdict));
        let status = match verdict {
            Verdict::Approve => Status::Approved,
            Verdict::Deny => Status::Denied,
        };
        self.commit(id, status);
        Ok(())
    }

    pub(super) fn cancel(&mut self, id: RequestId, who: &str) -> Result<(), Refused> {
        let life = self.present(id)?;
        if life.requester != who {
            return Err(Refused::By(Refusal::NotTheRequester));
        }
        if life.status == Status::Cancelled {
            return Ok(());
        }
        self.open(id)?;
        self.commit(id, Status::Cancelled);
        Ok(())
    }

    pub(super) fn see(&mut self, id: RequestId, who: &str) -> Result<(), Refused> {
        let life = self.present(id)?;
        if life.status == Status::Pending && !life.seen_by.iter().any(|seen| seen == who) {
            self.life(id).seen_by.push(who.to_owned());
            self.commit(id, Status::Pending);
        }
        Ok(())
    }

    pub(super) fn read(&mut self, id: RequestId) -> Result<(), Refused> {
        self.present(id).map(drop)
    }

    /// Newest first; what is overdue has expired by then.
    pub(super) fn list(&mut self, status: Option<Status>) -> Vec<RequestId> {
        self.sweep();
        let wanted = |life: &&Life| status.is_none_or(|status| life.status == status);
        let lives = self.lives.iter().filter(|(_, life)| wanted(life));
        let mut places: Vec<_> = lives.map(|(id, life)| (life.created, *id)).collect();
        places.sort();
        places.into_iter().rev().map(|(_, id)| id).collect()
    }

    /// Expires all that is overdue, the earliest first; answers how many.
    pub(super) fn sweep(&mut self) -> usize {
        let overdue = |life: &Life| life.status == Status::Pending && self.now >= life.expires;
        let lives = self.lives.iter().filter(|(_, life)| overdue(life));
        let mut due: Vec<_> = lives.map(|(id, life)| (life.expires, *id)).collect();
        due.sort();
        for (_, id) in &due {
            self.expire(*id);
        }
        due.len()
    }

    pub(super) fn purge(&mut self, before: Timestamp) -> usize {
        let old = |life: &Life| life.settled.is_some_and(|settled| settled < before);
        let gone = self.lives.values().filter(|life| old(life));
        let (count, last) = gone.fold((0, 0), |(n, last), life| (n + 1, last.max(life.event)));
        self.purged = self.purged.max(EventId(last));
        self.lives.retain(|_, life| !old(life));
        count
    }

    /// The requests that have changed after an event, in that order.
    pub(super) fn changed_after(&self, event: EventId) -> Vec<RequestId> {
        let lives = self.lives.iter().filter(|(_, life)| life.event > event.0);
        let mut changes: Vec<_> = lives.map(|(id, life)| (life.event, *id)).collect();
        changes.sort();
        changes.into_iter().map(|(_, id)| id).collect()
    }

    /// The states that were committed since the last time.
    pub(super) fn take_commits(&mut self) -> Vec<Status> {
        std::mem::take(&mut self.news)
    }

    /// What is stored under an id is what ought to be there.
    pub(super) fn is_stored(&self, id: RequestId, event: Option<&Event>) {
        match (self.lives.get(&id), event) {
            (None, None) => {}
            (Some(life), Some(event)) => life.is(event),
            (life, event) => panic!("{event:?} is not {life:?}"),
        }
    }

    /// What somebody was shown of a request is how it stands.
    pub(super) fn is_shown(&self, id: RequestId, answer: Result<&Event, &Error>) {
        self.is_stored(id, answer.ok());
    }

    /// The same for somebody who was told before the request was forgotten.
    pub(super) fn is_shown_or_gone(&self, id: RequestId, answer: Result<&Event, &Error>) {
        match (self.lives.get(&id), answer) {
            (None, Ok(event)) => assert!(event.request.status.is_final()),
            (_, answer) => self.is_shown(id, answer),
        }
    }

    fn life(&mut self, id: RequestId) -> &mut Life {
        self.lives.get_mut(&id).expect("it was looked up before")
    }

    /// The request as it stands now.
    fn present(&mut self, id: RequestId) -> Result<Life, Refused> {
        self.expire(id);
        self.lives.get(&id).cloned().ok_or(Refused::NotFound)
    }

    fn open(&mut self, id: RequestId) -> Result<(), Refused> {
        let status = self.life(id).status;
        if status.is_final() {
            return Err(Refused::By(Refusal::Final(status)));
        }
        Ok(())
    }

    fn expire(&mut self, id: RequestId) {
        let now = self.now;
        let overdue = |life: &Life| life.status == Status::Pending && now >= life.expires;
        if self.lives.get(&id).is_some_and(overdue) {
            self.commit(id, Status::Expired);
        }
    }

    fn commit(&mut self, id: RequestId, status: Status) {
        self.commits += 1;
        self.news.push(status);
        let (event, now) = (self.commits, self.now);
        let life = self.life(id);
        if status != life.status || life.steps == 0 {
            life.version = event;
        }
        (life.status, life.event) = (status, event);
        life.settled = status.is_final().then_some(now);
        life.steps += 1;
    }
}

impl Life {
    fn is(&self, event: &Event) {
        let request = &event.request;
        let seen_by = request
            .seen_by
            .iter()
            .map(|seen| seen.by.principal.as_str());
        let decisions = request.decisions.iter().map(|decision| {
            let approver = decision.approver.principal.as_str();
            (approver.to_owned(), decision.verdict)
        });
        assert_eq!(request.status, self.status);
        assert_eq!(request.title.as_str(), self.title);
        assert_eq!(request.requester.principal.as_str(), self.requester);
        assert_eq!(
            (request.created_at, request.expires_at),
            (self.created, self.expires)
        );
        assert_eq!(request.settled_at, self.settled);
        assert!(seen_by.eq(self.seen_by.iter().map(String::as_str)));
        assert!(decisions.eq(self.decision.clone()));
        assert_eq!(request.history.len(), self.steps);
        assert_eq!((event.id.0, event.version().0), (self.event, self.version));
    }
}
