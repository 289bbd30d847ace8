//! A copy of a database that is in use, complete as of one moment.
//!
//! `VACUUM INTO` reads the database in one read transaction, so the writer goes on beside it, and
//! what was committed before it began is in the copy. The write-ahead log cannot be begun anew
//! meanwhile and grows. Purged text does not get into the copy. The database is looked through
//! first and the copy afterwards.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::database;
use super::error::OpenError;
use super::part::{Part, beside};
use super::reader;
use super::schema::{self, Owner};
use super::summary::Summary;
use crate::domain::Timestamp;
use crate::limits;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// There is no database there.
    #[error("there is no database at {}: name the one that the daemon uses with --store sqlite:PATH", .path.display())]
    Missing {
        /// The place.
        path: PathBuf,
    },
    /// Another database has come in its place while it was read.
    #[error("{} was replaced while it was copied: make the backup again", .path.display())]
    Replaced {
        /// The place.
        path: PathBuf,
    },
    /// A file has that name already.
    #[error("{} exists: name another file, or give --force to replace it", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The name cannot be that of a backup.
    #[error("{} {why}: name another file for the backup", .path.display())]
    Target {
        /// The name.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// A database stands under the name, or stood there.
    #[error("{} has {} beside it, so a daemon may be using it as its database: name another file for the backup, or put a backup in its place with pushd restore", .path.display(), .found.display())]
    InUse {
        /// The name.
        path: PathBuf,
        /// What is beside it.
        found: PathBuf,
    },
    /// The backup cannot be written.
    #[error("cannot write the backup {}: {reason}", .path.display())]
    Write {
        /// The backup.
        path: PathBuf,
        /// What the system or `SQLite` says.
        reason: String,
    },
}

/// Copies the database at `source`, which a daemon may be using, to `target`, and looks through
/// the copy. With `replace` it may take the place of a file that is there. What is overdue in the
/// answer is so at `now`.
///
/// It blocks for as long as it takes. The file appears under its name only when it is whole and
/// durable; it can be read and written by its owner alone.
///
/// # Errors
/// There is no backup, and whatever was at `target` is as it was.
pub fn backup(
    source: &Path,
    target: &Path,
    replace: bool,
    now: Timestamp,
) -> Result<Summary, BackupError> {
    backup_beside(source, target, replace, now, || {})
}

/// The same, with what tests let happen once the database is open.
pub(super) fn backup_beside(
    source: &Path,
    target: &Path,
    replace: bool,
    now: Timestamp,
    meanwhile: impl FnOnce(),
) -> Result<Summary, BackupError> {
    let source = existing(source)?;
    let before = identity(&source)?;
    let target = check_target(target, &source, replace)?;
    let connection = connect(&source)?;
    // It stands in the way of writing the copy as well; the database itself was opened for reading.
    connection
        .pragma_update(None, "query_only", false)
        .map_err(|error| OpenError::sqlite(&source, &error))?;
    meanwhile();
    let part = Part::begin(&target).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            let why = "is being written by another backup";
            let path = target.clone();
            return BackupError::Target { path, why };
        }
        written(&target, &error)
    })?;
    let name = part.path().to_str().ok_or_else(|| BackupError::Target {
        path: target.clone(),
        why: "is not in UTF-8",
    })?;
    // `VACUUM INTO` copies rows by their table and makes the indexes anew: a row that has gone from
    // the table would be missing in a copy that is sound.
    look_for_damage(&connection, &source)?;
    connection
        .execute("VACUUM INTO ?1", [name])
        .map_err(|error| copied(&source, &target, &error))?;
    // A restore takes the log away after the file's name, so what was read of a database that still
    // has its name was read with its log.
    if identity(&source)? != before {
        return Err(BackupError::Replaced { path: source });
    }
    let summary = look_through(part.path(), &target, now)?;
    // Again: that took its time, and a daemon may have begun with the name.
    refuse_database(&target)?;
    part.publish(replace).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            let path = target.clone();
            return BackupError::Exists { path };
        }
        written(&target, &error)
    })?;
    Ok(summary)
}

/// The absolute name of the database, free of symbolic links.
pub(super) fn existing(source: &Path) -> Result<PathBuf, BackupError> {
    match fs::canonicalize(source) {
        Ok(path) if path.is_file() => Ok(path),
        Ok(path) => Err(OpenError::NotAFile {
            path,
            what: "not a regular file",
        }
        .into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BackupError::Missing {
            path: source.to_owned(),
        }),
        Err(error) => Err(OpenError::file(source, &error).into()),
    }
}

/// Which file has the database's name.
fn identity(source: &Path) -> Result<(u64, u64), OpenError> {
    let found = fs::metadata(source).map_err(|error| OpenError::file(source, &error))?;
    Ok((found.dev(), found.ino()))
}

