//! All requests of a database, the oldest first, for whoever looks into what has happened.
//!
//! It reads beside a running daemon, on a connection that cannot write, and in short reads: one
//! that lasted would keep the daemon from beginning its write-ahead log anew, for as long as
//! somebody looks at the output. So a request is as it was when its turn came.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::backup::{self, BackupError};
use super::error::OpenError;
use super::{rows, schema};
use crate::domain::{EventId, Request, Timestamp};
use crate::limits;
use crate::store::StoreError;

/// Requests of a database, from the oldest on.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    connection: Connection,
    since: Timestamp,
    until: Timestamp,
    /// The place of the last request that was read.
    after: Place,
}

/// When a request was asked, and the bytes of its id.
type Place = (i64, Vec<u8>);

/// One request, or why its record cannot be read.
#[derive(Debug)]
pub struct Audited {
    /// Its latest commit.
    pub event: EventId,
    /// When it was asked; no step of it is older.
    pub created_at: Timestamp,
    /// The request.
    pub request: Result<Request, StoreError>,
}

pub(super) const BATCH: &str = "SELECT event_id, id, record, created_at FROM requests INDEXED BY by_place \
     WHERE filed = 1 AND (created_at, id) > (?1, ?2) AND created_at <= ?3 \
     AND (settled_at IS NULL OR settled_at >= ?4) \
     UNION ALL \
     SELECT event_id, id, record, created_at FROM requests INDEXED BY unfiled \
     WHERE filed = 0 AND (created_at, id) > (?1, ?2) AND created_at <= ?3 \
     AND (settled_at IS NULL OR settled_at >= ?4) \
     ORDER BY 4, 2";

/// The same of a database whose rows are not filed yet.
const BATCH_BEFORE_FILING: &str = "SELECT event_id, id, record, created_at \
     FROM requests INDEXED BY by_place \
     WHERE (created_at, id) > (?1, ?2) AND created_at <= ?3 \
     AND (settled_at IS NULL OR settled_at >= ?4) \
     ORDER BY created_at, id";

impl Audit {
    /// Opens the database at `path`, which a daemon may be using, for the requests of which
    /// something may have happened from `since` to `until`.
    ///
    /// # Errors
    /// There is no database of ours there that can be read.
    pub fn open(path: &Path, since: Timestamp, until: Timestamp) -> Result<Self, BackupError> {
        let path = backup::existing(path)?;
        Ok(Self {
            connection: backup::connect(&path)?,
            path,
            since,
            until,
            after: (i64::MIN, Vec::new()),
        })
    }

    /// The next requests, at most [`limits::AUDIT_BATCH`] of them; none when there are no more.
    /// It blocks for as long as it takes to read them.
    ///
    /// # Errors
    /// The database cannot be read any more.
    pub fn batch(&mut self) -> Result<Vec<Audited>, OpenError> {
        let failed = |error: rusqlite::Error| OpenError::sqlite(&self.path, &error);
        let (batch, after) = self.read().map_err(failed)?;
        self.after = after;
        Ok(batch)
    }

    /// One batch, and the place after it. The read ends with it.
    fn read(&self) -> rusqlite::Result<(Vec<Audited>, Place)> {
        let mut after = self.after.clone();
        // A daemon that starts may take the database over between two batches, but not in one.
        let snapshot = self.connection.unchecked_transaction()?;
        let sql = if schema::is_filing(schema::version(&snapshot)?) {
            BATCH
        } else {
            BATCH_BEFORE_FILING
        };
        let mut statement = snapshot.prepare_cached(sql)?;
        let (since, until) = (self.since.as_millis(), self.until.as_millis());
        let mut rows = statement.query(params![after.0, after.1, until, since])?;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < limits::AUDIT_BATCH && bytes < limits::LIST_BYTES {
            let Some(row) = rows.next()? else {
                break;
            };
            after = (row.get(3)?, row.get(1)?);
            let request = rows::request(row);
            bytes += request.as_ref().map_or(0, Request::text_bytes);
            batch.push(Audited {
                event: rows::event_id(row.get(0)?),
                created_at: Timestamp::from_millis(after.0),
                request,
            });
        }
        Ok((batch, after))
    }
}
