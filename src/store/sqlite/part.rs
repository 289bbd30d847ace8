//! A file that gets its name only once it is whole and on the disk.
//!
//! It grows under its later name with `.part` behind it, in the same directory, so that the last
//! step is a rename, which happens or does not. What a crash leaves behind is used again by the
//! next writer, so leftovers do not add up.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::files;

/// The file while it grows. Dropped before it is [published](Self::publish), it is removed.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    path: PathBuf,
    target: PathBuf,
    published: bool,
}

impl Part {
    /// Begins the file that will be `target`: empty, and for its owner alone.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process writes it, or the system's.
    pub(super) fn begin(target: &Path) -> io::Result<Self> {
        let path = beside(target, ".part");
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path)?;
            file.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => io::Error::from(io::ErrorKind::WouldBlock),
                TryLockError::Error(error) => error,
            })?;
            // Whoever held the lock before may have published the file meanwhile: what is locked
            // now would then be somebody's finished work, under its new name.
            if is_at(&file, &path)? {
                file.set_len(0)?;
                file.set_permissions(Permissions::from_mode(0o600))?;
                remove_companions(&path)?;
                return Ok(Self {
                    file,
                    path,
                    target: target.to_owned(),
                    published: false,
                });
            }
        }
    }

    /// Its name while it grows.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Makes the file durable and gives it its name; with `replace` in place of one that is there.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] without `replace`, or the system's.
    pub(super) fn publish(mut self, replace: bool) -> io::Result<()> {
        self.file.sync_all()?;
        if replace {
            fs::rename(&self.path, &self.target)?;
        } else {
            rename_to_free(&self.path, &self.target)?;
        }
        self.published = true;
        files::sync(self.target.parent().unwrap_or(Path::new("/")))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.published {
            // It says itself by its name that it is not finished.
            drop(remove_companions(&self.path));
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Removes what `SQLite` may have left beside the file: the journal of another file that had this
/// name would be played back into this one.
fn remove_companions(path: &Path) -> io::Result<()> {
    for suffix in ["-journal", "-wal", "-shm"] {
        match fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// `path` with something behind its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that cannot do it in one step.
        Err(Errno::INVAL | Errno::NOSYS) => {
            if fs::symlink_metadata(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        renamed => Ok(renamed?),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn it_has_its_name_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("copy");
        let mut part = Part::begin(&target).unwrap();
        part.file().write_all(b"half").unwrap();
        assert!(!target.exists());
        let second = Part::begin(&target).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::WouldBlock);
        drop(part);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut part = Part::begin(&target).unwrap();
        part.file().write_all(b"whole").unwrap();
        part.publish(false).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_that_is_taken_stays_what_it_is_unless_it_shall_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("copy");
        fs::write(&target, "old").unwrap();
        let refused = Part::begin(&target).unwrap().publish(false).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        Part::begin(&target).unwrap().publish(true).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
    }

    #[test]
    fn what_a_crash_left_behind_is_used_again_and_a_link_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("copy");
        fs::write(beside(&target, ".part"), "left behind").unwrap();
        fs::write(beside(&target, ".part-journal"), "of another file").unwrap();
        Part::begin(&target).unwrap().publish(false).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let diary = dir.path().join("diary");
        fs::write(&diary, "precious").unwrap();
        std::os::unix::fs::symlink(&diary, beside(&target, ".part")).unwrap();
        assert!(Part::begin(&target).is_err());
        assert_eq!(fs::read(&diary).unwrap(), b"precious");
    }
}
