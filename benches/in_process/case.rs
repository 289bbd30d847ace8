//! One benchmark: how its operation is prepared, and how often it can be done.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// An operation that is ready to be done again and again.
pub(crate) type Operation = Box<dyn FnMut()>;

/// One benchmark.
pub(crate) struct Case {
    /// Its name: the part of the daemon, a slash, and what is done.
    pub(crate) name: String,
    /// How many times its operation can be done before it has to be prepared anew: what is written
    /// stays.
    pub(crate) lasts: u64,
    /// How many times it is done when instructions are counted, first so often and then twice.
    pub(crate) times: u64,
    /// What one operation does so many times, such as waking a subscriber.
    pub(crate) parts: u64,
    prepare: Box<dyn Fn(&Room) -> Operation>,
}

/// Where an operation finds room for what it needs, and how much of it.
pub(crate) struct Room {
    folder: Folder,
    is_small: bool,
}

enum Folder {
    Ours(TempDir),
    Given(PathBuf),
}

impl Case {
    /// A benchmark that can be done without end.
    pub(crate) fn new(
        name: impl Into<String>,
        prepare: impl Fn(&Room) -> Operation + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            lasts: u64::MAX,
            times: 500,
            parts: 1,
            prepare: Box::new(prepare),
        }
    }

    /// The same, which has to be prepared anew after so many times.
    pub(crate) fn lasting(self, lasts: u64) -> Self {
        Self { lasts, ..self }
    }

    /// The same, which is done so often, and twice as often, when instructions are counted.
    pub(crate) fn counted(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// The same, of which each does something so many times.
    pub(crate) fn of(self, parts: u64) -> Self {
        Self { parts, ..self }
    }

    /// The part of the daemon.
    pub(crate) fn group(&self) -> &str {
        self.name.split_once('/').map_or("", |(group, _)| group)
    }

    /// What is done there.
    pub(crate) fn rest(&self) -> &str {
        self.name.split_once('/').map_or("", |(_, rest)| rest)
    }
}

/// An operation, and how many times it can still be done.
pub(crate) struct Prepared<'a> {
    case: &'a Case,
    room: &'a Room,
    operation: Operation,
    left: u64,
}

impl<'a> Prepared<'a> {
    /// Prepares the operation.
    pub(crate) fn new(case: &'a Case, room: &'a Room) -> Self {
        Self {
            case,
            room,
            operation: (case.prepare)(room),
            left: case.lasts,
        }
    }

    /// How many times it can be done; it is prepared anew when it could not be done any more.
    pub(crate) fn left(&mut self) -> u64 {
        if self.left == 0 {
            // The old one goes first, with the files and the memory that it has.
            self.operation = Box::new(|| ());
            *self = Self::new(self.case, self.room);
        }
        self.left
    }

    /// Does it so many times. A profile begins and ends with this.
    #[inline(never)]
    pub(crate) fn repeat(&mut self, times: u64) {
        self.left -= times;
        for _ in 0..times {
            (self.operation)();
        }
    }
}

impl Room {
    /// Room for large stores, in a temporary folder.
    pub(crate) fn large() -> Self {
        Self {
            folder: Folder::new(),
            is_small: false,
        }
    }

    /// Room for small stores, in a temporary folder.
    pub(crate) fn small() -> Self {
        Self {
            folder: Folder::new(),
            is_small: true,
        }
    }

    /// Room for large stores, in this folder, where the next to come finds them.
    pub(crate) fn kept(folder: PathBuf) -> Self {
        Self {
            folder: Folder::Given(folder),
            is_small: false,
        }
    }

    /// How many requests a large store has.
    pub(crate) fn many(&self) -> u64 {
        if self.is_small { 300 } else { 100_000 }
    }

    /// Where what is large is kept.
    pub(crate) fn folder(&self) -> &Path {
        match &self.folder {
            Folder::Ours(folder) => folder.path(),
            Folder::Given(folder) => folder,
        }
    }
}

impl Folder {
    fn new() -> Self {
        let folder = TempDir::new().expect("there is room for temporary files");
        Self::Ours(folder)
    }
}
