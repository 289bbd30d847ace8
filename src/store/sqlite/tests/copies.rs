//! Backups and restores where something is wrong with the database, or the power fails.

use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::store::contract::{asked, put};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn files(dir: &Dir) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(dir.0.path())
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

/// A backup of a database with one request.
async fn backed_up(dir: &Dir) -> PathBuf {
    let store = dir.open(Spy::new()).await;
    put(&store, asked(1)).await;
    let file = dir.0.path().join("a.backup");
    let summary = backup(&dir.path(), &file, false, NOW).unwrap();
    assert_eq!((summary.requests, summary.unreadable), (1, 0));
    store.close().await;
    file
}

async fn ids(dir: &Dir) -> Vec<u64> {
    let store = dir.open(Spy::new()).await;
    let range = Range {
        after: EventId::ZERO,
        until: EventId(100),
    };
    let events = store.changes(range, false, 100).await.unwrap();
    store.close().await;
    events.iter().map(|event| event.id.0).collect()
}

#[tokio::test]
async fn a_database_beyond_reading_is_kept_with_its_log_and_replaced_without_it() {
    let (source, dir) = (Dir::new(), Dir::new());
    let file = backed_up(&source).await;
    // A log of three commits, beside a file that is no database any more.
    let store = source.open(Spy::new()).await;
    for name in 2..=4 {
        put(&store, asked(name)).await;
    }
    let log = fs::read(source.0.path().join("pushd.db-wal")).unwrap();
    assert!(!log.is_empty());
    for wrong in ["no database", ""] {
        fs::write(dir.path(), wrong).unwrap();
        fs::write(dir.0.path().join("pushd.db-wal"), &log).unwrap();
        let restored = restore(&dir.path(), &file, NOW).unwrap();
        let kept = restored.kept.unwrap();
        assert!(fs::read(&kept).unwrap() == wrong.as_bytes());
        assert!(fs::read(part::beside(&kept, "-wal")).unwrap() == log);
        assert_eq!(ids(&dir).await, [1], "and not what was in the other's log");
    }
    // The second of the same second has a name of its own.
    let kept = files(&dir);
    let kept = kept.keys().filter(|name| name.contains("replaced"));
    assert_eq!(kept.count(), 4);
    store.close().await;
}

#[tokio::test]
async fn a_log_without_its_database_is_kept_as_well() {
    let (source, dir) = (Dir::new(), Dir::new());
    let file = backed_up(&source).await;
    fs::write(dir.0.path().join("pushd.db-wal"), "frames").unwrap();
    let kept = restore(&dir.path(), &file, NOW).unwrap().kept.unwrap();
    assert_eq!(fs::read(part::beside(&kept, "-wal")).unwrap(), b"frames");
    assert_eq!(ids(&dir).await, [1]);
}

#[tokio::test]
async fn a_database_of_a_killed_daemon_is_kept_with_the_commits_in_its_log() {
    let (source, dir) = (Dir::new(), Dir::new());
    let file = backed_up(&source).await;
    let store = source.open(Spy::new()).await;
    put(&store, asked(2)).await;
    for name in ["pushd.db", "pushd.db-wal"] {
        fs::copy(source.0.path().join(name), dir.0.path().join(name)).unwrap();
    }
    store.close().await;
    let before = files(&dir);
    let kept = restore(&dir.path(), &file, NOW).unwrap().kept.unwrap();
    assert_eq!(ids(&dir).await, [1]);
    assert!(fs::read(&kept).unwrap() == before["pushd.db"]);
    // It takes a backup of it to restore it, which reads file and log together.
    let refused = restore(&dir.path(), &kept, NOW).unwrap_err().to_string();
    assert!(refused.contains("pushd backup"), "{refused}");
    let again = dir.0.path().join("again.backup");
    backup(&kept, &again, false, NOW).unwrap();
    restore(&dir.path(), &again, NOW).unwrap();
    assert_eq!(ids(&dir).await, [1, 2]);
}

