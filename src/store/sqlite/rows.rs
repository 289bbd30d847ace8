//! What is read from the tables.
//!
//! Every query names its index: the planner must not change its mind with the statistics, and a
//! scan of ninety days of requests would hold up everybody.
//!
//! A row whose record cannot be read is stepped over wherever many are read. So no query has a
//! LIMIT: it would count that row, and a page of such rows would look like the end.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Params, Row, Rows};

use super::{Condition, schema};
use crate::domain::{Event, EventId, Request, RequestId, Status, Timestamp};
use crate::store::{Head, Range, StoreError, record};

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

/// Reads where the database stands, of whichever schema, from a connection that nobody else writes
/// beside.
pub(super) fn standing(connection: &Connection) -> rusqlite::Result<Standing> {
    let number = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0));
    let newest = number("SELECT coalesce(max(event_id), 0) FROM requests")?;
    let purged = number("SELECT value FROM meta WHERE key = 'purged'")?;
    let pending = schema::pending(schema::version(connection)?);
    let pending = number(&format!("SELECT count(*) FROM {pending}"))?;
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
pub(super) fn get(
    connection: &Connection,
    condition: &Condition,
    id: RequestId,
) -> Result<Option<Event>, ReadError> {
    let mut statement = connection.prepare_cached(GET)?;
    let mut rows = statement.query([id.as_bytes()])?;
    let row = rows.next()?;
    row.map(|row| event(row, condition)).transpose()
}

pub(super) const AT: &str = "SELECT event_id, id, record FROM requests WHERE event_id = ?1";

/// The event with this id, if it is the latest of its request.
pub(super) fn at(
    connection: &Connection,
    condition: &Condition,
    row: EventId,
) -> Result<Option<Event>, ReadError> {
    let mut statement = connection.prepare_cached(AT)?;
    let mut rows = statement.query([stored_id(row)])?;
    let row = rows.next()?;
    row.map(|row| event(row, condition)).transpose()
}

/// Whether there is such a row, with a record that cannot be read.
pub(super) fn is_bad(connection: &Connection, row: EventId) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(AT)?;
    let mut rows = statement.query([stored_id(row)])?;
    Ok(rows.next()?.is_some_and(|row| request(row).is_err()))
}

/// How many requests there are, and how many of them have a record that cannot be read. It reads
/// every record.
pub(super) fn count(connection: &Connection) -> rusqlite::Result<(usize, usize)> {
    let mut statement =
        connection.prepare("SELECT event_id, id, record FROM requests NOT INDEXED")?;
    let mut rows = statement.query(())?;
    let (mut all, mut bad) = (0, 0);
    while let Some(row) = rows.next()? {
        all += 1;
        bad += usize::from(request(row).is_err());
    }
    Ok((all, bad))
}

/// How many pending requests should have expired, in a database of whichever schema.
pub(super) fn count_overdue(connection: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    let pending = schema::pending(schema::version(connection)?);
    let sql = format!("SELECT count(*) FROM {pending} AND expires_at <= ?1");
    let count: i64 = connection.query_row(&sql, [now.as_millis()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) const CHANGES: &str = "SELECT event_id, id, record FROM requests \
     NOT INDEXED \
     WHERE event_id > ?1 AND event_id <= ?2 ORDER BY event_id";

/// The latest events in a range.
pub(super) fn changes(
    connection: &Connection,
    condition: &Condition,
    range: Range,
    limit: usize,
) -> rusqlite::Result<Vec<Event>> {
    let range = (stored_id(range.after), stored_id(range.until));
    events(connection.prepare_cached(CHANGES)?, range, condition, limit)
}

/// Those of these events that are the latest of their requests.
pub(super) fn all_at(
    connection: &Connection,
    condition: &Condition,
    rows: &[EventId],
) -> rusqlite::Result<Vec<Event>> {
    readable(rows.iter().map(|row| at(connection, condition, *row)))
}

/// The latest events of those of these requests that are pending.
pub(super) fn all_pending(
    connection: &Connection,
    condition: &Condition,
    ids: &[RequestId],
) -> rusqlite::Result<Vec<Event>> {
    let mut events = readable(ids.iter().map(|id| get(connection, condition, *id)))?;
    events.retain(|event| event.request.status == Status::Pending);
    Ok(events)
}

/// The events that are there; one with a record that cannot be read is noted, and left out.
fn readable(
    read: impl Iterator<Item = Result<Option<Event>, ReadError>>,
) -> rusqlite::Result<Vec<Event>> {
    let mut events = Vec::new();
    for event in read {
        match event {
            Ok(event) => events.extend(event),
            Err(ReadError::Record(_)) => {}
            Err(ReadError::Sqlite(error)) => return Err(error),
        }
    }
    Ok(events)
}

fn events<P: Params>(
    mut statement: CachedStatement<'_>,
    params: P,
    condition: &Condition,
    limit: usize,
) -> rusqlite::Result<Vec<Event>> {
    let mut rows = statement.query(params)?;
    let mut events = Vec::new();
    while events.len() < limit {
        let Some(event) = next(&mut rows, condition)? else {
            break;
        };
        events.push(event);
    }
    Ok(events)
}

/// The event of the next row that has one.
fn next(rows: &mut Rows<'_>, condition: &Condition) -> rusqlite::Result<Option<Event>> {
    while let Some(row) = rows.next()? {
        match event(row, condition) {
            Ok(event) => return Ok(Some(event)),
            // It is noted.
            Err(ReadError::Record(_)) => {}
            Err(ReadError::Sqlite(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// The event of a row; notes a record that cannot be read.
fn event(row: &Row<'_>, condition: &Condition) -> Result<Event, ReadError> {
    let id = event_id(row.get(0)?);
    match request(row) {
        Ok(request) => Ok(Event {
            id,
            request: Arc::new(request),
        }),
        Err(error) => {
            condition.bad_record(id, &error);
            Err(ReadError::Record(error))
        }
    }
}

/// The request of a row. The values are there by now, so what is wrong with them is the row's own
/// fault and not that of the database.
pub(super) fn request(row: &Row<'_>) -> Result<Request, StoreError> {
    let damaged = |column: &str| StoreError::BadRecord {
        id: "(unknown)".to_owned(),
        reason: format!("its {column} is damaged"),
    };
    let id = row.get(1).map_err(|_| damaged("id"))?;
    let record = row.get_ref(2).ok();
    let record = record.and_then(|record| record.as_blob().ok());
    let record = record.ok_or_else(|| damaged("record"))?;
    record::decode(RequestId::from_bytes(id), record)
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
