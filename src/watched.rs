//! Files that are read again when they change: the daemon obeys a new token or certificate without
//! a restart.
//!
//! It looks at the files' marks instead of asking the system to tell: that works the same for a
//! file that is written in place, one that is replaced by a rename, a link that is switched (as
//! Kubernetes does it), and a network file system. It knows nothing of what is in the files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use tokio::time::sleep;

use crate::limits;

/// A number of files, and what they looked like last.
#[derive(Debug)]
pub struct Watched {
    paths: Vec<PathBuf>,
    marks: Vec<Option<Mark>>,
    /// A change that was not told yet, and how many looks have found the files changing.
    untold: Option<u32>,
}

/// What tells one state of a file from the next. A write changes at least the time of the last
/// change, in nanoseconds, which nobody can set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    place: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watched {
    /// Watches these files from now on. To miss nothing, make it before the files are read.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let marks = marks(&paths);
        Self {
            paths,
            marks,
            untold: None,
        }
    }

    /// Waits until one of the files is another than it was, has come, or has gone, and then has
    /// stayed as it is from one look to the next: whoever writes a file in place writes an empty one
    /// first. Looks are [`limits::FILE_LOOK`] apart, and after [`limits::FILE_LOOKS`] of them a file
    /// that keeps changing is told of all the same.
    ///
    /// Safe to drop and call again: a change is told by a call that returns.
    pub async fn changed(&mut self) {
        loop {
            sleep(limits::FILE_LOOK).await;
            let paths = self.paths.clone();
            // A file system may hang, and would take a thread of the runtime with it.
            let Ok(marks) = tokio::task::spawn_blocking(move || marks(&paths)).await else {
                continue;
            };
            let is_another = marks != self.marks;
            self.marks = marks;
            match self.untold {
                None if is_another => self.untold = Some(1),
                None => {}
                Some(looks) if is_another && looks < limits::FILE_LOOKS => {
                    self.untold = Some(looks + 1);
                }
                Some(_) => {
                    self.untold = None;
                    return;
                }
            }
        }
    }
}

fn marks(paths: &[PathBuf]) -> Vec<Option<Mark>> {
    let mark = |path: &PathBuf| {
        let file = fs::metadata(path).ok()?;
        Some(Mark {
            place: (file.dev(), file.ino()),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    };
    paths.iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn every_way_to_change_a_file_is_noticed_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut watched = Watched::new(vec![folder.path().join("other"), path.clone()]);
        fs::write(&path, "one").unwrap();
        watched.changed().await;
        // The same length in place: only the times tell.
        fs::write(&path, "two").unwrap();
        watched.changed().await;
        let next = folder.path().join("next");
        fs::write(&next, "two").unwrap();
        fs::rename(&next, &path).unwrap();
        watched.changed().await;
        fs::remove_file(&path).unwrap();
        watched.changed().await;
        fs::write(&next, "three").unwrap();
        symlink(&next, &path).unwrap();
        watched.changed().await;
        let again = tokio::time::timeout(limits::FILE_LOOK * 3, watched.changed());
        assert!(again.await.is_err(), "nothing has changed");
    }
}
