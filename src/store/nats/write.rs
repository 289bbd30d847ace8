//! One commit: written, and known to be written, whatever becomes of the answer.
//!
//! A write is named, and what becomes of it is read in the feed at its place in the order: it counts,
//! or another came before it. So a confirmation that was lost is no loss, and a write that was sent
//! again counts once; see [`chain`](super::chain).

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Shared;
use super::bucket::{Away, Sent};
use super::message;
use super::seen::Verdict;
use crate::domain::{Event, EventId, Request, RequestId};
use crate::limits;
use crate::store::{Commit, StoreError};

/// A commit on its way.
pub(super) struct Write {
    pub(super) expected: Option<EventId>,
    pub(super) request: Arc<Request>,
    pub(super) record: Bytes,
    pub(super) answer: oneshot::Sender<Result<Commit, StoreError>>,
    /// Its part of the bytes that may be on their way.
    pub(super) _room: OwnedSemaphorePermit,
}

/// What the writer is given.
pub(super) enum Job {
    /// Something to write.
    Write(Box<Write>),
    /// Nothing: it is let go of, which shows that the writer has come to it.
    Look(oneshot::Sender<Infallible>),
}

/// Nobody may be there any more: what was written counts all the same.
fn answer(to: oneshot::Sender<Result<Commit, StoreError>>, made: Result<Commit, StoreError>) {
    drop(to.send(made));
}

impl Shared {
    /// Makes the writes that come in, each in the place in which it came, until nobody can send more.
    /// Of one request there is one at a time on its way.
    pub(super) async fn make_writes(self: Arc<Self>, mut writes: mpsc::Receiver<Job>) {
        let mut made = JoinSet::new();
        let mut busy: HashMap<RequestId, VecDeque<Box<Write>>> = HashMap::new();
        let mut accepted = 0;
        let mut is_open = true;
        loop {
            let write = tokio::select! {
                biased;
                Some(done) = made.join_next() => {
                    accepted -= 1;
                    let Ok(id) = done else {
                        return;
                    };
                    let Some(next) = busy.get_mut(&id).and_then(VecDeque::pop_front) else {
                        busy.remove(&id);
                        continue;
                    };
                    next
                }
                write = writes.recv(), if is_open && accepted < limits::WRITE_QUEUE => {
                    let Some(write) = write else {
                        // What was accepted is still made.
                        is_open = false;
                        continue;
                    };
                    let write = match write {
                        Job::Write(write) => write,
                        Job::Look(seen) => {
                            drop(seen);
                            continue;
                        }
                    };
                    accepted += 1;
                    if let Some(queue) = busy.get_mut(&write.request.id) {
                        queue.push_back(write);
                        continue;
                    }
                    busy.insert(write.request.id, VecDeque::new());
                    write
                }
                else => return,
            };
            self.make(write, &mut made).await;
        }
    }

    /// Begins a write, and lets a task of its own see to what becomes of it.
    async fn make(self: &Arc<Self>, write: Box<Write>, made: &mut JoinSet<RequestId>) {
        let shared = Arc::clone(self);
        let begun = match self.name_of_write() {
            Err(error) => Err(error),
            // What follows an event that this node has not come to, or is past, is looked into.
            Ok(name) if !self.is_next(&write) => Ok((name, None)),
            Ok(name) => {
                let verdict = self.seen().await_write(&name);
                let sent = self.begin(&write, &name).await;
                Ok((name, Some((verdict, sent))))
            }
        };
        made.spawn(async move {
            let id = write.request.id;
            let made = match begun {
                Err(error) => Err(error),
                Ok((name, begun)) => {
                    let made = shared.finish(&write, &name, begun).await;
                    shared.seen().forget_write(&name);
                    made
                }
            };
            answer(write.answer, made);
            id
        });
    }

    /// Whether a write follows what this node has seen last of the request, and that is surely there.
    fn is_next(&self, write: &Write) -> bool {
        let seen = self.seen();
        let latest = seen.requests.event_of(write.request.id);
        latest == write.expected && !latest.is_some_and(|latest| seen.is_before_gap(latest))
    }

    async fn begin(&self, write: &Write, name: &str) -> Result<Sent, Away> {
        let headers = message::headers(&write.request, write.expected, name);
        let key = write.request.id.to_string();
        let record = write.record.clone();
        self.bucket.begin_put(&key, headers, record).await
    }

