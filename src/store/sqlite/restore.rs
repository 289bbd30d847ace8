//! A backup put in the place of a database.
//!
//! Whatever moment a crash comes at, what a daemon then finds under the database's name is the old
//! database whole, the restored one whole, or something that it refuses to start with; never an
//! empty database, and never one database with the other's write-ahead log.
//!
//! The restored database gets a new history number. Event ids that were given out after the backup
//! are given out again, for other commits; by the number, every cursor of the old history is
//! recognised, and its reader told to begin anew.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::database;
use super::error::OpenError;
use super::files;
use super::lock::Lock;
use super::part::{Part, beside};
use super::schema::{self, MigrateError, Owner};
use super::set_aside::set_aside;
use super::summary::Summary;
use crate::domain::{HistoryId, Timestamp};
use crate::limits;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What is in the database now.
    pub summary: Summary,
    /// The database that was there before, if there was one.
    pub kept: Option<PathBuf>,
}

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// What shall be restored is no backup, or not a sound one.
    #[error("{} cannot be restored: {reason}", .path.display())]
    Backup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The database that shall be replaced cannot be.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// A step on the way failed.
    #[error("cannot {what}: {cause}{}", kept_at(.kept.as_ref()))]
    Failed {
        /// The step.
        what: String,
        /// What the system says; it is in the message, so it is not a `source` as well.
        cause: io::Error,
        /// Where the old database is by then.
        kept: Option<PathBuf>,
    },
}

fn kept_at(kept: Option<&PathBuf>) -> String {
    kept.map(|kept| {
        let kept = kept.display();
        format!("; the database that was there is at {kept}, so restore that or try again")
    })
    .unwrap_or_default()
}

/// Puts the backup in the place of the database at `database`, which no daemon may be using, and
/// keeps what was there under another name. What is overdue in the answer is so at `now`.
///
/// It blocks for as long as it takes.
///
/// # Errors
/// The backup was not restored. Unless the error says where it is, the old database is in its
/// place as it was.
pub fn restore(database: &Path, backup: &Path, now: Timestamp) -> Result<Restored, RestoreError> {
    let database = place(database)?;
    let _lock = Lock::take(&database)?;
    let before = metadata(&database)?;
    if before.as_ref().is_some_and(|found| found.len() > 0) {
        refuse_foreign(&database)?;
    }
    if let (Ok(found), Ok(from)) = (
        fs::metadata(beside(&database, ".part")),
        fs::metadata(backup),
    ) && (found.dev(), found.ino()) == (from.dev(), from.ino())
    {
        let error =
            io::Error::other("the backup stands where the copy grows; give it another name");
        return Err(OpenError::file(&database, &error).into());
    }
    let mut part = Part::begin(&database).map_err(|error| OpenError::file(&database, &error))?;
    copy(backup, &database, &mut part)?;
    let summary = renew(part.path(), backup, now)?;
    own(part.file(), &database, before.as_ref())?;
    let kept = set_aside(&database, before.as_ref(), now)?;
    part.publish(true).map_err(|cause| RestoreError::Failed {
        what: format!("put the backup in the place of {}", database.display()),
        cause,
        kept: kept.clone(),
    })?;
    Ok(Restored { summary, kept })
}

/// The absolute name of the database, free of symbolic links. The file need not be there; its
/// directory is made.
fn place(database: &Path) -> Result<PathBuf, OpenError> {
    let failed = |error: io::Error| OpenError::file(database, &error);
    let path = std::path::absolute(database).map_err(failed)?;
    match fs::metadata(&path) {
        Ok(found) if !found.is_file() => Err(OpenError::NotAFile {
            path,
            what: "not a regular file",
        }),
        Ok(_) => fs::canonicalize(&path).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(failed(error));
            };
            files::create_directory(parent).map_err(|cause| OpenError::Directory {
                path: parent.to_owned(),
                cause,
            })?;
            Ok(fs::canonicalize(parent).map_err(failed)?.join(name))
        }
        Err(error) => Err(failed(error)),
    }
}

fn metadata(path: &Path) -> Result<Option<fs::Metadata>, OpenError> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OpenError::file(path, &error)),
    }
}

/// Another program's database is not ours to replace. One that cannot be read may be what a backup
/// is restored for.
fn refuse_foreign(database: &Path) -> Result<(), OpenError> {
    // For reading, so that closing it does not move the log into the file: both are kept as they
    // are.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let owner = Connection::open_with_flags(database, flags)
        .and_then(|connection| schema::owner(&connection));
    match owner {
        Ok(Owner::Other) => Err(OpenError::Foreign {
            path: database.to_owned(),
        }),
        Ok(Owner::Nobody | Owner::Us(_)) | Err(_) => Ok(()),
    }
}