/// A connection that can only read, to a database of ours at a schema that we know.
pub(super) fn connect(source: &Path) -> Result<Connection, BackupError> {
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(source, &error);
    let connection = reader::connect(source, limits::STORE_BUSY).map_err(sqlite)?;
    let path = || source.to_owned();
    match schema::owner(&connection).map_err(sqlite)? {
        Owner::Us(found) if found > schema::known() => {
            let known = schema::known();
            return Err(OpenError::Newer {
                path: path(),
                found,
                known,
            }
            .into());
        }
        Owner::Us(_) => {}
        Owner::Nobody => return Err(BackupError::Missing { path: path() }),
        Owner::Other => return Err(OpenError::Foreign { path: path() }.into()),
    }
    Ok(connection)
}

/// The absolute name of the backup; it must not be one of the database's own files.
fn check_target(target: &Path, source: &Path, replace: bool) -> Result<PathBuf, BackupError> {
    let refused = |why| {
        Err(BackupError::Target {
            path: target.to_owned(),
            why,
        })
    };
    let absolute = std::path::absolute(target).map_err(|error| written(target, &error))?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return refused("is no name of a file");
    };
    let parent = fs::canonicalize(parent).map_err(|error| written(target, &error))?;
    let absolute = parent.join(name);
    let own = ["", "-wal", "-shm", "-journal", ".lock", ".part"];
    if own.iter().any(|suffix| beside(source, suffix) == absolute) {
        return refused("is a file of the database itself");
    }
    let on_its_way = fs::metadata(beside(&absolute, ".part"));
    if on_its_way.is_ok_and(|found| is_same(&found, source)) {
        return refused(
            "has the database where the copy grows, under the name with .part behind it",
        );
    }
    refuse_database(&absolute)?;
    match fs::symlink_metadata(&absolute) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(absolute),
        Err(error) => Err(written(target, &error)),
        Ok(found) if !found.is_file() => refused("is not a regular file"),
        Ok(found) if is_same(&found, source) => refused("is the database itself"),
        Ok(_) if replace => Ok(absolute),
        Ok(_) => Err(BackupError::Exists { path: absolute }),
    }
}

/// Refuses the name of a database: a daemon that has it open would go on with a file that has no
/// name any more, and whoever opens the backup next to the log of another database would mix the
/// two. The lock file stays behind when a daemon ends, and tells of a database that is used again.
fn refuse_database(target: &Path) -> Result<(), BackupError> {
    for suffix in ["-wal", "-shm", "-journal", ".lock"] {
        let found = beside(target, suffix);
        match fs::symlink_metadata(&found) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(written(target, &error)),
            Ok(_) => {
                let path = target.to_owned();
                return Err(BackupError::InUse { path, found });
            }
        }
    }
    Ok(())
}

fn is_same(found: &fs::Metadata, source: &Path) -> bool {
    fs::metadata(source)
        .is_ok_and(|source| (source.dev(), source.ino()) == (found.dev(), found.ino()))
}

/// Looks through the database as of one moment.
fn look_for_damage(connection: &Connection, source: &Path) -> Result<(), OpenError> {
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(source, &error);
    connection.execute_batch("BEGIN").map_err(sqlite)?;
    database::examine(connection, source)?;
    connection.execute_batch("COMMIT").map_err(sqlite)
}

/// Looks for damage in the copy, and reads every record. The message names the file that it will
/// be, because a copy that is not sound is removed.
fn look_through(path: &Path, target: &Path, now: Timestamp) -> Result<Summary, BackupError> {
    let sqlite = |error: rusqlite::Error| written_as(target, error.to_string());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    database::examine(&connection, path).map_err(|error| written_as(target, error.to_string()))?;
    Summary::of(&connection, now).map_err(sqlite)
}

/// `VACUUM INTO` reads one file and writes another; the code tells which has failed.
fn copied(source: &Path, target: &Path, error: &rusqlite::Error) -> BackupError {
    let code = error.sqlite_error_code();
    let of_writing = [
        rusqlite::ffi::SQLITE_IOERR_WRITE,
        rusqlite::ffi::SQLITE_IOERR_TRUNCATE,
        rusqlite::ffi::SQLITE_IOERR_FSYNC,
    ];
    let extended = error.sqlite_error().map(|error| error.extended_code);
    if code == Some(ErrorCode::DiskFull) {
        written_as(target, "the disk is full; free some space there".to_owned())
    } else if extended.is_some_and(|code| of_writing.contains(&code)) {
        written_as(target, error.to_string())
    } else {
        OpenError::sqlite(source, error).into()
    }
}

fn written(target: &Path, error: &io::Error) -> BackupError {
    written_as(target, error.to_string())
}

fn written_as(target: &Path, reason: String) -> BackupError {
    BackupError::Write {
        path: target.to_owned(),
        reason,
    }
}
