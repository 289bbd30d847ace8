//! Files that the daemon goes by, such as who may do what: nobody but their owner may write them.
//!
//! It knows nothing of what is in them.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Why a file is not gone by; the message names it, and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot read the {what} {}", path.display())]
    Read {
        /// What it is.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could change what is allowed.
    #[error(
        "others than its owner can write the {what} {} (mode {mode:o}); \
         chmod go-w {}", path.display(), path.display()
    )]
    Writable {
        /// What it is.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Larger than its bound.
    #[error("the {what} {} has {bytes} bytes, at most {most} are read", path.display())]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The bound.
        most: usize,
    },
}

/// Reads the text of a file of at most `most` bytes that nobody else may write; `what` says what it
/// is, in errors.
///
/// # Errors
/// See [`ReadError`].
pub fn read(what: &'static str, path: &Path, most: usize) -> Result<String, ReadError> {
    let failed = |source| ReadError::Read {
        what,
        path: path.to_owned(),
        source,
    };
    let about = fs::metadata(path).map_err(failed)?;
    let mode = about.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        let path = path.to_owned();
        return Err(ReadError::Writable { what, path, mode });
    }
    let bytes = about.len();
    if bytes > most as u64 {
        return Err(ReadError::TooLarge {
            what,
            path: path.to_owned(),
            bytes,
            most,
        });
    }
    fs::read_to_string(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_can_write_or_that_is_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.toml");
        let read = || read("some file", &path, 3).map_err(|error| error.to_string());
        let missing = read().unwrap_err();
        assert!(missing.contains("cannot read the some file"), "{missing}");
        fs::write(&path, "abc").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        let error = read().unwrap_err();
        assert!(error.contains("chmod go-w"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read().unwrap(), "abc");
        fs::write(&path, "abcd").unwrap();
        let error = read().unwrap_err();
        assert!(error.contains("4 bytes, at most 3"), "{error}");
    }
}
