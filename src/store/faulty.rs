//! A store that fails on purpose, for the tests of those who use one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};

use super::{Commit, Head, Health, ListQuery, Page, Range, SharedStore, Store, StoreError};
use crate::domain::{Event, EventId, HistoryId, Principal, Request, RequestId, Timestamp};

/// What becomes of one commit.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is refused, and not written.
    Unavailable,
    /// It is refused for want of room, and not written.
    Busy,
    /// It is not written, and its caller is not told so.
    Lost,
    /// It is written, and its caller is not told so.
    Unconfirmed,
    /// It waits for a permit before it is written; the permit is used up.
    Stall(Arc<Semaphore>),
    /// It is written, and its answer waits for a permit; the permit is used up.
    StallAnswer(Arc<Semaphore>),
}

/// Passes calls on to another store, except where it was told to break them.
pub struct FaultyStore {
    inner: SharedStore,
    plan: Mutex<Plan>,
    health: watch::Sender<Health>,
}

#[derive(Default)]
struct Plan {
    commits: usize,
    faults: HashMap<usize, Fault>,
    every: Option<Fault>,
    reads: Option<StoreError>,
    stall: Option<Arc<Semaphore>>,
}

const WHY: &str = "a test broke it";

impl FaultyStore {
    /// A store that works like `inner` until it is told otherwise.
    pub fn new(inner: SharedStore) -> Arc<Self> {
        let (health, _) = watch::channel(Health::Ready);
        Arc::new(Self {
            inner,
            plan: Mutex::default(),
            health,
        })
    }

    /// Breaks the `n`-th commit from now on; 1 is the next. Its retry is another commit.
    pub fn break_commit(&self, n: usize, fault: Fault) {
        let mut plan = self.plan();
        let n = plan.commits + n;
        plan.faults.insert(n, fault);
    }

    /// Breaks every commit, or stops doing so. A purge is held up as well.
    pub fn break_commits(&self, fault: Option<Fault>) {
        self.plan().every = fault;
    }

    /// Fails every read, or stops doing so.
    pub fn break_reads(&self, error: Option<StoreError>) {
        self.plan().reads = error;
    }

    /// Lets every read wait for a permit, which is used up, or stops doing so.
    pub fn stall_reads(&self, gate: Option<Arc<Semaphore>>) {
        self.plan().stall = gate;
    }

    /// Tells those who watch the store's health this.
    pub fn tell_health(&self, health: Health) {
        self.health.send_replace(health);
    }

    /// How many commits were tried.
    pub fn commits(&self) -> usize {
        self.plan().commits
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_fault(&self) -> Option<Fault> {
        let mut plan = self.plan();
        plan.commits += 1;
        let n = plan.commits;
        plan.faults.remove(&n).or_else(|| plan.every.clone())
    }

    async fn check_read(&self) -> Result<(), StoreError> {
        let stalled = self.plan().stall.clone();
        if let Some(gate) = stalled {
            permit(&gate).await;
        }
        self.plan().reads.clone().map_or(Ok(()), Err)
    }
}

async fn permit(gate: &Semaphore) {
    gate.acquire()
        .await
        .expect("tests do not close it")
        .forget();
}

#[async_trait]
impl Store for FaultyStore {
    fn history(&self) -> HistoryId {
        self.inner.history()
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.check_read().await?;
        self.inner.head().await
    }

    async fn get(&self, id: RequestId) -> Result<Option<Event>, StoreError> {
        self.check_read().await?;
        self.inner.get(id).await
    }

    async fn commit(
        &self,
        expected: Option<EventId>,
        request: Request,
    ) -> Result<Commit, StoreError> {
        let unknown = || StoreError::OutcomeUnknown(WHY.to_owned());
        match self.next_fault() {
            None => self.inner.commit(expected, request).await,
            Some(Fault::Unavailable) => Err(StoreError::Unavailable(WHY.to_owned())),
            Some(Fault::Busy) => Err(StoreError::Busy),
            Some(Fault::Lost) => Err(unknown()),
            Some(Fault::Unconfirmed) => {
                self.inner.commit(expected, request).await?;
                Err(unknown())
            }
            Some(Fault::Stall(gate)) => {
                permit(&gate).await;
                self.inner.commit(expected, request).await
            }
            Some(Fault::StallAnswer(gate)) => {
                let answer = self.inner.commit(expected, request).await;
                permit(&gate).await;
                answer
            }
        }
    }

