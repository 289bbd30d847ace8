//! Room that can be taken away from a daemon and given back.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tempfile::TempDir;

use crate::daemon::{Daemon, Setup, setup};

impl Daemon {
    /// Sets the size above which its files cannot grow; `None` lifts it again.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let maximum = getrlimit(Resource::Fsize).maximum;
        let current = bytes.or(maximum);
        let pid = Pid::from_raw(self.id().cast_signed());
        prlimit(pid, Resource::Fsize, Rlimit { current, maximum }).unwrap();
    }
}

/// What a daemon's files are on.
pub(super) enum Room {
    /// Any disk: its files are kept from growing instead.
    Limited,
    /// A small file system of its own, which is filled up.
    Small(Mounted),
}

impl Room {
    /// A daemon whose room can be taken away.
    pub(super) fn setup(&self) -> Setup {
        match self {
            Self::Limited => setup(),
            Self::Small(mounted) => {
                let database = mounted.dir.path().join("pushd.db");
                setup().store(&format!("sqlite:{}", database.display()))
            }
        }
    }

    pub(super) fn take_away(&self, daemon: &Daemon) {
        match self {
            Self::Limited => daemon.limit_files(Some(0)),
            Self::Small(mounted) => mounted.fill(),
        }
    }

    pub(super) fn give_back(&self, daemon: &Daemon) {
        match self {
            Self::Limited => daemon.limit_files(None),
            Self::Small(mounted) => fs::remove_file(mounted.filler()).unwrap(),
        }
    }
}

/// A file system of 4 MiB in memory, which goes with its test.
pub(super) struct Mounted {
    pub(super) dir: TempDir,
}

impl Mounted {
    /// Mounts it; `None`, and a loud word, where that is forbidden, as in most containers.
    pub(super) fn small() -> Option<Self> {
        let dir = TempDir::with_prefix("pushd-full-").unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=4m", "none"])
            .arg(dir.path());
        let output = mount.output().expect("mount(8) is on every Linux");
        if output.status.success() {
            return Some(Self { dir });
        }
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let text = format!(
            "\nNOT TESTED: a full file system, because none may be mounted here ({why}); only files that cannot grow were\n"
        );
        // Past the test runner, which keeps what is printed by tests that pass.
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        None
    }

    fn filler(&self) -> PathBuf {
        self.dir.path().join("filler")
    }

    /// Takes the last byte.
    pub(super) fn fill(&self) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        for size in [64 * 1024, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a daemon that is being killed may still have it open.
        drop(
            Command::new("umount")
                .arg("-l")
                .arg(self.dir.path())
                .status(),
        );
    }
}
