//! Backups beside a running daemon, and what becomes of everybody when one is restored.

mod backups;
mod interrupted;
mod restores;
mod wrong_files;

use std::fs;
use std::path::Path;

use crate::daemon::{Daemon, Ran, Setup};

impl Ran {
    /// What a command said that has worked.
    fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(self.stderr, "");
        self.stdout
    }

    /// What a command said that was refused with this exit code, in one line.
    fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self.stderr
    }
}

impl Setup {
    /// Copies the database to the file of this name in its directory.
    fn back_up(&self, name: &str) -> String {
        self.run(&["backup", &self.name(name)]).done()
    }

    /// Puts the backup of this name in the place of the database.
    fn put_back(&self, name: &str) -> String {
        self.run(&["restore", &self.name(name)]).done()
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The names of the files in its directory.
    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Daemon {
    /// Ends it as a service manager does.
    async fn stopped(mut self) -> Self {
        self.signal(rustix::process::Signal::TERM);
        assert_eq!(self.ended().await, Some(0));
        self
    }
}

/// A `SQLite` header field, which stands in four bytes (`SQLite` file format, section 1.3).
fn set_header(file: &Path, offset: usize, value: u32) {
    let mut bytes = fs::read(file).unwrap();
    bytes[offset..offset + 4].copy_from_slice(&value.to_be_bytes());
    fs::write(file, bytes).unwrap();
}