/// What a power cut leaves in the middle of a restore over a database that cannot be read: the
/// steps are taken up to each point, and a daemon started there must refuse.
#[tokio::test]
async fn a_daemon_that_is_started_in_the_middle_of_a_restore_refuses() {
    let (source, dir) = (Dir::new(), Dir::new());
    let file = backed_up(&source).await;
    fs::write(dir.path(), "no database").unwrap();
    fs::write(dir.0.path().join("pushd.db-wal"), "frames").unwrap();
    set_aside::begin_clearing(&dir.path()).unwrap();
    dir.refusal().await;
    fs::remove_file(dir.0.path().join("pushd.db-wal")).unwrap();
    let refused = dir.refusal().await;
    assert!(matches!(refused, OpenError::Unfinished { .. }), "{refused}");
    restore(&dir.path(), &file, NOW).unwrap();
    assert_eq!(ids(&dir).await, [1]);
}

/// The copy opened the database before the restore and its log after it, or not at all: what it
/// held then was neither the one nor the other.
#[tokio::test]
async fn a_database_that_is_replaced_while_it_is_copied_is_not_backed_up() {
    let (source, dir) = (Dir::new(), Dir::new());
    let file = backed_up(&source).await;
    let store = source.open(Spy::new()).await;
    put(&store, asked(2)).await;
    for name in ["pushd.db", "pushd.db-wal"] {
        fs::copy(source.0.path().join(name), dir.0.path().join(name)).unwrap();
    }
    store.close().await;
    let target = dir.0.path().join("b.backup");
    let refused = backup::backup_beside(&dir.path(), &target, false, NOW, || {
        restore(&dir.path(), &file, NOW).unwrap();
    });
    let refused = refused.unwrap_err();
    assert!(matches!(refused, BackupError::Replaced { .. }), "{refused}");
    assert!(!target.exists());
    assert_eq!(
        backup(&dir.path(), &target, false, NOW).unwrap().requests,
        1
    );
}

/// Where a file has one name only, the database that was set aside could be read by everybody.
#[test]
fn a_copy_that_is_set_aside_is_for_those_whom_the_original_was_for() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let dir = Dir::new();
    fs::write(dir.path(), "secret").unwrap();
    for mode in [0o600, 0o640, 0o400] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let copy = dir.0.path().join(format!("copy-{mode:o}"));
        set_aside::copy(&dir.path(), &copy).unwrap();
        assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o777, mode);
        assert_eq!(fs::read(&copy).unwrap(), b"secret");
    }
}

#[tokio::test]
async fn every_restore_begins_a_history_and_changes_nothing_else() {
    let dir = Dir::new();
    let file = backed_up(&dir).await;
    let bytes = fs::read(&file).unwrap();
    let history = |path: &Path| {
        let connection = Connection::open(path).unwrap();
        schema::history(&connection).unwrap().unwrap()
    };
    let first = history(&dir.path());
    restore(&dir.path(), &file, NOW).unwrap();
    let second = history(&dir.path());
    restore(&dir.path(), &file, NOW).unwrap();
    let third = history(&dir.path());
    assert!(first != second && second != third && first != third);
    assert!(fs::read(&file).unwrap() == bytes, "the backup is only read");
    assert_eq!(history(&file), first);
}

#[tokio::test]
async fn purged_text_is_not_in_a_backup_and_damage_is_found_before_it_is_one() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    let mut request = asked(1);
    request.details = crate::domain::Details::new("confidential ".repeat(1000)).unwrap();
    let event = put(&store, request).await;
    let mut settled = (*event.request).clone();
    settled.status = crate::domain::Status::Denied;
    settled.settled_at = Some(Timestamp::from_millis(1));
    store.commit(Some(event.id), settled).await.unwrap();
    assert_eq!(store.purge(NOW, 10).await, Ok(1));
    let last = put(&store, asked(2)).await;
    store.close().await;
    let has = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(12).any(|part| part == b"confidential")
    };
    let file = dir.0.path().join("a.backup");
    assert!(has(&dir.path()), "or the test shows nothing");
    backup(&dir.path(), &file, false, NOW).unwrap();
    assert!(!has(&file));

    super::wrong_bytes::tear(&dir.intruder(), "unfiled", last.id);
    let second = dir.0.path().join("b.backup");
    let refused = backup(&dir.path(), &second, false, NOW).unwrap_err();
    assert!(matches!(refused, BackupError::Database(_)), "{refused}");
    assert!(refused.to_string().contains("damaged"), "{refused}");
    assert!(!second.exists());
}
