//! Requests in one `SQLite` file: the store that is used unless another is named.
//!
//! Guaranteed: a commit that was answered survives the end of the process and a loss of power, as
//! far as the disk keeps what it says it has flushed. Nobody sees a commit before it is durable.
//! One daemon uses a file at a time. When writing fails, writes are refused at once and reads go
//! on while they can; the store looks by itself whether the fault has passed, and works again when
//! a large record can be written.
//!
//! A read that fails stops the writes, too, until the writer has looked through the database: damage
//! must not spread, and a daemon that cannot read is not ready. A record that cannot be read in a
//! sound database is left out and told of.
//!
//! Not guaranteed: the file on a network file system, or changed by other programs, or copied
//! without its `-wal` while it is open. The file never shrinks: the pages of purged requests are
//! used again, so it stays as large as what was kept at the busiest time, and moving pages about
//! to give disk space back is work and risk that nobody asked for (`VACUUM` in sqlite3 does it,
//! while the daemon is stopped). Purged text may stay readable in the file until it is overwritten.
//!
//! After a failed COMMIT the feed is told what the database then holds: each request at its latest
//! state, as a reader that resumes would see it.

mod audit;
mod backup;
mod database;
mod error;
mod files;
mod group;
mod list;
mod lock;
mod part;
mod published;
mod queue;
mod reader;
mod recovery;
mod restore;
mod rows;
mod schema;
mod set_aside;
mod summary;
mod unfiled;
mod writer;

#[cfg(test)]
mod tests;

pub use audit::{Audit, Audited};
pub use backup::{BackupError, backup};
pub use error::OpenError;
pub use restore::{RestoreError, Restored, restore};
pub use summary::Summary;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task;

use self::database::{Database, Missing, Settings};
use self::group::{Purge, Write};
use self::lock::Lock;
use self::published::Published;
use self::queue::Queue;
use self::reader::Readers;
use self::writer::{Doubt, Job, Writer};
use super::{Commit, Feed, Head, Health, ListQuery, Page, Range, Store, StoreError, record};
use crate::domain::{Event, EventId, HistoryId, Principal, Request, RequestId, Timestamp};
use crate::limits;

/// What the store can do; its suspicions are of the whole database.
type Condition = super::condition::Condition<OpenError>;

const CLOSED: &str = "it is closed";
const REMEDY: &str = "stop pushd, then run the pushd that wrote it, or restore a backup";
const ENDED: &str = "its writer ended unexpectedly; restart pushd";

/// Requests in a `SQLite` file.
///
/// Close it with [`Store::close`]. When it is dropped instead, the writes that were accepted are
/// still made, and the file is free for another daemon a moment later.
pub struct SqliteStore {
    history: HistoryId,
    queue: Arc<Queue>,
    /// Bytes that the records in the queue may have.
    room: Arc<Semaphore>,
    readers: Readers,
    published: Arc<Published>,
    condition: Arc<Condition>,
    /// Its sender lives as long as the writer.
    ended: watch::Receiver<()>,
}

impl SqliteStore {
    /// Opens the database at `path`; the file, and the directory it is in, are made when they are
    /// missing, for their owner alone. `feed` is told of the commits that follow.
    ///
    /// Must be called within a tokio runtime. Dropping the future lets go of the database.
    ///
    /// # Errors
    /// The database cannot be used; the error says why and what to try.
    pub async fn open(path: impl Into<PathBuf>, feed: Arc<dyn Feed>) -> Result<Self, OpenError> {
        Self::open_with(path.into(), feed, Settings::default()).await
    }

    async fn open_with(
        path: PathBuf,
        feed: Arc<dyn Feed>,
        settings: Settings,
    ) -> Result<Self, OpenError> {
        let opening = path.clone();
        task::spawn_blocking(move || Self::open_now(&path, feed, settings))
            .await
            .unwrap_or_else(|error| {
                Err(OpenError::Failed {
                    path: opening,
                    reason: format!("opening it broke off: {error}"),
                })
            })
    }

    fn open_now(
        path: &Path,
        feed: Arc<dyn Feed>,
        mut settings: Settings,
    ) -> Result<Self, OpenError> {
        let path = files::prepare(path)?;
        let lock = Lock::take(&path)?;
        let driver = settings.driver.as_mut();
        let database = Database::open(&path, Missing::Create, settings.busy, driver)?;
        let published = Arc::new(Published::new(database.standing, database.unfiled));
        let condition = Arc::new(Condition::new(path.display().to_string(), REMEDY));
        let (sender, receiver) = sync_channel(limits::WRITE_QUEUE);
        let queue = Arc::new(Queue::new(sender));
        let readers = Readers::new(
            path.clone(),
            settings.busy,
            Arc::clone(&condition),
            Arc::clone(&queue),
        );
        let writer = Writer {
            path: path.clone(),
            history: database.history,
            pause: settings.reopen.0,
            settings,
            queue: receiver,
            feed,
            published: Arc::clone(&published),
            condition: Arc::clone(&condition),
            next: None,
            connection: Some(database.connection),
            doubt: Doubt::default(),
            _lock: lock,
        };
        let (end, ended) = watch::channel(());
        let watch = Watch(Arc::clone(&condition));
        let body = move || {
            let _end = end;
            let _watch = watch;
            writer.run();
        };
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(body)
            .map_err(|error| OpenError::Failed {
                path,
                reason: format!("no thread for its writer: {error}"),
            })?;
        Ok(Self {
            history: database.history,
            queue,
            room: Arc::new(Semaphore::new(limits::WRITE_QUEUE_BYTES)),
            readers,
            published,
            condition,
            ended,
        })
    }

