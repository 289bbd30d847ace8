//! What is read from the tables.
//!
//! Every query names its index: the planner must not change its mind with the statistics, and a
//! scan of ninety days of requests would hold up everybody.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Params, Row};

use crate::domain::{Event, EventId, RequestId, Timestamp};
use crate::limits;
use crate::store::{Head, ListQuery, Page, Place, Range, StoreError, record};

/// Why a read failed.
#[derive(Debug)]
pub(super) enum ReadError {
    /// `SQLite` failed.
    Sqlite(rusqlite::Error),
    /// One record cannot be read.
    Record(StoreError),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Where the database stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The newest commit and the newest purged one.
    pub(super) head: Head,
    /// How many requests are pending.
    pub(super) pending: usize,
}

/// Reads where the database stands, from a connection that nobody else writes beside.
pub(super) fn standing(connection: &Connection) -> rusqlite::Result<Standing> {
    let number = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0));
    let newest = number("SELECT coalesce(max(event_id), 0) FROM requests")?;
    let purged = number("SELECT value FROM meta WHERE key = 'purged'")?;
    let pending = number(
        "SELECT count(*) FROM requests INDEXED BY pending_by_event WHERE status = 'pending'",
    )?;
    Ok(Standing {
        head: Head {
            // The newest request may be the one that was purged; its number stays used.
            event: event_id(newest.max(purged)),
            purged: event_id(purged),
        },
        pending: usize::try_from(pending).unwrap_or(usize::MAX),
    })
}

pub(super) const GET: &str = "SELECT event_id, id, record FROM requests WHERE id = ?1";

/// The latest event of a request.
pub(super) fn get(connection: &Connection, id: RequestId) -> Result<Option<Event>, ReadError> {
    let mut statement = connection.prepare_cached(GET)?;
    let mut rows = statement.query([id.as_bytes()])?;
    rows.next()?.map(event).transpose()
}

pub(super) const CHANGES: &str = "SELECT event_id, id, record FROM requests \
     WHERE event_id > ?1 AND event_id <= ?2 ORDER BY event_id LIMIT ?3";

pub(super) const CHANGES_PENDING: &str = "SELECT event_id, id, record FROM requests \
     INDEXED BY pending_by_event \
     WHERE status = 'pending' AND event_id > ?1 AND event_id <= ?2 ORDER BY event_id LIMIT ?3";

/// The latest events in a range.
pub(super) fn changes(
    connection: &Connection,
    range: Range,
    only_pending: bool,
    limit: usize,
) -> Result<Vec<Event>, ReadError> {
    let sql = if only_pending {
        CHANGES_PENDING
    } else {
        CHANGES
    };
    let (after, until) = (stored_id(range.after), stored_id(range.until));
    events(
        connection.prepare_cached(sql)?,
        (after, until, count(limit)),
    )
}

pub(super) const OVERDUE: &str = "SELECT event_id, id, record FROM requests \
     INDEXED BY pending_by_expiry \
     WHERE status = 'pending' AND expires_at <= ?1 ORDER BY expires_at, id LIMIT ?2";

/// Pending requests that should have expired.
pub(super) fn overdue(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Event>, ReadError> {
    events(
        connection.prepare_cached(OVERDUE)?,
        (now.as_millis(), count(limit)),
    )
}

pub(super) const NEXT_EXPIRY: &str = "SELECT expires_at FROM requests \
     INDEXED BY pending_by_expiry \
     WHERE status = 'pending' ORDER BY expires_at, id LIMIT 1";

/// The earliest expiry of a pending request.
pub(super) fn next_expiry(connection: &Connection) -> Result<Option<Timestamp>, ReadError> {
    let mut statement = connection.prepare_cached(NEXT_EXPIRY)?;
    let at: Option<i64> = statement.query_row((), |row| row.get(0)).optional()?;
    Ok(at.map(Timestamp::from_millis))
}

/// One page of a list; `head` is a commit that this read is sure to see.
pub(super) fn list(
    connection: &Connection,
    query: &ListQuery,
    head: EventId,
) -> Result<Page, ReadError> {
    let (sql, values) = list_query(query);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    let mut more = false;
    while let Some(row) = rows.next()? {
        let full = events.len() >= query.limit;
        more = full || (!events.is_empty() && bytes >= limits::LIST_BYTES);
        if more {
            break;
        }
        let event = event(row)?;
        bytes += event.request.text_bytes();
        events.push(event);
    }
    let last = events.last().filter(|_| more);
    let next = last.map(|event| Place::of(&event.request));
    Ok(Page { events, next, head })
}

/// The query of a page, with one row more than it shows, to tell whether there is another page.
pub(super) fn list_query(query: &ListQuery) -> (String, Vec<Value>) {
    let index = match (query.status, &query.topic) {
        (None, None) => "by_place",
        (Some(_), None) => "by_status",
        (None, Some(_)) => "by_topic",
        (Some(_), Some(_)) => "by_topic_status",
    };
    let (mut terms, mut values) = (Vec::new(), Vec::new());
    if let Some(topic) = &query.topic {
        terms.push("topic = ?");
        values.push(Value::Text(topic.as_str().to_owned()));
    }
    if let Some(status) = query.status {
        terms.push("status = ?");
        values.push(Value::Text(status.as_str().to_owned()));
    }
    if let Some(place) = query.after {
        terms.push("(created_at, id) < (?, ?)");
        values.push(Value::Integer(place.created_at.as_millis()));
        values.push(Value::Blob(place.id.as_bytes().to_vec()));
    }
    values.push(Value::Integer(count(query.limit.saturating_add(1))));
    let terms = if terms.is_empty() {
        String::new()
    } else {
        format!("WHERE {}", terms.join(" AND "))
    };
    let sql = format!(
        "SELECT event_id, id, record FROM requests INDEXED BY {index} {terms} \
         ORDER BY created_at DESC, id DESC LIMIT ?"
    );
    (sql, values)
}

fn events<P: Params>(
    mut statement: CachedStatement<'_>,
    params: P,
) -> Result<Vec<Event>, ReadError> {
    let mut rows = statement.query(params)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(event(row)?);
    }
    Ok(events)
}

fn event(row: &Row<'_>) -> Result<Event, ReadError> {
    let id = RequestId::from_bytes(row.get(1)?);
    let record = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
    Ok(Event {
        id: event_id(row.get(0)?),
        request: Arc::new(record::decode(id, record).map_err(ReadError::Record)?),
    })
}

/// An event id as a row's number. Ids rise by one for each commit and never come near the end of
/// the signed numbers; a range may ask for more, and then ends where they do.
pub(super) fn stored_id(id: EventId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

/// A row's number as an event id; we have written none below zero.
pub(super) fn event_id(stored: i64) -> EventId {
    EventId(u64::try_from(stored).unwrap_or(0))
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
