//! Whether a file is still the one it was, without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Which file it is and when it was last touched.
///
/// Whoever writes a file can set its modification time back, but not the time of its last change
/// of any kind (`st_ctime` of inode(7)), so both are kept. A new name, owner or mode counts as a
/// change, too: it is better to ask once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// Of the file that this was told of.
    pub(super) fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}
