//! The tables, and the steps by which a database comes to have them.

use getrandom::Error as RandomError;
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use crate::domain::HistoryId;

/// Marks a database as ours: "pshd" in its header (`SQLite` file format, section 1.3.16).
pub(super) const APPLICATION_ID: i64 = 0x7073_6864;

/// What each schema version adds to the one before. The steps are history: they are added to,
/// never changed. How many of them a database has taken is its `user_version`.
pub(super) const STEPS: &[&str] = &[
    // `event_id` is the row's own number, so the latest events in order are the table itself, and
    // the newest commit is its last row. The columns repeat what the record says, for the indexes;
    // `record` is the truth, and stands last, because large ones go on in other pages.
    "CREATE TABLE requests (
        event_id   INTEGER PRIMARY KEY,
        id         BLOB NOT NULL UNIQUE,
        topic      TEXT NOT NULL,
        status     TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        settled_at INTEGER,
        record     BLOB NOT NULL
    ) STRICT;
    CREATE INDEX pending_by_event ON requests (event_id) WHERE status = 'pending';
    CREATE INDEX pending_by_expiry ON requests (expires_at, id) WHERE status = 'pending';
    CREATE INDEX settled_by_time ON requests (settled_at, id) WHERE settled_at IS NOT NULL;
    CREATE INDEX by_place ON requests (created_at, id);
    CREATE INDEX by_status ON requests (status, created_at, id);
    CREATE INDEX by_topic ON requests (topic, created_at, id);
    CREATE INDEX by_topic_status ON requests (topic, status, created_at, id);
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('purged', 0);
    CREATE TABLE probe (filler BLOB NOT NULL) STRICT;",
    // `requester`, for lists of one's own requests and for how many of them are pending. It stands
    // before `record` like the other columns, so the table is made anew.
    "CREATE TABLE requests_2 (
        event_id   INTEGER PRIMARY KEY,
        id         BLOB NOT NULL UNIQUE,
        topic      TEXT NOT NULL,
        requester  TEXT NOT NULL,
        status     TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        settled_at INTEGER,
        record     BLOB NOT NULL
    ) STRICT;
    INSERT INTO requests_2
        SELECT event_id, id, topic,
               CASE WHEN json_valid(CAST(record AS TEXT))
                    THEN coalesce(CAST(record AS TEXT) ->> '$.request.requester.principal', '')
                    ELSE '' END,
               status, created_at, expires_at, settled_at, record
        FROM requests;
    DROP TABLE requests;
    ALTER TABLE requests_2 RENAME TO requests;
    CREATE INDEX pending_by_event ON requests (event_id) WHERE status = 'pending';
    CREATE INDEX pending_by_expiry ON requests (expires_at, id) WHERE status = 'pending';
    CREATE INDEX pending_by_requester ON requests (requester) WHERE status = 'pending';
    CREATE INDEX settled_by_time ON requests (settled_at, id) WHERE settled_at IS NOT NULL;
    CREATE INDEX by_place ON requests (created_at, id);
    CREATE INDEX by_status ON requests (status, created_at, id);
    CREATE INDEX by_topic ON requests (topic, created_at, id);
    CREATE INDEX by_topic_status ON requests (topic, status, created_at, id);
    CREATE INDEX by_requester ON requests (requester, created_at, id);",
    // Records of format 2, which say by which channel somebody came and may have a match code.
    "",
    // Records of format 3, which have terms, commands, leases and uses.
    "",
    // `filed`: a row gets into the indexes of lists some time after it is settled, and not with each
    // commit; until then `unfiled` alone has it. The column stands last, behind the record: its
    // values 0 and 1 take no room but in the row's header, so they are read and written without it.
    // No column can be added while a row has a value of a wrong type, which only damage brings about:
    // what the columns have lost is taken from the record, and a lost record stays one.
    "DROP INDEX pending_by_event;
    DROP INDEX pending_by_expiry;
    DROP INDEX pending_by_requester;
    DROP INDEX settled_by_time;
    DROP INDEX by_place;
    DROP INDEX by_status;
    DROP INDEX by_topic;
    DROP INDEX by_topic_status;
    DROP INDEX by_requester;
    UPDATE requests SET
        id = CASE typeof(id) WHEN 'blob' THEN id
             ELSE CAST('the id of this row was damaged: ' || event_id AS BLOB) END,
        topic = CASE typeof(topic) WHEN 'text' THEN topic
                ELSE coalesce(CAST(said ->> '$.topic' AS TEXT), '') END,
        requester = CASE typeof(requester) WHEN 'text' THEN requester
                    ELSE coalesce(CAST(said ->> '$.requester.principal' AS TEXT), '') END,
        status = CASE typeof(status) WHEN 'text' THEN status
                 ELSE coalesce(CAST(said ->> '$.status' AS TEXT), '') END,
        created_at = CASE typeof(created_at) WHEN 'integer' THEN created_at
                     ELSE coalesce(CAST(said ->> '$.created_at' AS INTEGER), 0) END,
        expires_at = CASE typeof(expires_at) WHEN 'integer' THEN expires_at
                     ELSE coalesce(CAST(said ->> '$.expires_at' AS INTEGER), 0) END,
        settled_at = CASE WHEN typeof(settled_at) IN ('integer', 'null') THEN settled_at
                     ELSE CAST(said ->> '$.settled_at' AS INTEGER) END,
        record = coalesce(CAST(record AS BLOB), x'')
        FROM (
            SELECT event_id AS damaged,
                   CASE WHEN json_valid(CAST(record AS TEXT))
                        THEN CAST(record AS TEXT) -> '$.request' END AS said
            FROM requests NOT INDEXED
            WHERE typeof(id) <> 'blob' OR typeof(topic) <> 'text' OR typeof(requester) <> 'text'
               OR typeof(status) <> 'text' OR typeof(created_at) <> 'integer'
               OR typeof(expires_at) <> 'integer'
               OR typeof(settled_at) NOT IN ('integer', 'null') OR typeof(record) <> 'blob'
        )
        WHERE event_id = damaged;
    ALTER TABLE requests ADD COLUMN filed INTEGER NOT NULL DEFAULT 1;
    UPDATE requests SET filed = 0 WHERE status = 'pending';
    CREATE INDEX unfiled ON requests (created_at, id) WHERE filed = 0;
    CREATE INDEX settled_by_time ON requests (settled_at, id) WHERE filed = 1;
    CREATE INDEX by_place ON requests (created_at, id) WHERE filed = 1;
    CREATE INDEX by_status ON requests (status, created_at, id) WHERE filed = 1;
    CREATE INDEX by_topic ON requests (topic, created_at, id) WHERE filed = 1;
    CREATE INDEX by_topic_status ON requests (topic, status, created_at, id) WHERE filed = 1;
    CREATE INDEX by_requester ON requests (requester, created_at, id) WHERE filed = 1;",
];

