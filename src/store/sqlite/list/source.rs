//! One index in the order of a list, read a few rows at a time.

use std::collections::VecDeque;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};

use crate::domain::{EventId, Principal, RequestId, Rights, Status, Timestamp, Topic};
use crate::limits;
use crate::store::sqlite::rows::event_id;
use crate::store::sqlite::unfiled::Found;
use crate::store::{ListQuery, Place};

/// A part of the list.
#[derive(Debug)]
pub(in crate::store::sqlite) struct Source {
    sql: String,
    /// What its column is equal to in all rows.
    fixed: Vec<Value>,
    /// The last row that was read, as its index has it.
    after: [Value; 2],
    read: VecDeque<Row>,
    /// Rows to be read next; the parts of a merge mostly give one or two to a page.
    batch: usize,
    is_at_end: bool,
}

/// A row, as far as its source does not tell what stands in it. The columns are those of the
/// record, which is read only for what a page shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store::sqlite) struct Row {
    pub(super) place: Place,
    pub(in crate::store::sqlite) event: EventId,
    topic: Option<String>,
    requester: Option<String>,
    status: Option<String>,
}

impl Source {
    /// All requests, or those of a topic, a status, or both.
    pub(super) fn of_all(topic: Option<&Topic>, status: Option<Status>) -> Self {
        let index = match (topic, status) {
            (None, None) => "by_place",
            (None, Some(_)) => "by_status",
            (Some(_), None) => "by_topic",
            (Some(_), Some(_)) => "by_topic_status",
        };
        let topic = topic.map(|topic| ("topic", topic.as_str()));
        let status = status.map(|status| ("status", status.as_str()));
        let fixed: Vec<_> = topic.into_iter().chain(status).collect();
        Self::new(index, &fixed, "NULL, NULL, NULL")
    }

    /// Somebody's own requests, whatever their topic and status.
    pub(super) fn of_own(rights: &Rights) -> Self {
        let fixed = [("requester", rights.principal.as_str())];
        Self::new("by_requester", &fixed, "topic, NULL, status")
    }

    /// All requests, or those of a status, of which somebody may see some.
    pub(super) fn to_be_searched(status: Option<Status>) -> Self {
        let fixed = status.map(|status| ("status", status.as_str()));
        let index = if fixed.is_some() {
            "by_status"
        } else {
            "by_place"
        };
        Self::new(index, fixed.as_slice(), "topic, requester, NULL")
    }

    /// What is not filed, as far as the list asks for it.
    pub(super) fn of_unfiled(found: &Found) -> Self {
        Self {
            sql: String::new(),
            fixed: Vec::new(),
            after: [Value::Null, Value::Null],
            read: found.rows.iter().cloned().collect(),
            batch: 0,
            is_at_end: true,
        }
    }

    fn new(index: &str, fixed: &[(&str, &str)], columns: &str) -> Self {
        let terms = fixed.iter().map(|(column, _)| format!("{column} = ? AND "));
        let terms: String = terms.collect();
        let texts = fixed.iter().map(|(_, text)| (*text).to_owned());
        Self {
            sql: format!(
                "SELECT event_id, created_at, id, {columns} FROM requests INDEXED BY {index} \
                 WHERE filed = 1 AND {terms}(created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC"
            ),
            fixed: texts.map(Value::Text).collect(),
            // No request was made at the end of time.
            after: [Value::Integer(i64::MAX), Value::Blob(Vec::new())],
            read: VecDeque::new(),
            batch: 1,
            is_at_end: false,
        }
    }

    /// Goes on behind this place, before anything was read.
    pub(super) fn go_on_after(&mut self, place: Place) {
        self.after = [
            Value::Integer(place.created_at.as_millis()),
            Value::Blob(place.id.as_bytes().to_vec()),
        ];
    }

    /// The query, and the values of its parameters.
    pub(in crate::store::sqlite) fn query(&self) -> (&str, Vec<Value>) {
        let values = self.fixed.iter().chain(&self.after).cloned();
        (&self.sql, values.collect())
    }

    /// The next row.
    pub(super) fn next(&mut self, connection: &Connection) -> rusqlite::Result<Option<Row>> {
        if self.read.is_empty() && !self.is_at_end {
            self.fill(connection)?;
        }
        Ok(self.read.pop_front())
    }

    fn fill(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let (sql, values) = self.query();
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while self.read.len() < self.batch {
            let Some(row) = rows.next()? else {
                self.is_at_end = true;
                break;
            };
            self.after = [row.get(1)?, row.get(2)?];
            self.read.push_back(Row::new(row)?);
        }
        self.batch = (2 * self.batch).min(limits::LIST_BATCH);
        Ok(())
    }
}

/// A stored id; what a damaged one lacks is zero.
pub(in crate::store::sqlite) fn padded(stored: ValueRef<'_>) -> RequestId {
    let mut id = [0; 16];
    if let Ok(stored) = stored.as_blob() {
        for (to, from) in id.iter_mut().zip(stored) {
            *to = *from;
        }
    }
    RequestId::from_bytes(id)
}

impl Row {
    /// One that is not filed, with the columns that its source does not settle.
    pub(in crate::store::sqlite) const fn found(
        place: Place,
        event: EventId,
        topic: Option<String>,
        requester: Option<String>,
    ) -> Self {
        Self {
            place,
            event,
            topic,
            requester,
            status: None,
        }
    }

    /// What is damaged in a row is taken for nothing here; whoever reads its record notes it.
    fn new(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let text = |n| -> rusqlite::Result<Option<String>> {
            let text = row.get_ref(n)?.as_str_or_null();
            Ok(text.unwrap_or_default().map(str::to_owned))
        };
        Ok(Self {
            place: Place {
                created_at: Timestamp::from_millis(row.get_ref(1)?.as_i64().unwrap_or_default()),
                id: padded(row.get_ref(2)?),
            },
            event: event_id(row.get(0)?),
            topic: text(3)?,
            requester: text(4)?,
            status: text(5)?,
        })
    }

    /// Whether whoever asks for the list may see it; see [`Rights::sees`].
    pub(super) fn may_be_seen(&self, query: &ListQuery) -> bool {
        match (&query.seen_by, &self.requester, &self.topic) {
            (Some(rights), Some(requester), topic) => {
                let topic = topic.clone().and_then(|topic| Topic::new(topic).ok());
                topic.is_some_and(|topic| rights.sees(&Principal::new(requester), &topic))
            }
            // Its source has none but those.
            _ => true,
        }
    }

    /// Whether the list asks for it.
    pub(super) fn is_wanted(&self, query: &ListQuery) -> bool {
        let is = |column: &Option<String>, wanted: Option<&str>| match (column, wanted) {
            (Some(column), Some(wanted)) => column == wanted,
            // Its source has none but those, or the list has no wish.
            _ => true,
        };
        is(&self.topic, query.topic.as_ref().map(Topic::as_str))
            && is(&self.status, query.status.map(Status::as_str))
    }
}
