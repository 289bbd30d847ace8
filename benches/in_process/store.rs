//! The stores: what a commit and a read cost, with few requests and with many.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::join_all;
use pushd::domain::{Event, EventId, HistoryId, Request};
use pushd::store::memory::MemoryStore;
use pushd::store::sqlite::SqliteStore;
use pushd::store::{Commit, Feed, ListQuery, SharedStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::case::{Case, Operation, Room};
use crate::hub::runtime;
use crate::samples::{approved, id, pending};

/// Commits that are sent to a store at the same time.
const TOGETHER: u64 = 256;
/// Requests of a list: what a page has unless it is asked for more.
const PAGE: usize = 100;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("memory/create", |_| created(Open::memory(), 1)).lasting(50_000),
        Case::new("memory/decide", |_| decided(Open::memory(), 10_000)).lasting(10_000),
        Case::new("memory/read", |_| read(Open::memory_with(10_000), 10_000)),
        Case::new("memory/list 100 of 10000", |_| {
            listed(Open::memory_with(10_000))
        })
        .counted(50),
        Case::new("sqlite/create", |_| created(Open::sqlite(), 1))
            .lasting(5_000)
            .counted(200),
        Case::new("sqlite/create, 256 at once", |_| {
            created(Open::sqlite(), TOGETHER)
        })
        .lasting(50)
        .counted(4)
        .of(TOGETHER),
        Case::new("sqlite/decide", |_| decided(Open::sqlite(), 2_000))
            .lasting(2_000)
            .counted(200),
        Case::new("sqlite/read what was written a moment ago", |_| {
            let open = Open::sqlite();
            open.fill(1_000);
            read(open, 1_000)
        }),
        Case::new("sqlite/read what was written long ago, of 100000", |room| {
            read(Open::sqlite_with_many(room), room.many())
        })
        .counted(200),
        Case::new("sqlite/list 100 of 100000", |room| {
            listed(Open::sqlite_with_many(room))
        })
        .counted(20),
    ]
}

/// Nobody is told.
struct Nobody;

impl Feed for Nobody {
    fn deliver(&self, events: &[Event]) {
        black_box(events);
    }

    fn reached(&self, _: EventId) {}
}

/// An open store, and what it runs on.
#[derive(Clone)]
struct Open {
    store: SharedStore,
    runtime: Rc<Runtime>,
    /// Its files, which go with it.
    _files: Option<Rc<TempDir>>,
}

impl Open {
    fn memory() -> Self {
        let store = MemoryStore::new(HistoryId::from_random(7), Arc::new(Nobody));
        Self {
            store: Arc::new(store),
            runtime: Rc::new(runtime()),
            _files: None,
        }
    }

    fn memory_with(requests: u64) -> Self {
        let open = Self::memory();
        open.fill(requests);
        open
    }

    fn sqlite() -> Self {
        let files = TempDir::new().expect("there is room for temporary files");
        let open = Self::sqlite_at(&files.path().join("pushd.db"));
        Self {
            _files: Some(Rc::new(files)),
            ..open
        }
    }

    /// The large database of this room, which is only read. It takes long to write, so it is
    /// written once.
    fn sqlite_with_many(room: &Room) -> Self {
        let path = room.folder().join("many.db");
        let is_whole = path.exists();
        let open = Self::sqlite_at(&path);
        if !is_whole {
            open.fill(room.many());
            // Written as a whole, and as quick to be opened as it will ever be.
            open.runtime.block_on(open.store.close());
            return Self::sqlite_at(&path);
        }
        open
    }

    fn sqlite_at(path: &Path) -> Self {
        let runtime = runtime();
        let opening = SqliteStore::open(PathBuf::from(path), Arc::new(Nobody));
        let store = runtime.block_on(opening).expect("the database opens");
        Self {
            store: Arc::new(store),
            runtime: Rc::new(runtime),
            _files: None,
        }
    }

    /// Creates the requests with the numbers below this one.
    fn fill(&self, requests: u64) {
        let numbers: Vec<_> = (0..requests).collect();
        for some in numbers.chunks(1000) {
            let requests = some.iter().map(|n| pending(*n));
            self.runtime.block_on(self.create(requests));
        }
    }

    async fn create(&self, requests: impl Iterator<Item = Request>) -> Vec<EventId> {
        let commits = requests.map(|request| self.store.commit(None, request));
        let commits = join_all(commits).await.into_iter();
        commits
            .map(|commit| match commit.expect("the store writes") {
                Commit::Done(event) => event.id,
                Commit::Conflict(event) => panic!("there is none yet, and no {event:?}"),
            })
            .collect()
    }
}

/// So many new requests at a time.
fn created(open: Open, together: u64) -> Operation {
    let mut next = 0;
    Box::new(move || {
        let requests = (next..next + together).map(pending);
        next += together;
        black_box(open.runtime.block_on(open.create(requests)));
    })
}

/// A pending request becomes approved, one of so many.
fn decided(open: Open, requests: u64) -> Operation {
    open.fill(requests);
    let mut next = 0;
    Box::new(move || {
        let now = approved(&pending(next));
        // They were created in this order.
        let before = EventId(next + 1);
        next += 1;
        let commit = open.store.commit(Some(before), now);
        let commit = open.runtime.block_on(commit).expect("the store writes");
        assert!(matches!(commit, Commit::Done(_)), "{commit:?}");
    })
}

/// Reads of all requests below this number, in no order.
fn read(open: Open, requests: u64) -> Operation {
    let mut step = 0;
    Box::new(move || {
        // An odd step through the numbers, so that neighbours are not read one after the other.
        step += 7919;
        let reading = open.store.get(id(step % requests));
        let event = open.runtime.block_on(reading).expect("the store reads");
        black_box(event.expect("it was written"));
    })
}

/// The first page of a list.
fn listed(open: Open) -> Operation {
    let query = ListQuery {
        status: None,
        topic: None,
        seen_by: None,
        after: None,
        limit: PAGE,
    };
    Box::new(move || {
        let listing = open.store.list(query.clone());
        let page = open.runtime.block_on(listing).expect("the store reads");
        assert_eq!(page.events.len(), PAGE);
        black_box(page);
    })
}