/// The indexes that have a part of the rows alone, and which part, at a schema version.
pub(super) fn partial(version: i64) -> &'static [(&'static str, &'static str)] {
    match version {
        ..1 => &[],
        1 => OF_PENDING_1,
        2..5 => OF_PENDING,
        _ => FILED,
    }
}

const OF_PENDING_1: &[(&str, &str)] = &[
    ("pending_by_event", "status = 'pending'"),
    ("pending_by_expiry", "status = 'pending'"),
    ("settled_by_time", "settled_at IS NOT NULL"),
];

const OF_PENDING: &[(&str, &str)] = &[
    ("pending_by_event", "status = 'pending'"),
    ("pending_by_expiry", "status = 'pending'"),
    ("pending_by_requester", "status = 'pending'"),
    ("settled_by_time", "settled_at IS NOT NULL"),
];

const FILED: &[(&str, &str)] = &[
    ("unfiled", "filed = 0"),
    ("settled_by_time", "filed = 1"),
    ("by_place", "filed = 1"),
    ("by_status", "filed = 1"),
    ("by_topic", "filed = 1"),
    ("by_topic_status", "filed = 1"),
    ("by_requester", "filed = 1"),
];

/// Where the pending requests are found at a schema version: tables and terms of a query.
pub(super) const fn pending(version: i64) -> &'static str {
    if is_filing(version) {
        "requests INDEXED BY unfiled WHERE filed = 0 AND status = 'pending'"
    } else {
        "requests INDEXED BY pending_by_expiry WHERE status = 'pending'"
    }
}

/// Whether rows are filed at a schema version.
pub(super) const fn is_filing(version: i64) -> bool {
    version >= 5
}

/// The schema version that this daemon reads and writes.
pub(super) fn known() -> i64 {
    i64::try_from(STEPS.len()).expect("there are few steps")
}

/// The schema version that a database of ours has.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", (), |row| row.get(0))
}

/// Whose database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody's: there is nothing in it.
    Nobody,
    /// Ours, at this schema version.
    Us(i64),
    /// Another program's.
    Other,
}

/// Looks whose database it is, and changes nothing.
pub(super) fn owner(connection: &Connection) -> rusqlite::Result<Owner> {
    let number = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    if application == APPLICATION_ID {
        return Ok(Owner::Us(version(connection)?));
    }
    let objects = number("SELECT count(*) FROM sqlite_schema")?;
    let unmarked = application == 0 && version(connection)? == 0;
    Ok(if unmarked && objects == 0 {
        Owner::Nobody
    } else {
        Owner::Other
    })
}

/// Why a database did not get its tables.
#[derive(Debug)]
pub(super) enum MigrateError {
    /// `SQLite` failed.
    Sqlite(rusqlite::Error),
    /// The system gave no random number for the history.
    Random(RandomError),
}

impl From<rusqlite::Error> for MigrateError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Takes the steps from version `from` on, inside one transaction that the caller commits, so that
/// a crash leaves the old version or the new one.
pub(super) fn migrate(transaction: &Transaction<'_>, from: i64) -> Result<(), MigrateError> {
    let taken = usize::try_from(from).unwrap_or(0);
    for step in STEPS.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    if history(transaction)?.is_none() {
        let history = HistoryId::from_random(getrandom::u64().map_err(MigrateError::Random)?);
        begin_history(transaction, history)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known())?;
    Ok(())
}

/// Gives the database this history number in place of the one that it has.
pub(super) fn begin_history(connection: &Connection, history: HistoryId) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO meta VALUES ('history', ?1)";
    connection.execute(sql, [history.to_stored()])?;
    Ok(())
}

/// The database's history number; `None` when it has none that we have written.
pub(super) fn history(connection: &Connection) -> rusqlite::Result<Option<HistoryId>> {
    let sql = "SELECT value FROM meta WHERE key = 'history'";
    let stored: Option<i64> = connection.query_row(sql, (), |row| row.get(0)).optional()?;
    Ok(stored.and_then(HistoryId::from_stored))
}
