//! The database that a restore replaces: kept under another name, and taken out of the way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::files;
use super::part::beside;
use super::restore::RestoreError;
use crate::domain::Timestamp;

/// Keeps the database under another name and takes its log away, so that what is put in its place
/// does not meet it.
pub(super) fn set_aside(
    database: &Path,
    before: Option<&fs::Metadata>,
    now: Timestamp,
) -> Result<Option<PathBuf>, RestoreError> {
    let failed = |cause, kept| RestoreError::Failed {
        what: format!("set {} aside", database.display()),
        cause,
        kept,
    };
    let holds = before.is_some_and(|before| before.len() > 0);
    let log = beside(database, "-wal");
    let has_log = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    let kept = if has_log || holds {
        let kept = keep(database, &log, has_log, now).map_err(|cause| failed(cause, None))?;
        Some(kept)
    } else {
        None
    };
    clear(database, has_log).map_err(|cause| failed(cause, kept.clone()))?;
    Ok(kept)
}

/// Gives the database and its log a second name each, under which they stay.
fn keep(database: &Path, log: &Path, has_log: bool, now: Timestamp) -> io::Result<PathBuf> {
    let time = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
    let stem = format!(".replaced-{}", time.strftime("%Y%m%dT%H%M%SZ"));
    let mut number = 1;
    let kept = loop {
        let kept = match number {
            1 => beside(database, &stem),
            again => beside(database, &format!("{stem}-{again}")),
        };
        match second_name(database, &kept) {
            Ok(()) => break kept,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            // Only its log is left of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => break kept,
            Err(error) => return Err(error),
        }
    };
    if has_log {
        second_name(log, &beside(&kept, "-wal"))?;
    }
    files::sync(database.parent().unwrap_or(Path::new("/")))?;
    Ok(kept)
}

/// Another name for the same file, or a copy of it where a file has only one.
fn second_name(file: &Path, name: &Path) -> io::Result<()> {
    match fs::hard_link(file, name) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            copy(file, name)
        }
        linked => linked,
    }
}

/// A copy for whom the original was for. Until it is whole it is for nobody else than us.
pub(super) fn copy(file: &Path, name: &Path) -> io::Result<()> {
    let mut from = File::open(file)?;
    let before = from.metadata()?;
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(name)?;
    io::copy(&mut from, &mut to)?;
    if rustix::process::geteuid().is_root() {
        fchown(&to, Some(before.uid()), Some(before.gid()))?;
    }
    to.set_permissions(before.permissions())?;
    to.sync_all()
}

/// Takes away what is beside the database.
fn clear(database: &Path, has_log: bool) -> io::Result<()> {
    if has_log {
        begin_clearing(database)?;
    }
    for suffix in ["-wal", "-shm", "-journal", ".unfinished"] {
        match fs::remove_file(beside(database, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    files::sync(database.parent().unwrap_or(Path::new("/")))
}

/// Puts [`files::UNFINISHED`] under the database's name.
pub(super) fn begin_clearing(database: &Path) -> io::Result<()> {
    let marker = beside(database, ".unfinished");
    let mut file = File::create(&marker)?;
    file.write_all(files::UNFINISHED)?;
    file.sync_all()?;
    fs::rename(&marker, database)?;
    files::sync(database.parent().unwrap_or(Path::new("/")))
}
