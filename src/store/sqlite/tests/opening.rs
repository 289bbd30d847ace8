//! What can be wrong before the first call.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::store::contract::{asked, put};

fn says(error: &OpenError, dir: &Dir, words: &[&str]) {
    let text = error.to_string();
    let root = std::fs::canonicalize(dir.0.path()).unwrap();
    assert!(
        text.contains(&root.display().to_string()),
        "names the file: {text}"
    );
    for word in words {
        assert!(text.contains(word), "{word:?} is missing: {text}");
    }
}

fn change(dir: &Dir, sql: &str) {
    dir.intruder().execute_batch(sql).unwrap();
}

/// Opens and closes a store with one request in it.
async fn used(dir: &Dir) {
    let store = dir.open(Spy::new()).await;
    put(&store, asked(1)).await;
    store.close().await;
}

#[tokio::test]
async fn missing_directories_are_made_for_their_owner_alone() {
    let dir = Dir::new();
    let path = dir.0.path().join("state/pushd/pushd.db");
    let store = SqliteStore::open(&path, Spy::new()).await.unwrap();
    let store: SharedStore = Arc::new(store);
    put(&store, asked(1)).await;
    for made in [
        "",
        "pushd",
        "pushd/pushd.db",
        "pushd/pushd.db-wal",
        "pushd/pushd.db.lock",
    ] {
        let found = std::fs::metadata(dir.0.path().join("state").join(made));
        let mode = found.unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{made}: {mode:o}");
    }
}

#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let dir = Dir::new();
    std::fs::write(dir.path(), "").unwrap();
    used(&dir).await;
    let version: i64 = dir
        .intruder()
        .query_row("PRAGMA user_version", (), |row| row.get(0))
        .unwrap();
    assert_eq!(version, schema::known());
}

#[tokio::test]
async fn two_databases_have_two_histories() {
    let (one, other) = (Dir::new(), Dir::new());
    let (one, other) = (one.open(Spy::new()).await, other.open(Spy::new()).await);
    assert_ne!(one.history(), other.history());
}

#[tokio::test]
async fn a_second_daemon_is_refused_by_whatever_name_it_comes() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    let link = dir.0.path().join("link.db");
    symlink(dir.path(), &link).unwrap();
    let pid = std::process::id().to_string();
    for path in [dir.path(), link, dir.0.path().join("../").join(dir.path())] {
        let refused = SqliteStore::open(path, Spy::new()).await.err().unwrap();
        assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
        says(&refused, &dir, &["in use by another pushd", &pid]);
    }
    // The first is none the worse for it.
    put(&store, asked(1)).await;
    store.close().await;
    used(&dir).await;
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let dir = Dir::new();
    used(&dir).await;
    let newer = schema::known() + 1;
    change(&dir, &format!("PRAGMA user_version = {newer}"));
    let before = std::fs::read(dir.path()).unwrap();
    let refused = dir.refusal().await;
    says(&refused, &dir, &["newer pushd", &newer.to_string()]);
    assert!(matches!(refused, OpenError::Newer { .. }));
    assert_eq!(std::fs::read(dir.path()).unwrap(), before);
}

