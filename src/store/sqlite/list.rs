//! Pages of lists, read from the indexes that fit what somebody may see.
//!
//! Each part of what may be seen, such as a topic or one's own requests, is an index in the order of
//! the list; what is not filed into them yet is one more part. A page merges the parts, newest first,
//! so what others ask is not even looked at. Only
//! when a token covers more topics than can be merged is everything looked at, and then so much for
//! one page and no more.

mod source;
pub(super) mod topics;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use rusqlite::Connection;

use self::source::Source;
pub(super) use self::source::{Row, padded};
use super::Condition;
use super::rows::{self, ReadError};
use super::unfiled::Found;
use crate::domain::{Event, EventId, Rights, Status};
use crate::store::page::Filling;
use crate::store::{ListQuery, Page, Place};

/// One page of a list; `head` is a commit that this read is sure to see, and `unfiled` what was not
/// filed before it began. `None` when that is not enough: some of it cannot be read.
pub(super) fn list(
    connection: &Connection,
    condition: &Condition,
    query: &ListQuery,
    unfiled: &Found,
    head: EventId,
) -> rusqlite::Result<Option<Page>> {
    // The statements of one page see one state: a commit gives its request another row.
    let snapshot = connection.unchecked_transaction()?;
    let mut sources = sources(&snapshot, query)?;
    sources.push(Source::of_unfiled(unfiled));
    let mut parts = Parts::begin(&snapshot, sources, query.after)?;
    let mut page = Filling::new(query.limit);
    let next = loop {
        let row = parts.next(&snapshot)?;
        let is_behind = |row: &Row| {
            unfiled
                .rows
                .last()
                .is_none_or(|last| row.place < last.place)
        };
        if unfiled.more && row.as_ref().is_none_or(is_behind) {
            return Ok(None);
        }
        let Some(row) = row else {
            break None;
        };
        let may_be_seen = row.may_be_seen(query);
        if let ControlFlow::Break(next) = page.look_at(row.place, may_be_seen) {
            break Some(next);
        }
        if !(may_be_seen && row.is_wanted(query)) {
            continue;
        }
        let Some(event) = read(&snapshot, condition, &row, query)? else {
            continue;
        };
        if let ControlFlow::Break(next) = page.show(event) {
            break Some(next);
        }
    };
    Ok(Some(page.end(next, head)))
}

/// The request of a row, unless it cannot be read, which is noted, or is no longer what the list asks
/// for: it may have changed since it was found among those that are not filed.
fn read(
    connection: &Connection,
    condition: &Condition,
    row: &Row,
    query: &ListQuery,
) -> rusqlite::Result<Option<Event>> {
    let mut event = rows::at(connection, condition, row.event);
    if matches!(event, Ok(None)) {
        event = rows::get(connection, condition, row.place.id);
    }
    match event {
        Ok(event) => Ok(event.filter(|event| {
            query
                .status
                .is_none_or(|status| event.request.status == status)
        })),
        Err(ReadError::Record(_)) => Ok(None),
        Err(ReadError::Sqlite(error)) => Err(error),
    }
}

/// Where the filed requests of a list are found.
pub(super) fn sources(connection: &Connection, query: &ListQuery) -> rusqlite::Result<Vec<Source>> {
    if query.status == Some(Status::Pending) {
        return Ok(Vec::new());
    }
    let limited = query.seen_by.as_deref().filter(|rights| !rights.sees_all());
    let Some(rights) = limited else {
        return Ok(vec![Source::of_all(query.topic.as_ref(), query.status)]);
    };
    if !rights.sees_others() {
        return Ok(vec![Source::of_own(rights)]);
    }
    match &query.topic {
        Some(topic) if rights.covers(topic) => Ok(vec![Source::of_all(Some(topic), query.status)]),
        Some(_) => Ok(vec![Source::of_own(rights)]),
        None => Ok(merged(connection, rights, query)?
            .unwrap_or_else(|| vec![Source::to_be_searched(query.status)])),
    }
}

/// One's own requests and each topic that is covered, unless there are too many.
fn merged(
    connection: &Connection,
    rights: &Rights,
    query: &ListQuery,
) -> rusqlite::Result<Option<Vec<Source>>> {
    let topics = topics::covered(connection, rights)?;
    Ok(topics.map(|topics| {
        let topics = topics
            .iter()
            .map(|topic| Source::of_all(Some(topic), query.status));
        std::iter::once(Source::of_own(rights))
            .chain(topics)
            .collect()
    }))
}

/// Sources in the order of the list, as if they were one.
struct Parts {
    sources: Vec<Source>,
    /// The next row of each source that has one, and the source's number: of two that have it, the
    /// first source gives it.
    heads: BinaryHeap<(Place, Reverse<usize>, Row)>,
    last: Option<Place>,
}

impl Parts {
    fn begin(
        connection: &Connection,
        sources: Vec<Source>,
        after: Option<Place>,
    ) -> rusqlite::Result<Self> {
        let mut this = Self {
            heads: BinaryHeap::with_capacity(sources.len()),
            sources,
            last: None,
        };
        for n in 0..this.sources.len() {
            if let Some(place) = after {
                this.sources[n].go_on_after(place);
            }
            this.advance(connection, n)?;
        }
        Ok(this)
    }

    /// The newest row that was not given yet. One that stands in several sources is given once.
    fn next(&mut self, connection: &Connection) -> rusqlite::Result<Option<Row>> {
        while let Some((place, Reverse(n), row)) = self.heads.pop() {
            self.advance(connection, n)?;
            if self.last != Some(place) {
                self.last = Some(place);
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn advance(&mut self, connection: &Connection, n: usize) -> rusqlite::Result<()> {
        if let Some(row) = self.sources[n].next(connection)? {
            self.heads.push((row.place, Reverse(n), row));
        }
        Ok(())
    }
}
