//! Requests in a bucket of NATS `JetStream`: the store of several daemons on several machines.
//!
//! The bucket is a replicated log that others have built; here it is used as a versioned map with
//! an ordered feed. A message's number in the stream is the event id. Each names the event that it
//! follows, and its place in the order tells whether it counts: that is the compare-and-set, and for
//! one that follows none the check for an ask that was made before (see `chain`).
//!
//! Every node keeps all requests in memory, taken up from the stream in its order. Lists and streams
//! are read from there. What decides something, the state before a change and the absence before a
//! 404, waits until the node has come as far as the stream's leader has of that request.
//!
//! Guaranteed: a commit that was answered is stored by a majority of the replicas. It survives the
//! end of all processes, and the loss of a minority of the machines. NATS acknowledges before it
//! flushes to the disk unless its `sync_interval` is `always`: without that, a loss of power of a
//! majority at the same moment may lose what was answered just before.
//!
//! When NATS is away, or without a majority: writes are refused, reads are answered from the view
//! as far as it has come, the store tells that it fails, and catches up by itself. Nothing waits to
//! be written later, and nothing is told that is not stored.

mod bucket;
mod chain;
mod error;
mod follow;
mod gone;
mod keeper;
mod message;
mod proof;
mod purge;
mod seen;
mod settings;
mod write;

#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;

pub use error::OpenError;
pub use settings::{Access, Servers, Settings, bucket_name};

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::Client;
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::bucket::{Bucket, Standing};
use self::proof::Proofs;
use self::seen::Seen;
use self::write::{Job, Write, random_name};
use super::condition::Condition;
use super::{Commit, Feed, Head, Health, ListQuery, Page, Range, Store, StoreError, record};
use crate::clock::{Clock, SystemClock};
use crate::domain::{Event, EventId, HistoryId, Principal, Request, RequestId, Timestamp};
use crate::limits;

const CLOSED: &str = "it is closed";
const ENDED: &str = "the write broke off";
const REMEDY: &str = "run the pushd that wrote it, on every node";

/// Requests in a NATS bucket.
pub struct NatsStore {
    history: HistoryId,
    client: Client,
    shared: Arc<Shared>,
    /// Takes writes while the store is open.
    writes: Mutex<Option<mpsc::Sender<Job>>>,
    /// The writes and purges that were accepted.
    work: TaskTracker,
    /// Those who read the bucket and look after it.
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What the store's tasks share.
struct Shared {
    bucket: Bucket,
    // A std mutex: it is held for map operations, never over an await.
    seen: Mutex<Seen>,
    /// The last message that was taken up.
    applied: watch::Sender<u64>,
    condition: Condition<Infallible>,
    /// Something is stored that the feed has not come to.
    feed_is_late: Notify,
    /// Held by tests that let nothing come.
    #[cfg(test)]
    feed_gate: tokio::sync::RwLock<()>,
    /// A call to NATS has failed.
    failed: Notify,
    /// Bytes of the bucket, and the bytes that it may have; zero while they are not limited.
    bytes: (AtomicU64, AtomicU64),
    /// Bytes that records on their way may have.
    room: Arc<Semaphore>,
    reads: Semaphore,
    /// Whether several servers keep the bucket.
    is_replicated: bool,
    proofs: Proofs,
    /// Removals of what nobody needs.
    errands: TaskTracker,
    closed: AtomicBool,
    /// Whether it fails until it is opened anew.
    is_over: AtomicBool,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
}

impl NatsStore {
    /// Opens the bucket, which is made when it is missing, and reads all that is in it. `feed` is
    /// told of the commits that follow, those of other nodes as well.
    ///
    /// Must be called within a tokio runtime. Dropping the future leaves nothing behind but a bucket
    /// that it may have made.
    ///
    /// # Errors
    /// The bucket cannot be used; the error says why and what to try.
    pub async fn open(settings: &Settings, feed: Arc<dyn Feed>) -> Result<Self, OpenError> {
        Self::open_with(settings, feed, Arc::new(SystemClock::new())).await
    }

