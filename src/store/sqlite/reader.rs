//! Reads, on a few connections that cannot write, off the runtime's threads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;
use tokio::task;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Condition;
use super::error::OpenError;
use super::queue::Queue;
use super::rows::ReadError;
use super::writer::Job;
use super::{CLOSED, StoreError};
use crate::limits;

/// Connections for reading, opened when they are needed and kept.
pub(super) struct Readers {
    shared: Arc<Shared>,
    /// One permit for each connection.
    places: Arc<Semaphore>,
    /// One permit for each read that runs or waits.
    queue: Arc<Semaphore>,
    /// The reads that run.
    running: TaskTracker,
}

/// What a read takes along to its thread.
struct Shared {
    path: PathBuf,
    busy: Duration,
    pool: Mutex<Pool>,
    condition: Arc<Condition>,
    writer: Arc<Queue>,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    closed: bool,
}

impl Pool {
    fn keep(&mut self, connection: Connection) {
        if !self.closed {
            self.idle.push(connection);
        }
    }
}

impl Shared {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T, E: Into<ReadError>>(
        &self,
        job: impl FnOnce(&Connection, &Condition) -> Result<T, E>,
    ) -> Result<T, ReadError> {
        let idle = self.pool().idle.pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path, self.busy)?,
        };
        let answer = job(&connection, &self.condition).map_err(Into::into);
        // One that has failed is not used again: the file may be another by now.
        if !matches!(answer, Err(ReadError::Sqlite(_))) {
            self.pool().keep(connection);
        }
        answer
    }

    /// Has the writer look into a failure. This is done by the read itself, because whoever has
    /// asked for it may have left.
    fn failed(&self, error: &rusqlite::Error) -> StoreError {
        let error = OpenError::sqlite(&self.path, error);
        let answer = StoreError::Unavailable(error.to_string());
        if self.condition.suspect(error) {
            // A writer that cannot be told is at work and looks afterwards, or has ended.
            drop(self.writer.send(Job::Look));
        }
        answer
    }
}

impl Readers {
    pub(super) fn new(
        path: PathBuf,
        busy: Duration,
        condition: Arc<Condition>,
        writer: Arc<Queue>,
    ) -> Self {
        let shared = Shared {
            path,
            busy,
            pool: Mutex::default(),
            condition,
            writer,
        };
        Self {
            shared: Arc::new(shared),
            places: Arc::new(Semaphore::new(limits::STORE_READERS)),
            queue: Arc::new(Semaphore::new(limits::STORE_READERS + limits::READ_QUEUE)),
            running: TaskTracker::new(),
        }
    }

    /// Runs `job` on a connection. Dropping the future lets a job that has begun run to its end.
    pub(super) async fn read<T: Send + 'static, E: Into<ReadError>>(
        &self,
        job: impl FnOnce(&Connection, &Condition) -> Result<T, E> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::Unavailable(CLOSED.to_owned());
        let queued = Arc::clone(&self.queue).try_acquire_owned();
        let queued = queued.map_err(|_| StoreError::Busy)?;
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| closed())?;
        let running = self.start().ok_or_else(closed)?;
        let shared = Arc::clone(&self.shared);
        let done = task::spawn_blocking(move || {
            let answer = shared.run(job).map_err(|error| match error {
                ReadError::Sqlite(error) => shared.failed(&error),
                ReadError::Record(error) => error,
            });
            // Last, so that a store that has waited for this read has no connection open.
            drop((place, queued, running));
            answer
        });
        done.await.unwrap_or_else(|error| {
            let path = self.shared.path.display();
            let why = format!("a read of {path} broke off: {error}");
            Err(StoreError::Unavailable(why))
        })
    }

    /// Counts a read as running, unless it comes too late. The lock makes it one or the other:
    /// a read that [`close`](Self::close) waits for, or one that does not begin.
    fn start(&self) -> Option<TaskTrackerToken> {
        let pool = self.shared.pool();
        (!pool.closed).then(|| self.running.token())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.shared.pool().closed
    }

    /// Refuses the reads that wait or come later, closes the connections, and waits for the reads
    /// that run; it does not need anybody to poll them.
    pub(super) async fn close(&self) {
        {
            let mut pool = self.shared.pool();
            pool.closed = true;
            pool.idle.clear();
        }
        self.places.close();
        self.running.close();
        self.running.wait().await;
    }
}

/// Opens a connection that can only read.
pub(super) fn connect(path: &Path, busy: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy)?;
    connection.execute_batch(
        "PRAGMA query_only = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA mmap_size = 0;",
    )?;
    connection.set_prepared_statement_cache_capacity(limits::STORE_STATEMENTS);
    Ok(connection)
}