/// An older daemon knows a schema that is too new for it, and refuses; it would open a database of
/// its own schema whose records it cannot read, and show it with holes.
#[test]
fn every_format_of_records_came_with_a_schema_step() {
    // Each format, and the schema version from which on databases may hold it: add a line here.
    let formats = [(1, 1), (2, 3), (3, 4)];
    assert!(formats.is_sorted_by(|(_, one), (_, next)| one < next));
    let (newest, since) = formats[formats.len() - 1];
    assert_eq!(newest, record::FORMAT);
    assert!(since <= schema::known());
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_taken_over_whole() {
    let dir = Dir::new();
    let (first, rest) = schema::STEPS.split_first().unwrap();
    assert!(!rest.is_empty());
    change(
        &dir,
        &format!(
            "{first}; INSERT INTO meta VALUES ('history', 42); PRAGMA user_version = 1; \
             PRAGMA application_id = {}",
            schema::APPLICATION_ID
        ),
    );
    let insert = "INSERT INTO requests VALUES (?1, ?2, 'default', 'pending', ?3, ?4, NULL, ?5)";
    let request = asked(1);
    let (made, ends) = (request.created_at, request.expires_at);
    let times = (made.as_millis(), ends.as_millis());
    let record = record::encode(&request);
    for (event, id, record) in [
        (3, request.id.as_bytes().as_slice(), record.as_slice()),
        // A record that cannot be read hinders nobody.
        (4, [9; 16].as_slice(), b"{".as_slice()),
    ] {
        let row = (event, id, times.0, times.1, record);
        dir.intruder().execute(insert, row).unwrap();
    }
    let store = dir.open(Spy::new()).await;
    assert_eq!(store.history().to_stored(), 42);
    assert_eq!(store.head().await.unwrap().event, EventId(4));
    let found = store.get(request.id).await.unwrap().unwrap();
    assert_eq!((found.id, &*found.request), (EventId(3), &request));
    let requester = &request.requester.principal;
    assert_eq!(store.pending_of(requester).await.unwrap(), 1);
    store.close().await;
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    for foreign in [
        "CREATE TABLE theirs (a)",
        "PRAGMA application_id = 7; CREATE TABLE theirs (a)",
        "PRAGMA user_version = 3",
    ] {
        let dir = Dir::new();
        change(&dir, foreign);
        let before = std::fs::read(dir.path()).unwrap();
        let refused = dir.refusal().await;
        assert!(
            matches!(refused, OpenError::Foreign { .. }),
            "{foreign}: {refused}"
        );
        says(&refused, &dir, &["another program"]);
        assert_eq!(std::fs::read(dir.path()).unwrap(), before);
    }
}

#[tokio::test]
async fn other_files_are_refused_and_left_alone() {
    let dir = Dir::new();
    let text = "The quick brown fox jumps over the lazy dog.\n".repeat(100);
    std::fs::write(dir.path(), &text).unwrap();
    let refused = dir.refusal().await;
    assert!(
        matches!(refused, OpenError::NotADatabase { .. }),
        "{refused}"
    );
    says(&refused, &dir, &["not a SQLite database"]);
    assert_eq!(std::fs::read_to_string(dir.path()).unwrap(), text);
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let dir = Dir::new();
    used(&dir).await;
    let whole = std::fs::read(dir.path()).unwrap();
    let mut header = whole.clone();
    header[..16].fill(0);
    let mut pages = whole.clone();
    pages[4096..].fill(0xa5);
    for (case, bytes) in [
        ("cut in half", &whole[..whole.len() / 2]),
        ("cut within the header", &whole[..50]),
        ("a header of zeros", &header),
        ("pages of garbage", &pages),
    ] {
        std::fs::write(dir.path(), bytes).unwrap();
        let refused = dir.refusal().await;
        assert!(refused.is_damage(), "{case}: {refused}");
        says(&refused, &dir, &[]);
    }
    std::fs::write(dir.path(), whole).unwrap();
    used(&dir).await;
}

#[tokio::test]
async fn a_file_that_was_emptied_is_not_taken_for_a_new_one() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    put(&store, asked(1)).await;
    let (log, copy) = (dir.0.path().join("pushd.db-wal"), Dir::new());
    std::fs::copy(log, copy.0.path().join("pushd.db-wal")).unwrap();
    // Neither is one that was moved away while its log stayed.
    let refused = copy.refusal().await;
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    assert!(!copy.path().exists(), "and none was made");
    std::fs::write(copy.path(), "").unwrap();
    let refused = copy.refusal().await;
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    says(&refused, &copy, &["restore a backup"]);
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path()).unwrap();
    let refused = dir.refusal().await;
    assert!(matches!(refused, OpenError::NotAFile { .. }), "{refused}");
    says(&refused, &dir, &["is a directory", "name the file"]);

    let file = dir.0.path().join("file");
    std::fs::write(&file, "").unwrap();
    for below in [file.join("pushd.db"), file.join("more/pushd.db")] {
        let refused = SqliteStore::open(below, Spy::new()).await.err().unwrap();
        assert!(matches!(refused, OpenError::Directory { .. }), "{refused}");
        says(&refused, &dir, &["cannot make the directory", "/file"]);
        // The daemon prints the whole chain: what is in the message must not come again.
        assert!(std::error::Error::source(&refused).is_none(), "{refused}");
    }
}

#[test]
fn what_the_system_does_not_permit_is_told_as_such() {
    let dir = Dir::new();
    let path = std::fs::canonicalize(dir.0.path())
        .unwrap()
        .join("pushd.db");
    let by_system = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let mut refusals = vec![OpenError::file(&path, &by_system)];
    for code in [
        ffi::SQLITE_READONLY,
        ffi::SQLITE_READONLY_DIRECTORY,
        ffi::SQLITE_CANTOPEN,
        ffi::SQLITE_PERM,
    ] {
        refusals.push(OpenError::sqlite(&path, &error(code)));
    }
    for refused in refusals {
        assert!(matches!(refused, OpenError::Access { .. }), "{refused:?}");
        says(&refused, &dir, &["for reading and writing"]);
    }
}

#[tokio::test]
async fn a_lock_file_that_cannot_be_opened_says_what_is_needed() {
    let dir = Dir::new();
    std::fs::create_dir(dir.0.path().join("pushd.db.lock")).unwrap();
    let refused = dir.refusal().await;
    assert!(matches!(refused, OpenError::Lock { .. }), "{refused:?}");
    says(&refused, &dir, &["needs to write there"]);
}

#[tokio::test]
async fn without_permission_it_says_what_is_needed() {
    if rustix::process::geteuid().is_root() {
        return; // Root may do everything; the two tests above see the same by value.
    }
    let dir = Dir::new();
    used(&dir).await;
    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for mode in [0o000, 0o400] {
        allow(&dir.path(), mode);
        let refused = dir.refusal().await;
        assert!(matches!(refused, OpenError::Access { .. }), "{refused}");
        says(&refused, &dir, &["for reading and writing"]);
    }
    allow(&dir.path(), 0o600);
    std::fs::remove_file(dir.0.path().join("pushd.db.lock")).unwrap();
    allow(dir.0.path(), 0o500);
    let refused = dir.refusal().await;
    assert!(matches!(refused, OpenError::Lock { .. }), "{refused}");
    says(&refused, &dir, &["needs to write there"]);
    allow(dir.0.path(), 0o700);
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_half_made() {
    let dir = Dir::new();
    let pages = Arc::new(AtomicU32::new(3));
    let settings = breaking(Small(Arc::clone(&pages)));
    let refused = SqliteStore::open_with(dir.path(), Spy::new(), settings).await;
    let refused = refused.err().unwrap();
    assert!(matches!(refused, OpenError::Full { .. }), "{refused}");
    says(&refused, &dir, &["is full", "free some space"]);
    used(&dir).await;
}

#[tokio::test]
async fn a_locked_database_is_not_waited_for_without_end() {
    let dir = Dir::new();
    used(&dir).await;
    let intruder = dir.intruder();
    let lock = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE";
    intruder.execute_batch(lock).unwrap();
    let refused = dir.refusal().await;
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    says(&refused, &dir, &["locked by another program"]);
    drop(intruder);
    used(&dir).await;
}