    async fn changes(
        &self,
        range: Range,
        only_pending: bool,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.check_read().await?;
        self.inner.changes(range, only_pending, limit).await
    }

    async fn list(&self, query: ListQuery) -> Result<Page, StoreError> {
        self.check_read().await?;
        self.inner.list(query).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.check_read().await?;
        self.inner.overdue(now, limit).await
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        self.check_read().await?;
        self.inner.next_expiry().await
    }

    async fn pending(&self) -> Result<usize, StoreError> {
        self.check_read().await?;
        self.inner.pending().await
    }

    async fn pending_of(&self, requester: &Principal) -> Result<usize, StoreError> {
        self.check_read().await?;
        self.inner.pending_of(requester).await
    }

    async fn purge(&self, settled_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let fault = self.plan().every.clone();
        match fault {
            Some(Fault::Busy) => return Err(StoreError::Busy),
            Some(Fault::Stall(gate)) => permit(&gate).await,
            Some(Fault::Unavailable | Fault::Lost | Fault::Unconfirmed | Fault::StallAnswer(_))
            | None => {}
        }
        self.inner.purge(settled_before, limit).await
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::store::Feed;
    use crate::store::contract::{Opener, Spy, asked, done, id, suite};
    use crate::store::memory::MemoryStore;

    fn memory(feed: Arc<dyn Feed>) -> SharedStore {
        Arc::new(MemoryStore::new(HistoryId::from_random(7), feed))
    }

    struct Faultless;

    #[async_trait]
    impl Opener for Faultless {
        fn durable(&self) -> bool {
            false
        }

        async fn open(&self, feed: Arc<dyn Feed>) -> SharedStore {
            FaultyStore::new(memory(feed))
        }
    }

    suite!(Faultless);

    #[tokio::test]
    async fn the_named_commits_break_and_no_others() {
        let spy = Spy::new();
        let store = FaultyStore::new(memory(spy.feed()));
        store.break_commit(2, Fault::Unavailable);
        store.break_commit(3, Fault::Lost);
        store.break_commit(5, Fault::Unconfirmed);
        done(store.commit(None, asked(1)).await.unwrap());
        let refused = store.commit(None, asked(2)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))));
        let lost = store.commit(None, asked(2)).await;
        assert!(matches!(lost, Err(StoreError::OutcomeUnknown(_))));
        done(store.commit(None, asked(2)).await.unwrap());
        let unconfirmed = store.commit(None, asked(3)).await;
        assert!(matches!(unconfirmed, Err(StoreError::OutcomeUnknown(_))));
        assert!(store.get(id(3)).await.unwrap().is_some());
        assert_eq!((store.commits(), spy.delivered().len()), (5, 3));
    }

    #[tokio::test]
    async fn a_stalled_commit_goes_on_with_its_permit() {
        let store = FaultyStore::new(memory(Spy::new()));
        let gate = Arc::new(Semaphore::new(0));
        store.break_commits(Some(Fault::Stall(Arc::clone(&gate))));
        let mut stalled = store.commit(None, asked(1));
        assert!((&mut stalled).now_or_never().is_none());
        assert_eq!(store.get(id(1)).await.unwrap(), None);
        gate.add_permits(1);
        done(stalled.await.unwrap());
        store.break_commits(Some(Fault::StallAnswer(Arc::clone(&gate))));
        let mut stalled = store.commit(None, asked(2));
        assert!((&mut stalled).now_or_never().is_none());
        assert!(store.get(id(2)).await.unwrap().is_some());
        gate.add_permits(1);
        done(stalled.await.unwrap());
    }

    #[tokio::test]
    async fn reads_and_health_break_when_told() {
        let store = FaultyStore::new(memory(Spy::new()));
        store.break_reads(Some(StoreError::Busy));
        assert_eq!(store.get(id(1)).await, Err(StoreError::Busy));
        store.break_reads(None);
        assert_eq!(store.get(id(1)).await, Ok(None));
        let failing = Health::Failing("x".to_owned());
        store.tell_health(failing.clone());
        assert_eq!(*store.health().borrow(), failing);
    }
}