    async fn open_with(
        settings: &Settings,
        feed: Arc<dyn Feed>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let (bucket, client, history) = Bucket::open(settings).await?;
        let name = format!("bucket {}", bucket.name());
        let stop = CancellationToken::new();
        let node = random_name().map_err(|error| OpenError::Silent {
            bucket: settings.bucket.clone(),
            reason: format!("no random bytes from the system: {error}"),
        })?;
        let shared = Arc::new(Shared {
            bucket,
            errands: TaskTracker::new(),
            seen: Mutex::new(Seen::of(node)),
            applied: watch::channel(0).0,
            condition: Condition::new(name, REMEDY),
            feed_is_late: Notify::new(),
            #[cfg(test)]
            feed_gate: tokio::sync::RwLock::new(()),
            failed: Notify::new(),
            bytes: (AtomicU64::new(0), AtomicU64::new(0)),
            room: Arc::new(Semaphore::new(limits::WRITE_QUEUE_BYTES)),
            reads: Semaphore::new(limits::READ_QUEUE),
            is_replicated: settings.replicas > 1,
            proofs: Proofs::default(),
            closed: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            clock,
            stop: stop.clone(),
        });
        shared.load().await?;
        let tasks = TaskTracker::new();
        tasks.spawn(Arc::clone(&shared).follow(feed, stop.clone()));
        // The clock is compared as well, before anything is decided by it.
        let looked = async {
            shared.prove().await?;
            shared.forget_gone().await
        };
        if let Err(away) = looked.await {
            shared.has_failed(&away.to_string());
        }
        tasks.spawn(Arc::clone(&shared).keep(stop.clone()));
        let (writes, to_make) = mpsc::channel(limits::WRITE_QUEUE);
        let work = TaskTracker::new();
        let writing = Arc::clone(&shared);
        work.spawn(async move {
            Arc::clone(&writing).make_writes(to_make).await;
            if !writing.closed.load(Ordering::SeqCst) {
                writing.ends("its writer broke off; restart pushd");
            }
        });
        Ok(Self {
            history,
            client,
            shared,
            writes: Mutex::new(Some(writes)),
            work,
            tasks,
            stop,
        })
    }

    /// Takes a write for the writer, which is made even if nobody waits for it.
    fn accept(&self, job: Job) -> Result<(), StoreError> {
        let Some(writes) = self.writes().clone() else {
            return Err(StoreError::Unavailable(CLOSED.to_owned()));
        };
        writes.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Closed(_) => StoreError::Unavailable(CLOSED.to_owned()),
        })
    }

    fn writes(&self) -> MutexGuard<'_, Option<mpsc::Sender<Job>>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, for what nodes tell each other beside the store.
    pub fn client(&self) -> Client {
        self.client.clone()
    }
}

