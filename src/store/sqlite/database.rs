//! A connection that may write, checked and set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::OpenError;
use super::rows::{self, Standing};
use super::schema::{self, MigrateError, Owner};
use super::unfiled::Unfiled;
use crate::domain::HistoryId;
use crate::limits;

/// The moments at which tests break things; the daemon uses [`Plain`], which breaks nothing.
pub(super) trait Driver: Send {
    /// A connection that may write was opened.
    fn connected(&mut self, _: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    /// Ends the transaction of a group and makes it durable.
    fn commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        connection.prepare_cached("COMMIT")?.execute(())?;
        Ok(())
    }
}

/// Does what it says.
pub(super) struct Plain;

impl Driver for Plain {}

/// What tests set otherwise.
pub(super) struct Settings {
    /// How long to wait for somebody else's lock.
    pub(super) busy: Duration,
    /// The first and the longest pause before a failed database is opened again.
    pub(super) reopen: (Duration, Duration),
    /// How many settled rows may stay unfiled, and how many more there are when some are filed.
    pub(super) filing: (usize, usize),
    pub(super) driver: Box<dyn Driver>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            busy: limits::STORE_BUSY,
            reopen: limits::STORE_REOPEN,
            filing: (limits::STORE_UNFILED, limits::STORE_FILED_AT_ONCE),
            driver: Box::new(Plain),
        }
    }
}

/// A database that was opened for writing.
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) history: HistoryId,
    pub(super) standing: Standing,
    pub(super) unfiled: Unfiled,
}

/// Whether a database without tables gets them, or is taken for one that has lost them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Create,
    Refuse,
}

impl Database {
    /// Opens the database at `path`, which must be an absolute name of an existing file.
    pub(super) fn open(
        path: &Path,
        missing: Missing,
        busy: Duration,
        driver: &mut dyn Driver,
    ) -> Result<Self, OpenError> {
        let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
        // Without the flag that makes a missing file: one that has gone must not come back empty.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
        connection.busy_timeout(busy).map_err(sqlite)?;
        let version = match schema::owner(&connection).map_err(sqlite)? {
            Owner::Nobody if missing == Missing::Create => 0,
            Owner::Nobody => return Err(OpenError::Replaced { path: path.into() }),
            Owner::Other => return Err(OpenError::Foreign { path: path.into() }),
            Owner::Us(version) => version,
        };
        let known = schema::known();
        if version > known {
            return Err(OpenError::Newer {
                path: path.into(),
                found: version,
                known,
            });
        }
        set_up(&connection, path)?;
        driver.connected(&connection).map_err(sqlite)?;
        if version < known {
            migrate(&mut connection, path, version)?;
        }
        let history = schema::history(&connection).map_err(sqlite)?;
        let history = history.ok_or_else(|| OpenError::Damaged {
            path: path.into(),
            reason: "it has no history number".to_owned(),
        })?;
        let standing = rows::standing(&connection).map_err(sqlite)?;
        let unfiled = Unfiled::load(&connection).map_err(sqlite)?;
        Ok(Self {
            connection,
            history,
            standing,
            unfiled,
        })
    }
}

fn set_up(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(sqlite)?;
    if mode != "wal" {
        return Err(OpenError::NoLog {
            path: path.into(),
            mode,
        });
    }
    // FULL flushes the log at every COMMIT; NORMAL, the usual companion of a write-ahead log,
    // would lose the last of them in a power cut. The two fullfsync ones matter on macOS alone.
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = FULL;
             PRAGMA fullfsync = ON;
             PRAGMA checkpoint_fullfsync = ON;
             PRAGMA wal_autocheckpoint = {};
             PRAGMA journal_size_limit = {};
             PRAGMA foreign_keys = OFF;
             PRAGMA trusted_schema = OFF;
             PRAGMA cell_size_check = ON;
             PRAGMA mmap_size = 0;",
            limits::STORE_CHECKPOINT_PAGES,
            limits::STORE_LOG_BYTES,
        ))
        .map_err(sqlite)?;
    connection.set_prepared_statement_cache_capacity(limits::STORE_STATEMENTS);
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path, from: i64) -> Result<(), OpenError> {
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let to = schema::known();
    if from > 0 {
        let path = path.display();
        tracing::info!(%path, from, to, "the database is brought to a new schema version");
    }
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate);
    let transaction = transaction.map_err(sqlite)?;
    schema::migrate(&transaction, from).map_err(|error| match error {
        MigrateError::Sqlite(error) => sqlite(error),
        MigrateError::Random(error) => OpenError::Failed {
            path: path.into(),
            reason: format!("the system gave no random number: {error}"),
        },
    })?;
    transaction.commit().map_err(sqlite)?;
    tracing::info!(path = %path.display(), from, to, "the database has a new schema version");
    Ok(())
}

/// Moves the whole write-ahead log into the database and makes that durable.
pub(super) fn checkpoint(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let busy: i64 = connection
        .query_row(sql, (), |row| row.get(0))
        .map_err(|error| OpenError::sqlite(path, &error))?;
    if busy == 0 {
        Ok(())
    } else {
        Err(OpenError::Locked { path: path.into() })
    }
}

/// Writes as much as a large record needs and removes it again, each made durable: when this
/// works, the next ask will too.
pub(super) fn probe(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "INSERT INTO probe VALUES (zeroblob(?1))";
    let bytes = i64::try_from(limits::STORE_PROBE_BYTES)
        .expect("a constant that is far below the largest integer of SQLite");
    connection.execute(sql, [bytes])?;
    connection.execute("DELETE FROM probe", ())?;
    Ok(())
}

/// Looks through the whole database for damage; it reads every page.
///
/// The quick check would do so too, but not compare the indexes with the table, and the whole one
/// does not count the entries of partial indexes: damage that a read meets has to be found here, or
/// the store would be ready until the next such read. The database may be of an older schema.
pub(super) fn examine(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let damaged = |reason: String| OpenError::Damaged {
        path: path.into(),
        reason,
    };
    let sql = "PRAGMA integrity_check(1)";
    let found: String = connection
        .query_row(sql, (), |row| row.get(0))
        .map_err(sqlite)?;
    if found != "ok" {
        // It speaks in several lines; a log and an error message have one.
        return Err(damaged(found.replace('\n', " ")));
    }
    let version = schema::version(connection).map_err(sqlite)?;
    for (index, part) in schema::partial(version) {
        let count = |by: &str| {
            let sql = format!("SELECT count(*) FROM requests {by} WHERE {part}");
            let count = connection.query_row(&sql, (), |row| row.get::<_, i64>(0));
            count.map_err(sqlite)
        };
        let (entries, rows) = (
            count(&format!("INDEXED BY {index}"))?,
            count("NOT INDEXED")?,
        );
        if entries != rows {
            let reason = format!("{index} has {entries} entries for {rows} rows");
            return Err(damaged(reason));
        }
    }
    Ok(())
}
