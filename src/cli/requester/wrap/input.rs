//! Standard input that was read before the ask, and is given to the command afterwards.
//!
//! It is kept where nobody finds it by a name, and on Linux where nobody can change it either.

use std::fs::File;
use std::io::{self, Read, Seek as _};

use anyhow::{Context as _, bail};

use super::digest::Digest;
use crate::limits;

/// What was read.
#[derive(Debug)]
pub(super) struct Input {
    kept: File,
    /// What it was.
    pub(super) digest: Digest,
}

impl Input {
    /// Reads all of `from`.
    ///
    /// # Errors
    /// It cannot be read or kept, or has more than [`limits::STDIN_BYTES`].
    pub(super) fn keep(from: impl Read) -> anyhow::Result<Self> {
        let mut kept = place().context("there is no room to keep it in")?;
        let digest = Digest::copying(from, &mut kept, limits::STDIN_BYTES)?;
        seal(&kept).context("it cannot be kept from being changed")?;
        kept.rewind()?;
        Ok(Self { kept, digest })
    }

    /// Whether it still is what it was.
    ///
    /// # Errors
    /// It is not, or cannot be read.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let mut kept = &self.kept;
        kept.rewind()?;
        let now = Digest::of(kept, limits::STDIN_BYTES)?;
        if now != self.digest {
            bail!("it has changed since the ask");
        }
        kept.rewind()?;
        Ok(())
    }

    /// The same, to be read from its start.
    ///
    /// # Errors
    /// The system gives no descriptor.
    pub(super) fn reader(&self) -> io::Result<File> {
        let mut reader = self.kept.try_clone()?;
        reader.rewind()?;
        Ok(reader)
    }
}

/// A file without a name, of this process alone.
#[cfg(target_os = "linux")]
fn place() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(memfd_create("stdin", flags)?.into())
}

/// From now on nobody can change it, not even through `/proc`.
#[cfg(target_os = "linux")]
fn seal(kept: &File) -> io::Result<()> {
    use rustix::fs::{SealFlags, fcntl_add_seals};
    let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    Ok(fcntl_add_seals(kept, all)?)
}

#[cfg(not(target_os = "linux"))]
fn place() -> io::Result<File> {
    tempfile::tempfile()
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn seal(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_was_read_is_given_on_exactly_and_as_often_as_one_likes() {
        let bytes = b"a\0\xff\n".repeat(100_000);
        let input = Input::keep(&*bytes).unwrap();
        assert_eq!(input.digest.bytes, 400_000);
        for _ in 0..2 {
            input.check().unwrap();
            let mut read = Vec::new();
            input.reader().unwrap().read_to_end(&mut read).unwrap();
            assert!(read == bytes);
        }
    }

    #[test]
    fn there_is_a_limit() {
        let error = Input::keep(io::repeat(b'a')).unwrap_err();
        assert!(
            format!("{error:#}").contains("more than 64 MiB"),
            "{error:#}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nobody_can_change_it_not_even_through_proc() {
        use std::os::fd::AsRawFd as _;
        let mut input = Input::keep(&b"yes"[..]).unwrap();
        assert!(input.kept.write_all(b"no").is_err());
        assert!(input.kept.set_len(1).is_err());
        let path = format!("/proc/self/fd/{}", input.kept.as_raw_fd());
        let other = File::options().write(true).open(path);
        assert!(other.is_err() || other.unwrap().write_all(b"no").is_err());
        input.check().unwrap();
    }
}