fn copy(backup: &Path, database: &Path, part: &mut Part) -> Result<(), RestoreError> {
    let refused = |reason: String| RestoreError::Backup {
        path: backup.to_owned(),
        reason,
    };
    let mut from = File::open(backup).map_err(|error| refused(error.to_string()))?;
    let found = from
        .metadata()
        .map_err(|error| refused(error.to_string()))?;
    if !found.is_file() {
        return Err(refused("it is not a regular file".to_owned()));
    }
    let same = |other: fs::Metadata| (other.dev(), other.ino()) == (found.dev(), found.ino());
    if fs::metadata(database).is_ok_and(same) {
        return Err(refused("it is the database itself".to_owned()));
    }
    // Its last commits are not in the file then, and it may even be in use.
    if fs::metadata(beside(backup, "-wal")).is_ok_and(|log| log.len() > 0) {
        return Err(refused(format!(
            "it has a write-ahead log beside it, so it is a database and not a backup: make a \
             backup of it with pushd backup --store sqlite:{}, and restore that",
            backup.display()
        )));
    }
    io::copy(&mut from, part.file()).map_err(|error| OpenError::file(part.path(), &error))?;
    Ok(())
}

/// Makes the copy a sound database of this version with a history of its own.
fn renew(part: &Path, backup: &Path, now: Timestamp) -> Result<Summary, RestoreError> {
    let refused = |reason: String| RestoreError::Backup {
        path: backup.to_owned(),
        reason,
    };
    let wrong = |error: OpenError| {
        if matches!(
            error,
            OpenError::Full { .. }
                | OpenError::Io { .. }
                | OpenError::Locked { .. }
                | OpenError::Access { .. }
        ) {
            // Trouble where the database is, which says nothing of the backup.
            return RestoreError::Database(error);
        }
        if let OpenError::Damaged { reason, .. } | OpenError::Failed { reason, .. } = error {
            return refused(format!("it is damaged ({reason})"));
        }
        refused("it is not a SQLite database".to_owned())
    };
    let sqlite = |error: rusqlite::Error| wrong(OpenError::sqlite(part, &error));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(part, flags).map_err(sqlite)?;
    connection
        .busy_timeout(limits::STORE_BUSY)
        .and_then(|()| {
            connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")
        })
        .map_err(sqlite)?;
    let version = match schema::owner(&connection).map_err(sqlite)? {
        Owner::Us(version) if version <= schema::known() => version,
        Owner::Us(version) => {
            let known = schema::known();
            return Err(refused(format!(
                "it was made by a newer pushd: its schema is {version} and this pushd knows \
                 {known}; run the newer pushd"
            )));
        }
        Owner::Nobody => return Err(refused("it is empty".to_owned())),
        Owner::Other => return Err(refused("it is a database of another program".to_owned())),
    };
    // Not a log beside it while it has a name that is not its own.
    connection
        .pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
        .map_err(sqlite)?;
    database::examine(&connection, part).map_err(wrong)?;
    let random =
        |error: getrandom::Error| refused(format!("the system gave no random number: {error}"));
    let transaction = Transaction::new(&mut connection, TransactionBehavior::Immediate);
    let transaction = transaction.map_err(sqlite)?;
    schema::migrate(&transaction, version).map_err(|error| match error {
        MigrateError::Sqlite(error) => sqlite(error),
        MigrateError::Random(error) => random(error),
    })?;
    let history = HistoryId::from_random(getrandom::u64().map_err(random)?);
    schema::begin_history(&transaction, history)
        .and_then(|()| transaction.commit())
        .map_err(sqlite)?;
    let summary = Summary::of(&connection, now).map_err(sqlite)?;
    connection.close().map_err(|(_, error)| sqlite(error))?;
    Ok(summary)
}

/// A restore by root must not take the database away from the daemon's user: the new file belongs
/// to whom the old one belonged, or the directory.
fn own(file: &File, database: &Path, before: Option<&fs::Metadata>) -> Result<(), RestoreError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let parent = database.parent().unwrap_or(Path::new("/"));
    let give = || {
        let (user, group) = match before {
            Some(before) => (before.uid(), before.gid()),
            None => fs::metadata(parent).map(|parent| (parent.uid(), parent.gid()))?,
        };
        fchown(file, Some(user), Some(group))?;
        fchown(
            File::open(beside(database, ".lock"))?,
            Some(user),
            Some(group),
        )
    };
    give().map_err(|cause: io::Error| RestoreError::Failed {
        what: format!(
            "give the restored database to the owner of {}",
            parent.display()
        ),
        cause,
        kept: None,
    })
}
