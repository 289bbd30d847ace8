//! Reads, on a few connections that cannot write, off the runtime's threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;
use tokio::task;

use super::error::OpenError;
use super::rows::ReadError;
use super::{CLOSED, StoreError};
use crate::limits;

/// Connections for reading, opened when they are needed and kept.
pub(super) struct Readers {
    path: PathBuf,
    busy: Duration,
    /// One permit for each connection.
    places: Arc<Semaphore>,
    /// One permit for each read that runs or waits.
    queue: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    closed: AtomicBool,
}

impl Readers {
    pub(super) fn new(path: PathBuf, busy: Duration) -> Self {
        Self {
            path,
            busy,
            places: Arc::new(Semaphore::new(limits::STORE_READERS)),
            queue: Arc::new(Semaphore::new(limits::STORE_READERS + limits::READ_QUEUE)),
            idle: Arc::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Runs `job` on a connection. Dropping the future lets a job that has begun run to its end.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::Unavailable(CLOSED.to_owned());
        let queued = Arc::clone(&self.queue).try_acquire_owned();
        let queued = queued.map_err(|_| StoreError::Busy)?;
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| closed())?;
        if self.is_closed() {
            return Err(closed());
        }
        let (path, busy) = (self.path.clone(), self.busy);
        let idle = Arc::clone(&self.idle);
        let done = task::spawn_blocking(move || {
            let waiting = lock(&idle).pop();
            let connection = match waiting {
                Some(connection) => connection,
                None => connect(&path, busy).map_err(|error| failed(&path, &error))?,
            };
            let answer = job(&connection);
            // One that has failed is not used again: the file may be another by now.
            if !matches!(answer, Err(ReadError::Sqlite(_))) {
                lock(&idle).push(connection);
            }
            drop((place, queued));
            answer.map_err(|error| match error {
                ReadError::Sqlite(error) => failed(&path, &error),
                ReadError::Record(error) => error,
            })
        });
        done.await.unwrap_or_else(|error| {
            let path = self.path.display();
            let why = format!("a read of {path} broke off: {error}");
            Err(StoreError::Unavailable(why))
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Refuses further reads, lets those that run finish, and closes the connections.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let all = u32::try_from(limits::STORE_READERS).expect("a few connections");
        // An error says that an earlier call has come this far.
        if let Ok(all) = self.places.acquire_many(all).await {
            self.places.close();
            lock(&self.idle).clear();
            drop(all);
        }
    }
}

fn connect(path: &Path, busy: Duration) -> rusqlite::Result<Connection> {
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

fn failed(path: &Path, error: &rusqlite::Error) -> StoreError {
    let error = OpenError::sqlite(path, error);
    tracing::warn!(%error, "a read of the store failed");
    StoreError::Unavailable(error.to_string())
}

fn lock(idle: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
