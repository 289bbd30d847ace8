//! Databases that an older pushd has left: they are copied and looked into as they are, and taken
//! over with whatever is wrong in single rows.

use std::fs;

use super::*;
use crate::domain::Status;
use crate::store::contract::{asked, at, settled};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A database as the pushd of a schema version has left it, with a pending request and a denied one.
fn left_by(version: usize) -> (Dir, [Request; 2]) {
    let dir = Dir::new();
    let database = dir.intruder();
    for step in &schema::STEPS[..version] {
        database.execute_batch(step).unwrap();
    }
    schema::begin_history(&database, HistoryId::from_random(42)).unwrap();
    let marks = format!(
        "PRAGMA application_id = {}; PRAGMA user_version = {version}",
        schema::APPLICATION_ID
    );
    database.execute_batch(&marks).unwrap();
    let requests = [asked(1), settled(asked(2), Status::Denied, at(1))];
    for (event, request) in (1..).zip(&requests) {
        insert(&database, event, request);
    }
    if version >= 2 {
        let sql = "UPDATE requests SET requester = ?1";
        let requester = requests[0].requester.principal.as_str();
        database.execute(sql, [requester]).unwrap();
    }
    if version >= 5 {
        let sql = "UPDATE requests SET filed = 0 WHERE status = 'pending'";
        database.execute(sql, ()).unwrap();
    }
    (dir, requests)
}

fn insert(database: &Connection, event: i64, request: &Request) {
    let columns = "event_id, id, topic, status, created_at, expires_at, settled_at, record";
    let has_requester = database.prepare("SELECT requester FROM requests").is_ok();
    let (more, value) = if has_requester {
        (", requester", ", ''")
    } else {
        ("", "")
    };
    let sql = format!(
        "INSERT INTO requests ({columns}{more}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8{value})"
    );
    let values = (
        event,
        request.id.as_bytes().as_slice(),
        request.topic.as_str(),
        request.status.as_str(),
        request.created_at.as_millis(),
        request.expires_at.as_millis(),
        request.settled_at.map(Timestamp::as_millis),
        record::encode(request),
    );
    database.execute(&sql, values).unwrap();
}

fn version_of(path: &Path) -> i64 {
    let sql = "PRAGMA user_version";
    let database = Connection::open(path).unwrap();
    database.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// The release that brought `filed` called every older backup damaged: it compared the indexes of
/// its own schema with the table before it had made them.
#[tokio::test]
async fn an_older_database_is_backed_up_and_audited_as_it_is_and_its_backup_restored() {
    for version in 1..=schema::STEPS.len() {
        let (dir, requests) = left_by(version);
        let file = dir.0.path().join("a.backup");
        let summary = backup(&dir.path(), &file, false, NOW);
        let summary = summary.unwrap_or_else(|error| panic!("{version}: {error}"));
        let counts = (summary.requests, summary.pending, summary.unreadable);
        assert_eq!(counts, (2, 1, 0), "{version}");
        assert_eq!(summary.head, EventId(2), "{version}");
        for path in [dir.path(), file.clone()] {
            assert_eq!(version_of(&path), i64::try_from(version).unwrap());
        }

        let (since, until) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
        let mut audit = Audit::open(&dir.path(), since, until).unwrap();
        let mut audited = Vec::new();
        loop {
            let batch = audit.batch();
            let batch = batch.unwrap_or_else(|error| panic!("{version}: {error}"));
            if batch.is_empty() {
                break;
            }
            audited.extend(batch.into_iter().map(|one| one.request.unwrap()));
        }
        assert_eq!(audited, requests, "{version}");

        let other = Dir::new();
        let restored = restore(&other.path(), &file, NOW);
        let restored = restored.unwrap_or_else(|error| panic!("{version}: {error}"));
        let again = Summary {
            history: summary.history,
            ..restored.summary
        };
        assert_eq!(again, summary, "{version}");
        assert_eq!(version_of(&other.path()), schema::known());
        let store = other.open(Spy::new()).await;
        let events = store.changes(ALL, false, 9).await.unwrap();
        let found: Vec<_> = events.iter().map(|event| &*event.request).collect();
        assert_eq!(found, requests.iter().collect::<Vec<_>>(), "{version}");
    }
}

#[test]
fn a_row_that_is_missing_behind_any_index_of_an_older_database_is_damage() {
    for version in 1..=schema::STEPS.len() {
        let version_found = i64::try_from(version).unwrap();
        for (index, part) in schema::partial(version_found) {
            let (dir, _) = left_by(version);
            let of_pending = part.contains("pending") || *part == "filed = 0";
            let row = EventId(if of_pending { 1 } else { 2 });
            super::wrong_bytes::tear(&dir.intruder(), index, row);
            let file = dir.0.path().join("a.backup");
            let refused = backup(&dir.path(), &file, false, NOW).unwrap_err();
            assert!(refused.to_string().contains(index), "{version}: {refused}");
            fs::copy(dir.path(), &file).unwrap();
            let refused = restore(&Dir::new().path(), &file, NOW).unwrap_err();
            assert!(refused.to_string().contains(index), "{version}: {refused}");
        }
    }
}

/// A column of a type that the table does not permit, which only damage brings about, made the step
/// that adds a column fail, and so every start.
#[tokio::test]
async fn a_row_with_a_value_of_the_wrong_type_does_not_stop_the_start() {
    for (column, value) in [
        ("record", "NULL"),
        ("record", "'text' || event_id"),
        ("record", "7"),
        ("id", "NULL"),
        ("id", "'text' || event_id"),
        ("topic", "x'00ff'"),
        ("topic", "NULL"),
        ("requester", "x'01'"),
        ("status", "x'01'"),
        ("created_at", "'soon'"),
        ("expires_at", "NULL"),
        ("settled_at", "'never'"),
    ] {
        let (dir, requests) = left_by(4);
        let database = dir.intruder();
        insert(&database, 3, &asked(3));
        insert(&database, 4, &asked(4));
        let definition = |from: &str, to: &str| {
            format!(
                "PRAGMA writable_schema = ON;
                 UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}')
                     WHERE name = 'requests';
                 PRAGMA writable_schema = RESET;"
            )
        };
        // Two rows, as what they get in its place has to be unique where the column is.
        let damage = format!(
            "{} {} UPDATE requests SET {column} = {value} WHERE event_id > 2; {} {}",
            definition(") STRICT", ")"),
            definition("NOT NULL", "/*NOT NULL*/"),
            definition("/*NOT NULL*/", "NOT NULL"),
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = sql || ' STRICT' WHERE name = 'requests';
             PRAGMA writable_schema = RESET;",
        );
        database.execute_batch(&damage).unwrap();
        drop(database);
        let store = SqliteStore::open_with(dir.path(), Spy::new(), impatient()).await;
        let store = store.unwrap_or_else(|error| panic!("{column} {value}: {error}"));
        let events = store.changes(ALL, false, 9).await.unwrap();
        let found = events.iter().take(2).map(|event| &*event.request);
        assert!(found.eq(&requests), "{column} {value}");
        // What the columns have lost is in the records.
        assert_eq!(store.pending().await.unwrap(), 3, "{column} {value}");
        let is_left_out = matches!(column, "record" | "id");
        let left = if is_left_out { 2 } else { 4 };
        assert_eq!(events.len(), left, "{column} {value}");
        let is_ready = *store.health().borrow() == Health::Ready;
        assert_eq!(is_ready, !is_left_out, "{column} {value}");
        store.close().await;
        let check = "PRAGMA integrity_check";
        let sound: String = dir
            .intruder()
            .query_row(check, (), |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok", "{column} {value}");
    }
}
