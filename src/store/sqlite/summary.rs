//! What is in a database, for whoever has made a copy of it.

use rusqlite::Connection;

use super::rows;
use super::schema;
use crate::domain::{EventId, HistoryId, Timestamp};

/// What is in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Requests in all.
    pub requests: usize,
    /// Those that are pending.
    pub pending: usize,
    /// Pending ones that are past their time.
    pub overdue: usize,
    /// Requests whose record cannot be read.
    pub unreadable: usize,
    /// The newest commit.
    pub head: EventId,
    /// The history that it counts in; `None` when the database has none.
    pub history: Option<HistoryId>,
}

impl Summary {
    /// Reads every record of a database that nobody writes.
    pub(super) fn of(connection: &Connection, now: Timestamp) -> rusqlite::Result<Self> {
        let standing = rows::standing(connection)?;
        let (requests, unreadable) = rows::count(connection)?;
        let overdue = rows::count_overdue(connection, now)?;
        Ok(Self {
            requests,
            pending: standing.pending,
            overdue,
            unreadable,
            head: standing.head.event,
            history: schema::history(connection)?,
        })
    }
}
