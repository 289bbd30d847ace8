//! Which file a command's name stands for.
//!
//! It is looked up once, as execvp(3) does, and what was found is shown, watched and run: the
//! search path may lead elsewhere an hour later.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::identity::Identity;
use crate::cli::exit;

/// Where programs are looked for when the environment does not say (confstr(3), `_CS_PATH`).
const DEFAULT_SEARCH: &str = "/bin:/usr/bin";

/// The file that is run.
#[derive(Debug)]
pub(super) struct Program {
    /// As it is given to the system. It has a slash in it, so that nobody looks it up again.
    pub(super) path: PathBuf,
    /// Which file that is.
    identity: Identity,
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoProgram {
    /// There is no such file.
    #[error("there is no program {}; check its name and PATH", .0.display())]
    NotFound(OsString),
    /// There is one, and it cannot be run.
    #[error("the program {} cannot be run: {error}", path.display())]
    NotRunnable {
        /// Where.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It is a script, and what it is a script for cannot be run.
    #[error("the script {} is for {}, which cannot be run: {error}", path.display(), interpreter.display())]
    NoInterpreter {
        /// Where the script is.
        path: PathBuf,
        /// What its first line names.
        interpreter: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

impl NoProgram {
    /// The exit code, as env(1), nohup(1) and timeout(1) have it.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::NotFound(_) => exit::NOT_FOUND,
            Self::NotRunnable { .. } => exit::NOT_RUNNABLE,
            Self::NoInterpreter { error, .. } => code(error),
        }
    }
}

/// The exit code for a program that could not be run for this reason.
pub(super) fn code(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound {
        exit::NOT_FOUND
    } else {
        exit::NOT_RUNNABLE
    }
}

impl Program {
    /// Looks `name` up in the list `search`, unless it has a slash in it.
    ///
    /// # Errors
    /// There is none, or none that may be run.
    pub(super) fn look_up(name: &OsStr, search: Option<&OsStr>) -> Result<Self, NoProgram> {
        if name.as_bytes().contains(&b'/') {
            return Self::at(PathBuf::from(name)).map_err(|(path, error)| {
                if error.kind() == io::ErrorKind::NotFound {
                    NoProgram::NotFound(name.to_owned())
                } else {
                    NoProgram::NotRunnable { path, error }
                }
            });
        }
        let search = search.unwrap_or_else(|| OsStr::new(DEFAULT_SEARCH));
        let mut forbidden = None;
        // An empty name would be found as the folder itself.
        let folders = search.as_bytes().split(|byte| *byte == b':');
        for folder in folders.filter(|_| !name.is_empty()) {
            // An empty folder is the one in which we are.
            let folder = if folder.is_empty() { b"." } else { folder };
            match Self::at(Path::new(OsStr::from_bytes(folder)).join(name)) {
                Ok(program) => return Ok(program),
                Err((path, error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                    forbidden = forbidden.or(Some(NoProgram::NotRunnable { path, error }));
                }
                // Whatever else is wrong with one folder, the next may have it.
                Err(_) => {}
            }
        }
        Err(forbidden.unwrap_or_else(|| NoProgram::NotFound(name.to_owned())))
    }

    fn at(path: PathBuf) -> Result<Self, (PathBuf, io::Error)> {
        match runnable(&path) {
            Ok(identity) => Ok(Self { path, identity }),
            Err(error) => Err((path, error)),
        }
    }

    /// The same, unless it is a script whose interpreter (execve(2)) is not there: better said now
    /// than when the approval is used up.
    ///
    /// # Errors
    /// It is not there, or may not be run.
    pub(super) fn interpreted(self) -> Result<Self, NoProgram> {
        let Some(interpreter) = interpreter(&self.path) else {
            return Ok(self);
        };
        match runnable(&interpreter) {
            Ok(_) => Ok(self),
            Err(error) => Err(NoProgram::NoInterpreter {
                path: self.path,
                interpreter,
                error,
            }),
        }
    }

    /// Whether its path still leads to the same file, as it was.
    ///
    /// # Errors
    /// There is nothing to be run there any more.
    pub(super) fn is_same(&self) -> io::Result<bool> {
        Ok(runnable(&self.path)? == self.identity)
    }
}

/// The file at `path`, if we may run it. A folder has the same permission, and is no program.
fn runnable(path: &Path) -> io::Result<Identity> {
    let found = std::fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::from(rustix::io::Errno::ACCESS));
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)?;
    Ok(Identity::of(&found))
}

/// What the first line of a script names; `None` for what is none, or may be run but not read.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    let file = File::open(path).ok()?;
    file.take(SCRIPT_HEAD).read_to_end(&mut head).ok()?;
    let line = head
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t'));
    let name = words.find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(name)))
}