    /// Refuses work for the writer that it could not do now.
    fn check_writable(&self) -> Result<(), StoreError> {
        match self.condition.failing() {
            None => self.check_open(),
            Some(why) => Err(StoreError::Unavailable(why)),
        }
    }

    /// Pending requests whose latest commit is in a range. One that has changed since it was found is
    /// behind the range, as whoever asks is told of the head before.
    async fn changes_pending(
        &self,
        mut range: Range,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        loop {
            let wanted = limit - events.len();
            let found = self.published.pending_in(range, wanted);
            let last = found.last().copied().filter(|_| found.len() == wanted);
            let read = self
                .readers
                .read(move |database, condition| rows::all_at(database, condition, &found))
                .await?;
            events.extend(read);
            match last {
                // Some of them cannot be read, and others stand behind them.
                Some(last) if events.len() < limit => range.after = last,
                _ => return Ok(events),
            }
        }
    }

    /// Pending requests that expire until then, the earliest first.
    async fn by_expiry(&self, until: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        let (mut events, mut after) = (Vec::new(), None);
        loop {
            let wanted = limit - events.len();
            let mut found = self.published.by_expiry(after, wanted);
            after = found.last().copied().filter(|_| found.len() == wanted);
            found.retain(|(expires_at, _)| *expires_at <= until);
            if found.is_empty() && !events.is_empty() {
                return Ok(events);
            }
            let ids: Vec<_> = found.into_iter().map(|(_, id)| id).collect();
            let read = self
                .readers
                .read(move |database, condition| rows::all_pending(database, condition, &ids))
                .await?;
            events.extend(read);
            let is_end = after.is_none_or(|(expires_at, _)| expires_at > until);
            if is_end || events.len() >= limit {
                return Ok(events);
            }
        }
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.readers.is_closed() {
            return Err(StoreError::Unavailable(CLOSED.to_owned()));
        }
        Ok(())
    }
}

/// Tells of a writer that panics, so that the daemon does not stay ready without one.
struct Watch(Arc<Condition>);

impl Drop for Watch {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fails(ENDED.to_owned());
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn history(&self) -> HistoryId {
        self.history
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.check_open()?;
        Ok(self.published.standing().head)
    }

    async fn get(&self, id: RequestId) -> Result<Option<Event>, StoreError> {
        self.check_open()?;
        if let Some(event) = self.published.recent(id) {
            return Ok(Some(event));
        }
        self.readers
            .read(move |database, condition| rows::get(database, condition, id))
            .await
    }

    async fn commit(
        &self,
        expected: Option<EventId>,
        request: Request,
    ) -> Result<Commit, StoreError> {
        self.check_writable()?;
        let record = record::encode(&request);
        let bytes = record.len().min(limits::WRITE_QUEUE_BYTES);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes);
        let (answer, answered) = oneshot::channel();
        self.queue.send(Job::Write(Box::new(Write {
            expected,
            request: Arc::new(request),
            record,
            answer,
            _room: room.map_err(|_| StoreError::Busy)?,
        })))?;
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
        if only_pending {
            return self.changes_pending(range, limit).await;
        }
        self.readers
            .read(move |database, condition| rows::changes(database, condition, range, limit))
            .await
    }

    async fn list(&self, query: ListQuery) -> Result<Page, StoreError> {
        let query = Arc::new(query);
        let mut enough = query.limit.saturating_add(1);
        loop {
            let asked = Arc::clone(&query);
            let published = Arc::clone(&self.published);
            let page = self
                .readers
                .read(move |database, condition| {
                    // Read before the page, so that the page has seen it.
                    let (unfiled, head) = published.find(&asked, enough);
                    list::list(database, condition, &asked, &unfiled, head)
                })
                .await?;
            if let Some(page) = page {
                return Ok(page);
            }
            enough = enough.saturating_mul(8);
        }
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.by_expiry(now, limit).await
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        // The request is read whole: one that nobody can let expire would wake the sweep again and
        // again.
        let next = self.by_expiry(Timestamp::from_millis(i64::MAX), 1).await?;
        Ok(next.first().map(|event| event.request.expires_at))
    }

    async fn pending(&self) -> Result<usize, StoreError> {
        self.check_open()?;
        Ok(self.published.standing().pending)
    }

    async fn pending_of(&self, requester: &Principal) -> Result<usize, StoreError> {
        self.check_open()?;
        Ok(self.published.pending_of(requester))
    }

    async fn purge(&self, settled_before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.check_writable()?;
        let (answer, answered) = oneshot::channel();
        self.queue.send(Job::Purge(Purge {
            settled_before,
            limit,
            answer,
        }))?;
        answered
            .await
            .unwrap_or_else(|_| Err(StoreError::OutcomeUnknown(ENDED.to_owned())))
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.condition.watch()
    }

    async fn close(&self) {
        // The readers first: the writer's last connection then tidies the files.
        self.readers.close().await;
        self.queue.close();
        let mut ended = self.ended.clone();
        // Nothing is ever sent: an error says that the writer has ended.
        while ended.changed().await.is_ok() {}
    }
}