impl Drop for NatsStore {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable(CLOSED.to_owned()));
        }
        Ok(())
    }

    /// Refuses work that NATS could not do now.
    fn check_writable(&self) -> Result<(), StoreError> {
        self.check_open()?;
        match self.failing() {
            None => Ok(()),
            Some(why) => Err(StoreError::Unavailable(why)),
        }
    }

    /// Why nothing can be asked of NATS now, if it is so. A connection that is lost is noticed here,
    /// so that nobody waits for it in vain.
    fn failing(&self) -> Option<String> {
        if !self.bucket.is_connected() {
            self.has_failed("the connection to NATS is lost");
        }
        self.condition.failing()
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// A call to NATS has failed; the store is not ready until a look at it finds otherwise.
    fn has_failed(&self, why: &str) {
        let why = format!("NATS bucket {}: {why}", self.bucket.name());
        if self.is_over.load(Ordering::SeqCst) {
            return;
        }
        let was_failing = self.condition.failing().is_some();
        let is_news = self.condition.fails(why.clone());
        if !was_failing {
            tracing::error!(%why, "the store failed");
            // The first look at it comes at once, and the others in their time.
            self.failed.notify_one();
        } else if is_news {
            tracing::warn!(%why, "the store still fails");
        }
    }

    /// It fails from now on, until it is opened anew.
    fn ends(&self, why: &str) {
        self.has_failed(why);
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn stands(&self, standing: Standing) {
        self.bytes.0.store(standing.bytes, Ordering::Relaxed);
        let most = standing.most.unwrap_or_default();
        self.bytes.1.store(most, Ordering::Relaxed);
    }

    /// Counts what is about to be written, until the next look at the bucket.
    fn takes(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether there is room for a write: for one more request with the answers to all that are there,
    /// or for an answer, with some to spare for what removes old ones.
    fn check_room(&self, is_ask: bool) -> Result<(), StoreError> {
        let most = self.bytes.1.load(Ordering::Relaxed);
        let part = if is_ask {
            limits::NATS_ASKS_PERCENT
        } else {
            limits::NATS_WRITES_PERCENT
        };
        let mut bytes = self.bytes.0.load(Ordering::Relaxed);
        if is_ask {
            // Each answer is the whole request once more, and an approval is used after it.
            bytes += 2 * self.seen().requests.pending_bytes();
        }
        if most == 0 || bytes < most / 100 * u64::from(part) {
            return Ok(());
        }
        Err(StoreError::Unavailable(format!(
            "the NATS bucket {} has or is about to have {bytes} of at most {most} bytes, and takes this \
             up to {part} % of them: give it more with `nats stream edit --max-bytes`, or keep requests for a shorter \
             time with --retain",
            self.bucket.name()
        )))
    }

    /// The latest event of a request, as far as the bucket was taken up.
    fn seen_of(&self, id: RequestId) -> Result<Option<Event>, StoreError> {
        let seen = self.seen();
        if let Some(why) = seen.requests.why_bad(id) {
            return Err(why.clone());
        }
        Ok(seen.requests.get(id).cloned())
    }

    /// The latest event of a request, at least as the leader had it when it was asked for; what this
    /// node has seen of it, where NATS cannot be asked.
    async fn get(&self, id: RequestId) -> Result<Option<Event>, StoreError> {
        let error = match self.failing() {
            Some(why) => StoreError::Unavailable(why),
            None => match self.current(id).await {
                Err(error @ StoreError::Unavailable(_)) => error,
                current => return current,
            },
        };
        // What is final stays so, and what is pending may be: it is all that can be said now.
        self.seen_of(id)?.map(Some).ok_or(error)
    }

    /// The same, and nothing where NATS cannot be asked.
    async fn current(&self, id: RequestId) -> Result<Option<Event>, StoreError> {
        let _turn = self.reads.try_acquire().map_err(|_| StoreError::Busy)?;
        let has_any = self.catch_up(id).await?;
        let event = self.seen().requests.event_of(id);
        let is_there = match event {
            Some(event) if !has_any => {
                let gone = self.forget_if_gone(id, event).await;
                !gone.map_err(|away| StoreError::Unavailable(away.to_string()))?
            }
            Some(_) => true,
            None => false,
        };
        if is_there {
            return self.seen_of(id);
        }
        self.look_again(id).await
    }
}

#[async_trait]
impl Store for NatsStore {
    fn history(&self) -> HistoryId {
        self.history
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.shared.check_open()?;
        Ok(self.shared.seen().requests.head())
    }

    async fn catch_up(&self, event: EventId) -> Result<(), StoreError> {
        self.shared.check_open()?;
        self.shared.catch_up_to(event).await
    }

    async fn get(&self, id: RequestId) -> Result<Option<Event>, StoreError> {
        self.shared.check_open()?;
        self.shared.get(id).await
    }

    async fn commit(
        &self,
        expected: Option<EventId>,
        request: Request,
    ) -> Result<Commit, StoreError> {
        self.shared.check_writable()?;
        self.shared.check_room(expected.is_none())?;
        let record = record::encode(&request);
        let spare = if expected.is_none() {
            limits::NATS_PAYLOAD_SPARE_BYTES
        } else {
            limits::HEAD_BYTES
        };
        let most = self.client.server_info().max_payload.saturating_sub(spare);
        if record.len() > most {
            let bytes = record.len();
            return Err(StoreError::TooLarge { bytes, most });
        }
        let bytes_taken = record.len();
        let bytes = record.len().min(limits::WRITE_QUEUE_BYTES);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.shared.room).try_acquire_many_owned(bytes);
        let (answer, answered) = oneshot::channel();
        let write = Write {
            expected,
            request: Arc::new(request),
            record: Bytes::from(record),
            answer,
            _room: room.map_err(|_| StoreError::Busy)?,
        };
        self.accept(Job::Write(Box::new(write)))?;
        self.shared.takes(bytes_taken);
        answered
            .await
            .unwrap_or_else(|_| Err(StoreError::OutcomeUnknown(ENDED.to_owned())))
    }

    async fn changes(
        &self,
        range: Range,
        only_pending: bool,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.shared.check_open()?;
        let seen = self.shared.seen();
        Ok(seen.requests.changes(range, only_pending, limit))
    }

    async fn list(&self, query: ListQuery) -> Result<Page, StoreError> {
        self.shared.check_open()?;
        Ok(self.shared.seen().requests.list(&query))
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.shared.check_open()?;
        Ok(self.shared.seen().requests.overdue(now, limit))
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        self.shared.check_open()?;
        Ok(self.shared.seen().requests.next_expiry())
    }

    async fn pending(&self) -> Result<usize, StoreError> {
        self.shared.check_open()?;
        Ok(self.shared.seen().requests.pending())
    }

    async fn pending_of(&self, requester: &Principal) -> Result<usize, StoreError> {
        self.shared.check_open()?;
        Ok(self.shared.seen().requests.pending_of(requester))
    }

    async fn purge(&self, settled_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.shared.check_writable()?;
        if limit == 0 {
            // Nothing but a look at the writer.
            let (look, looked) = oneshot::channel();
            self.accept(Job::Look(look))?;
            drop(looked.await);
            return Ok(0);
        }
        let (answer, answered) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        self.work.spawn(async move {
            let done = shared.purge(settled_before, limit).await;
            drop(answer.send(done));
        });
        answered
            .await
            .unwrap_or_else(|_| Err(StoreError::OutcomeUnknown(ENDED.to_owned())))
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.shared.condition.watch()
    }

    async fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        drop(self.writes().take());
        self.work.close();
        self.work.wait().await;
        self.stop.cancel();
        self.shared.errands.close();
        self.shared.errands.wait().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}
