//! What one transaction of the writer does: a group of commits, or a purge.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, ToSql, named_params};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Condition;
use super::rows::{self, ReadError, Standing};
use crate::domain::{Event, EventId, Request, RequestId, Status, Timestamp};
use crate::store::{Commit, Head, StoreError};

/// One commit that waits for the writer.
pub(super) struct Write {
    pub(super) expected: Option<EventId>,
    pub(super) request: Arc<Request>,
    pub(super) record: Vec<u8>,
    pub(super) answer: oneshot::Sender<Result<Commit, StoreError>>,
    /// The room that the record takes in the queue; it is given back when the write is done.
    pub(super) _room: OwnedSemaphorePermit,
}

/// One purge that waits for the writer.
pub(super) struct Purge {
    pub(super) settled_before: Timestamp,
    pub(super) limit: usize,
    pub(super) answer: oneshot::Sender<Result<usize, StoreError>>,
}

/// What became of a write, told once the transaction is durable.
pub(super) type Outcome = Result<Commit, StoreError>;

/// Applies writes in their order, each against what those before it have left; one whose
/// expectation does not hold fails alone. `standing` moves along, and `filed` gets the new rows that
/// are in the indexes of lists, as those before them were.
pub(super) fn apply(
    connection: &Connection,
    condition: &Condition,
    group: &[Write],
    standing: &mut Standing,
    filed: &mut Vec<EventId>,
) -> rusqlite::Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(group.len());
    for write in group {
        outcomes.push(apply_one(connection, condition, write, standing, filed)?);
    }
    Ok(outcomes)
}

fn apply_one(
    connection: &Connection,
    condition: &Condition,
    write: &Write,
    standing: &mut Standing,
    filed: &mut Vec<EventId>,
) -> rusqlite::Result<Outcome> {
    let request = &write.request;
    let current = current(connection, request.id)?;
    if current.as_ref().map(|current| current.event) != write.expected {
        return match rows::get(connection, condition, request.id) {
            Ok(event) => Ok(Ok(Commit::Conflict(event))),
            Err(ReadError::Record(error)) => Ok(Err(error)),
            Err(ReadError::Sqlite(error)) => Err(error),
        };
    }
    let id = standing.head.event.next();
    put(connection, id, request, &write.record, current.is_some())?;
    standing.head.event = id;
    let was_pending = current.as_ref().is_some_and(|current| current.pending);
    let is_pending = request.status == Status::Pending;
    if current.is_some_and(|current| current.filed) && !is_pending {
        filed.push(id);
    }
    standing.pending =
        (standing.pending + usize::from(is_pending)).saturating_sub(usize::from(was_pending));
    let request = Arc::clone(request);
    Ok(Ok(Commit::Done(Event { id, request })))
}

struct Current {
    event: EventId,
    pending: bool,
    filed: bool,
}

fn current(connection: &Connection, id: RequestId) -> rusqlite::Result<Option<Current>> {
    let sql = "SELECT event_id, status = 'pending', filed = 1 FROM requests WHERE id = ?1";
    connection
        .prepare_cached(sql)?
        .query_row([id.as_bytes()], |row| {
            Ok(Current {
                event: rows::event_id(row.get(0)?),
                pending: row.get(1)?,
                filed: row.get(2)?,
            })
        })
        .optional()
}

fn put(
    connection: &Connection,
    event: EventId,
    request: &Request,
    record: &[u8],
    replace: bool,
) -> rusqlite::Result<()> {
    // What is filed stays so: between two places a list that looks into one after the other would
    // miss it.
    let sql = if replace {
        "UPDATE requests SET event_id = :event, topic = :topic, requester = :requester, \
             status = :status, created_at = :created, expires_at = :expires, settled_at = :settled, \
             record = :record, filed = CASE WHEN :status = 'pending' THEN 0 ELSE filed END \
         WHERE id = :id"
    } else {
        "INSERT INTO requests \
             (event_id, id, topic, requester, status, created_at, expires_at, settled_at, record, \
              filed) \
         VALUES (:event, :id, :topic, :requester, :status, :created, :expires, :settled, :record, 0)"
    };
    let settled = request.settled_at.map(Timestamp::as_millis);
    let values: &[(&str, &dyn ToSql)] = named_params! {
        ":event": rows::stored_id(event),
        ":id": request.id.as_bytes(),
        ":topic": request.topic.as_str(),
        ":requester": request.requester.principal.as_str(),
        ":status": request.status.as_str(),
        ":created": request.created_at.as_millis(),
        ":expires": request.expires_at.as_millis(),
        ":settled": settled,
        ":record": record,
    };
    let changed = connection.prepare_cached(sql)?.execute(values)?;
    debug_assert_eq!(changed, 1, "the request was read in this transaction");
    Ok(())
}

pub(super) const SETTLED: &str = "SELECT event_id, id FROM requests INDEXED BY settled_by_time \
     WHERE filed = 1 AND settled_at < ?1 ORDER BY settled_at, id LIMIT ?2";

/// Puts rows into the indexes of lists; those that are there no more were changed in this
/// transaction.
pub(super) fn file(connection: &Connection, rows: &[EventId]) -> rusqlite::Result<()> {
    let sql = "UPDATE requests SET filed = 1 WHERE event_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    for row in rows {
        statement.execute([rows::stored_id(*row)])?;
    }
    Ok(())
}

/// Deletes old settled requests that are filed, and notes the highest event id among them. `head`
/// moves along.
pub(super) fn purge(
    connection: &Connection,
    settled_before: Timestamp,
    limit: usize,
    head: &mut Head,
) -> rusqlite::Result<Vec<Option<RequestId>>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(SETTLED)?;
    let old = statement.query_map((settled_before.as_millis(), limit), |row| {
        // One with a damaged id goes like the others; nobody can have read it.
        let id = row.get(1).ok().map(RequestId::from_bytes);
        Ok((row.get::<_, i64>(0)?, id))
    })?;
    let old: Vec<(i64, Option<RequestId>)> = old.collect::<rusqlite::Result<_>>()?;
    let mut delete = connection.prepare_cached("DELETE FROM requests WHERE event_id = ?1")?;
    for (event, _) in &old {
        delete.execute([event])?;
        head.purged = head.purged.max(rows::event_id(*event));
    }
    if !old.is_empty() {
        let sql = "UPDATE meta SET value = ?1 WHERE key = 'purged'";
        connection
            .prepare_cached(sql)?
            .execute([rows::stored_id(head.purged)])?;
    }
    Ok(old.into_iter().map(|(_, id)| id).collect())
}
