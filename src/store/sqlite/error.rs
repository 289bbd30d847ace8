//! Why a database cannot be used, in words for the person who runs the daemon.
//!
//! The same words serve a store that cannot be opened and one that fails later, so each says what
//! failed, with which file, and what to try, and none speaks of starting or of running.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock file.
    #[error(
        "{} is in use by another pushd{}: stop that one, or name another file for this one",
        .path.display(),
        in_process(.pid.as_ref())
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// What the other process wrote into the lock file.
        pid: Option<u32>,
    },
    /// The lock file cannot be made or locked.
    #[error("cannot lock {}: {cause}; pushd needs to write there, and a file system that locks files", .path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system says; it is in the message, so it is not a `source` as well.
        cause: io::Error,
    },
    /// The directory of the database is not there and cannot be made.
    #[error("cannot make the directory {}: {cause}; make it, or name a file elsewhere", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says; it is in the message, so it is not a `source` as well.
        cause: io::Error,
    },
    /// The path names something that is not a file.
    #[error("{} is {what}: name the file of the database, which is made when it is missing", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The user who runs the daemon may not read or write there.
    #[error("cannot open {} for reading and writing: {reason}; pushd writes to this file and makes others beside it, so give its user the file and the directory", .path.display())]
    Access {
        /// The database.
        path: PathBuf,
        /// What the system or `SQLite` says.
        reason: String,
    },
    /// A later version of the daemon has written it.
    #[error("{} was written by a newer pushd: its schema is {found} and this pushd knows {known}; run the newer pushd, or name another file", .path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest schema version that this daemon knows.
        known: i64,
    },
    /// A database of another program.
    #[error("{} is a database of another program, and was left alone: name another file", .path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The bytes are not those of a database.
    #[error("{} is not a SQLite database, and was left alone: name another file, or move this one away", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A restore has begun to replace it and was interrupted.
    #[error("{} is neither the old database nor the restored one, because pushd restore was interrupted: run it again", .path.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
    },
    /// The bytes were those of a database.
    #[error("{} is damaged ({reason}): stop pushd, then restore a backup, or save what is left with the `.recover` command of sqlite3", .path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file is another one than the daemon has opened, or an older state of it.
    #[error("{} was replaced while pushd was using it: restart pushd to use what is there now", .path.display())]
    Replaced {
        /// The database.
        path: PathBuf,
    },
    /// Somebody else's lock did not go away in time.
    #[error("{} is locked by another program, such as a backup or a sqlite3 shell: end it (`fuser` with the file's name finds it)", .path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// There is no room.
    #[error("the disk with {} is full: free some space there", .path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The file system does not do what a write-ahead log needs.
    #[error("the file system with {} has no shared memory for a write-ahead log (its journal mode stays {mode:?}); name a file on a local disk", .path.display())]
    NoLog {
        /// The database.
        path: PathBuf,
        /// The journal mode that `SQLite` offers instead.
        mode: String,
    },
    /// The system could not read or write.
    #[error("reading or writing {} failed: {reason}; look for a failing disk or a full quota, and at the system's log", .path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// What the system or `SQLite` says.
        reason: String,
    },
    /// Anything else.
    #[error("{} cannot be used: {reason}", .path.display())]
    Failed {
        /// The database.
        path: PathBuf,
        /// What `SQLite` says.
        reason: String,
    },
}

fn in_process(pid: Option<&u32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}

impl OpenError {
    /// What an error of `SQLite` on the database at `path` means to a person.
    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let reason = reason(error);
        let is = |codes: &[ErrorCode]| {
            error
                .sqlite_error_code()
                .is_some_and(|code| codes.contains(&code))
        };
        if is(&[ErrorCode::DiskFull]) {
            Self::Full { path }
        } else if is(&[
            ErrorCode::DatabaseBusy,
            ErrorCode::DatabaseLocked,
            ErrorCode::FileLockingProtocolFailed,
        ]) {
            Self::Locked { path }
        } else if is(&[ErrorCode::DatabaseCorrupt]) {
            Self::Damaged { path, reason }
        } else if is(&[ErrorCode::NotADatabase]) {
            Self::NotADatabase { path }
        } else if is(&[
            ErrorCode::ReadOnly,
            ErrorCode::CannotOpen,
            ErrorCode::PermissionDenied,
        ]) {
            Self::Access { path, reason }
        } else if is(&[ErrorCode::SystemIoFailure]) {
            Self::Io { path, reason }
        } else {
            Self::Failed { path, reason }
        }
    }

    /// What an error of the system on the file at `path` means to a person.
    pub(super) fn file(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        let reason = error.to_string();
        let is = |kinds: &[io::ErrorKind]| kinds.contains(&error.kind());
        if is(&[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded]) {
            Self::Full { path }
        } else if is(&[io::ErrorKind::IsADirectory]) {
            Self::NotAFile {
                path,
                what: "a directory",
            }
        } else {
            Self::Access { path, reason }
        }
    }

    /// Whether the database's own bytes are at fault, so that it must be looked through before it
    /// is trusted again.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::NotADatabase { .. })
    }
}

/// `SQLite`'s own words, with the extended code, which names the system call that failed.
fn reason(error: &rusqlite::Error) -> String {
    match error.sqlite_error() {
        Some(code) => format!("{error}, SQLite error {}", code.extended_code),
        None => error.to_string(),
    }
}