    async fn finish(
        &self,
        write: &Write,
        name: &str,
        begun: Option<(oneshot::Receiver<Verdict>, Result<Sent, Away>)>,
    ) -> Result<Commit, StoreError> {
        let id = write.request.id;
        let (mut verdict, mut sent) = if let Some(begun) = begun {
            begun
        } else {
            let current = self.current(id).await?;
            if current.as_ref().map(|event| event.id) != write.expected {
                return Ok(Commit::Conflict(current));
            }
            let verdict = self.seen().await_write(name);
            (verdict, self.begin(write, name).await)
        };
        let until = Instant::now() + limits::NATS_WRITE;
        let mut was_sent = false;
        loop {
            let put = match sent {
                Ok(sent) => sent.confirmed().await,
                Err(away) => Err(away),
            };
            let why = match put {
                Ok(number) => {
                    self.reached_until(number, until).await;
                    "it was written, and does not come back".to_owned()
                }
                Err(Away::Refused(why)) if !was_sent => return Err(StoreError::Unavailable(why)),
                Err(Away::Refused(why)) => why,
                Err(Away::Gone(why) | Away::Silent(why)) => {
                    self.has_failed(&why);
                    why
                }
            };
            was_sent = true;
            // What the leader has is taken up, and the write with it, if it has come.
            let caught_up = self.catch_up(id).await;
            // Before it is looked what became of the write: what comes in between is then known.
            let current = self.seen_of(id);
            match verdict.try_recv() {
                Ok(verdict) => return self.decided(write, verdict).await,
                Err(oneshot::error::TryRecvError::Closed) => {
                    return Err(StoreError::OutcomeUnknown(why));
                }
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            if caught_up.is_ok() {
                let current = current?;
                if current.as_ref().map(|event| event.id) != write.expected {
                    return Ok(Commit::Conflict(current));
                }
            }
            if Instant::now() >= until || self.is_stopped() {
                return Err(StoreError::OutcomeUnknown(why));
            }
            // Before it is sent again it may still come by itself.
            let pause = timeout(limits::NATS_RETRY, &mut verdict).await;
            if let Ok(Ok(verdict)) = pause {
                return self.decided(write, verdict).await;
            }
            sent = self.begin(write, name).await;
        }
    }

    async fn decided(&self, write: &Write, verdict: Verdict) -> Result<Commit, StoreError> {
        match verdict {
            Verdict::Counts(id) => {
                // The feed is told a moment after it is known what counts.
                self.reached(id.0).await;
                Ok(Commit::Done(Event {
                    id,
                    request: Arc::clone(&write.request),
                }))
            }
            Verdict::Late => Ok(Commit::Conflict(self.seen_of(write.request.id)?)),
        }
    }

    /// Takes up all that the leader has of a request; answers whether that is anything.
    pub(super) async fn catch_up(&self, id: RequestId) -> Result<bool, StoreError> {
        let latest = self.bucket.latest(&id.to_string()).await;
        let latest = latest.map_err(|away| self.is_away(&away))?;
        let Some(latest) = latest else {
            return Ok(false);
        };
        self.come_to(latest.sequence).await?;
        Ok(true)
    }

    /// Takes up everything up to this event, if the leader has it.
    pub(super) async fn catch_up_to(&self, event: EventId) -> Result<(), StoreError> {
        if *self.applied.borrow() >= event.0 {
            return Ok(());
        }
        let standing = self.bucket.standing().await;
        let standing = standing.map_err(|away| self.is_away(&away))?;
        if standing.last < event.0 {
            return Ok(());
        }
        self.come_to(event.0).await
    }

    /// Waits until the feed has come to this message, which is stored.
    pub(super) async fn come_to(&self, number: u64) -> Result<(), StoreError> {
        if self.reached(number).await {
            return Ok(());
        }
        let why = "what others have written does not come";
        self.has_failed(why);
        Err(StoreError::Unavailable(why.to_owned()))
    }

    /// A call to NATS has failed, and so does what it was for.
    pub(super) fn is_away(&self, away: &Away) -> StoreError {
        let why = away.to_string();
        self.has_failed(&why);
        StoreError::Unavailable(why)
    }

    /// Waits until the feed has come to this message, and been told; answers whether it has in time.
    pub(super) async fn reached(&self, number: u64) -> bool {
        self.reached_until(number, Instant::now() + limits::NATS_CALL)
            .await
    }

    async fn reached_until(&self, number: u64, until: Instant) -> bool {
        loop {
            let patience = until.min(Instant::now() + limits::NATS_FEED_PATIENCE);
            if self.comes(number, patience).await {
                return true;
            }
            // It may have been removed on its way, and then does not come.
            if self.prove().await.is_ok() && *self.applied.borrow() >= number {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
        }
    }

    /// Waits until then for the feed to come to this message; answers whether it has.
    pub(super) async fn comes(&self, number: u64, until: Instant) -> bool {
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|applied| *applied >= number);
        timeout_at(until, reached)
            .await
            .is_ok_and(|came| came.is_ok())
    }

    /// A write of this node that came late, and was told so, goes away: others who look into the
    /// bucket with their own tools would take it for the answer.
    pub(super) fn remove_late(self: &Arc<Self>, event: EventId) {
        let shared = Arc::clone(self);
        self.errands.spawn(async move {
            for _ in 0..limits::NATS_REMOVAL_TRIES {
                if shared.bucket.remove(event.0).await.is_ok() || shared.is_stopped() {
                    return;
                }
                sleep(limits::NATS_RETRY).await;
            }
        });
    }

    /// A name that no other write has, and that begins with the name of this node.
    fn name_of_write(&self) -> Result<String, StoreError> {
        if let Some(why) = self.failing() {
            return Err(StoreError::Unavailable(why));
        }
        let name = random_name().map_err(|error| {
            StoreError::Unavailable(format!("no random bytes from the system: {error}"))
        })?;
        Ok(format!("{}-{name}", self.seen().node))
    }
}

/// A name that no other node or write has.
pub(super) fn random_name() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}
