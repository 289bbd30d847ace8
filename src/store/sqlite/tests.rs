//! The contract, and what only a file and its writer can do.

mod copies;
mod crash;
mod faults;
mod groups;
mod listing;
mod opening;
mod plans;
mod speed;
mod versions;
mod wrong_bytes;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::ffi;
use tempfile::TempDir;

use super::database::{Driver, Plain};
use super::*;
use crate::store::SharedStore;
use crate::store::contract::{Opener, Spy, suite};

/// A directory with a database in it.
struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("pushd.db")
    }

    async fn open_with(&self, feed: Arc<dyn Feed>, settings: Settings) -> SharedStore {
        let store = SqliteStore::open_with(self.path(), feed, settings).await;
        Arc::new(store.unwrap())
    }

    /// Opens the store as often as it takes for the lock to be free. It is that of this process until
    /// a program that another test is starting at this moment has let go of its copy.
    async fn open_again(&self, feed: Arc<dyn Feed>) -> SharedStore {
        self.open_again_with(feed, Settings::default).await
    }

    async fn open_again_with(
        &self,
        feed: Arc<dyn Feed>,
        settings: impl Fn() -> Settings + Send + Sync,
    ) -> SharedStore {
        let until = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let (feed, settings) = (Arc::clone(&feed), settings());
            match SqliteStore::open_with(self.path(), feed, settings).await {
                Ok(store) => return Arc::new(store),
                Err(OpenError::InUse { pid, .. })
                    if pid == Some(std::process::id()) && tokio::time::Instant::now() < until =>
                {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Opens the store and expects that it refuses; answers the message.
    async fn refusal(&self) -> OpenError {
        match SqliteStore::open_with(self.path(), Spy::new(), impatient()).await {
            Ok(_) => panic!("{} was opened", self.path().display()),
            Err(error) => error,
        }
    }

    /// A connection of somebody else.
    fn intruder(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

#[async_trait]
impl Opener for Dir {
    fn durable(&self) -> bool {
        true
    }

    async fn open(&self, feed: Arc<dyn Feed>) -> SharedStore {
        self.open_again(feed).await
    }

    async fn damage(&self, id: RequestId) {
        // Every second one comes from the future instead.
        let future = br#"{"format":3}"#.as_slice();
        let record = if id.as_bytes()[0].is_multiple_of(2) {
            future
        } else {
            b"{"
        };
        let sql = "UPDATE requests SET record = ?1 WHERE id = ?2";
        let changed = self.intruder().execute(sql, (record, id.as_bytes()));
        assert_eq!(changed.unwrap(), 1, "{id} has a record");
    }
}

suite!(Dir::new());

/// A database in which what is settled is filed with the next commit, and not after many.
struct Filing(Dir);

#[async_trait]
impl Opener for Filing {
    fn durable(&self) -> bool {
        true
    }

    async fn open(&self, feed: Arc<dyn Feed>) -> SharedStore {
        self.0
            .open_again_with(feed, || Settings {
                filing: (0, 1),
                ..Settings::default()
            })
            .await
    }

    async fn damage(&self, id: RequestId) {
        self.0.damage(id).await;
    }
}

mod filing {
    use super::*;

    suite!(Filing(Dir::new()));
}

/// Files all that is settled.
async fn file_all(store: &SharedStore) {
    let before_all = Timestamp::from_millis(i64::MIN);
    assert_eq!(store.purge(before_all, 1).await, Ok(0));
}

/// All that there can be.
const ALL: Range = Range {
    after: EventId::ZERO,
    until: EventId(u64::MAX),
};

/// Settings that keep tests short.
fn impatient() -> Settings {
    Settings {
        busy: Duration::from_millis(20),
        reopen: (Duration::from_millis(1), Duration::from_millis(20)),
        ..Settings::default()
    }
}

fn breaking(driver: impl Driver + 'static) -> Settings {
    Settings {
        driver: Box::new(driver),
        ..impatient()
    }
}

fn error(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

/// Waits until the store is ready, or failing with this text in the message.
async fn until(store: &SharedStore, failing: Option<&str>) {
    let mut health = store.health();
    let wanted = |health: &Health| match (health, failing) {
        (Health::Ready, None) => true,
        (Health::Failing(why), Some(text)) => why.contains(text),
        (Health::Ready, Some(_)) | (Health::Failing(_), None) | (Health::Damaged(_), _) => false,
    };
    let limit = Duration::from_secs(20);
    let reached = tokio::time::timeout(limit, health.wait_for(wanted)).await;
    let reached = reached.map(|health| health.is_ok());
    assert_eq!(reached, Ok(true), "{:?}", *store.health().borrow());
}

/// Holds each COMMIT until it is let go, and counts them.
struct Gate {
    arrived: tokio::sync::mpsc::Sender<()>,
    go: mpsc::Receiver<()>,
    commits: Arc<AtomicUsize>,
}

/// The other side of a [`Gate`].
struct Keeper {
    arrived: tokio::sync::mpsc::Receiver<()>,
    go: Option<mpsc::SyncSender<()>>,
    commits: Arc<AtomicUsize>,
}

impl Gate {
    fn new() -> (Self, Keeper) {
        let (here, arrived) = tokio::sync::mpsc::channel(10_000);
        let (go, gone) = mpsc::sync_channel(10_000);
        let commits = Arc::new(AtomicUsize::new(0));
        let gate = Self {
            arrived: here,
            go: gone,
            commits: Arc::clone(&commits),
        };
        let keeper = Keeper {
            arrived,
            go: Some(go),
            commits,
        };
        (gate, keeper)
    }
}

impl Keeper {
    /// Waits until the writer stands before COMMIT.
    async fn wait(&mut self) {
        self.arrived.recv().await.unwrap();
    }

    /// Lets this and every later COMMIT pass.
    fn open(&mut self) {
        self.go = None;
    }

    fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }
}

impl Gate {
    fn hold(&self) {
        // An error says that the test holds nothing back any more.
        if self.arrived.try_send(()).is_ok() {
            self.go.recv().unwrap_or_default();
        }
        self.commits.fetch_add(1, Ordering::SeqCst);
    }
}

impl Driver for Gate {
    fn commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.hold();
        Plain.commit(connection)
    }
}

/// Bounds the pages of the database, as a full disk does.
struct Small(Arc<AtomicU32>);

impl Small {
    fn squeeze(&self, connection: &Connection) -> rusqlite::Result<()> {
        let pages = self.0.load(Ordering::SeqCst);
        // It answers with the bound that holds.
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |_| Ok(()))
    }
}

impl Driver for Small {
    fn connected(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.squeeze(connection)
    }

    fn commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        Plain.commit(connection)?;
        self.squeeze(connection)
    }
}

/// Cannot be opened again while the flag is set; the first COMMIT after it is set fails.
struct Down(Arc<AtomicBool>);

impl Driver for Down {
    fn connected(&mut self, _: &Connection) -> rusqlite::Result<()> {
        if self.0.load(Ordering::SeqCst) {
            return Err(error(ffi::SQLITE_IOERR_READ));
        }
        Ok(())
    }

    fn commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.connected(connection)?;
        Plain.commit(connection)
    }
}