/// Bytes that Linux reads of a script to find its interpreter.
const SCRIPT_HEAD: u64 = 256;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    fn script(folder: &Path, name: &str, mode: u32) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn folders(parts: &[&Path]) -> OsString {
        std::env::join_paths(parts).unwrap()
    }

    fn code(name: impl AsRef<OsStr>, search: &OsStr) -> u8 {
        Program::look_up(name.as_ref(), Some(search))
            .unwrap_err()
            .code()
    }

    #[test]
    fn the_first_that_can_be_run_is_taken() {
        let dir = TempDir::new().unwrap();
        let (a, b, c) = (
            dir.path().join("a"),
            dir.path().join("b"),
            dir.path().join("c"),
        );
        script(&a, "deploy", 0o644);
        fs::create_dir_all(b.join("deploy")).unwrap();
        let right = script(&c, "deploy", 0o755);
        let search = folders(&[&dir.path().join("none"), &a, &b, &c]);
        let found = Program::look_up("deploy".as_ref(), Some(&search)).unwrap();
        assert_eq!(found.path, right);
    }

    #[test]
    fn not_found_is_127_and_not_runnable_126() {
        let dir = TempDir::new().unwrap();
        let plain = script(dir.path(), "plain", 0o644);
        let search = folders(&[dir.path()]);
        assert_eq!(code("none", &search), 127);
        assert_eq!(code("", &search), 127);
        assert_eq!(code(dir.path().join("none"), &search), 127);
        assert_eq!(code("plain", &search), 126);
        assert_eq!(code(&plain, &search), 126);
        assert_eq!(code(dir.path(), &search), 126);
        assert_eq!(code(plain.join("below"), &search), 126);
    }

    #[test]
    fn what_is_found_where_we_are_keeps_a_slash() {
        // The suite runs in the folder of the package, where scripts are in a folder of theirs.
        let found = Program::look_up("demo.sh".as_ref(), Some("scripts".as_ref())).unwrap();
        assert_eq!(found.path, Path::new("scripts/demo.sh"));
        let found = Program::look_up("scripts/demo.sh".as_ref(), None).unwrap();
        assert_eq!(found.path, Path::new("scripts/demo.sh"));
        let here = folders(&[Path::new("")]);
        let NoProgram::NotRunnable { path, .. } =
            Program::look_up("Cargo.toml".as_ref(), Some(&here)).unwrap_err()
        else {
            panic!()
        };
        assert_eq!(path, Path::new("./Cargo.toml"));
    }

    #[test]
    fn without_a_search_path_there_is_the_systems() {
        let found = Program::look_up("sh".as_ref(), None).unwrap();
        assert_eq!(found.path, Path::new("/bin/sh"));
    }

    #[test]
    fn a_script_for_something_that_is_not_there_cannot_be_run() {
        let dir = TempDir::new().unwrap();
        let look = |head: &str| {
            let path = script(dir.path(), "script", 0o755);
            fs::write(&path, head).unwrap();
            let program = Program::look_up(path.as_ref(), None).unwrap();
            program.interpreted().map_err(|error| error.code())
        };
        for head in [
            "#!/bin/sh",
            "#! /bin/sh -e\n",
            "echo",
            "#!",
            "#!\n",
            "",
            "\u{7f}ELF",
        ] {
            assert!(look(head).is_ok(), "{head:?}");
        }
        assert_eq!(look("#!/none/sh -e\n").unwrap_err(), 127);
        assert_eq!(look("#!/etc/passwd\n").unwrap_err(), 126);
    }

    #[test]
    fn another_file_in_its_place_is_noticed() {
        let dir = TempDir::new().unwrap();
        let one = script(dir.path(), "one", 0o755);
        let two = script(dir.path(), "two", 0o755);
        let link = dir.path().join("link");
        symlink(&one, &link).unwrap();
        let found = Program::look_up(link.as_ref(), None).unwrap();
        assert!(found.is_same().unwrap());
        fs::remove_file(&link).unwrap();
        symlink(&two, &link).unwrap();
        assert!(!found.is_same().unwrap());

        let found = Program::look_up(two.as_ref(), None).unwrap();
        fs::write(&two, "#!/bin/sh\nrm -rf /\n").unwrap();
        assert!(!found.is_same().unwrap());
        fs::remove_file(&two).unwrap();
        assert!(found.is_same().is_err());
    }
}
