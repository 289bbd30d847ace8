//! Where requests are kept: a versioned map with an ordered feed.
//!
//! A store maps request ids to requests. A write names the commit that it expects to be the
//! latest of that request and fails when it is not (compare-and-set). Each commit gets the next
//! event id and is then given to the [`Feed`], in that order and only once it is durable.
//!
//! A store knows nothing of the rules, of HTTP, or of who waits. Every store passes the suite in
//! `contract`; a new rule is written there first.

mod condition;
#[cfg(test)]
pub mod faulty;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod memory;
pub mod nats;
mod page;
pub mod record;
pub mod sqlite;
mod view;

#[cfg(test)]
mod contract;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::{
    Event, EventId, HistoryId, Principal, Request, RequestId, Rights, Status, Timestamp, Topic,
};
#[cfg(doc)]
use crate::limits;

/// A shared handle on some store.
pub type SharedStore = Arc<dyn Store>;

/// Who is told of commits.
///
/// Called with each group of commits, in event-id order, once they are durable and readable; never
/// concurrently with itself. It must be quick and must not call the store.
pub trait Feed: Send + Sync {
    /// Takes the next commits.
    fn deliver(&self, events: &[Event]);

    /// All that could be told is told, up to this commit, which could not be told itself: after a
    /// failure its record was not to be read.
    fn reached(&self, head: EventId);
}

/// A versioned map from request ids to requests.
///
/// All futures may be dropped at any time; a commit whose future was dropped may still happen.
///
/// A record that cannot be read, because it is damaged or of a newer version, silences no other.
/// [`changes`](Self::changes), [`list`](Self::list), [`overdue`](Self::overdue) and
/// [`next_expiry`](Self::next_expiry) answer as if it were not there, so that an empty answer still
/// says that there is nothing more; [`get`](Self::get) of it, and a [`commit`](Self::commit) that
/// would have to answer with it, fail with [`StoreError::BadRecord`]. It is counted by
/// [`pending`](Self::pending), a purge forgets it when its time comes, and whoever meets it makes
/// the store [`Health::Damaged`].
#[async_trait]
pub trait Store: Send + Sync {
    /// The number of this store's history; it does not change while the store is open.
    fn history(&self) -> HistoryId;

    /// The newest commit and the newest one that was purged.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn head(&self) -> Result<Head, StoreError>;

    /// Waits, for a bounded time, until what others on the same store have committed up to `event` is
    /// seen here, too. An event that is not committed yet is not waited for.
    ///
    /// # Errors
    /// It is not known what others have committed, or it does not come.
    async fn catch_up(&self, event: EventId) -> Result<(), StoreError> {
        // Where nobody else commits, all is seen.
        let _ = event;
        Ok(())
    }

    /// The request under `id`, as its latest commit left it.
    ///
    /// A get that starts after a commit was answered or delivered sees that commit.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn get(&self, id: RequestId) -> Result<Option<Event>, StoreError>;

    /// Writes `request` if the latest commit of its id is `expected`; `None` expects that there
    /// is none.
    ///
    /// # Errors
    /// The store cannot write; [`StoreError::OutcomeUnknown`] when it may have written.
    async fn commit(
        &self,
        expected: Option<EventId>,
        request: Request,
    ) -> Result<Commit, StoreError>;

    /// Requests whose latest commit is in `range`, in event-id order, each as that commit left it,
    /// at most `limit`; with `only_pending` those alone that are pending.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn changes(
        &self,
        range: Range,
        only_pending: bool,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError>;

    /// One page of requests, newest first. It looks at [`limits::LIST_LOOKS`] requests, and may then
    /// end before it is full, or even empty; see [`Page::next`].
    ///
    /// # Errors
    /// The store cannot be read.
    async fn list(&self, query: ListQuery) -> Result<Page, StoreError>;

    /// Pending requests with `expires_at <= now`, the earliest first, at most `limit`.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// The earliest `expires_at` of a pending request.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError>;

    /// How many requests are pending.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn pending(&self) -> Result<usize, StoreError>;

    /// How many requests of this requester are pending.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn pending_of(&self, requester: &Principal) -> Result<usize, StoreError>;

    /// Forgets at most `limit` requests that became final before `settled_before`, and remembers
    /// the highest event id among them; answers how many it forgot. It is no commit: the feed
    /// does not tell it. A [`head`](Self::head) that is asked for after a read tells of every purge
    /// that the read may have missed something by.
    ///
    /// # Errors
    /// The store cannot write.
    async fn purge(&self, settled_before: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Whether the store can do its work now, and every change of that.
    fn health(&self) -> watch::Receiver<Health>;

    /// Finishes the writes that were accepted, makes them durable and lets go of the store.
    /// Later calls fail.
    async fn close(&self);
}

/// Where a store stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The newest commit; zero before the first.
    pub event: EventId,
    /// The newest commit that retention has purged; a cursor before it has missed something.
    pub purged: EventId,
}

/// Event ids after `after`, up to and including `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The last id that is not wanted.
    pub after: EventId,
    /// The last id that is.
    pub until: EventId,
}

impl Range {
    /// This id alone.
    pub fn of(id: EventId) -> Self {
        Self {
            after: EventId(id.0.saturating_sub(1)),
            until: id,
        }
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Written, as this event.
    Done(Event),
    /// Not written: the latest commit of that id is another, or there is none.
    Conflict(Option<Event>),
}

/// Which requests a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Those of this status.
    pub status: Option<Status>,
    /// Those of this topic.
    pub topic: Option<Topic>,
    /// Those that somebody with these rights may see; `None` for all.
    pub seen_by: Option<Arc<Rights>>,
    /// Those older than this place.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: usize,
}

/// The place of a request in lists: newest first, ties by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it was created.
    pub created_at: Timestamp,
    /// Its name.
    pub id: RequestId,
}

impl Place {
    /// The place of this request.
    pub fn of(request: &Request) -> Self {
        Self {
            created_at: request.created_at,
            id: request.id,
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The requests, newest first; fewer than asked for when they are large, or when there are many
    /// others between them.
    pub events: Vec<Event>,
    /// The place to go on from; `None` when this is all. It is the place of a request that may be
    /// seen, or the beginning of a second, and never the place of any other request.
    pub next: Option<Place>,
    /// The newest commit when the page was read.
    pub head: EventId,
}

/// Whether a store can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Ready,
    /// It can, except with some records that cannot be read, and why, for the person who runs the
    /// daemon. It is not ready: somebody may wait for just such a request.
    Damaged(String),
    /// It cannot, and why, for the person who runs the daemon.
    Failing(String),
}

/// Why a store did not do its work; the messages are for the person who runs the daemon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written or read.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// It may have been written or not; reading it again tells.
    #[error("the store did not confirm the write, which may have happened: {0}")]
    OutcomeUnknown(String),
    /// More calls wait for the store than it takes; nothing was written or read.
    #[error("too many calls wait for the store")]
    Busy,
    /// The record is larger than the store takes; nothing was written.
    #[error("the record would have {bytes} bytes, and the store takes {most}")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The most that it may have.
        most: usize,
    },
    /// The record cannot be read: damaged, or written by a newer version.
    #[error("the record of request {id} cannot be read: {reason}")]
    BadRecord {
        /// Which.
        id: String,
        /// Why.
        reason: String,
    },
}
