//! The database's file and directory, before `SQLite` sees them.
//!
//! `SQLite` would make a file that everybody may read, take a file without write permission for
//! one that shall only be read, and call every fault "unable to open database file".

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::error::OpenError;
use super::part::beside;

/// What stands under the database's name while its log is being removed for a restore: neither a
/// database nor empty, so that a daemon that is started after a crash in between refuses it.
pub(super) const UNFINISHED: &[u8] = b"pushd restore was not finished; run it again.\n";

/// Makes the file and its directory when they are missing, for their owner alone, and answers the
/// file's one absolute name, free of symbolic links.
///
/// The absolute name also keeps `SQLite` from reading a name such as `file:x?mode=memory` or
/// `:memory:` as something else than a file.
pub(super) fn prepare(path: &Path) -> Result<PathBuf, OpenError> {
    let path = std::path::absolute(path).map_err(|error| OpenError::file(path, &error))?;
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => {
            return Err(OpenError::NotAFile {
                path,
                what: "a directory",
            });
        }
        Ok(found) if !found.is_file() => {
            return Err(OpenError::NotAFile {
                path,
                what: "not a regular file",
            });
        }
        Ok(found) if found.len() == 0 => refuse_orphaned(&path, "it is empty")?,
        Ok(found) if found.len() == UNFINISHED.len() as u64 => refuse_unfinished(&path)?,
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            refuse_orphaned(&path, "it is not there")?;
            create(&path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let parent = path.parent().unwrap_or(&path);
            return Err(OpenError::Directory {
                path: parent.to_owned(),
                cause: error,
            });
        }
        Err(error) => return Err(OpenError::file(&path, &error)),
    }
    let path = fs::canonicalize(&path).map_err(|error| OpenError::file(&path, &error))?;
    // Asked of the system instead of tried: opening and closing the file would let go of the
    // locks that this process may hold on it (POSIX fcntl, "Advisory Record Locking").
    let wanted = Access::READ_OK | Access::WRITE_OK;
    rustix::fs::access(&path, wanted).map_err(|error| OpenError::file(&path, &error.into()))?;
    Ok(path)
}

/// An empty or missing file is a database to be made, unless the log of one stands beside it:
/// `SQLite` would throw that away, and with it the last commits of a database that somebody has
/// emptied or moved.
fn refuse_orphaned(path: &Path, why: &str) -> Result<(), OpenError> {
    match fs::metadata(beside(path, "-wal")) {
        Ok(log) if log.len() > 0 => Err(OpenError::Damaged {
            path: path.to_owned(),
            reason: format!("{why}, but its write-ahead log is there"),
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn refuse_unfinished(path: &Path) -> Result<(), OpenError> {
    // Nobody has this file open, so that reading it lets go of no lock: it is no database.
    match fs::read(path) {
        Ok(bytes) if bytes == UNFINISHED => Err(OpenError::Unfinished {
            path: path.to_owned(),
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn create(path: &Path) -> Result<(), OpenError> {
    let parent = path.parent().unwrap_or(path);
    create_directory(parent).map_err(|cause| OpenError::Directory {
        path: parent.to_owned(),
        cause,
    })?;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.sync_all())
        .and_then(|()| sync(parent))
        .map_err(|error| OpenError::file(path, &error))
}

/// Makes a directory and those above it. Each entry is made durable: a database that a power cut
/// can take out of its directory keeps no promise.
pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_directory(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => Err(error),
        Ok(()) | Err(_) => path.parent().map_or(Ok(()), sync),
    }
}

/// Makes the entries of a directory durable.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
