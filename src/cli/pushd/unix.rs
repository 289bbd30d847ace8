//! The files of Unix sockets: made, found to be left over, and removed.
//!
//! A daemon that was killed leaves its file behind, and nobody can listen there until it is gone.
//! It is removed only when it is a socket on which nobody listens, and only under a lock beside it:
//! otherwise two daemons that start at once could each remove what the other has just made.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::OFlags;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::time::timeout;

use crate::limits;

/// The file of a socket that this process listens on; removed when this is dropped, if it is still
/// the same.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    place: (u64, u64),
    // Held to the end. Its file stays, because somebody who has just opened it would lock a file
    // that nobody else can see.
    _lock: File,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let still_ours = place(&self.path).is_some_and(|place| place == self.place);
        if still_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket's file stays");
        }
    }
}

/// Listens at `path`, whose file gets the permissions `mode`.
///
/// # Errors
/// Somebody listens there, something else is there, or the folder is not for us to write.
pub(super) async fn listen(path: &Path, mode: u32) -> anyhow::Result<(UnixListener, SocketFile)> {
    let lock = lock(path)?;
    make_room(path).await?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(path).with_context(|| remedy(path))?;
    // Before anybody can connect.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .context("cannot set the permissions of --unix-mode")?;
    let place = place(path).context("its file was removed at once")?;
    let file = SocketFile {
        path: path.to_owned(),
        place,
        _lock: lock,
    };
    let listener = socket.listen(limits::LISTEN_BACKLOG)?;
    Ok((listener, file))
}

fn remedy(path: &Path) -> String {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).display();
    format!("the folder {folder} has to be there, and this user has to be allowed to write to it")
}

/// Which file this is, whatever it is called.
fn place(path: &Path) -> Option<(u64, u64)> {
    let file = fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

fn lock(path: &Path) -> anyhow::Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        // A link would lead to a file that is not ours.
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(&beside);
    let file = opened.with_context(|| format!("{}: {}", beside.display(), remedy(path)))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another pushd listens there"),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", beside.display()))
        }
    }
}

/// Removes what a daemon that is no more has left there.
async fn make_room(path: &Path) -> anyhow::Result<()> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| remedy(path)),
    };
    if !file.file_type().is_socket() {
        bail!("there is something else, which is not removed; name another path");
    }
    match timeout(limits::SOCKET_LOOK, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).context("a daemon has left its file behind; remove it")?;
            tracing::info!(path = %path.display(), "a socket that nobody listened on was removed");
            Ok(())
        }
        // Whoever does not take a connection in time still listens.
        Ok(Ok(_)) | Err(_) => bail!("somebody listens there; is it another pushd?"),
        Ok(Err(error)) => Err(error).context("cannot tell whether somebody listens there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_somebody_elses_by_now_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (listener, file) = listen(&path, 0o600).await.unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "something else").unwrap();
        drop((listener, file));
        assert_eq!(fs::read_to_string(&path).unwrap(), "something else");
    }
}
