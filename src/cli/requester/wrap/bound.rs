//! Files whose contents an approval is bound to.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};

use super::digest::Digest;
use crate::limits;

/// A file, and what was in it.
#[derive(Debug)]
pub(super) struct BoundFile {
    /// As it was named.
    pub(super) path: PathBuf,
    /// What was in it.
    pub(super) digest: Digest,
}

impl BoundFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It cannot be read, is no regular file, or has more than [`limits::BIND_BYTES`].
    pub(super) fn read(path: PathBuf) -> anyhow::Result<Self> {
        let digest = digest(&path).with_context(|| format!("--bind {}", path.display()))?;
        Ok(Self { path, digest })
    }

    /// Reads it again.
    ///
    /// # Errors
    /// It is not what it was; the error names it.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let path = self.path.display();
        let now = digest(&self.path).with_context(|| format!("{path} cannot be read any more"))?;
        if now != self.digest {
            bail!("{path} has changed since the ask");
        }
        Ok(())
    }
}

fn digest(path: &Path) -> anyhow::Result<Digest> {
    // What has no writer yet, as a pipe, must not hold us; a regular file does not mind.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(anyhow!(
            "it is no regular file, and could not be read again"
        ));
    }
    Ok(Digest::of(file, limits::BIND_BYTES).map_err(io::Error::other)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_bound_to_what_is_in_it_and_not_to_when_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.out");
        fs::write(&path, "a").unwrap();
        let bound = BoundFile::read(path.clone()).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a").unwrap();
        bound.check().unwrap();
        fs::write(&path, "b").unwrap();
        let changed = format!("{:#}", bound.check().unwrap_err());
        assert!(changed.contains("plan.out has changed"), "{changed}");
        fs::remove_file(&path).unwrap();
        let gone = format!("{:#}", bound.check().unwrap_err());
        assert!(
            gone.contains("plan.out cannot be read any more: No such"),
            "{gone}"
        );
    }

    #[test]
    fn what_cannot_be_read_twice_is_refused_by_its_name() {
        for path in ["/dev/null", "/", "/none"] {
            let error = format!("{:#}", BoundFile::read(path.into()).unwrap_err());
            assert!(error.starts_with(&format!("--bind {path}: ")), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert!(BoundFile::read(pipe).is_err());
    }
}
