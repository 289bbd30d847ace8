//! A daemon in this process whose store stumbles: some commits are refused, some are made and not
//! confirmed, some take their time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use pushd::approvals::{Approvals, Pump, sweep};
use pushd::clock::SystemClock;
use pushd::domain::{Event, EventId, HistoryId, Principal, Request, RequestId, Timestamp};
use pushd::http::{AllowedHosts, Api, Trust, routes};
use pushd::hub::Hub;
use pushd::limits::Limits;
use pushd::metrics::Metrics;
use pushd::server::{Listener, Server};
use pushd::store::sqlite::SqliteStore;
use pushd::store::{
    Commit, Feed, Head, Health, ListQuery, Page, Range, SharedStore, Store, StoreError,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// What becomes of one commit.
#[derive(Clone, Copy, Debug)]
enum Stumble {
    /// It is refused, and not written.
    Refused,
    /// It is not written, and its caller is not told so.
    Lost,
    /// It is written, and its caller is not told so.
    Unconfirmed,
    /// It is written after a while.
    Late(Duration),
    /// It is written, and its caller is told after a while.
    LateAnswer(Duration),
}

/// Every few commits one stumbles, until it is told to stop.
struct Stumbling {
    inner: SharedStore,
    rng: Mutex<Rng>,
    calm: CancellationToken,
}

impl Stumbling {
    fn draw(&self) -> Option<Stumble> {
        if self.calm.is_cancelled() {
            return None;
        }
        let mut rng = self.rng.lock().unwrap();
        let while_long = Duration::from_millis(rng.u64(1..400));
        match rng.u8(..15) {
            0 => Some(Stumble::Refused),
            1 => Some(Stumble::Lost),
            2 => Some(Stumble::Unconfirmed),
            3 => Some(Stumble::Late(while_long)),
            4 => Some(Stumble::LateAnswer(while_long)),
            _ => None,
        }
    }
}

#[async_trait]
impl Store for Stumbling {
    async fn commit(
        &self,
        expected: Option<EventId>,
        request: Request,
    ) -> Result<Commit, StoreError> {
        let why = || "the test broke it".to_owned();
        match self.draw() {
            None => self.inner.commit(expected, request).await,
            Some(Stumble::Refused) => Err(StoreError::Unavailable(why())),
            Some(Stumble::Lost) => Err(StoreError::OutcomeUnknown(why())),
            Some(Stumble::Unconfirmed) => {
                self.inner.commit(expected, request).await?;
                Err(StoreError::OutcomeUnknown(why()))
            }
            Some(Stumble::Late(time)) => {
                sleep(time).await;
                self.inner.commit(expected, request).await
            }
            Some(Stumble::LateAnswer(time)) => {
                let answer = self.inner.commit(expected, request).await;
                sleep(time).await;
                answer
            }
        }
    }

    fn history(&self) -> HistoryId {
        self.inner.history()
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.inner.head().await
    }

    async fn get(&self, id: RequestId) -> Result<Option<Event>, StoreError> {
        self.inner.get(id).await
    }

    async fn changes(
        &self,
        range: Range,
        only_pending: bool,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.inner.changes(range, only_pending, limit).await
    }

    async fn list(&self, query: ListQuery) -> Result<Page, StoreError> {
        self.inner.list(query).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.inner.overdue(now, limit).await
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_expiry().await
    }

    async fn pending(&self) -> Result<usize, StoreError> {
        self.inner.pending().await
    }

    async fn pending_of(&self, requester: &Principal) -> Result<usize, StoreError> {
        self.inner.pending_of(requester).await
    }

    async fn purge(&self, settled_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.purge(settled_before, limit).await
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.inner.health()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// The daemon; it ends when it is dropped.
pub(crate) struct Inside {
    pub(crate) address: SocketAddr,
    /// Cancelled when nothing stumbles any more.
    pub(crate) calm: CancellationToken,
    _tasks: JoinSet<()>,
    _dir: TempDir,
}

impl Inside {
    pub(crate) async fn start(rng: Rng) -> Self {
        let dir = TempDir::with_prefix("pushd-it-").unwrap();
        let (limits, drain) = (Limits::for_descriptors(4096), CancellationToken::new());
        let (metrics, calm) = (Arc::new(Metrics::default()), CancellationToken::new());
        let pump = Pump::new(Arc::new(Hub::new(&limits)), Arc::clone(&metrics));
        let feed = Arc::clone(&pump) as Arc<dyn Feed>;
        let inner = SqliteStore::open(dir.path().join("pushd.db"), feed)
            .await
            .unwrap();
        let store = Arc::new(Stumbling {
            inner: Arc::new(inner),
            rng: Mutex::new(rng),
            calm: calm.clone(),
        });
        let clock = Arc::new(SystemClock::new());
        let begun = Approvals::begin(store, pump, clock, limits, drain.clone());
        let approvals = begun.await.unwrap();
        let api = Api {
            approvals: Arc::clone(&approvals),
            metrics: Arc::clone(&metrics),
            hosts: Arc::new(AllowedHosts::default()),
            renderings: Arc::default(),
            trust: Trust::in_everybody(),
            classic: None,
            public_url: None,
        };
        let server = Server::new(routes(&api), metrics, limits.connections, drain);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(sweep::run(approvals, Duration::from_hours(1)));
        tasks.spawn(server.run(vec![Listener::Network(listener)], Duration::from_secs(1)));
        Self {
            address,
            calm,
            _tasks: tasks,
            _dir: dir,
        }
    }
}
