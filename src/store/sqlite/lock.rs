//! The lock file that keeps a second daemon off a database.
//!
//! `SQLite`'s own locks cannot do it: they come and go with each transaction, and two daemons
//! taking turns would each believe in a head that the other has moved.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::error::OpenError;
use super::part;

/// Holds the lock until it is dropped, or the process ends in whatever way.
///
/// The file stays behind: if it were removed, a daemon that has just opened it would lock a file
/// that nobody else can see.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// More than the digits of a process id.
const PID_BYTES: u64 = 32;

impl Lock {
    /// Takes the lock of the database at `path`, which is free of symbolic links, so that every
    /// name of one database leads to one lock.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let lock_path = beside(path);
        let failed = |cause| OpenError::Lock {
            path: lock_path.clone(),
            cause,
        };
        let mut file = open(&lock_path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse {
                    path: path.to_owned(),
                    pid: holder(&file),
                });
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        // Only for the message above. A full disk must not keep a daemon from its database, so
        // that this fails is no failure.
        let written = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = written {
            tracing::warn!(path = %lock_path.display(), %error, "cannot note the process id");
        }
        Ok(Self { _file: file })
    }
}

/// Opens the file or makes it, and changes nothing in it: it may be another daemon's. A link would
/// lead the writing that follows to a file that is not ours.
fn open(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path);
    opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::other("it is a symbolic link; remove it"),
        _ => error,
    })
}

/// `pushd.db.lock` for `pushd.db`.
fn beside(path: &Path) -> PathBuf {
    part::beside(path, ".lock")
}

fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    match file.take(PID_BYTES).read_to_string(&mut text) {
        Ok(_) => text.trim().parse().ok(),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pushd.db");
        let held = Lock::take(&path).unwrap();
        let refused = Lock::take(&path).unwrap_err();
        let pid = std::process::id();
        assert!(matches!(&refused, OpenError::InUse { pid: Some(p), .. } if *p == pid));
        let text = refused.to_string();
        assert!(text.contains(&pid.to_string()), "{text}");
        assert!(text.contains("pushd.db is in use"), "{text}");
        drop(held);
        assert!(Lock::take(&path).is_ok());
    }

    /// Followed, a link would let whoever may write beside the database empty any file of the
    /// daemon's user.
    #[test]
    fn a_symbolic_link_in_its_place_is_refused_and_its_target_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("pushd.db"), dir.path().join("diary"));
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, beside(&path)).unwrap();
        let refused = Lock::take(&path).unwrap_err();
        assert!(matches!(refused, OpenError::Lock { .. }), "{refused}");
        let text = refused.to_string();
        assert!(text.contains("is a symbolic link"), "{text}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }

    #[test]
    fn a_lock_file_full_of_garbage_is_only_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pushd.db");
        std::fs::write(beside(&path), [0xff; 100]).unwrap();
        let held = Lock::take(&path).unwrap();
        let noted = std::fs::read_to_string(beside(&path)).unwrap();
        assert_eq!(noted.trim(), std::process::id().to_string());
        drop(held);
    }
}
