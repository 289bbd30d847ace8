//! One commit: written, and known to be written, whatever becomes of the answer.
//!
//! A write is named, and what becomes of it is read in the feed at its place in the order: it counts,
//! or another came before it. So a confirmation that was lost is no loss, and a write that was sent
//! again counts once. NATS is asked to refuse what follows the wrong message, which saves most of
//! those that would come late, but is not what decides; see [`chain`](super::chain).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Shared;
use super::bucket::{Away, Put, Sent};
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

/// Nobody may be there any more: what was written counts all the same.
fn answer(to: oneshot::Sender<Result<Commit, StoreError>>, made: Result<Commit, StoreError>) {
    drop(to.send(made));
}

impl Shared {
    /// Makes the writes that come in, each in the place in which it came, until nobody can send more.
    /// Of one request there is one at a time on its way.
    pub(super) async fn make_writes(self: Arc<Self>, mut writes: mpsc::Receiver<Write>) {
        let mut made = JoinSet::new();
        let mut busy: HashMap<RequestId, VecDeque<Write>> = HashMap::new();
        let mut accepted = 0;
        let mut is_open = true;
        loop {
            let write = tokio::select! {
                biased;
                Some(done) = made.join_next() => {
                    accepted -= 1;
                    let id = done.expect("a write neither panics nor is cancelled");
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
    async fn make(self: &Arc<Self>, write: Write, made: &mut JoinSet<RequestId>) {
        let shared = Arc::clone(self);
        let begun = match name_of_write() {
            Err(error) => Err(error),
            // What follows an event that this node has not come to, or is past, is looked into.
            Ok(name) if self.latest_seen(write.request.id) != write.expected => Ok((name, None)),
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

    fn latest_seen(&self, id: RequestId) -> Option<EventId> {
        self.seen().requests.event_of(id)
    }

    async fn begin(&self, write: &Write, name: &str) -> Result<Sent, Away> {
        let id = write.request.id;
        let tail = self.seen().tail(id);
        self.begin_after(write, name, tail).await
    }

    async fn begin_after(&self, write: &Write, name: &str, tail: u64) -> Result<Sent, Away> {
        let headers = message::headers(&write.request, write.expected, name);
        let key = write.request.id.to_string();
        let record = write.record.clone();
        self.bucket.begin_put(&key, headers, record, tail).await
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
            let current = self.get(id).await?;
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
                Ok(Put::Stored(number)) => {
                    self.reached_until(number, until).await;
                    "it was written, and does not come back".to_owned()
                }
                Ok(Put::Conflict) => "it refused the write".to_owned(),
                Err(Away::Refused(why)) if !was_sent => return Err(StoreError::Unavailable(why)),
                Err(Away::Refused(why)) => why,
                Err(Away::Gone(why) | Away::Silent(why)) => {
                    self.has_failed(&why);
                    why
                }
            };
            was_sent = true;
            // What the leader has is taken up, and the write with it, if it has come.
            let tail = self.catch_up(id).await;
            match verdict.try_recv() {
                Ok(verdict) => return self.decided(write, verdict).await,
                Err(oneshot::error::TryRecvError::Closed) => {
                    return Err(StoreError::OutcomeUnknown(why));
                }
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            if let Ok(tail) = tail {
                let current = self.seen_of(id)?;
                if current.as_ref().map(|event| event.id) != write.expected {
                    return Ok(Commit::Conflict(current));
                }
                if Instant::now() < until && !self.is_stopped() {
                    sent = self.begin_after(write, name, tail).await;
                    continue;
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

    /// Takes up all that the leader has of a request; answers the number of its last message.
    pub(super) async fn catch_up(&self, id: RequestId) -> Result<u64, StoreError> {
        let latest = self.bucket.latest(&id.to_string()).await;
        let latest = latest.map_err(|away| {
            let why = away.to_string();
            self.has_failed(&why);
            StoreError::Unavailable(why)
        })?;
        let tail = latest.map_or(0, |latest| latest.sequence);
        if self.reached(tail).await {
            return Ok(tail);
        }
        let why = "what others have written does not come";
        self.has_failed(why);
        Err(StoreError::Unavailable(why.to_owned()))
    }

    /// Waits until the feed has come to this message, and been told; answers whether it has in time.
    pub(super) async fn reached(&self, number: u64) -> bool {
        self.reached_until(number, Instant::now() + limits::NATS_CALL)
            .await
    }

    async fn reached_until(&self, number: u64, until: Instant) -> bool {
        let mut applied = self.applied.subscribe();
        loop {
            let reached = applied.wait_for(|applied| *applied >= number);
            let patience = until.min(Instant::now() + limits::NATS_FEED_PATIENCE);
            let waited = timeout_at(patience, reached).await;
            if waited.is_ok() {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            self.feed_is_late.notify_one();
        }
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
}

/// A name that no other write has.
fn name_of_write() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::Unavailable(format!("no random bytes: {error}")))?;
    Ok(HEXLOWER.encode(&bytes))
}
